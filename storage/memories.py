"""What the bot keeps about one person: the memories of their vault, as short sentences."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from storage.clock import to_text, utc_now
from storage.database import Database, Transaction
from storage.remembered import Memory, Revision, digest, memory_from, revision_from
from storage.revising import blank_notes, erase, revise
from storage.wiping import owe_wipe, wipe

ADD = """
    INSERT INTO memory (text, digest, quote, origin, status, source_event_id, source_room_id,
                        room_kind, created_at, updated_at, valid_until, replaces)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

# In a shared room only what may be used there is a twin: a direct chat's must not show. The last
# lines: a message that is handled again must not bring back what it already taught, even if that
# was superseded since.
TWIN = """
    SELECT memory_id FROM memory WHERE digest = ?1 AND (
        source_event_id = ?2
        OR (status IN ('active', ?3) AND (valid_until IS NULL OR valid_until > ?4)
            AND (?5 = 'direct' OR (room_kind = 'shared' AND source_room_id = ?6)
                 OR memory_id IN (SELECT memory_id FROM memory_share WHERE room_id = ?6)))
    )
    ORDER BY status = 'active' DESC, memory_id LIMIT 1
"""
TAUGHT_BEFORE = "SELECT memory_id, text FROM memory_revision WHERE source_event_id = ?"

SAID = """
    INSERT OR IGNORE INTO memory_said (memory_id, event_id, room_id, quote, said_at)
    VALUES (?, ?, ?, ?, ?)
"""

PAGE = """
    SELECT * FROM memory_listed
    WHERE status = 'active' AND (valid_until IS NULL OR valid_until > ?)
    ORDER BY memory_id DESC LIMIT ? OFFSET ?
"""
PROMPT = """
    SELECT * FROM memory_listed
    WHERE status = 'active' AND (valid_until IS NULL OR valid_until > ?)
    ORDER BY pinned DESC, memory_id DESC LIMIT ?
"""
ONE = "SELECT * FROM memory_listed WHERE memory_id = ?"
COUNT = """
    SELECT count(*) FROM memory
    WHERE status = 'active' AND (valid_until IS NULL OR valid_until > ?)
"""


class Memories:
    """The memories of one vault. What has expired is neither listed, counted nor used.

    Whoever writes because of what is remembered holds `settling` from the reading to the writing.
    """

    def __init__(self, database: Database, now: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._now = now
        self.settling = asyncio.Lock()

    async def add(
        self,
        text: str,
        *,
        origin: str,
        room_kind: str,
        quote: str = "",
        source_event_id: str | None = None,
        source_room_id: str | None = None,
        status: str = "active",
        valid_until: datetime | None = None,
        replaces: int | None = None,
    ) -> Memory:
        """Keep a memory; if it is known already, the one that is there is returned instead.

        Another message that says the same becomes a further source of the one that is there.
        """
        source, now, same = (source_event_id, source_room_id), to_text(self._now()), digest(text)
        place = (status, now, room_kind, source_room_id)
        until = None if valid_until is None else to_text(valid_until)
        async with self._database.transaction() as transaction:
            twin = await _twin(transaction, same, source_event_id, place)
            if twin is None:
                kept = (text, same, quote, origin, status, *source, room_kind, now, now)
                twin = await transaction.insert(ADD, *kept, until, replaces)
                return await _one(transaction, twin)
            memory = await _one(transaction, twin)
            if source_event_id and source_room_id:
                said = (source_event_id, source_room_id, quote, now)
                await _said(transaction, memory, said)
            return memory

    async def said_again(self, memory_id: int, *, event_id: str, room_id: str, quote: str) -> bool:
        """Another message says what a memory says: it becomes a further source.

        False where there is no such memory any more.
        """
        async with self._database.transaction() as transaction:
            row = await transaction.row(ONE, memory_id)
            if row is not None:
                said = (event_id, room_id, quote, to_text(self._now()))
                await _said(transaction, memory_from(row), said)
            return row is not None

    async def page(self, *, limit: int, offset: int = 0) -> list[Memory]:
        """Active memories, newest first."""
        rows = await self._database.rows(PAGE, to_text(self._now()), limit, offset)
        return [memory_from(row) for row in rows]

    async def active(self, *, limit: int) -> list[Memory]:
        """Active memories for the prompt: pinned ones first, then the newest."""
        rows = await self._database.rows(PROMPT, to_text(self._now()), limit)
        return [memory_from(row) for row in rows]

    async def count(self) -> int:
        """How many memories are active."""
        return int(await self._database.value(COUNT, to_text(self._now())))

    async def get(self, memory_id: int) -> Memory | None:
        """The memory with this number, whatever its status."""
        row = await self._database.row(ONE, memory_id)
        return None if row is None else memory_from(row)

    async def edit(
        self,
        memory_id: int,
        text: str,
        *,
        changed_by: str,
        quote: str = "",
        source_event_id: str | None = None,
        source_room_id: str | None = None,
        room_kind: str | None = None,
        valid_until: datetime | None = None,
    ) -> Memory | None:
        """Change what a memory says; what it said becomes a revision. None if there is none.

        After a person's edit the notes that announced it are taken off the disk: they repeat it.
        """
        async with self._database.transaction() as transaction:
            blanked = await blank_notes(transaction, [memory_id]) if changed_by == "person" else 0
            revised = await revise(
                transaction,
                memory_id,
                text,
                changed_by=changed_by,
                now=self._now(),
                quote=quote,
                source_event_id=source_event_id,
                source_room_id=source_room_id,
                room_kind=room_kind,
                valid_until=valid_until,
            )
            edited = await _one(transaction, memory_id) if revised else None
            if blanked:
                await owe_wipe(transaction)
        if blanked:
            await wipe(self._database)
        return edited

    async def delete(self, memory_ids: Sequence[int]) -> list[int]:
        """Erase memories with their revisions and uses, from the disk too; those that existed.

        Repeating it wipes the disk again, so a deletion cut short is finished by asking again.
        """
        async with self._database.transaction() as transaction:
            gone = await erase(transaction, memory_ids)
        await wipe(self._database)
        return [memory_id for memory_id in dict.fromkeys(memory_ids) if memory_id in gone]

    async def expire(self, now: datetime) -> list[int]:
        """Erase the memories whose time is over, from the disk too; their numbers."""
        async with self._database.transaction() as transaction:
            over = "SELECT memory_id FROM memory WHERE valid_until <= ? ORDER BY memory_id"
            rows = await transaction.rows(over, to_text(now))
            expired = [row["memory_id"] for row in rows]
            if expired:
                await erase(transaction, expired)
        if expired:
            await wipe(self._database)
        return expired

    async def revisions(self, memory_id: int) -> list[Revision]:
        """What a memory said before, oldest first."""
        rows = await self._database.rows(
            "SELECT * FROM memory_revision WHERE memory_id = ? ORDER BY revision_id", memory_id
        )
        return [revision_from(row) for row in rows]

    async def pin(self, memory_id: int, *, pinned: bool) -> bool:
        """Pin or unpin a memory; False if there is none with this number."""
        return await self._changed(
            "UPDATE memory SET pinned = ? WHERE memory_id = ?", int(pinned), memory_id
        )

    async def share(self, memory_id: int, room_id: str) -> bool:
        """Let an active memory be used in a shared room; False if there is none."""
        return await self._changed(
            "INSERT INTO memory_share (memory_id, room_id, shared_at) "
            "SELECT memory_id, ?, ? FROM memory WHERE memory_id = ? AND status = 'active' "
            "ON CONFLICT DO UPDATE SET shared_at = shared_at",
            room_id,
            to_text(self._now()),
            memory_id,
        )

    async def unshare(self, memory_id: int, room_id: str) -> bool:
        """Let it no longer be used there, also if it was learned there; False if it wasn't."""
        shared = await self._changed(
            "DELETE FROM memory_share WHERE memory_id = ? AND room_id = ?", memory_id, room_id
        )
        learned = await self._changed(
            "UPDATE memory SET room_kind = 'direct' "
            "WHERE memory_id = ? AND source_room_id = ? AND room_kind = 'shared'",
            memory_id,
            room_id,
        )
        return shared or learned

    async def used_by(self, answer_event_id: str) -> list[Memory]:
        """The memories that an answer was given with."""
        rows = await self._database.rows(
            "SELECT memory_listed.* FROM memory_listed JOIN memory_use USING (memory_id) "
            "WHERE memory_use.answer_event_id = ? ORDER BY memory_id",
            answer_event_id,
        )
        return [memory_from(row) for row in rows]

    async def _changed(self, sql: str, *parameters: object) -> bool:
        async with self._database.transaction() as transaction:
            return bool(await transaction.execute(sql, *parameters))


async def _twin(
    transaction: Transaction, same: bytes, event_id: str | None, place: Sequence[object]
) -> int | None:
    row = await transaction.row(TWIN, same, event_id, *place)
    if row is not None:
        return int(row["memory_id"])
    before = await transaction.rows(TAUGHT_BEFORE, event_id) if event_id else []
    return next((int(one["memory_id"]) for one in before if digest(one["text"]) == same), None)


async def _said(transaction: Transaction, memory: Memory, said: tuple[str, str, str, str]) -> None:
    """A further source: its event id, room id and quote, and when it was noted."""
    if memory.source_event_id != said[0]:
        await transaction.execute(SAID, memory.memory_id, *said)


async def _one(transaction: Transaction, memory_id: int) -> Memory:
    [row] = await transaction.rows(ONE, memory_id)
    return memory_from(row)
