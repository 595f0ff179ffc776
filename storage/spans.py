"""What lies in a memory, an exchange, a span of time or a room: counted first, then erased."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from storage.clock import to_text, utc_now
from storage.database import Database, Transaction
from storage.noticing import let_go
from storage.revising import erase
from storage.taking_back import UNSENT, concerned, take_back
from storage.tracing import Traces
from storage.unlearning import TakenBack
from storage.unmerging import NOTHING, Brought, brought, events, unmerge
from storage.wiping import owe_wipe, wipe

EVERYWHERE = "*"  # in the place of a room's id

_LAST = """
    SELECT event_id, answers_event_id FROM turn WHERE ?1 IS NULL OR room_id = ?1
    ORDER BY turn_id DESC LIMIT 1
"""

# A time that a sender claims may be wrong: a question is as new as its answer.
_SAID_SINCE = """
    SELECT event_id FROM turn WHERE said_at >= ?1
    UNION SELECT answers_event_id FROM turn WHERE said_at >= ?1 AND answers_event_id IS NOT NULL
"""

# What was typed into a command is no turn: it counts from when the memory came to say it.
_TYPED_SINCE = """
    WITH came (event_id, at) AS (
        SELECT source_event_id, coalesce(
            (SELECT max(changed_at) FROM memory_revision AS former
             WHERE former.memory_id = memory.memory_id), created_at
        ) FROM memory
        UNION ALL SELECT revision.source_event_id, coalesce(
            (SELECT max(changed_at) FROM memory_revision AS former
             WHERE former.memory_id = revision.memory_id
             AND former.revision_id < revision.revision_id), memory.created_at
        ) FROM memory_revision AS revision JOIN memory USING (memory_id)
        UNION ALL SELECT event_id, said_at FROM memory_said
    )
    SELECT DISTINCT event_id FROM came WHERE event_id IS NOT NULL AND at >= ?1
    AND event_id NOT IN (SELECT event_id FROM turn UNION SELECT event_id FROM turn_part)
"""
_IN_ROOM = """
    SELECT event_id FROM turn WHERE room_id = ?1
    UNION SELECT event_id FROM memory_said WHERE room_id = ?1
    UNION SELECT source_event_id FROM memory
    WHERE source_room_id = ?1 AND source_event_id IS NOT NULL
    UNION SELECT source_event_id FROM memory_revision
    WHERE source_room_id = ?1 AND source_event_id IS NOT NULL
    UNION SELECT event_id FROM notice WHERE room_id = ?1
"""

# The events in which the bot's answers stand, with the first of each. What came in a file only
# claims to be the bot's.
_ANSWERS = """
    SELECT event_id AS first, event_id, room_id, room_kind,
        turn_id IN (SELECT turn_id FROM turn_imported) AS is_imported
    FROM turn
    WHERE role = 'assistant' AND event_id IN (SELECT value FROM json_each(?1))
    UNION ALL SELECT turn.event_id, turn_part.event_id, room_id, room_kind,
        turn_id IN (SELECT turn_id FROM turn_imported)
    FROM turn_part JOIN turn USING (turn_id)
    WHERE role = 'assistant' AND turn.event_id IN (SELECT value FROM json_each(?1))
"""

_HEARD = """
    SELECT event_id FROM turn WHERE role = 'user'
    AND event_id IN (SELECT value FROM json_each(?)) AND turn_id NOT IN (
        SELECT turn_id FROM turn_imported
    )
"""


@dataclass(frozen=True, slots=True)
class Named:
    """What somebody names to be forgotten: messages by their events, memories by their numbers.

    `everything_in` is the room all of whose messages are meant, or EVERYWHERE. What was `brought`
    in files goes without what was learned from such messages here.
    """

    event_ids: tuple[str, ...]
    memory_ids: tuple[int, ...] = ()
    everything_in: str = ""
    brought: Brought = NOTHING


@dataclass(frozen=True, slots=True)
class Going:
    """What goes: as `taken`, of which so many messages are `answers`, and so many `notices`.

    `standing` holds (event id, room id) of each event in which these stand; `heard` names the
    person's own messages that came from a room, not in a file, which names what events it likes.
    So many answers among others are `imported`: they stay there.
    """

    taken: TakenBack
    answers: int
    standing: tuple[tuple[str, str], ...]
    notices: int = 0
    heard: tuple[str, ...] = ()
    imported: int = 0

    @property
    def questions(self) -> int:
        """How many of the messages are the person's own."""
        return self.taken.messages - self.answers

    def __bool__(self) -> bool:
        return bool(self.taken or self.notices)


class _NotYetError(Exception):
    """Ends a transaction that only looked at what would be."""


class Spans:
    """Finds and forgets what somebody names in one vault.

    What was named is held by ids, so that nothing goes which came after it was named.
    """

    def __init__(self, database: Database, now: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._now = now
        self._traces = Traces(database)

    async def of_memory(self, memory_id: int) -> Named:
        """A memory and every message that it, or a former text of it, came from."""
        return Named(tuple(await self._traces.sources(memory_id)), (memory_id,))

    async def last(self, room_id: str) -> Named:
        """The last exchange that is kept of a room; of a room without any, the last of all."""
        here = await self._database.row(_LAST, room_id)
        row = here or await self._database.row(_LAST, None)
        found = () if row is None else (row["event_id"], row["answers_event_id"])
        return Named(tuple(one for one in found if one is not None))

    async def since(self, moment: datetime) -> Named:
        """Everything that was said, or typed to be remembered, since a moment."""
        found = [
            row["event_id"]
            for query in (_SAID_SINCE, _TYPED_SINCE)
            for row in await self._database.rows(query, to_text(moment))
        ]
        return Named(tuple(found), everything_in=EVERYWHERE)

    async def of_room(self, room_id: str) -> Named:
        """Everything that came from a room."""
        rows = await self._database.rows(_IN_ROOM, room_id)
        return Named(tuple(row["event_id"] for row in rows), everything_in=room_id)

    async def imported(self) -> Named:
        """Everything that came in a file and nothing that was said here."""
        return Named((), brought=await brought(self._database))

    async def preview(self, named: Named) -> Going:
        """What would go: it goes, in a transaction that is rolled back."""
        going: Going
        try:
            async with self._database.transaction() as transaction:
                going = await _forget(transaction, named, self._now())
                raise _NotYetError
        except _NotYetError:
            return going

    async def forget(self, named: Named) -> Going:
        """Erase it, from the disk too; what went."""
        async with self._database.transaction() as transaction:
            gone = await _forget(transaction, named, self._now())
            await owe_wipe(transaction)
        await wipe(self._database)
        return gone


async def _forget(transaction: Transaction, named: Named, now: datetime) -> Going:
    gone = await concerned(transaction, named.event_ids)
    gone += await events(transaction, named.brought)
    standing = await transaction.rows(_ANSWERS, json.dumps(gone))
    heard = await transaction.rows(_HEARD, json.dumps(gone))
    notices = await let_go(transaction, gone, named.memory_ids)
    before = await _memories(transaction)
    taken = await take_back(transaction, named.event_ids, now)
    out, traced = await unmerge(transaction, named.brought)
    taken = replace(taken, messages=taken.messages + out, traced=(*taken.traced, *traced))
    await erase(transaction, named.memory_ids)
    deleted = before - await _memories(transaction)  # also what only made sense with another
    updated = (one for one in taken.updated if one not in deleted)
    return Going(
        replace(taken, deleted=tuple(sorted(deleted)), updated=tuple(updated)),
        answers=len({row["first"] for row in standing}),
        standing=(
            *(
                (row["event_id"], row["room_id"])
                for row in standing
                if not (row["is_imported"] or row["event_id"].startswith(UNSENT))
            ),
            *notices,
        ),
        notices=len(notices),
        heard=tuple(row["event_id"] for row in heard),
        imported=len(
            {
                row["first"]
                for row in standing
                if row["is_imported"] and row["room_kind"] == "shared"
            }
        ),
    )


async def _memories(transaction: Transaction) -> set[int]:
    return {row["memory_id"] for row in await transaction.rows("SELECT memory_id FROM memory")}
