"""What came in a file goes out again: never what was said, typed or changed here beside it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from storage.database import Database, Transaction
from storage.revising import erase
from storage.rows import Row
from storage.taking_back import erase_turns

_TURNS = "SELECT turn_id FROM turn_imported"
_MEMORIES = "SELECT memory_id FROM memory WHERE origin = 'import'"

# A message that really came since, under the event that a file had named, is no longer among them.
_EVENTS = """
    SELECT event_id FROM turn JOIN turn_imported USING (turn_id)
    WHERE turn_id IN (SELECT value FROM json_each(?))
"""

# Those that were changed here, and with which revision first: it holds what the file said.
_CHANGED = """
    SELECT memory_id, min(revision_id) AS revision_id, changed_by, changed_at
    FROM memory_revision JOIN memory USING (memory_id)
    WHERE memory_id IN (SELECT value FROM json_each(?)) AND changed_by <> 'import'
    GROUP BY memory_id
"""
_FORMER = "DELETE FROM memory_revision WHERE memory_id = ? AND revision_id <= ?"
_SAID = "DELETE FROM memory_said WHERE memory_id = ? AND said_at <= ?"
_IS_OWN = "UPDATE memory SET origin = ? WHERE memory_id = ?"


@dataclass(frozen=True, slots=True)
class Brought:
    """What came in files: turns and memories, by their numbers."""

    turn_ids: tuple[int, ...] = ()
    memory_ids: tuple[int, ...] = ()


NOTHING = Brought()


async def brought(database: Database) -> Brought:
    """All that is here of files."""
    turns, memories = await database.rows(_TURNS), await database.rows(_MEMORIES)
    return Brought(
        tuple(row["turn_id"] for row in turns), tuple(row["memory_id"] for row in memories)
    )


async def events(transaction: Transaction, came: Brought) -> list[str]:
    """The events that its turns are called after."""
    rows = await transaction.rows(_EVENTS, json.dumps(came.turn_ids))
    return [row["event_id"] for row in rows]


async def unmerge(transaction: Transaction, came: Brought) -> tuple[int, list[int]]:
    """Delete it; how many messages went, and which memories stay with what they say by now."""
    messages = await erase_turns(transaction, await events(transaction, came))
    changed = await transaction.rows(_CHANGED, json.dumps(came.memory_ids))
    stay = [row["memory_id"] for row in changed]
    await _keep(transaction, changed)
    await erase(transaction, [one for one in came.memory_ids if one not in set(stay)])
    return messages, stay


async def _keep(transaction: Transaction, changed: Sequence[Row]) -> None:
    """It is the person's own from here on, and nothing of it is what a file said."""
    for row in changed:
        memory_id = row["memory_id"]
        await transaction.execute(_FORMER, memory_id, row["revision_id"])
        await transaction.execute(_SAID, memory_id, row["changed_at"])
        await transaction.execute(_IS_OWN, row["changed_by"], memory_id)
