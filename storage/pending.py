"""What waits to be approved before it is remembered: the proposals of one vault."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from storage.clock import from_text, to_text, utc_now
from storage.database import Database, Transaction
from storage.errors import VaultGone
from storage.noticing import let_go, of_message
from storage.remembered import Memory, memory_from
from storage.revising import revise
from storage.rows import Row
from storage.wiping import owe_wipe, wipe

WAITS = timedelta(days=7)  # how long an answer is waited for

_WAITING = """
    SELECT * FROM memory_listed WHERE status = 'pending' AND created_at > ? ORDER BY memory_id
"""
_OVER = """
    SELECT memory_id, notice_event_id FROM memory WHERE status = 'pending' AND created_at <= ?
"""
_OF_MESSAGE = """
    SELECT * FROM memory_listed
    WHERE status = 'pending' AND source_event_id = ? AND notice_event_id IS NULL ORDER BY memory_id
"""

# As when something is learned: in a shared room only what may be used there is a twin.
_TWIN = """
    SELECT memory_id FROM memory WHERE digest = ?1 AND status = 'active'
    AND (valid_until IS NULL OR valid_until > ?2)
    AND (?3 = 'direct' OR (room_kind = 'shared' AND source_room_id IS ?4)
         OR memory_id IN (SELECT memory_id FROM memory_share WHERE room_id IS ?4))
    ORDER BY memory_id LIMIT 1
"""
_SAID = """
    INSERT OR IGNORE INTO memory_said (memory_id, event_id, room_id, quote, said_at)
    SELECT ?, source_event_id, source_room_id, quote, created_at FROM memory
    WHERE memory_id = ? AND source_event_id IS NOT NULL AND source_room_id IS NOT NULL
"""


# What was decided while the notice was on its way left nothing that would wait. Of a long one the
# later parts only have to be known: no reaction is to them, and nothing is put in their place.
_NOTICE = """
    INSERT INTO notice (event_id, room_id, source_event_id, settled, became)
    SELECT value, ?2, ?3, key > 0, iif(EXISTS (
        SELECT 1 FROM memory WHERE notice_event_id = ?1 ->> 0 AND status = 'active'
    ), 'approved', 'rejected') FROM json_each(?1) WHERE true
    ON CONFLICT DO NOTHING
"""
_DECIDED = """
    SELECT * FROM notice WHERE settled = 0 AND NOT EXISTS (
        SELECT 1 FROM memory WHERE notice_event_id = notice.event_id AND status = 'pending'
    ) ORDER BY rowid
"""
_BECAME = "UPDATE notice SET became = ? WHERE event_id IN (SELECT value FROM json_each(?))"


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice that asked and still does; `became` says which answer there is by now."""

    event_id: str
    room_id: str
    became: str  # "approved", "rejected" or "expired"


class Pending:
    """The proposals of one vault; each is a memory that no answer may use yet."""

    def __init__(self, database: Database, now: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._now = now

    async def all(self) -> list[Memory]:
        """Those that can still be approved, oldest first."""
        rows = await self._database.rows(_WAITING, to_text(self._now() - WAITS))
        return [memory_from(row) for row in rows]

    async def of_message(self, event_id: str) -> list[Memory]:
        """Those that a message proposed and no notice asked about yet."""
        rows = await self._database.rows(_OF_MESSAGE, event_id)
        return [memory_from(row) for row in rows]

    async def noticed(
        self, memory_ids: Sequence[int], event_ids: Sequence[str], room_id: str, *, source: str
    ) -> None:
        """A notice in these events asks about them: a reaction to the first decides.

        VaultGone where the message that proposed them, their `source`, was erased meanwhile.
        """
        async with self._database.transaction() as transaction:
            if await transaction.row("SELECT 1 FROM turn WHERE event_id = ?", source) is None:
                raise VaultGone("The message was erased while it was asked about.")
            await transaction.execute(
                "UPDATE memory SET notice_event_id = ? "
                "WHERE memory_id IN (SELECT value FROM json_each(?))",
                event_ids[0],
                json.dumps(list(memory_ids)),
            )
            await transaction.execute(_NOTICE, json.dumps(list(event_ids)), room_id, source)

    async def notice(self, event_id: str) -> Notice | None:
        """A notice in whose place nothing stands yet."""
        row = await self._database.row(
            "SELECT * FROM notice WHERE event_id = ? AND settled = 0", event_id
        )
        return None if row is None else _notice(row)

    async def decided(self) -> list[Notice]:
        """The notices that still ask though nothing waits any more, oldest first."""
        return [_notice(row) for row in await self._database.rows(_DECIDED)]

    async def settled(self, event_id: str) -> None:
        """What became of it stands in the place of a notice."""
        async with self._database.transaction() as transaction:
            await transaction.execute("UPDATE notice SET settled = 1 WHERE event_id = ?", event_id)

    async def standing_of(self, event_id: str) -> list[tuple[str, str]]:
        """The (event id, room id) of the notices about what a message proposed."""
        return await of_message(self._database, event_id)

    async def let_go(self, event_id: str) -> None:
        """Know no more of them: they are to leave their rooms."""
        async with self._database.transaction() as transaction:
            await let_go(transaction, [event_id], [])

    async def asked_in(self, notice_event_id: str) -> list[Memory]:
        """What a notice asked about: what still waits, and what was approved as a new memory."""
        rows = await self._database.rows(
            "SELECT memory_listed.* FROM memory_listed WHERE memory_id IN "
            "(SELECT memory_id FROM memory WHERE notice_event_id = ?) "
            "AND status IN ('pending', 'active') ORDER BY memory_id",
            notice_event_id,
        )
        return [memory_from(row) for row in rows]

    async def approve(self, memory_id: int) -> Memory | None:
        """Remember a proposal: as a new memory, or by changing the one that it replaces.

        None where it waits no longer. What is known already gets a further source instead.
        """
        since = to_text(self._now() - WAITS)
        async with self._database.transaction() as transaction:
            row = await transaction.row(
                "SELECT * FROM memory WHERE memory_id = ? AND status = 'pending' "
                "AND created_at > ?",
                memory_id,
                since,
            )
            if row is None:
                return None
            approved = await self._become(transaction, row)
            await transaction.execute(_BECAME, "approved", json.dumps([row["notice_event_id"]]))
            [listed] = await transaction.rows(
                "SELECT * FROM memory_listed WHERE memory_id = ?", approved
            )
            return memory_from(listed)

    async def reject(self, memory_ids: Sequence[int]) -> list[int]:
        """Erase proposals, from the disk too; those that there were."""
        async with self._database.transaction() as transaction:
            rows = await transaction.rows(
                "DELETE FROM memory WHERE status = 'pending' "
                "AND memory_id IN (SELECT value FROM json_each(?)) RETURNING memory_id",
                json.dumps(list(memory_ids)),
            )
            await owe_wipe(transaction)
        await wipe(self._database)
        return sorted(row["memory_id"] for row in rows)

    async def expire(self, before: datetime) -> list[int]:
        """Erase what was proposed before a moment and never approved; the numbers."""
        async with self._database.transaction() as transaction:
            rows = await transaction.rows(_OVER, to_text(before))
            notices = json.dumps([row["notice_event_id"] for row in rows])
            await transaction.execute(f"{_BECAME} AND became = 'rejected'", "expired", notices)
        return await self.reject([row["memory_id"] for row in rows]) if rows else []

    async def _become(self, transaction: Transaction, row: Row) -> int:
        """Make a proposal what it asks to be; the number of the memory that it is now."""
        now, memory_id = self._now(), int(row["memory_id"])
        changed = await _changed(transaction, row, now)
        if changed is None:
            await transaction.execute(
                "UPDATE memory SET status = 'active', updated_at = ? WHERE memory_id = ?",
                to_text(now),
                memory_id,
            )
            return memory_id
        await transaction.execute("DELETE FROM memory WHERE memory_id = ?", memory_id)
        return changed


def _notice(row: Row) -> Notice:
    return Notice(row["event_id"], row["room_id"], row["became"])


async def _changed(transaction: Transaction, row: Row, now: datetime) -> int | None:
    """The memory that a proposal changed, or to which it became a further source, if any."""
    if row["replaces"] is not None:
        await _revised(transaction, row, now)
        return int(row["replaces"])
    place = (row["room_kind"], row["source_room_id"])
    twin = await transaction.row(_TWIN, row["digest"], to_text(now), *place)
    if twin is None:
        return None
    await transaction.execute(_SAID, twin["memory_id"], row["memory_id"])
    return int(twin["memory_id"])


async def _revised(transaction: Transaction, row: Row, now: datetime) -> None:
    until = row["valid_until"]
    await revise(
        transaction,
        row["replaces"],
        row["text"],
        changed_by=row["origin"],
        now=now,
        quote=row["quote"],
        source_event_id=row["source_event_id"],
        source_room_id=row["source_room_id"],
        room_kind=row["room_kind"],
        valid_until=None if until is None else from_text(until),
    )
