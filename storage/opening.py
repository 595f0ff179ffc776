"""Opening the data directory: locked, private, checked against its key, always closed again."""

import fcntl
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from storage.access_rules import AccessRules
from storage.audit_log import AuditLog
from storage.census import Census, take_census
from storage.checkpoints import HeadKey
from storage.clock import utc_now
from storage.database import Database
from storage.errors import InUse, MasterKeyError, StorageFailure
from storage.forgetting import Forgetting
from storage.inbox import Inbox
from storage.keyring import SLOT_BYTES, Keyring
from storage.purging import Purging
from storage.readings import Readings
from storage.replacing import finish_replacing, told
from storage.rooms import Rooms
from storage.sealing import MasterKey
from storage.tenants import Tenant, Tenants
from storage.vaults import Vaults
from storage.withdrawals import Withdrawals

KEY_CHECK = "key check"
AUDIT_HEAD = "audit head"


@dataclass(frozen=True, slots=True)
class Storage:
    """Everything that is kept, opened."""

    inbox: Inbox
    rooms: Rooms
    readings: Readings
    audit_log: AuditLog
    vaults: Vaults
    forgetting: Forgetting
    withdrawals: Withdrawals
    audit_key: str  # what the audit log's heads are checked with, as signed notes write a key
    access: AccessRules
    _shared: Database = field(repr=False)
    _tenants: Tenants = field(repr=False)

    def person(self, user_id: str) -> str:
        """What stands for a person where nobody may be named: a hash under the master key."""
        return self._tenants.person(user_id).hex()

    async def census(self, *, since: datetime) -> Census:
        """How much is kept and how much waits; undecryptable messages are counted from then on."""
        return await take_census(self._shared, since=since)

    async def state(self, name: str) -> str | None:
        """A single fact about the bot itself, such as its audit room."""
        value = await self._shared.value("SELECT value FROM state WHERE name = ?", name)
        return None if value is None else str(value)

    async def set_state(self, name: str, value: str) -> None:
        """Keep such a fact."""
        await _set_state(self._shared, name, value)

    async def clear_state(self, name: str) -> None:
        """Keep it no longer."""
        async with self._shared.transaction() as transaction:
            await transaction.execute("DELETE FROM state WHERE name = ?", name)


@asynccontextmanager
async def open_storage(
    path: Path,
    master_key: MasterKey,
    *,
    now: Callable[[], datetime] = utc_now,
    pool_size: int = 64,
) -> AsyncIterator[Storage]:
    """Open the data directory, or make it; nobody else may while it is open.

    What a crash left half done is finished first. StorageFailure says what is in the way.
    """
    with locked(path):
        async with opened(path, master_key, now=now, pool_size=pool_size) as storage:
            yield storage


@asynccontextmanager
async def opened(
    path: Path,
    master_key: MasterKey,
    *,
    now: Callable[[], datetime] = utc_now,
    pool_size: int = 64,
) -> AsyncIterator[Storage]:
    """The same for whoever holds the lock, or knows that nobody else can come here."""
    vaults_folder = _private_folder(path / "vaults")
    _check_complete(path, vaults_folder)
    async with await Database.open(path / "shared.db", migrations="shared") as shared:
        tenants = Tenants(shared, master_key, now)
        await _check_key(shared, master_key)
        _check_keyring(path / "keyring", known=await tenants.all())
        with closing(Keyring.open(path / "keyring", master_key)) as keyring:
            inbox = Inbox(shared, now, key=master_key.derive("handled events"))
            purging = Purging(shared, tenants=tenants, inbox=inbox, now=now)
            head_key = HeadKey(master_key.derive(AUDIT_HEAD))
            audit_log = AuditLog(shared, head_key, now)
            vaults = Vaults(
                vaults_folder,
                keyring=keyring,
                tenants=tenants,
                purging=purging,
                settle=audit_log.settle,
                now=now,
                pool_size=pool_size,
            )
            withdrawals = Withdrawals(shared, purging)
            forgetting = Forgetting(
                shared,
                tenants=tenants,
                vaults=vaults,
                purging=purging,
                withdrawals=withdrawals,
                now=now,
            )
            await forgetting.recover()
            try:
                yield Storage(
                    inbox=inbox,
                    rooms=Rooms(shared, now),
                    readings=Readings(shared, master_key.derive("replay index")),
                    audit_log=audit_log,
                    vaults=vaults,
                    forgetting=forgetting,
                    withdrawals=withdrawals,
                    audit_key=head_key.verifier_key,
                    access=await AccessRules.load(shared, tenants=tenants, now=now),
                    _shared=shared,
                    _tenants=tenants,
                )
            finally:
                await vaults.close()


def _private_folder(folder: Path) -> Path:
    """A folder of the data directory, or itself, for nobody but us."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise StorageFailure(
            f"The data directory {folder} can't be used: {error.strerror}."
        ) from None
    return folder


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Be the only one in the data directory; a restore that was cut short is finished first."""
    descriptor = _lock_file(_private_folder(path) / "lock")
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse(f"Another instance of Confidant is using {path}: stop it first.") from None
        with told("A restore that was cut short can't be finished"):
            finish_replacing(path)
        yield
    finally:
        os.close(descriptor)


def _lock_file(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageFailure(f"{path} can't be opened: {error.strerror}.") from None


def _check_complete(path: Path, vaults_folder: Path) -> None:
    """Without shared.db every vault would look ownerless, and be swept: refuse to start."""
    shared = path / "shared.db"
    empty = not shared.exists() or shared.stat().st_size == 0
    if empty and any(vaults_folder.glob("*.db")):
        raise StorageFailure(
            f"{path} holds vaults but its shared.db is missing: restore it from a backup."
        )


def _check_keyring(keyring: Path, *, known: Sequence[Tenant]) -> None:
    """Without all of the keyring vaults would look destroyed: refuse to start, too."""
    end = max((tenant.slot + 1 for tenant in known), default=0) * SLOT_BYTES
    if end and (not keyring.exists() or keyring.stat().st_size < end):
        raise StorageFailure(
            f"{keyring} is missing or cut short, and vaults can't be read without it: restore a "
            "backup."
        )


async def _check_key(shared: Database, master_key: MasterKey) -> None:
    sealed = await shared.value("SELECT value FROM state WHERE name = ?", KEY_CHECK)
    if sealed is None:
        await _set_state(shared, KEY_CHECK, master_key.seal(KEY_CHECK, b"").hex())
        return
    check_key(master_key, sealed)


def check_key(master_key: MasterKey, sealed: str) -> None:
    """MasterKeyError unless this is the key that sealed the check."""
    try:
        master_key.unseal(KEY_CHECK, bytes.fromhex(sealed))
    except StorageFailure:
        raise MasterKeyError(
            "The master key is not the one that this data was made with: check storage.master_key."
        ) from None


async def _set_state(shared: Database, name: str, value: str) -> None:
    async with shared.transaction() as transaction:
        await transaction.execute(
            "INSERT INTO state (name, value) VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            name,
            value,
        )
