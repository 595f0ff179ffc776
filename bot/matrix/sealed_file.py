"""A small secret on disk: sealed with the master key, 0600, replaced as a whole or not at all."""

import os
from pathlib import Path

from bot.errors import StorageError
from storage import MasterKey, StorageFailure


class SealedFile:
    """One file; `what` begins the sentence that says why it can't be opened."""

    def __init__(self, path: Path, master_key: MasterKey, *, purpose: str, what: str) -> None:
        self.path = path
        self._master_key = master_key
        self._purpose = purpose
        self._what = what

    def read(self) -> bytes | None:
        """What was sealed here, None if nothing was; StorageError if it can't be opened."""
        try:
            return self._master_key.unseal(self._purpose, self.path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, StorageFailure):
            raise StorageError(
                f"{self._what} in {self.path} can't be opened: the file is damaged, or sealed "
                "with another master key (storage.master_key)."
            ) from None

    def write(self, content: bytes) -> None:
        """Seal it and write it through to the disk."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self.path.with_name(f"{self.path.name}.draft")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(self._master_key.seal(self._purpose, content))
            file.flush()
            os.fsync(descriptor)
        self._moved_here(draft)

    def replace_with(self, other: "SealedFile") -> None:
        """Let what is sealed there be what is sealed here."""
        self._moved_here(other.path)

    def _moved_here(self, path: Path) -> None:
        path.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
