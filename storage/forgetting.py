"""`!forget everything` as a job: planned, carried out, receipted, and finished after any crash.

The order: the plan, while the vault can be read; a fence, behind which nobody writes; the key; the
files; what leads to the person in shared.db; the row that made the vault theirs, for a tombstone.
Then the bot gives the receipt and withdraws its messages, and the job itself goes.

On a full disk nothing can be planned: the key goes first all the same, the files make room, and
the plan is written then. Killed in between, the job is not known, but whose vault it was still is.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from storage.clock import from_text, to_text
from storage.database import Database, Transaction
from storage.errors import StorageFailure
from storage.purging import Purging
from storage.rows import Row
from storage.tenants import Tenants
from storage.vault import Counts, Vault
from storage.vaults import Vaults
from storage.withdrawals import Withdrawals, can_be, search, withdraw

PLAN = """
    INSERT INTO forgetting (event_id, room_id, user_id, vault_id, accepted, memories, turns,
                            audit_entries, bytes, withdrawals, imported, private, until,
                            planned_at)
    VALUES (?, ?, ?, ?, (SELECT coalesce(max(position), 0) FROM inbox), ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (event_id) DO NOTHING
"""
PLAN_ROOM = "INSERT OR IGNORE INTO forgetting_room (job, room_id) VALUES (?, ?)"
UNFINISHED = """
    SELECT * FROM forgetting WHERE erased_at IS NOT NULL AND receipted_at IS NULL
    ORDER BY planned_at
"""
UNSEARCHED = """
    SELECT * FROM forgetting WHERE erased_at IS NOT NULL AND searched_at IS NULL
    ORDER BY planned_at
"""
SEARCHED = "UPDATE forgetting SET searched_at = ? WHERE event_id = ? RETURNING until"


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased, and where its receipt goes: into a room, answering the confirmation."""

    user_id: str
    room_id: str
    event_id: str
    memories: int
    turns: int
    audit_entries: int
    bytes: int
    withdrawals: int  # of the bot's messages, those that the vault knew
    erased_at: datetime
    imported_answers: int = 0  # in rooms with others, where they stay
    private_answers: int = 0


class Forgetting:
    """The jobs, and until when each person is forgotten."""

    def __init__(
        self,
        database: Database,
        *,
        tenants: Tenants,
        vaults: Vaults,
        purging: Purging,
        withdrawals: Withdrawals,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._tenants = tenants
        self._vaults = vaults
        self._purging = purging
        self._withdrawals = withdrawals
        self._now = now

    async def forget(
        self,
        user_id: str,
        *,
        room_id: str,
        event_id: str,
        until: datetime,
        direct_rooms: Sequence[str],
    ) -> Erased:
        """Erase everything of a person but the bot's messages, whose withdrawal is prepared.

        `event_id` is that of the confirmation and names the job: asked for again, it is finished
        and not done twice. `direct_rooms` are the chats with the person that are known already.
        """
        row = await self._row(event_id)
        if row is None or row["erased_at"] is None:
            plan = _Plan(user_id, room_id, event_id, until, direct_rooms)
            planning = _Planning(self._database, self._tenants, plan, self._now)
            await self._vaults.destroy(user_id, planning)
            await self._purging.purge(event_id)  # of whoever had no vault
            row = await self._row(event_id)
        assert row is not None, "it was planned"
        self._withdrawals.wake()
        return self._erased(row)

    async def unfinished(self) -> list[Erased]:
        """What was erased, and its receipt is not given yet."""
        return [self._erased(row) for row in await self._database.rows(UNFINISHED)]

    async def unsearched(self) -> list[Erased]:
        """What was erased, and in which other direct chats the bot spoke is not known yet."""
        return [self._erased(row) for row in await self._database.rows(UNSEARCHED)]

    async def searched(self, erased: Erased, direct_rooms: Sequence[str]) -> None:
        """These are all direct chats with the person; what was planned is not planned again."""
        async with self._database.transaction() as transaction:
            now, job = to_text(self._now()), erased.event_id
            for row in await transaction.rows(SEARCHED, now, job):
                for room_id in direct_rooms:
                    await _search(transaction, room_id, from_text(row["until"]), job)
        await self._purging.purge(erased.event_id)
        await self._purging.close()
        self._withdrawals.wake()

    async def job(self, event_id: str) -> Erased | None:
        """The erasure that a message confirmed, as long as something of it is left to do."""
        row = await self._row(event_id)
        return None if row is None or row["erased_at"] is None else self._erased(row)

    async def receipted(self, erased: Erased) -> None:
        """The person has the receipt, or never can have it."""
        async with self._database.transaction() as transaction:
            await transaction.execute(
                "UPDATE forgetting SET receipted_at = ? WHERE event_id = ?",
                to_text(self._now()),
                erased.event_id,
            )
        await self._purging.close()

    async def is_before(self, user_id: str, sent_at: datetime) -> bool:
        """Whether it was said before the person had everything forgotten: learn nothing of it."""
        return await self._tenants.is_forgotten(user_id, sent_at)

    async def sweep(self, before: datetime) -> int:
        """Drop who was forgotten before a moment, and end the jobs of which nothing is left."""
        await self._purging.close()
        return await self._tenants.sweep(before)

    async def recover(self) -> None:
        """At start: finish what a crash cut short."""
        await self._vaults.recover()
        for row in await self._database.rows(
            "SELECT event_id FROM forgetting WHERE erased_at IS NULL"
        ):
            await self._purging.purge(row["event_id"])
        await self._purging.close()

    async def _row(self, event_id: str) -> Row | None:
        return await self._database.row("SELECT * FROM forgetting WHERE event_id = ?", event_id)

    def _erased(self, row: Row) -> Erased:
        return Erased(
            user_id=self._tenants.unseal(row["user_id"]),
            room_id=row["room_id"],
            event_id=row["event_id"],
            memories=row["memories"],
            turns=row["turns"],
            audit_entries=row["audit_entries"],
            bytes=row["bytes"],
            withdrawals=row["withdrawals"],
            erased_at=from_text(row["erased_at"]),
            imported_answers=row["imported"],
            private_answers=row["private"],
        )


@dataclass(slots=True)
class _Plan:
    """What is to be done."""

    user_id: str
    room_id: str
    event_id: str
    until: datetime
    direct_rooms: Sequence[str]
    said: Sequence[tuple[str, str]] = ()  # by the bot
    vault_id: str = ""
    gone: Counts = field(default_factory=Counts)


class _Planning:
    """Completes the plan from the open vault, and writes it down as soon as there is room."""

    def __init__(
        self, database: Database, tenants: Tenants, plan: _Plan, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._tenants = tenants
        self._plan = plan
        self._now = now
        self._written = False

    async def read(self, vault: Vault | None, vault_id: str, gone: Counts) -> None:
        """Take from the vault what is needed when it is gone; None: it can't be opened."""
        self._plan.vault_id, self._plan.gone = vault_id, gone
        if vault is not None:
            with suppress(StorageFailure):
                said = await vault.said_by_the_bot()
                self._plan.said = [one for one in said if can_be(*one)]

    async def write(self) -> None:
        """Write it down once, in one transaction."""
        if not self._written:
            async with self._database.transaction() as transaction:
                await self._write(transaction)
            self._written = True

    async def _write(self, transaction: Transaction) -> None:
        plan, gone = self._plan, self._plan.gone
        await transaction.execute(
            PLAN,
            *(plan.event_id, plan.room_id, self._tenants.seal(plan.user_id), plan.vault_id),
            *(gone.memories, gone.turns, gone.audit_entries, gone.bytes, len(plan.said)),
            *(gone.imported_answers, gone.private_answers),
            *(to_text(plan.until), to_text(self._now())),
        )
        for room_id in plan.direct_rooms:
            await _search(transaction, room_id, plan.until, plan.event_id)
        await withdraw(transaction, plan.said, job=plan.event_id)
        await self._tenants.mark(transaction, plan.user_id, plan.until)


async def _search(transaction: Transaction, room_id: str, until: datetime, job: str) -> None:
    """Plan to list a direct chat, once."""
    if await transaction.execute(PLAN_ROOM, job, room_id):
        await search(transaction, room_id, until, job=job)
