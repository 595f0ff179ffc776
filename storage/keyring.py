"""Every person's key, each in a fixed slot of one file, wrapped by the master key.

A slot is overwritten in place (pwrite, fsync): measured on a raw disk, that left no copy of the
key, while a row deleted from SQLite or a file replaced by rename did. 64 bytes divide a sector,
so a slot is never half written.
"""

import os
import secrets
import threading
from collections.abc import Collection
from pathlib import Path

from storage.errors import StorageFailure
from storage.files import fsync_folder
from storage.sealing import KEY_BYTES, OVERHEAD, MasterKey, seal, unseal

SLOT_BYTES = 64
BLANK = bytes(SLOT_BYTES)
MARK = b"ck1\n"  # what a used slot begins with: format 1
SLOTS_A_TIME = 1024

assert len(MARK) + OVERHEAD + KEY_BYTES == SLOT_BYTES


class Keyring:
    """The open keyring file. Its methods block for a disk write: call them from a thread."""

    def __init__(self, descriptor: int, wrapping_key: bytes) -> None:
        self._descriptor = descriptor
        self._wrapping_key = wrapping_key
        self._lock = threading.Lock()
        self._taken: set[int] = set()
        self._slots = os.fstat(descriptor).st_size // SLOT_BYTES
        self._taken.update(slot for slot in range(self._slots) if not self.blank(slot))

    @classmethod
    def open(cls, path: Path, master_key: MasterKey) -> "Keyring":
        """Open the file, or make it."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        try:
            descriptor = os.open(path, flags, 0o600)
            fsync_folder(path.parent)
        except OSError as error:
            raise StorageFailure(f"The keyring can't be opened: {error.strerror}.") from None
        return cls(descriptor, master_key.derive("keyring"))

    def allocate(self, vault_id: str) -> tuple[int, bytes]:
        """A new random key in a free slot; the slot and the key."""
        key = secrets.token_bytes(KEY_BYTES)
        with self._lock:
            slot = self._free()
            self._taken.add(slot)
            self._write(slot, MARK + seal(self._wrapping_key, key, _place(slot, vault_id)))
        return slot, key

    def key(self, slot: int, vault_id: str) -> bytes:
        """The key in a slot; StorageFailure if it is not that vault's."""
        try:
            content = self._read(slot)
            return unseal(self._wrapping_key, content[len(MARK) :], _place(slot, vault_id))
        except StorageFailure:
            raise StorageFailure(
                f"The key in slot {slot} of the keyring can't be opened: the keyring was changed, "
                "or belongs to another state of the data."
            ) from None

    def blank(self, slot: int) -> bool:
        """Whether a slot holds nothing, or does not exist."""
        return self._read(slot) in (BLANK, b"")

    def erase(self, slot: int) -> None:
        """Overwrite the slot. It stays reserved until `release`, while its tenant still has it."""
        with self._lock:
            self._taken.add(slot)
            if slot < self._slots:
                self._write(slot, BLANK)

    def release(self, slot: int) -> None:
        """Let an erased slot be given to somebody else."""
        with self._lock:
            if self.blank(slot):
                self._taken.discard(slot)

    def used(self) -> Collection[int]:
        """The slots that hold a key."""
        with self._lock:
            return [slot for slot in sorted(self._taken) if not self.blank(slot)]

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _free(self) -> int:
        for slot in range(self._slots):
            if slot not in self._taken:
                return slot
        return self._grow()

    def _grow(self) -> int:
        # Written out, not just reserved: a slot must have its place on disk before it has a key.
        first = self._slots
        try:
            os.pwrite(self._descriptor, BLANK * SLOTS_A_TIME, first * SLOT_BYTES)
            os.fsync(self._descriptor)
        except OSError as error:
            raise StorageFailure(f"The keyring can't grow: {error.strerror}.") from None
        self._slots = os.fstat(self._descriptor).st_size // SLOT_BYTES
        if self._slots == first:  # a full disk takes a part and reports no error
            raise StorageFailure("The keyring can't grow: the disk is full.")
        return first

    def _read(self, slot: int) -> bytes:
        return os.pread(self._descriptor, SLOT_BYTES, slot * SLOT_BYTES)

    def _write(self, slot: int, content: bytes) -> None:
        assert len(content) == SLOT_BYTES
        try:
            os.pwrite(self._descriptor, content, slot * SLOT_BYTES)
            os.fsync(self._descriptor)
        except OSError as error:
            raise StorageFailure(f"The keyring can't be written: {error.strerror}.") from None


def _place(slot: int, vault_id: str) -> bytes:
    """What binds a wrapped key to its slot and its vault."""
    return f"{slot} {vault_id}".encode()
