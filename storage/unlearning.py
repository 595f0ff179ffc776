"""What was learned from words that are gone: a memory rests on others, says less, or goes."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from storage.clock import to_text
from storage.database import Transaction
from storage.remembered import digest
from storage.revising import blank_notes, unshare_everywhere
from storage.rows import Row

Stands = Callable[[str], bool]
"""Whether a quote from a message is still in it."""

SAID = """
    SELECT rowid, memory_id, quote FROM memory_said
    WHERE event_id IN (SELECT value FROM json_each(?))
"""
REVISED = """
    SELECT revision_id, memory_id, text, quote FROM memory_revision
    WHERE source_event_id IN (SELECT value FROM json_each(?))
"""
LEARNED = """
    SELECT memory_id, quote FROM memory WHERE source_event_id IN (SELECT value FROM json_each(?))
"""
NEXT_SAID = """
    SELECT event_id, room_id, quote FROM memory_said WHERE memory_id = ? ORDER BY said_at LIMIT 1
"""
# What is learned in another room goes no further than its owner lets it.
REST_ON = """
    UPDATE memory SET quote = ?1, source_event_id = ?2, source_room_id = ?3,
        room_kind = iif(source_room_id IS ?3, room_kind, 'direct')
    WHERE memory_id = ?4
"""
LAST_REVISION = """
    SELECT * FROM memory_revision WHERE memory_id = ? ORDER BY revision_id DESC LIMIT 1
"""
GO_BACK = """
    UPDATE memory SET text = ?, digest = ?, valid_until = ?, updated_at = ? WHERE memory_id = ?
"""
DELETE = "DELETE FROM memory WHERE memory_id = ?"
LATER = """
    SELECT revision_id, text, quote FROM memory_revision
    WHERE memory_id = ? AND revision_id > ? AND quote <> ''
"""


@dataclass(frozen=True, slots=True)
class TakenBack:
    """How many messages went, which memories went, and which say again what they said before.

    `traced` names, once for each quote or former text that went, the memory that lost it.
    """

    messages: int = 0
    deleted: tuple[int, ...] = ()
    updated: tuple[int, ...] = ()
    traced: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.messages or self.deleted or self.updated or self.traced)

    @property
    def traces(self) -> int:
        """How many quotes and former texts went of memories that stay."""
        return sum(one not in self.deleted for one in self.traced)


async def unlearn(
    transaction: Transaction, chosen: str, stands: Stands, now: datetime
) -> TakenBack:
    """Take back what was learned from messages and no longer stands in them."""
    said = [row for row in await transaction.rows(SAID, chosen) if not stands(row["quote"])]
    for row in said:
        await transaction.execute("DELETE FROM memory_said WHERE rowid = ?", row["rowid"])
    revised = [row for row in await transaction.rows(REVISED, chosen) if not stands(row["quote"])]
    # The note of the message that changed it repeats what it said before.
    await blank_notes(transaction, [row["memory_id"] for row in revised])
    for row in revised:
        revision = row["revision_id"]
        await transaction.execute("DELETE FROM memory_revision WHERE revision_id = ?", revision)
        await _without_words_of(transaction, row)
    learned = [row for row in await transaction.rows(LEARNED, chosen) if not stands(row["quote"])]
    ends = [(row[0], await _take_over(transaction, row[0], now)) for row in learned]
    return TakenBack(
        deleted=tuple(memory_id for memory_id, end in ends if end == "deleted"),
        updated=tuple(memory_id for memory_id, end in ends if end == "updated"),
        traced=(
            *(row["memory_id"] for row in (*said, *revised)),
            *(memory_id for memory_id, end in ends if end == "kept"),
        ),
    )


async def _take_over(transaction: Transaction, memory_id: int, now: datetime) -> str:
    """Let a memory rest on what else there is for it: what became of it."""
    said = await transaction.row(NEXT_SAID, memory_id)
    if said is not None:
        await _rest_on(transaction, memory_id, said["quote"], said["event_id"], said["room_id"])
        await _say_the_quote(transaction, memory_id)  # its text is in the words of the other one
        await transaction.execute(
            "DELETE FROM memory_said WHERE memory_id = ? AND event_id = ?",
            memory_id,
            said["event_id"],
        )
        return "kept"
    revision = await transaction.row(LAST_REVISION, memory_id)
    if revision is None:
        await transaction.execute(DELETE, memory_id)
        return "deleted"
    await _go_back(transaction, memory_id, revision, now)
    return "updated"


async def _go_back(transaction: Transaction, memory_id: int, revision: Row, now: datetime) -> None:
    text = revision["text"]
    source = (revision["source_event_id"], revision["source_room_id"])
    await _rest_on(transaction, memory_id, revision["quote"], *source)
    until = revision["valid_until"]
    await transaction.execute(GO_BACK, text, digest(text), until, to_text(now), memory_id)
    await unshare_everywhere(transaction, memory_id)
    await transaction.execute(
        "DELETE FROM memory_revision WHERE revision_id = ?", revision["revision_id"]
    )


async def _without_words_of(transaction: Transaction, gone: Row) -> None:
    """What a memory said after a former text may have kept words of it: then it says its quote."""
    memory_id = gone["memory_id"]
    lost = _words(gone["text"]) | _words(gone["quote"])
    for row in await transaction.rows(LATER, memory_id, gone["revision_id"]):
        if _words(row["text"]) & lost - _words(row["quote"]):
            await transaction.execute(
                "UPDATE memory_revision SET text = quote WHERE revision_id = ?", row["revision_id"]
            )
    memory = await transaction.row("SELECT text, quote FROM memory WHERE memory_id = ?", memory_id)
    if memory is not None and _words(memory["text"]) & lost - _words(memory["quote"]):
        await _say_the_quote(transaction, memory_id)


async def _say_the_quote(transaction: Transaction, memory_id: int) -> None:
    """Let a memory say no more than the words that it rests on; what a person typed has none."""
    row = await transaction.row("SELECT quote FROM memory WHERE memory_id = ?", memory_id)
    if row is not None and row["quote"]:
        await transaction.execute(
            "UPDATE memory SET text = ?1, digest = ?2 WHERE memory_id = ?3 AND text <> ?1",
            row["quote"],
            digest(row["quote"]),
            memory_id,
        )


def _words(text: str) -> set[str]:
    """Words by their beginnings, so that lives and live are one; short ones say nothing."""
    return {one[:4] for one in re.findall(r"\w{3,}", text.casefold())}


async def _rest_on(
    transaction: Transaction,
    memory_id: int,
    quote: str,
    event_id: str | None,
    room_id: str | None,
) -> None:
    await transaction.execute(REST_ON, quote, event_id, room_id, memory_id)
