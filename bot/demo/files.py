"""The files of the demo's chat: what comes is saved, what goes is read from this machine."""

import mimetypes
import os
import re
from itertools import count
from pathlib import Path

from bot.commands.import_ import EXPORT_BYTES
from bot.errors import UsageError
from bot.messages import Attachment

LARGEST = EXPORT_BYTES
HOW = "Type /send and the path of a file on this machine"

_UNSAFE = re.compile(r"[^\w. -]")
_LONGEST = 150  # bytes of a name, which may have 255 in most file systems


def keep(folder: Path, file: Attachment) -> Path:
    """Write a file of its own into the folder, for its owner alone; nothing is replaced.

    Raises OSError.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    end = _UNSAFE.sub("_", file.filename).encode("utf-8", "replace")[-_LONGEST:]
    name = end.decode(errors="ignore").lstrip(".") or "file"
    for number in count(1):
        path = folder / (name if number == 1 else f"{number}-{name}")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(file.content)
        break
    return path


def to_send(typed: str) -> Attachment:
    """The file at a path as somebody typed it; UsageError says why it can't be sent."""
    try:
        path = Path(typed.strip("'\"")).expanduser()
        if not path.is_file():
            raise UsageError(f"There is no file {path}, so nothing was sent. {HOW}.")
        if path.stat().st_size > LARGEST:
            raise UsageError(f"{path} has more than {amount(LARGEST)}, so it was not sent.")
        content = path.read_bytes()
    except (OSError, RuntimeError) as error:  # RuntimeError: ~name of nobody
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{typed} can't be read: {reason}. {HOW}.") from None
    kind, _ = mimetypes.guess_type(path.name)
    return Attachment(path.name, kind or "application/octet-stream", content)


def amount(size: int) -> str:
    """A size in bytes as people read it."""
    if size < 1_000:
        return f"{size} bytes"
    return f"{size / 1_000_000:.1f} MB" if size >= 1_000_000 else f"{size / 1_000:.0f} kB"
