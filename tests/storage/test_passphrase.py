"""Files under a passphrase: what we seal the age program opens, and the other way round."""

import unicodedata
from pathlib import Path

import pytest

from storage import StorageFailure, is_sealed, seal, unseal
from tests import age_program

PASSPHRASE = "correct horse battery staple"
CONTENT = b"every word\n" * 20_000


@pytest.fixture(scope="module")
def sealed() -> bytes:
    return seal(CONTENT, PASSPHRASE)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    (path := tmp_path / "plain").write_bytes(CONTENT)
    return path


def test_the_age_program_opens_what_was_sealed(tmp_path: Path, sealed: bytes) -> None:
    (file := tmp_path / "export.zip.age").write_bytes(sealed)
    opened = tmp_path / "export.zip"

    assert age_program.decrypt(file, opened, PASSPHRASE)
    assert opened.read_bytes() == CONTENT
    assert b"every word" not in sealed


def test_the_age_program_refuses_another_passphrase(tmp_path: Path, sealed: bytes) -> None:
    (file := tmp_path / "export.zip.age").write_bytes(sealed)
    opened = tmp_path / "export.zip"

    assert not age_program.decrypt(file, opened, "incorrect horse battery")
    assert not opened.exists()


@pytest.mark.parametrize("options", [[], ["-a"]], ids=["binary", "armored"])
def test_what_the_age_program_sealed_is_opened(
    tmp_path: Path, plain: Path, options: list[str]
) -> None:
    file = tmp_path / "sealed"
    assert age_program.encrypt(plain, file, PASSPHRASE, *options)

    assert is_sealed(file.read_bytes())
    assert unseal(file.read_bytes(), PASSPHRASE) == CONTENT


def test_letters_with_accents_are_the_same_however_a_phone_spells_them() -> None:
    typed = "Käsekuchen für alle"

    opened = unseal(seal(CONTENT, unicodedata.normalize("NFD", typed)), typed)

    assert opened == CONTENT


def test_another_passphrase_and_changed_bytes_are_refused_in_one_sentence(sealed: bytes) -> None:
    wrong = "That passphrase does not open the file, or the file was changed or cut off."
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])

    for content, passphrase in ((sealed, "another"), (changed, PASSPHRASE), (sealed[:-9], "x")):
        with pytest.raises(StorageFailure) as failure:
            unseal(content, passphrase)
        assert str(failure.value) == wrong


@pytest.mark.parametrize("work", [b"23", b"30", b"63", b"99"])
def test_a_file_does_not_decide_how_much_memory_is_filled(sealed: bytes, work: bytes) -> None:
    head, _, rest = sealed.partition(b"\n-> scrypt ")
    salt, _, rest = rest.partition(b" ")
    asking = head + b"\n-> scrypt " + salt + b" " + work + b"\n" + rest.partition(b"\n")[2]

    with pytest.raises(StorageFailure, match="more work than I do"):
        unseal(asking, PASSPHRASE)


def test_a_file_for_a_key_is_told_from_one_with_a_passphrase(tmp_path: Path, plain: Path) -> None:
    file = tmp_path / "sealed"
    assert age_program.encrypt_to_a_key(plain, file)

    with pytest.raises(StorageFailure, match="for a key and not with a passphrase"):
        unseal(file.read_bytes(), PASSPHRASE)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        b"age-encryption.org/v1\n",
        b"age-encryption.org/v2\n-> scrypt x 1\n",
        b"-----BEGIN AGE ENCRYPTED FILE-----",
        b"-----BEGIN AGE ENCRYPTED FILE-----\n!!!\n-----END AGE ENCRYPTED FILE-----\n",
    ],
)
def test_what_is_no_such_file_is_said_to_be_none(content: bytes) -> None:
    with pytest.raises(StorageFailure, match="no file that was encrypted with age"):
        unseal(content, PASSPHRASE)
