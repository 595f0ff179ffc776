"""Files of the data directory: private, with the company SQLite gives them, and durable."""

import os
from pathlib import Path

from storage.errors import StorageFailure


def files_of(path: Path) -> tuple[Path, ...]:
    """A database's file and the two that SQLite puts beside it."""
    return tuple(path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm"))


def create_private(path: Path) -> None:
    """Make the file with mode 0600 if it is not there; SQLite gives its log the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StorageFailure(f"{path.name} can't be opened: {error.strerror}.") from None


def size_on_disk(files: tuple[Path, ...]) -> int:
    """The size of those of the files that exist."""
    return sum(path.stat().st_size for path in files if path.exists())


def fsync_folder(folder: Path) -> None:
    """Make the creation or removal of files in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
