"""How a memory comes to say something else, and how it goes, with all that repeats it."""

import json
from collections.abc import Sequence
from datetime import datetime

from storage.clock import to_text
from storage.database import Transaction
from storage.remembered import digest
from storage.wiping import owe_wipe

KEEP_REVISION = """
    INSERT INTO memory_revision (memory_id, text, changed_by, changed_at, quote,
                                 source_event_id, source_room_id, valid_until)
    SELECT memory_id, text, ?, ?, quote, source_event_id, source_room_id, valid_until
    FROM memory WHERE memory_id = ?
"""

# What it says now may rest on a message of another room: it goes no further than that one did.
REVISE = """
    UPDATE memory SET text = ?1, digest = ?2, quote = ?3, source_event_id = ?4,
        source_room_id = ?5, valid_until = ?7, updated_at = ?8,
        room_kind = coalesce(?6, iif(source_room_id IS ?5, room_kind, 'direct'))
    WHERE memory_id = ?9
"""

# With a memory goes what it replaced: its owner can't see that, and means the whole thing.
CHAIN = """
    WITH RECURSIVE gone (memory_id) AS (
        SELECT memory_id FROM memory WHERE memory_id IN (SELECT value FROM json_each(?))
        UNION SELECT memory.memory_id FROM memory JOIN gone ON superseded_by = gone.memory_id
    )
    DELETE FROM memory WHERE memory_id IN gone RETURNING memory_id
"""

# The note under an answer repeats the text of what was learned from the question.
BLANK_NOTES = """
    UPDATE turn SET note = '' WHERE note <> '' AND answers_event_id IN (
        SELECT source_event_id FROM memory WHERE memory_id IN (SELECT value FROM json_each(?1))
        UNION SELECT source_event_id FROM memory_revision
        WHERE memory_id IN (SELECT value FROM json_each(?1))
        UNION SELECT event_id FROM memory_said WHERE memory_id IN (SELECT value FROM json_each(?1))
    )
"""


async def blank_notes(transaction: Transaction, memory_ids: Sequence[int]) -> int:
    """Take the notes that announced memories out of the stored answers; how many those were."""
    return await transaction.execute(BLANK_NOTES, json.dumps(list(memory_ids)))


async def unshare_everywhere(transaction: Transaction, memory_id: int) -> None:
    """Take back where a memory is shared: its owner shared what it said, not what it says now."""
    await transaction.execute("DELETE FROM memory_share WHERE memory_id = ?", memory_id)


async def erase(transaction: Transaction, memory_ids: Sequence[int]) -> set[int]:
    """Delete memories and what repeats them; those that went. The disk is owed a wipe then."""
    await owe_wipe(transaction)
    await blank_notes(transaction, memory_ids)
    gone = await transaction.rows(CHAIN, json.dumps(list(memory_ids)))
    return {row["memory_id"] for row in gone}


async def revise(
    transaction: Transaction,
    memory_id: int,
    text: str,
    *,
    changed_by: str,
    now: datetime,
    quote: str = "",
    source_event_id: str | None = None,
    source_room_id: str | None = None,
    room_kind: str | None = None,
    valid_until: datetime | None = None,
) -> bool:
    """Let a memory say something else; what it said becomes a revision. False if there is none.

    `room_kind` is that of the source's room; without it a memory whose source moves to another
    room is used in no shared room any more but those it was shared in.
    """
    if not await transaction.execute(KEEP_REVISION, changed_by, to_text(now), memory_id):
        return False
    source = (quote, source_event_id, source_room_id, room_kind)
    until = None if valid_until is None else to_text(valid_until)
    await unshare_everywhere(transaction, memory_id)
    await transaction.execute(REVISE, text, digest(text), *source, until, to_text(now), memory_id)
    return True
