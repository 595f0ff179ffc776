"""Files under a passphrase, in the age format: anybody opens them with `age -d`, without us."""

import base64
import binascii
import os
import re
import unicodedata

from pyrage import DecryptError
from pyrage import passphrase as age

from storage.errors import StorageFailure

# The power of two of scrypt rounds that we do, each filling a kilobyte. The age program writes 18;
# what we write is as much as pyrage thinks will take a second, and it can't be told otherwise: 20
# where a processor is fast, more on a faster one, and that is to be opened again; but no file of
# others may fill more than half of the machine's memory.
_HALF = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
MOST_WORK = min(22, max(20, (_HALF // 1024).bit_length() - 1))
ARMOR = b"-----BEGIN AGE ENCRYPTED FILE-----"
_HEADER = re.compile(rb"age-encryption\.org/v1\n-> (\w+)(?: [\w+/]{22} ([1-9]\d?)\n)?")


class WrongPassphrase(StorageFailure):
    """A file is encrypted with a passphrase, and not with this one; or it was changed."""


def seal(content: bytes, passphrase: str) -> bytes:
    """Encrypt a file; takes seconds and a gigabyte, so call it in a thread, once at a time."""
    sealed = age.encrypt(content, _composed(passphrase))
    assert isinstance(sealed, bytes)
    return sealed


def unseal(content: bytes, passphrase: str) -> bytes:
    """The file that was encrypted, by us or by any age program; takes what `seal` takes.

    WrongPassphrase where this one doesn't open it. StorageFailure where none would, and where it
    asks for more work than an honest one: how much memory is filled is what the file says.
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
    try:
        opened = age.decrypt(content, _composed(passphrase))
    except DecryptError:
        raise WrongPassphrase(
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
