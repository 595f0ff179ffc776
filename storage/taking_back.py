"""A message is taken back, or grows old: with it goes what repeats it, to the last byte."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from storage.clock import to_text, utc_now
from storage.database import Database, Transaction
from storage.remembered import digest
from storage.revising import blank_notes, unshare_everywhere
from storage.rows import Row
from storage.wiping import is_owed, owe_wipe, wipe

# With a question or an edit behind it: what stands for the event of an answer that has none yet.
UNSENT = "unsent answer to "

Stands = Callable[[str], bool]
"""Whether a quote from a message is still in it."""

# The turns of events, of which some may be later parts of a turn, or edits of which the answer is
# not sent yet; and the answers to them.
CONCERNED = """
    WITH said (event_id) AS (
        SELECT value FROM json_each(?1)
        UNION SELECT turn.event_id FROM turn JOIN turn_part USING (turn_id)
        WHERE turn_part.event_id IN (SELECT value FROM json_each(?1))
        UNION SELECT answers_event_id FROM turn
        WHERE event_id IN (SELECT ?2 || value FROM json_each(?1))
    )
    SELECT event_id FROM said
    UNION SELECT turn.event_id FROM turn JOIN said ON turn.answers_event_id = said.event_id
"""

# A time that a sender claims may lie in the future: a question is as old as its answer.
OLD = """
    SELECT event_id FROM turn WHERE said_at < ?1
    UNION SELECT answers_event_id FROM turn WHERE said_at < ?1 AND answers_event_id IS NOT NULL
"""

USES = (
    "DELETE FROM memory_use WHERE answer_event_id IN (SELECT value FROM json_each(?))",
    "DELETE FROM turn_use WHERE answer_event_id IN (SELECT value FROM json_each(?))",
)
TURNS = "DELETE FROM turn WHERE event_id IN (SELECT value FROM json_each(?))"
SAID = """
    SELECT rowid, quote FROM memory_said WHERE event_id IN (SELECT value FROM json_each(?))
"""
REVISED = """
    SELECT revision_id, memory_id, text, quote FROM memory_revision
    WHERE source_event_id IN (SELECT value FROM json_each(?))
"""
LEARNED = """
    SELECT memory_id, quote FROM memory WHERE source_event_id IN (SELECT value FROM json_each(?))
"""
# The note under an answer repeats what was learned from the question.
NOTES = """
    UPDATE turn SET note = ''
    WHERE note <> '' AND answers_event_id IN (SELECT value FROM json_each(?))
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

    `traces` counts quotes and former texts that went and changed nothing of what is remembered.
    """

    messages: int = 0
    deleted: tuple[int, ...] = ()
    updated: tuple[int, ...] = ()
    traces: int = 0

    def __bool__(self) -> bool:
        return bool(self.messages or self.deleted or self.updated or self.traces)


class TakingBack:
    """Takes messages out of one vault, with all that was derived from them alone.

    A memory that a further message says as well rests on that one from then on. One that said
    something else before says that again. Every other goes with the message.
    """

    def __init__(self, database: Database, now: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._now = now

    async def messages(self, event_ids: Sequence[str]) -> TakenBack:
        """Erase messages, the answers to them, and what was learned from nothing else."""
        async with self._database.transaction() as transaction:
            taken = await take_back(transaction, event_ids, self._now())
            due = await _note(transaction, taken)
        if due:
            await wipe(self._database)
        return taken

    async def words(
        self,
        event_id: str,
        text: str,
        stands: Stands,
        *,
        room_kind: str = "shared",
        wiped: bool = True,
    ) -> TakenBack:
        """Put other words in the place of a message; what the old ones alone said is taken back.

        What is edited where the `room_kind` is direct by now was not said among others.
        Where more is about to go it isn't `wiped` yet: the disk is owed that until `catch_up`.
        """
        chosen = json.dumps([event_id])
        async with self._database.transaction() as transaction:
            changed = await transaction.execute(
                "UPDATE turn SET text = ?1, room_kind = iif(?3 = 'direct', ?3, room_kind) "
                "WHERE event_id = ?2 AND text <> ?1",
                text,
                event_id,
                room_kind,
            )
            taken = await _unlearn(transaction, chosen, stands, self._now())
            taken = replace(taken, messages=changed)
            if taken.deleted or taken.updated:
                await transaction.execute(NOTES, chosen)
            due = await _note(transaction, taken)
        if due and wiped:
            await wipe(self._database)
        return taken

    async def catch_up(self) -> None:
        """Wipe the disk if that is owed."""
        async with self._database.transaction() as transaction:
            due = await _note(transaction, TakenBack())
        if due:
            await wipe(self._database)

    async def before(self, moment: datetime | None) -> int:
        """Erase the messages from before a moment; what was learned from them stays.

        Also without a moment, a wipe that was cut short is caught up on.
        """
        async with self._database.transaction() as transaction:
            rows = await transaction.rows(OLD, to_text(moment)) if moment else []
            messages = await _erase(transaction, [row["event_id"] for row in rows])
            due = await _note(transaction, TakenBack(messages))
        if due:
            await wipe(self._database)
        return messages


async def take_back(transaction: Transaction, event_ids: Sequence[str], now: datetime) -> TakenBack:
    """Delete messages and what was derived from them alone. Wiping the disk is left to do."""
    gone = await concerned(transaction, event_ids)
    taken = await _unlearn(transaction, json.dumps(gone), _nothing_stands, now)
    return replace(taken, messages=await _erase(transaction, gone))


async def concerned(transaction: Transaction, event_ids: Sequence[str]) -> list[str]:
    """These messages and the answers to them, each by the event that its turn is called after."""
    rows = await transaction.rows(CONCERNED, json.dumps(list(event_ids)), UNSENT)
    return [row["event_id"] for row in rows]


def _nothing_stands(quote: str) -> bool:
    return False


async def _erase(transaction: Transaction, event_ids: Sequence[str]) -> int:
    chosen = json.dumps(list(event_ids))
    for statement in USES:
        await transaction.execute(statement, chosen)
    return await transaction.execute(TURNS, chosen)


async def _unlearn(
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
        traces=len(said) + len(revised) + sum(end == "kept" for _, end in ends),
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


async def _note(transaction: Transaction, taken: TakenBack) -> bool:
    """Whether the disk has to be wiped: for this, or for what was cut short before."""
    if taken:
        await owe_wipe(transaction)
    return await is_owed(transaction)
