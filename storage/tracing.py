"""Why an answer said what it said, and what became of a memory: read from one vault."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from storage.clock import from_text, to_text
from storage.database import Database
from storage.memories import Memories
from storage.remembered import Memory, memory_from
from storage.turns import Turn, Turns, turn_from

RECENT = 50  # turns of a room that are looked at for how far back the conversation was shown

# The answer that an event is: its first event, a later part of it, or the question that it answers.
_ANSWER = """
    SELECT * FROM turn WHERE role = 'assistant' AND (
        event_id = ?1 OR answers_event_id = ?1
        OR turn_id IN (SELECT turn_id FROM turn_part WHERE event_id = ?1)
    ) ORDER BY turn_id DESC LIMIT 1
"""
_LAST = """
    SELECT * FROM turn WHERE role = 'assistant' AND (?1 IS NULL OR room_id = ?1)
    ORDER BY turn_id DESC LIMIT 1
"""
_USED_BY = """
    SELECT turn.event_id, turn.room_id, turn.said_at FROM memory_use
    JOIN turn ON turn.event_id = memory_use.answer_event_id
    WHERE memory_use.memory_id = ? ORDER BY turn.turn_id DESC LIMIT ?
"""
_SAID = "SELECT event_id, room_id, quote, said_at FROM memory_said WHERE memory_id = ? ORDER BY 4"
_NEW = """
    SELECT * FROM memory_listed WHERE status = 'active' AND updated_at >= ?1
    AND memory_id NOT IN (SELECT memory_id FROM memory_revision)
    ORDER BY memory_id
"""
_CHANGED = """
    SELECT * FROM memory_listed WHERE status = 'active'
    AND memory_id IN (SELECT memory_id FROM memory_revision WHERE changed_at >= ?1)
    ORDER BY memory_id
"""
_ENDING = """
    SELECT * FROM memory_listed WHERE status = 'active' AND valid_until > ?1 AND valid_until <= ?2
    ORDER BY valid_until, memory_id
"""


@dataclass(frozen=True, slots=True)
class Basis:
    """An answer, and what of the past the model was given for it, as far as it is still kept.

    `earlier` was found by search; `recent` counts the messages of the conversation just before.
    """

    answer: Turn
    memories: Sequence[Memory]
    earlier: Sequence[Turn]
    recent: int


_SOURCES = """
    SELECT source_event_id AS event_id FROM memory
    WHERE memory_id = ?1 AND source_event_id IS NOT NULL
    UNION SELECT event_id FROM memory_said WHERE memory_id = ?1
    UNION SELECT source_event_id FROM memory_revision
    WHERE memory_id = ?1 AND source_event_id IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Said:
    """A message in which a memory was said, or an answer that used it."""

    event_id: str
    room_id: str
    at: datetime
    quote: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Lately:
    """What is remembered newly or otherwise since a moment, and what ends before another."""

    new: Sequence[Memory]
    changed: Sequence[Memory]
    ending: Sequence[Memory]


class Traces:
    """What leads from an answer to its sources and back, in one vault."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._memories, self._turns = Memories(database), Turns(database)

    async def answer(self, event_id: str) -> Basis | None:
        """The answer in which an event is a part, or that was given to it."""
        row = await self._database.row(_ANSWER, event_id)
        return None if row is None else await self._basis(turn_from(row))

    async def last(self, room_id: str | None = None) -> Basis | None:
        """The last answer in a room; without one, the last of all."""
        row = await self._database.row(_LAST, room_id)
        return None if row is None else await self._basis(turn_from(row))

    async def uses(self, memory_id: int, *, limit: int) -> list[Said]:
        """The last answers that were given with a memory, newest first."""
        rows = await self._database.rows(_USED_BY, memory_id, limit)
        return [Said(row[0], row[1], from_text(row[2])) for row in rows]

    async def said(self, memory_id: int) -> list[Said]:
        """Further messages that say what a memory says, oldest first."""
        rows = await self._database.rows(_SAID, memory_id)
        return [Said(row[0], row[1], from_text(row[3]), row[2]) for row in rows]

    async def sources(self, memory_id: int) -> list[str]:
        """The event ids of all messages that a memory, or a former text of it, came from."""
        rows = await self._database.rows(_SOURCES, memory_id)
        return [row["event_id"] for row in rows]

    async def changes(self, *, since: datetime, now: datetime, until: datetime) -> Lately:
        """What is new and changed since a moment, and what ends between now and another."""
        new = await self._database.rows(_NEW, to_text(since))
        changed = await self._database.rows(_CHANGED, to_text(since))
        ending = await self._database.rows(_ENDING, to_text(now), to_text(until))
        return Lately(*([memory_from(row) for row in rows] for rows in (new, changed, ending)))

    async def _basis(self, answer: Turn) -> Basis:
        memories = await self._memories.used_by(answer.event_id)
        used = await self._turns.used_by(answer.event_id)
        used.sort(key=lambda one: (one.said_at, one.turn_id))
        recent = await self._just_before(answer, {one.turn_id for one in used})
        earlier = [one for one in used if one.turn_id not in recent]
        return Basis(answer, memories, earlier, len(recent))

    async def _just_before(self, answer: Turn, used: set[int]) -> set[int]:
        """Those of the used turns that led up to the question without a gap, in its thread."""
        rows = await self._database.rows(
            "SELECT turn_id FROM turn WHERE room_id = ?1 AND turn_id < ?2 AND event_id IS NOT ?3 "
            "AND (?4 IS NULL OR ?4 IN (thread_id, event_id)) ORDER BY turn_id DESC LIMIT ?5",
            answer.room_id,
            answer.turn_id,
            answer.answers_event_id,
            answer.thread_id,
            RECENT,
        )
        before: set[int] = set()
        for row in rows:
            if row["turn_id"] not in used:
                break
            before.add(row["turn_id"])
        return before
