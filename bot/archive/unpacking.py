"""A ZIP file that somebody sent: looked over before anything of it is unpacked, and in memory only.

What it says of itself is not believed: entries are counted, bytes are counted as they come, and one
that tries anything (a path out of its folder, a link, two entries in one place) is refused whole.
"""

import hashlib
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from itertools import pairwise

from bot import import_words as words
from bot.errors import UsageError

ENTRIES = 20_000  # ChatGPT's exports hold a file for each picture
LARGEST = 100_000_000  # bytes of one file, unpacked
WHOLE = 400_000_000  # bytes of all that is unpacked
CHUNK = 1_000_000
_ENTRY = b"PK\x01\x02"  # how an entry of a ZIP's list of contents begins
_HEADER = 30  # bytes, at least, before the content of an entry
_UNSAFE = re.compile(r"^[/\\]|^[A-Za-z]:|(^|[/\\])\.\.([/\\]|$)|[\\\x00-\x1f]")
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)


class Package:
    """The entries of a ZIP file that passed; UsageError says what is wrong with any other."""

    def __init__(self, content: bytes) -> None:
        if content.count(_ENTRY) > ENTRIES:
            raise UsageError(words.TOO_MANY_ENTRIES)
        try:
            self._zip = zipfile.ZipFile(BytesIO(content))
        except _DAMAGED:
            raise UsageError(words.DAMAGED_ZIP) from None
        self._entries = {one.orig_filename: one for one in self._zip.infolist()}
        self._left = WHOLE
        self._look_over()

    @property
    def names(self) -> frozenset[str]:
        """The files in it."""
        return frozenset(self._entries)

    def read(self, name: str) -> bytes:
        """One file, unpacked."""
        return b"".join(self._chunks(name))

    def measured(self, name: str) -> tuple[str, int]:
        """The SHA-256 of a file, and its bytes; of the file none is kept."""
        digest, size = hashlib.sha256(), 0
        for chunk in self._chunks(name):
            digest.update(chunk)
            size += len(chunk)
        return digest.hexdigest(), size

    def _chunks(self, name: str) -> Iterator[bytes]:
        left = min(LARGEST, self._left)
        try:
            with self._zip.open(self._entries[name]) as file:
                while chunk := file.read(CHUNK):
                    left, self._left = left - len(chunk), self._left - len(chunk)
                    if left < 0:
                        raise UsageError(words.BOMB)
                    yield chunk
        except _DAMAGED:
            raise UsageError(words.DAMAGED_ZIP) from None

    def _look_over(self) -> None:
        entries = self._zip.infolist()
        if len(self._entries) < len(entries):
            raise UsageError(words.SAME_NAME_TWICE)
        for one in entries:
            _look_at(one)
        if sum(one.file_size for one in entries) > WHOLE:
            raise UsageError(words.BOMB)
        starts = sorted((one.header_offset, one.compress_size) for one in entries)
        ends = [*starts, (self._zip.start_dir, 0)]
        if any(start + _HEADER + size > after for (start, size), (after, _) in pairwise(ends)):
            raise UsageError(words.BOMB)


def _look_at(entry: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if _UNSAFE.search(entry.orig_filename) or kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise UsageError(words.UNSAFE_NAME)
    if entry.flag_bits & 0x1:
        raise UsageError(words.LOCKED_ZIP)
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UsageError(words.DAMAGED_ZIP)
