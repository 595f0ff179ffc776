"""Replacing everything in the data directory at once; cut short, it is finished at the next start.

It happens inside the directory, which may be a mount, while the lock in it stays held.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.errors import StorageFailure
from storage.files import fsync_folder

# What is replaced: not the lock, nor a master key or its salt, nor what is not ours.
OURS = (
    "shared.db",
    "shared.db-wal",
    "shared.db-shm",
    "keyring",
    "vaults",
    "crypto",
    "session",
    "session.partial",
)
DRAFT, READY, PLACING = "restore.draft", "restore.ready", "restore.placing"


@contextmanager
def told(what: str) -> Iterator[None]:
    """Turn what the disk refuses into a sentence that begins with `what`."""
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise StorageFailure(f"{what}: {where}{error.strerror}.") from None


def is_inhabited(path: Path) -> bool:
    """Whether the directory holds data."""
    return any((path / name).exists() for name in OURS)


def new_draft(path: Path) -> Path:
    """An empty folder in which the new content is made ready."""
    draft = path / DRAFT
    draft.mkdir(mode=0o700)
    return draft


def discard_draft(path: Path) -> None:
    """Nothing is to be replaced: the draft goes, the keys in it first."""
    draft = path / DRAFT
    if draft.exists():
        _clear(draft)
        shutil.rmtree(draft)


def replace_by_draft(path: Path) -> None:
    """Put the draft in the place of what is there; from its first step on there is no way back."""
    fsync_folder(path / DRAFT)
    (path / DRAFT).rename(path / READY)
    finish_replacing(path)


def finish_replacing(path: Path) -> None:
    """Finish a replacement that was decided, and drop a draft of one that was not."""
    ready, placing = path / READY, path / PLACING
    discard_draft(path)
    if ready.exists():
        fsync_folder(path)
        _clear(path)
        ready.rename(placing)
        fsync_folder(path)
    if placing.exists():
        for made in list(placing.iterdir()):
            made.rename(path / made.name)
        fsync_folder(path)
        placing.rmdir()
        fsync_folder(path)


def _clear(folder: Path) -> None:
    _blank(folder / "keyring")
    for name in OURS:
        if (folder / name).is_dir():
            shutil.rmtree(folder / name)
        else:
            (folder / name).unlink(missing_ok=True)
    fsync_folder(folder)


def _blank(keyring: Path) -> None:
    """Overwrite the keys in place: an unlinked file leaves them on the disk."""
    if not keyring.exists():
        return
    with keyring.open("r+b") as file:
        file.write(bytes(keyring.stat().st_size))
        file.flush()
        os.fsync(file.fileno())
