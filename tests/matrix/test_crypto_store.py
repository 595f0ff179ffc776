"""nio's crypto store on disk."""

import logging
from pathlib import Path

import pytest
from nio.crypto import OlmDevice

from bot.errors import StorageError
from bot.matrix.crypto_store import (
    FILE,
    close_crypto_store,
    kept_device_keys,
    open_crypto_store,
)
from bot.matrix.session import Session
from storage import MasterKey

SESSION = Session("@../../../tmp/x:b", "DEVICE", "token")
KEY = MasterKey(bytes(32))


def fingerprint(folder: Path, key: MasterKey = KEY, *, must_exist: bool = False) -> str:
    client = open_crypto_store(SESSION, folder, key, must_exist=must_exist)
    found = str(client.olm.account.identity_keys["ed25519"])
    close_crypto_store(client)
    return found


def test_the_account_is_made_once_and_found_again(tmp_path: Path) -> None:
    made = fingerprint(tmp_path / "crypto")

    assert fingerprint(tmp_path / "crypto", must_exist=True) == made


def test_files_are_private_and_none_is_named_after_an_id(tmp_path: Path) -> None:
    fingerprint(tmp_path / "crypto")

    files = list((tmp_path / "crypto").iterdir())
    assert [file.name for file in files] == [FILE]
    assert files[0].stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "crypto").stat().st_mode & 0o777 == 0o700


def test_another_master_key_opens_nothing(tmp_path: Path) -> None:
    made = fingerprint(tmp_path / "crypto")

    with pytest.raises(StorageError, match=r"storage\.master_key is another one"):
        fingerprint(tmp_path / "crypto", MasterKey(bytes(31) + b"x"))
    assert fingerprint(tmp_path / "crypto") == made


def test_a_damaged_store_is_named(tmp_path: Path) -> None:
    fingerprint(tmp_path / "crypto")
    (tmp_path / "crypto" / FILE).write_bytes(b"no database" * 100)

    with pytest.raises(StorageError, match="damaged"):
        fingerprint(tmp_path / "crypto")


def test_a_missing_store_of_a_device_in_use_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="is gone"):
        fingerprint(tmp_path / "crypto", must_exist=True)
    assert not (tmp_path / "crypto" / FILE).exists()


def test_what_nio_and_peewee_would_log_is_silenced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    fingerprint(tmp_path / "crypto")

    assert [record.name for record in caplog.records] == []


def test_the_device_keys_are_read_from_beside_a_running_bot(tmp_path: Path) -> None:
    folder = tmp_path / "crypto"
    running = open_crypto_store(SESSION, folder, KEY, must_exist=False)
    before = (folder / FILE).read_bytes()

    keys = kept_device_keys(SESSION, folder, KEY)

    shown = running.olm.account.identity_keys
    assert (keys.ed25519, keys.curve25519) == (shown["ed25519"], shown["curve25519"])
    assert (folder / FILE).read_bytes() == before
    close_crypto_store(running)


def test_device_keys_that_cant_be_read_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "crypto"
    with pytest.raises(StorageError, match="can't be read"):
        kept_device_keys(SESSION, folder, KEY)
    fingerprint(folder)

    with pytest.raises(StorageError, match=r"storage\.master_key is another one"):
        kept_device_keys(SESSION, folder, MasterKey(bytes(31) + b"x"))
    with pytest.raises(StorageError, match="OTHER"):
        kept_device_keys(Session(SESSION.user_id, "OTHER"), folder, KEY)


def test_a_new_device_takes_over_the_room_keys_of_a_dead_one_and_nothing_else(
    tmp_path: Path,
) -> None:
    dead = open_crypto_store(SESSION, tmp_path, KEY, must_exist=False)
    keys = dead.olm.account.identity_keys
    dead.olm.create_outbound_group_session("!room")
    session_id = dead.olm.outbound_group_sessions["!room"].id
    phone = OlmDevice("@ann:b", "PHONE", {"ed25519": "a", "curve25519": "b"})
    dead.store.save_device_keys({"@ann:b": {"PHONE": phone}})
    dead.verify_device(phone)
    close_crypto_store(dead)
    new = Session(SESSION.user_id, "NEW", "token", replaces=SESSION.device_id)

    for _ in range(2):  # a start that was cut short is begun again
        client = open_crypto_store(new, tmp_path, KEY, must_exist=False)
        kept = client.olm.inbound_group_store.get("!room", keys["curve25519"], session_id)
        assert kept is not None
        assert client.olm.account.identity_keys["ed25519"] != keys["ed25519"]
        assert list(client.device_store) == []
        close_crypto_store(client)
    with pytest.raises(StorageError, match="can't be read"):
        kept_device_keys(SESSION, tmp_path, KEY)
