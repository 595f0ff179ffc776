"""A backup: what can't be had again, in a folder of its own, vouched for by a manifest.

It holds everybody's vault, the keys to them wrapped by the master key, `shared.db` and the bot's
sealed cross-signing identity and recovery key. The master key is never in it and has to be kept
apart. Nor is the Matrix device: a crypto store that goes back in time repeats keys that were used
up, so that a restored bot is a new device of the same identity.

The bot is stopped meanwhile. A copy made from beside a running one would hold its files open, and
what people delete then can't be wiped from them.
"""

import hashlib
import hmac
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from storage.audit_entry import AuditEntry, canonical
from storage.audit_feed import SYSTEM
from storage.clock import utc_now
from storage.errors import MasterKeyError, StorageFailure
from storage.files import create_private, fsync_folder
from storage.opening import Storage, locked, opened
from storage.replacing import told
from storage.sealing import MasterKey

FORMAT = 1
MANIFEST = "manifest.json"
LAST_BACKUP = "backup.last"  # what shared.db calls when the last one was made, in ISO 8601
CREATED = "backup.created"
SINGLE = (
    *("shared.db", "keyring", "master.salt"),
    *("crypto/identity", "crypto/identity.new", "crypto/recovery"),
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """When a backup was made, and the SHA-256 of each of its files."""

    format: int
    made_at: str
    files: Mapping[str, str]

    @property
    def vaults(self) -> int:
        """How many people's vaults there are."""
        return sum(name.startswith("vaults/") and name.endswith(".db") for name in self.files)

    def seal(self, master_key: MasterKey) -> str:
        """What nobody without the master key can write under a manifest."""
        return hmac.digest(master_key.derive("backup"), canonical(asdict(self)), "sha256").hex()


async def last_backup(storage: Storage) -> datetime | None:
    """When the last backup was made, None where none was."""
    made_at = await storage.state(LAST_BACKUP)
    return datetime.fromisoformat(made_at) if made_at else None


async def back_up(
    path: Path, secret: str, destination: Path, *, now: Callable[[], datetime] = utc_now
) -> Manifest:
    """Back the data directory up into a new folder, which is there once it is complete.

    `secret` is the configured master key, as for MasterKey.load. Raises StorageFailure, also
    while a bot uses the data; then nothing is left of the backup.
    """
    partial = destination.with_name(f"{destination.name}.partial")
    _check_places(path, destination, partial)
    with locked(path), told("The backup can't be written"):
        master_key = MasterKey.load(secret, path)
        partial.mkdir(mode=0o700)
        try:
            async with _recorded(path, master_key, now()) as made_at:
                manifest = _write(path, partial, master_key, made_at)
                partial.rename(destination)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        fsync_folder(destination.parent)
    return manifest


def read_manifest(source: Path) -> tuple[Manifest, str]:
    """The manifest of a backup whose files are all there, and its seal, not checked yet."""
    try:
        kept = json.loads((source / MANIFEST).read_bytes())
        seal = str(kept.pop("seal"))
        newer = kept["format"] > FORMAT
        manifest = Manifest(**kept)
        missing = [name for name in manifest.files if not (source / name).is_file()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise StorageFailure(
            f"{source} is no backup: its {MANIFEST} is missing or damaged."
        ) from None
    if newer:
        raise StorageFailure(f"{source} was made by a newer version of Confidant: upgrade it.")
    if missing:
        raise StorageFailure(f"The backup is incomplete: {source / missing[0]} is missing.")
    return manifest, seal


def check_seal(manifest: Manifest, seal: str, master_key: MasterKey) -> None:
    """MasterKeyError unless the manifest was written with this master key, as it stands."""
    if not hmac.compare_digest(manifest.seal(master_key).encode(), seal.encode()):
        raise MasterKeyError(
            "The master key is not the one that this backup was made with, or the manifest was "
            "changed: check storage.master_key."
        )


def copy(names: Iterable[str], source: Path, target: Path) -> dict[str, str]:
    """Copy files, private and through to the disk; the SHA-256 of each copy."""
    hashes = {}
    for name in names:
        (target / name).parent.mkdir(mode=0o700, exist_ok=True)
        create_private(target / name)
        with (source / name).open("rb") as original, (target / name).open("r+b") as made:
            shutil.copyfileobj(original, made)
            made.flush()
            os.fsync(made.fileno())
            made.seek(0)
            hashes[name] = hashlib.file_digest(made, "sha256").hexdigest()
    for folder in {(target / name).parent for name in hashes}:
        fsync_folder(folder)
    return hashes


def _check_places(path: Path, destination: Path, partial: Path) -> None:
    if not (path / "shared.db").exists():
        raise StorageFailure(f"There is nothing to back up in {path}.")
    for taken in (destination, partial):
        if taken.exists():
            raise StorageFailure(f"{taken} is there already: a backup gets a folder of its own.")
    if destination.resolve().is_relative_to(path.resolve()):
        raise StorageFailure("A backup inside the data directory would be lost with it.")


@asynccontextmanager
async def _recorded(path: Path, master_key: MasterKey, moment: datetime) -> AsyncIterator[datetime]:
    """Say before the copy that there is one, so that it says so, too; take it back if there isn't.

    Opening and closing leave one file of each database, and no destruction half done.
    """
    async with opened(path, master_key, now=lambda: moment) as storage:
        last = await storage.state(LAST_BACKUP)
        names = _names(path)
        size = sum((path / name).stat().st_size for name in names)
        vaults = sum(name.startswith("vaults/") and name.endswith(".db") for name in names)
        facts = {"vaults": vaults, "bytes": size}
        await storage.audit_log.append(AuditEntry(moment, SYSTEM, CREATED, "ok", facts=facts))
        await storage.set_state(LAST_BACKUP, moment.astimezone(UTC).isoformat(timespec="seconds"))
    try:
        yield moment
    except BaseException:
        with suppress(StorageFailure):  # of a full disk, say: why it failed is what matters
            async with opened(path, master_key, now=lambda: moment) as storage:
                if last is None:
                    await storage.clear_state(LAST_BACKUP)
                else:
                    await storage.set_state(LAST_BACKUP, last)
                await storage.audit_log.append(AuditEntry(moment, SYSTEM, CREATED, "failed"))
        raise


def _write(path: Path, folder: Path, master_key: MasterKey, moment: datetime) -> Manifest:
    made_at = moment.astimezone(UTC).isoformat(timespec="seconds")
    manifest = Manifest(FORMAT, made_at, copy(_names(path), path, folder))
    content = {**asdict(manifest), "seal": manifest.seal(master_key)}
    create_private(folder / MANIFEST)
    with (folder / MANIFEST).open("r+", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    fsync_folder(folder)
    return manifest


def _names(path: Path) -> list[str]:
    """Every file that belongs in a backup.

    A database's log goes with it: it holds the latest state of a vault that was open when the bot
    was killed, and of shared.db while somebody reads it.
    """
    files = [*(path / name for name in SINGLE), *sorted((path / "vaults").glob("*.db"))]
    beside = [one for file in files for one in (file, file.with_name(f"{file.name}-wal"))]
    return [one.relative_to(path).as_posix() for one in beside if one.is_file()]
