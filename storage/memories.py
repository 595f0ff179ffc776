"""What the bot keeps about one person: the memories of their vault, as short sentences."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from storage.clock import from_text, to_text, utc_now
from storage.database import Database, Transaction
from storage.rows import Row


@dataclass(frozen=True, slots=True)
class Memory:
    """One thing remembered, where it came from, and how often answers used it."""

    memory_id: int
    text: str = field(repr=False)
    quote: str = field(repr=False)  # the person's own words it rests on
    origin: str  # "person", "model" or "import"
    status: str  # "active", "pending" or "superseded"
    source_event_id: str | None
    source_room_id: str | None
    room_kind: str
    pinned: bool
    created_at: datetime
    updated_at: datetime
    uses: int
    shared_in: tuple[str, ...]  # the shared rooms in which the owner lets it be used


@dataclass(frozen=True, slots=True)
class Revision:
    """What a memory said before somebody changed it."""

    text: str = field(repr=False)
    changed_by: str
    changed_at: datetime


ADD = """
    INSERT INTO memory (text, digest, quote, origin, status, source_event_id, source_room_id,
                        room_kind, created_at, updated_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

# The second line: a message that is handled again must not bring back what it already taught,
# even if that was superseded since.
TWIN = """
    SELECT memory_id FROM memory WHERE digest = ?
    AND (status IN ('active', ?) OR source_event_id = ?)
    ORDER BY status = 'active' DESC, memory_id LIMIT 1
"""

# With a memory goes what it replaced: its owner can't see that, and means the whole thing.
CHAIN = """
    WITH RECURSIVE gone (memory_id) AS (
        SELECT memory_id FROM memory WHERE memory_id IN (SELECT value FROM json_each(?))
        UNION SELECT memory.memory_id FROM memory JOIN gone ON superseded_by = gone.memory_id
    )
    DELETE FROM memory WHERE memory_id IN gone RETURNING memory_id
"""


def digest(text: str) -> bytes:
    """Equal for texts that differ in case and white space only."""
    return hashlib.sha256(" ".join(text.casefold().split()).encode("utf-8", "replace")).digest()


def memory_from(row: Row) -> Memory:
    """The Memory of a row of the view memory_listed."""
    return Memory(
        memory_id=row["memory_id"],
        text=row["text"],
        quote=row["quote"],
        origin=row["origin"],
        status=row["status"],
        source_event_id=row["source_event_id"],
        source_room_id=row["source_room_id"],
        room_kind=row["room_kind"],
        pinned=bool(row["pinned"]),
        created_at=from_text(row["created_at"]),
        updated_at=from_text(row["updated_at"]),
        uses=row["uses"],
        shared_in=tuple(json.loads(row["shared_in"])),
    )


class Memories:
    """The memories of one vault."""

    def __init__(self, database: Database, now: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._now = now

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
    ) -> Memory:
        """Keep a memory; if it is known already, the one that is there is returned instead."""
        source, now, same = (source_event_id, source_room_id), to_text(self._now()), digest(text)
        async with self._database.transaction() as transaction:
            twin = await transaction.row(TWIN, same, status, source_event_id)
            if twin is not None:
                return await _one(transaction, twin["memory_id"])
            memory_id = await transaction.insert(
                ADD, text, same, quote, origin, status, *source, room_kind, now, now
            )
            return await _one(transaction, memory_id)

    async def page(self, *, limit: int, offset: int = 0) -> list[Memory]:
        """Active memories, newest first."""
        rows = await self._database.rows(
            "SELECT * FROM memory_listed WHERE status = 'active' "
            "ORDER BY memory_id DESC LIMIT ? OFFSET ?",
            limit,
            offset,
        )
        return [memory_from(row) for row in rows]

    async def active(self, *, limit: int) -> list[Memory]:
        """Active memories for the prompt: pinned ones first, then the newest."""
        rows = await self._database.rows(
            "SELECT * FROM memory_listed WHERE status = 'active' "
            "ORDER BY pinned DESC, memory_id DESC LIMIT ?",
            limit,
        )
        return [memory_from(row) for row in rows]

    async def count(self) -> int:
        """How many memories are active."""
        return int(
            await self._database.value("SELECT count(*) FROM memory WHERE status = 'active'")
        )

    async def get(self, memory_id: int) -> Memory | None:
        """The memory with this number, whatever its status."""
        row = await self._database.row("SELECT * FROM memory_listed WHERE memory_id = ?", memory_id)
        return None if row is None else memory_from(row)

    async def edit(self, memory_id: int, text: str, *, changed_by: str) -> Memory | None:
        """Change what a memory says; what it said becomes a revision. None if there is none."""
        now = to_text(self._now())
        async with self._database.transaction() as transaction:
            revised = await transaction.execute(
                "INSERT INTO memory_revision (memory_id, text, changed_by, changed_at) "
                "SELECT memory_id, text, ?, ? FROM memory WHERE memory_id = ?",
                changed_by,
                now,
                memory_id,
            )
            if not revised:
                return None
            await transaction.execute(
                "UPDATE memory SET text = ?, digest = ?, updated_at = ? WHERE memory_id = ?",
                text,
                digest(text),
                now,
                memory_id,
            )
            return await _one(transaction, memory_id)

    async def delete(self, memory_ids: Sequence[int]) -> list[int]:
        """Erase memories with their revisions and uses, from the disk too; those that existed.

        Repeating it wipes the disk again, so a deletion cut short is finished by asking again.
        """
        async with self._database.transaction() as transaction:
            rows = await transaction.rows(CHAIN, json.dumps(list(memory_ids)))
        await self._database.wipe()
        gone = {row["memory_id"] for row in rows}
        return [memory_id for memory_id in dict.fromkeys(memory_ids) if memory_id in gone]

    async def revisions(self, memory_id: int) -> list[Revision]:
        """What a memory said before, oldest first."""
        rows = await self._database.rows(
            "SELECT text, changed_by, changed_at FROM memory_revision WHERE memory_id = ? "
            "ORDER BY revision_id",
            memory_id,
        )
        return [Revision(row[0], row[1], from_text(row[2])) for row in rows]

    async def pin(self, memory_id: int, *, pinned: bool) -> bool:
        """Pin or unpin a memory; False if there is none with this number."""
        async with self._database.transaction() as transaction:
            return bool(
                await transaction.execute(
                    "UPDATE memory SET pinned = ? WHERE memory_id = ?", int(pinned), memory_id
                )
            )

    async def used_by(self, answer_event_id: str) -> list[Memory]:
        """The memories that an answer was given with."""
        rows = await self._database.rows(
            "SELECT memory_listed.* FROM memory_listed JOIN memory_use USING (memory_id) "
            "WHERE memory_use.answer_event_id = ? ORDER BY memory_id",
            answer_event_id,
        )
        return [memory_from(row) for row in rows]


async def _one(transaction: Transaction, memory_id: int) -> Memory:
    [row] = await transaction.rows("SELECT * FROM memory_listed WHERE memory_id = ?", memory_id)
    return memory_from(row)
