"""The notices that asked whether something may be remembered: they repeat it, and go with it."""

import json
from collections.abc import Sequence

from storage.database import Database, Transaction

# Those that messages led to, those that are named themselves, and those that made these memories
# and ask about nothing else.
_LET_GO = """
    DELETE FROM notice WHERE source_event_id IN (SELECT value FROM json_each(?1))
    OR event_id IN (SELECT value FROM json_each(?1))
    OR event_id IN (
        SELECT notice_event_id FROM memory WHERE memory_id IN (SELECT value FROM json_each(?2))
        EXCEPT SELECT notice_event_id FROM memory
        WHERE status = 'pending' AND memory_id NOT IN (SELECT value FROM json_each(?2))
    )
    RETURNING event_id, room_id
"""
_OF_MESSAGE = "SELECT event_id, room_id FROM notice WHERE source_event_id = ?"

Standing = list[tuple[str, str]]  # the event id and the room id of each


async def let_go(
    transaction: Transaction, event_ids: Sequence[str], memory_ids: Sequence[int]
) -> Standing:
    """Know no more of the notices about messages and memories; they are to leave their rooms."""
    chosen = json.dumps(list(event_ids)), json.dumps(list(memory_ids))
    rows = await transaction.rows(_LET_GO, *chosen)
    return [(row["event_id"], row["room_id"]) for row in rows]


async def of_message(database: Database, event_id: str) -> Standing:
    """The notices about what a message proposed."""
    rows = await database.rows(_OF_MESSAGE, event_id)
    return [(row["event_id"], row["room_id"]) for row in rows]
