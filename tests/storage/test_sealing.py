"""Where the master key comes from, and that nothing opens with another."""

import base64
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import MasterKey, MasterKeyError, StorageFailure

RAW = bytes(range(32))


def test_hex_and_base64_spell_the_key_itself_and_make_no_file(data: Path) -> None:
    keys = [
        MasterKey.load(secret, data)
        for secret in (RAW.hex(), RAW.hex().upper() + "\n", base64.b64encode(RAW).decode())
    ]

    assert len({key.derive("x") for key in keys}) == 1
    assert not any(key.kept_beside_data for key in keys)
    assert not data.exists()


def test_without_a_secret_the_key_is_made_once_beside_the_data(data: Path) -> None:
    first = MasterKey.load("", data)
    second = MasterKey.load("", data)

    assert first.kept_beside_data
    assert first.derive("x") == second.derive("x")
    assert stat.S_IMODE((data / "master.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(data.stat().st_mode) == 0o700


def test_a_passphrase_is_stretched_with_a_salt_that_is_kept(data: Path, tmp_path: Path) -> None:
    first = MasterKey.load("correct horse battery staple", data)
    again = MasterKey.load("correct horse battery staple", data)
    elsewhere = MasterKey.load("correct horse battery staple", tmp_path / "other")

    assert not first.kept_beside_data
    assert first.derive("x") == again.derive("x")
    assert first.derive("x") != elsewhere.derive("x")
    assert stat.S_IMODE((data / "master.salt").stat().st_mode) == 0o600


@pytest.mark.parametrize("secret", ["z" * 64, "!" * 44, base64.b64encode(RAW[:31]).decode()])
def test_what_only_looks_like_a_key_is_a_passphrase(data: Path, secret: str) -> None:
    MasterKey.load(secret, data)

    assert (data / "master.salt").exists()


@pytest.mark.parametrize(("name", "secret"), [("master.key", ""), ("master.salt", "passphrase")])
def test_a_missing_or_short_file_is_never_replaced_once_there_is_data(
    data: Path, name: str, secret: str
) -> None:
    data.mkdir()
    (data / "shared.db").touch()

    with pytest.raises(MasterKeyError, match=f"{name} is missing or damaged"):
        MasterKey.load(secret, data)
    (data / name).write_bytes(b"short")
    with pytest.raises(MasterKeyError, match=f"{name} is missing or damaged"):
        MasterKey.load(secret, data)

    assert (data / name).read_bytes() == b"short"


def test_a_file_left_empty_by_a_crash_before_there_was_data_is_filled(data: Path) -> None:
    data.mkdir()
    (data / "master.key").touch()

    MasterKey.load("", data)

    assert len((data / "master.key").read_bytes()) == 32


def test_a_data_directory_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(MasterKeyError, match="can't be used"):
        MasterKey.load("", tmp_path / "file" / "data")


@given(st.binary(max_size=200), st.text(max_size=20), st.integers(min_value=0), st.binary())
def test_only_the_untouched_bytes_and_the_same_purpose_unseal(
    plaintext: bytes, purpose: str, position: int, other: bytes
) -> None:
    key = MasterKey(RAW)
    sealed = key.seal(purpose, plaintext)
    position %= len(sealed)
    flipped = sealed[:position] + bytes([sealed[position] ^ 1]) + sealed[position + 1 :]

    assert key.unseal(purpose, sealed) == plaintext
    assert plaintext not in sealed or len(plaintext) < 8
    for wrong in (flipped, sealed[:position], other):
        with pytest.raises(StorageFailure):
            key.unseal(purpose, wrong)
    with pytest.raises(StorageFailure):
        key.unseal(purpose + "x", sealed)
    with pytest.raises(StorageFailure):
        MasterKey(bytes(32)).unseal(purpose, sealed)


def test_purposes_have_keys_of_their_own_and_none_shows_the_master_key() -> None:
    key = MasterKey(RAW)

    derived = {key.derive(purpose) for purpose in ("a", "b", "seal a", "")}

    assert len(derived) == 4
    assert all(len(value) == 32 and value != RAW for value in derived)
    assert RAW.hex() not in repr(key)


def test_the_derivation_is_hkdf_with_sha256_as_rfc_5869_has_it() -> None:
    import hashlib
    import hmac

    extracted = hmac.digest(bytes(32), RAW, hashlib.sha256)
    expected = hmac.digest(extracted, b"confidant keyring\x01", hashlib.sha256)

    assert MasterKey(RAW).derive("keyring") == expected
