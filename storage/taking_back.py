"""A message is taken back, or grows old: with it goes what repeats it, to the last byte."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from storage.clock import to_text, utc_now
from storage.database import Database, Transaction
from storage.unlearning import Stands, TakenBack, unlearn
from storage.wiping import is_owed, owe_wipe, wipe

# With a question or an edit behind it: what stands for the event of an answer that has none yet.
UNSENT = "unsent answer to "

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
# The note under an answer repeats what was learned from the question.
NOTES = """
    UPDATE turn SET note = ''
    WHERE note <> '' AND answers_event_id IN (SELECT value FROM json_each(?))
"""


class _NotYetError(Exception):
    """Rolls a preview back."""


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

    async def preview(self, event_ids: Sequence[str]) -> TakenBack:
        """What would go: it goes, in a transaction that is rolled back."""
        taken: TakenBack
        try:
            async with self._database.transaction() as transaction:
                taken = await take_back(transaction, event_ids, self._now())
                raise _NotYetError
        except _NotYetError:
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
            taken = await unlearn(transaction, chosen, stands, self._now())
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
            messages = await erase_turns(transaction, [row["event_id"] for row in rows])
            due = await _note(transaction, TakenBack(messages))
        if due:
            await wipe(self._database)
        return messages


async def take_back(transaction: Transaction, event_ids: Sequence[str], now: datetime) -> TakenBack:
    """Delete messages and what was derived from them alone. Wiping the disk is left to do."""
    gone = await concerned(transaction, event_ids)
    taken = await unlearn(transaction, json.dumps(gone), _nothing_stands, now)
    return replace(taken, messages=await erase_turns(transaction, gone))


async def concerned(transaction: Transaction, event_ids: Sequence[str]) -> list[str]:
    """These messages and the answers to them, each by the event that its turn is called after."""
    rows = await transaction.rows(CONCERNED, json.dumps(list(event_ids)), UNSENT)
    return [row["event_id"] for row in rows]


def _nothing_stands(quote: str) -> bool:
    return False


async def erase_turns(transaction: Transaction, event_ids: Sequence[str]) -> int:
    """Delete messages, and nothing that was learned from them; how many."""
    chosen = json.dumps(list(event_ids))
    for statement in USES:
        await transaction.execute(statement, chosen)
    return await transaction.execute(TURNS, chosen)


async def _note(transaction: Transaction, taken: TakenBack) -> bool:
    """Whether the disk has to be wiped: for this, or for what was cut short before."""
    if taken:
        await owe_wipe(transaction)
    return await is_owed(transaction)
