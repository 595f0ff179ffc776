"""Everybody's vaults: made, opened from a user id and nothing else, pooled, destroyed."""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime
from itertools import count
from pathlib import Path
from weakref import WeakValueDictionary

from storage.database import Database
from storage.destruction import UNPLANNED, Plan
from storage.errors import StorageFailure, VaultGone
from storage.files import files_of, fsync_folder, size_on_disk
from storage.keyring import Keyring
from storage.leases import Lease, Settle
from storage.purging import Purging
from storage.tenants import Tenant, Tenants
from storage.unrecorded import OCCASION, note_occasion
from storage.vault import Counts, Vault

UNRECORDED = "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM audit_detail)"


class Vaults:
    """The pool of open vaults.

    A vault in use is never closed: more than `pool_size` are open while more are in use, and the
    longest unused ones go as soon as they can.
    """

    def __init__(
        self,
        folder: Path,
        *,
        keyring: Keyring,
        tenants: Tenants,
        purging: Purging,
        settle: Settle,
        now: Callable[[], datetime],
        pool_size: int,
    ) -> None:
        self._folder = folder
        self._keyring = keyring
        self._tenants = tenants
        self._purging = purging
        self._settle = settle
        self._now = now
        self._pool_size = pool_size
        self._openings = count(1)
        self._pool: OrderedDict[str, Lease] = OrderedDict()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._closed = False

    @asynccontextmanager
    async def open(
        self, user_id: str, *, said_at: datetime | None = None, make: bool = True
    ) -> AsyncIterator[Vault]:
        """The person's vault, made on first use; or VaultGone where none is to be made.

        None is for what they `said_at` a moment before they had everything forgotten, whether they
        have a new one by now or not.
        """
        opening, before = str(next(self._openings)), OCCASION.get()
        lease, is_new = await self._take(user_id, said_at, opening, make=make)
        OCCASION.set(opening)
        try:
            yield replace(lease.vault, is_new=is_new)
        except BaseException:
            lease.owing = True
            raise
        finally:
            OCCASION.set(before)
            lease.users.discard(opening)
            await self._shrink()

    @asynccontextmanager
    async def open_existing(self, user_id: str) -> AsyncIterator[Vault | None]:
        """The person's vault if they have one; whatever is erased meanwhile, none is made."""
        async with AsyncExitStack() as stack:
            found: Vault | None = None
            with suppress(VaultGone):
                found = await stack.enter_async_context(self.open(user_id, make=False))
            yield found

    async def exists(self, user_id: str) -> bool:
        """Whether the person has a vault."""
        tenant = await self._tenants.find(user_id)
        return tenant is not None and not await self._is_condemned(tenant)

    async def people(self) -> list[str]:
        """Everybody who has a vault, for what is done to each of them in turn."""
        people = await self._tenants.people()
        return [user_id for user_id, tenant in people if not await self._is_condemned(tenant)]

    async def who(self, pseudonym: str) -> str | None:
        """The user id behind a pseudonym. Looking that up is an audited action."""
        return await self._tenants.user_id(pseudonym)

    async def destroy(self, user_id: str, plan: Plan = UNPLANNED) -> Counts:
        """Erase the person's key in place, then their files and their row, in this order.

        Handles that others still hold fail from here on. Killed at any point, it is finished at
        the next start, or when the vault is next opened or destroyed. A disk that is full keeps no
        key: then the plan is written when the files have made room.
        """
        async with self._lock(user_id):
            tenant = await self._tenants.find(user_id)
            if tenant is None:
                await plan.read(None, "", Counts())
                await plan.write()
                return Counts()
            async with AsyncExitStack() as stack:
                lease = await self._readable(user_id, tenant)
                if lease is not None:
                    await stack.enter_async_context(lease.database.still())
                    stack.push_async_callback(self._drop, user_id, lease)
                gone = await self._plan(tenant, lease, plan)
                if lease is not None:
                    lease.database.fence()
                await asyncio.to_thread(self._keyring.erase, tenant.slot)
            await asyncio.to_thread(self._unlink, tenant.vault_id)
            await plan.write()
            await self._bury(tenant.vault_id, tenant.slot)
            return gone

    async def recover(self) -> None:
        """At start: finish what a crash cut short, whether a destruction or a creation."""
        for tenant in await self._tenants.all():
            if await self._is_condemned(tenant):
                await self._finish(tenant.vault_id, tenant.slot)
        tenants = await self._tenants.all()
        for slot in set(self._keyring.used()) - {tenant.slot for tenant in tenants}:
            await asyncio.to_thread(self._keyring.erase, slot)
            self._keyring.release(slot)
        known = {path for tenant in tenants for path in files_of(self._path(tenant.vault_id))}
        await asyncio.to_thread(self._sweep, known)

    async def close(self) -> None:
        """Close every vault, in use or not."""
        self._closed = True
        while self._pool:
            _, lease = self._pool.popitem()
            await lease.database.close()

    async def _take(
        self, user_id: str, said_at: datetime | None, opening: str, *, make: bool
    ) -> tuple[Lease, bool]:
        async with self._lock(user_id):
            # Under the lock: whoever looked before may have looked before the erasure began.
            if said_at is not None and await self._tenants.is_forgotten(user_id, said_at):
                raise VaultGone("It was said before everything was forgotten.")
            lease = self._pool.get(user_id)
            is_new = False
            if lease is None:
                lease = await self._load(user_id, make=make)
                is_new = lease.vault.is_new
                self._pool[user_id] = lease
            self._pool.move_to_end(user_id)
            if lease.owing:  # before anything else is done with it
                await self._pay(lease, user_id)
            lease.users.add(opening)  # no await from here to the `try` of open()
            return lease, is_new

    async def _pay(self, lease: Lease, user_id: str) -> None:
        """Record what is owed. Who ends meanwhile was alive for it, and owes for themselves."""
        lease.owing = False
        try:
            await self._settle(lease.vault, user_id, frozenset(lease.users))
        except BaseException:
            lease.owing = True
            raise

    async def _shrink(self) -> None:
        while len(self._pool) > self._pool_size:
            idle = next((user for user, lease in self._pool.items() if not lease.users), None)
            if idle is None:
                return
            async with self._lock(idle):
                lease = self._pool.get(idle)
                if lease is not None and not lease.users:
                    del self._pool[idle]
                    await lease.database.close()

    async def _load(self, user_id: str, *, make: bool) -> Lease:
        if self._closed:
            raise StorageFailure("The vaults are closed.")
        tenant = await self._tenants.find(user_id)
        if tenant is not None and await self._is_condemned(tenant):
            await self._finish(tenant.vault_id, tenant.slot)
            tenant = None
        if tenant is None and not make:
            raise VaultGone("There is no vault, and none is made for this.")
        if tenant is None:
            return await self._create(user_id)
        database = await self._unlock(tenant)
        try:
            # Killed between making the vault and recording it: it is recorded now.
            unrecorded = await database.row(UNRECORDED)
        except BaseException:
            await database.close()
            raise
        return self._lease(database, tenant, is_new=unrecorded is not None)

    async def _create(self, user_id: str) -> Lease:
        vault_id = secrets.token_hex(16)
        slot, key = await asyncio.to_thread(self._keyring.allocate, vault_id)
        try:
            database = await self._database(vault_id, key)
            try:
                # The row is what makes it somebody's: until then it is swept at the next start.
                tenant = await self._tenants.add(user_id, vault_id=vault_id, slot=slot)
            except BaseException:
                await database.close()
                raise
        except BaseException:
            await self._finish(vault_id, slot)
            raise
        return self._lease(database, tenant, is_new=True)

    async def _unlock(self, tenant: Tenant) -> Database:
        key = self._keyring.key(tenant.slot, tenant.vault_id)
        if not self._path(tenant.vault_id).exists():
            raise StorageFailure(
                f"The vault {tenant.vault_id}.db is missing; restore it from a backup."
            )
        return await self._database(tenant.vault_id, key)

    async def _is_condemned(self, tenant: Tenant) -> bool:
        """Whether its destruction has begun, and was cut short."""
        return self._keyring.blank(tenant.slot) or await self._purging.is_planned(tenant.vault_id)

    async def _readable(self, user_id: str, tenant: Tenant) -> Lease | None:
        """The open vault; None where it can't be opened, and is destroyed all the same."""
        if user_id not in self._pool:
            try:
                database = await self._unlock(tenant)
            except StorageFailure:
                return None
            self._pool[user_id] = self._lease(database, tenant, is_new=False)
        return self._pool[user_id]

    async def _drop(self, user_id: str, lease: Lease) -> None:
        """Let nobody use it any more, whoever holds it."""
        lease.database.fence()
        self._pool.pop(user_id, None)
        await lease.database.close()

    async def _plan(self, tenant: Tenant, lease: Lease | None, plan: Plan) -> Counts:
        """Count and plan, as far as the vault can be read and the disk has room."""
        gone = Counts(bytes=size_on_disk(files_of(self._path(tenant.vault_id))))
        if lease is not None:
            with suppress(StorageFailure):
                gone = await lease.vault.counts()
        await plan.read(None if lease is None else lease.vault, tenant.vault_id, gone)
        with suppress(StorageFailure):
            await plan.write()
        return gone

    async def _finish(self, vault_id: str, slot: int) -> None:
        """Whatever of a vault is still there goes, in the order that can be taken up again."""
        await asyncio.to_thread(self._keyring.erase, slot)
        await asyncio.to_thread(self._unlink, vault_id)
        await self._bury(vault_id, slot)

    async def _bury(self, vault_id: str, slot: int) -> None:
        await self._purging.of_vault(vault_id)
        await self._tenants.remove(vault_id)
        self._keyring.release(slot)

    def _unlink(self, vault_id: str) -> None:
        for path in files_of(self._path(vault_id)):
            path.unlink(missing_ok=True)
        fsync_folder(self._folder)

    def _sweep(self, known: set[Path]) -> None:
        for path in list(self._folder.glob("*.db*")):
            if path not in known:
                path.unlink()
        fsync_folder(self._folder)

    def _lease(self, database: Database, tenant: Tenant, *, is_new: bool) -> Lease:
        vault = Vault.over(database, pseudonym=tenant.pseudonym, is_new=is_new, now=self._now)
        return Lease(database, vault, owing=not is_new)

    async def _database(self, vault_id: str, key: bytes) -> Database:
        database = await Database.open(self._path(vault_id), migrations="vault", key=key)
        database.before_commit = note_occasion
        return database

    def _path(self, vault_id: str) -> Path:
        return self._folder / f"{vault_id}.db"

    def _lock(self, user_id: str) -> asyncio.Lock:
        return self._locks.setdefault(user_id, asyncio.Lock())
