"""Files under a passphrase, in the age format: anybody opens them with `age -d`, without us."""

import base64
import binascii
import re
import unicodedata
from threading import Lock

from pyrage import DecryptError
from pyrage import passphrase as age

from storage.errors import StorageFailure

MOST_WORK = 20  # the power of two of scrypt rounds that we do: 1 GB of memory for some seconds
ARMOR = b"-----BEGIN AGE ENCRYPTED FILE-----"
_HEADER = re.compile(rb"age-encryption\.org/v1\n-> (\w+)(?: [\w+/]{22} ([1-9]\d?)\n)?")

# Each costs as much memory as a second of scrypt fills, half a gigabyte as a rule: so that many
# people at once don't cost the bot its life, they take turns.
_turn = Lock()


def seal(content: bytes, passphrase: str) -> bytes:
    """Encrypt a file; takes a second, so call it in a thread."""
    with _turn:
        sealed = age.encrypt(content, _composed(passphrase))
    assert isinstance(sealed, bytes)
    return sealed


def unseal(content: bytes, passphrase: str) -> bytes:
    """The file that was encrypted, by us or by any age program; takes a second.

    StorageFailure where this passphrase doesn't open it, and where it asks for more work than any
    honest one: how much memory is filled is what the file says.
    """
    content = _unarmored(content)
    header = _HEADER.match(content)
    if header is None:
        raise StorageFailure("That is no file that was encrypted with age.")
    if header[1] != b"scrypt" or header[2] is None:
        raise StorageFailure(
            "That file is encrypted for a key and not with a passphrase, so I can't open it."
        )
    if int(header[2]) > MOST_WORK:
        raise StorageFailure("That file asks for more work than I do to open one.")
    with _turn:
        try:
            opened = age.decrypt(content, _composed(passphrase))
        except DecryptError:
            raise StorageFailure(
                "That passphrase does not open the file, or the file was changed or cut off."
            ) from None
    assert isinstance(opened, bytes)
    return opened


def is_sealed(content: bytes) -> bool:
    """Whether a file is one of age's."""
    return content.lstrip()[: len(ARMOR)] == ARMOR or _HEADER.match(content) is not None


def _unarmored(content: bytes) -> bytes:
    if not content.lstrip().startswith(ARMOR):
        return content
    lines = content.strip().splitlines()[1:-1]
    try:
        return base64.b64decode(b"".join(lines), validate=True)
    except binascii.Error:
        return b""


def _composed(passphrase: str) -> str:
    """Letters with accents in the one of their two spellings that a terminal sends."""
    return unicodedata.normalize("NFC", passphrase)
