"""What the bot answered: kept whole before it is sent, so that a crash can't make it another."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from storage.clock import to_text
from storage.database import Database, Transaction
from storage.errors import VaultGone
from storage.taking_back import UNSENT
from storage.turns import ADD
from storage.wiping import owe_wipe, wipe


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """One answer: the model's words, our note under them, what they cost and rest on.

    `question` is the event id of the message that it answers.
    """

    question: str
    room_id: str
    room_kind: str
    thread_id: str | None
    text: str = field(repr=False)
    note: str = field(repr=False)
    said_at: datetime
    model: str
    gateway_host: str
    prompt_tokens: int | None
    completion_tokens: int | None
    provider: str = ""
    memory_ids: Sequence[int] = ()
    turn_ids: Sequence[int] = ()

    @property
    def shown(self) -> str:
        """What the person reads."""
        return self.text + self.note


_USE_MEMORIES = """
    INSERT OR IGNORE INTO memory_use (answer_event_id, memory_id, used_at)
    SELECT ?, memory_id, ? FROM memory WHERE memory_id IN (SELECT value FROM json_each(?))
"""
_USE_TURNS = """
    INSERT OR IGNORE INTO turn_use (answer_event_id, turn_id)
    SELECT ?, turn_id FROM turn WHERE turn_id IN (SELECT value FROM json_each(?))
"""
_COUNT_USAGE = """
    INSERT INTO usage (day, model, requests, prompt_tokens, completion_tokens)
    VALUES (?, ?, 1, ?, ?) ON CONFLICT (day, model) DO UPDATE SET
        requests = requests + 1,
        prompt_tokens = prompt_tokens + excluded.prompt_tokens,
        completion_tokens = completion_tokens + excluded.completion_tokens
"""
_KNOWN = "SELECT 1 FROM turn WHERE event_id = ?"
_SHOWN = """
    SELECT text, note FROM turn WHERE room_kind IN (?3, 'shared') AND (
        event_id = ?2 || ?1
        OR (answers_event_id = ?1 AND substr(event_id, 1, length(?2)) <> ?2)
    )
"""
# What came in a file only claims to stand in the room: it is not edited, and an answer takes over
# none of the events.
_SENT_PARTS = """
    SELECT event_id FROM turn
    WHERE answers_event_id = ?1 AND substr(event_id, 1, length(?2)) <> ?2
    AND turn_id NOT IN (SELECT turn_id FROM turn_imported)
    UNION ALL SELECT * FROM (
        SELECT turn_part.event_id FROM turn_part JOIN turn USING (turn_id)
        WHERE answers_event_id = ?1 AND turn_id NOT IN (SELECT turn_id FROM turn_imported)
        ORDER BY turn_part.rowid
    )
"""
_OTHERS = """
    SELECT event_id FROM turn
    WHERE answers_event_id = ? AND role = 'assistant' AND event_id <> ?
"""
_ERASE = (
    "DELETE FROM memory_use WHERE answer_event_id = ?1",
    "DELETE FROM turn_use WHERE answer_event_id = ?1",
    "DELETE FROM turn WHERE event_id = ?1",
)
_EDITED = """
    INSERT OR IGNORE INTO turn_part (event_id, turn_id) SELECT ?, turn_id FROM turn
    WHERE event_id = ?
"""
_SENT = (
    "UPDATE turn SET event_id = ? WHERE event_id = ?",
    "UPDATE memory_use SET answer_event_id = ? WHERE answer_event_id = ?",
    "UPDATE turn_use SET answer_event_id = ? WHERE answer_event_id = ?",
)
_NO_PARTS = """
    DELETE FROM turn_part WHERE turn_id IN (SELECT turn_id FROM turn WHERE event_id = ?)
"""
_PARTS = """
    INSERT OR REPLACE INTO turn_part (event_id, turn_id)
    SELECT value, turn_id FROM json_each(?) JOIN turn ON turn.event_id = ?
"""


class Answers:
    """The answers of one vault, from the moment that they are finished."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(
        self, answer: KeptAnswer, *, edit: str | None = None, asked: bool = False
    ) -> None:
        """Keep an answer that is about to be sent, with what it used and cost, all or nothing.

        That to an `edit` of the question is kept beside the one that stands, until it stands there.
        Where it was `asked` just now, VaultGone says that the question was erased meanwhile.
        """
        unsent = _unsent(edit or answer.question)
        async with self._database.transaction() as transaction:
            if asked:
                await _ensure(transaction, answer.question)
            await _add(transaction, answer, unsent)
            used_at = to_text(answer.said_at)
            memories, turns = json.dumps(list(answer.memory_ids)), json.dumps(list(answer.turn_ids))
            await transaction.execute(_USE_MEMORIES, unsent, used_at, memories)
            await transaction.execute(_USE_TURNS, unsent, turns)
            await transaction.execute(
                _COUNT_USAGE,
                answer.said_at.date().isoformat(),
                answer.model,
                answer.prompt_tokens or 0,
                answer.completion_tokens or 0,
            )

    async def shown_to(self, question: str, *, room_kind: str) -> str | None:
        """What was, or was about to be, shown in answer to a message; None where nothing was.

        In answer to an edit: what was about to be.
        `room_kind` is what the room is now: what was for two is not shown to more.
        """
        row = await self._database.row(_SHOWN, question, UNSENT, room_kind)
        return None if row is None else row["text"] + row["note"]

    async def sent(self, question: str, event_ids: Sequence[str]) -> None:
        """The answer to a message stands in the room now: the first event, and those after it.

        Raises VaultGone where it was erased since it was kept.
        """
        async with self._database.transaction() as transaction:
            await _stands(transaction, question, event_ids)

    async def parts(self, question: str) -> list[str]:
        """The events in which the answer to a message stands, in order; none where it has none."""
        rows = await self._database.rows(_SENT_PARTS, question, UNSENT)
        return [row["event_id"] for row in rows]

    async def sent_in_place(self, question: str, *, edit: str, event_ids: Sequence[str]) -> None:
        """What was kept as the answer to an edit stands now; every other to the message is gone.

        The edit is carried through: from here on it leads to the turn of the message.
        Raises VaultGone where it was erased since it was kept.
        """
        async with self._database.transaction() as transaction:
            for row in await transaction.rows(_OTHERS, question, _unsent(edit)):
                await _erase(transaction, row["event_id"])
            await _stands(transaction, edit, event_ids)
            await transaction.execute(_EDITED, edit, question)
            await owe_wipe(transaction)
        await wipe(self._database)

    async def withdraw(self, question: str) -> None:
        """Erase what was about to be the answer to a message, or an edit.

        Wiping the disk is left to do.
        """
        async with self._database.transaction() as transaction:
            await _erase(transaction, _unsent(question))
            await owe_wipe(transaction)

    async def carried_through(self, question: str, *, edit: str) -> None:
        """Note that nothing is left to do for an edit."""
        async with self._database.transaction() as transaction:
            await transaction.execute(_EDITED, edit, question)

    async def count(
        self, model: str, prompt_tokens: int, completion_tokens: int, *, at: datetime
    ) -> None:
        """Count what an answer cost that is not kept: numbers only."""
        async with self._database.transaction() as transaction:
            await transaction.execute(
                _COUNT_USAGE, at.date().isoformat(), model, prompt_tokens, completion_tokens
            )


async def _stands(transaction: Transaction, question: str, event_ids: Sequence[str]) -> None:
    """The kept answer to a message, or an edit, stands in these events."""
    first, *further = event_ids
    for statement in _SENT:
        await transaction.execute(statement, first, _unsent(question))
    await _ensure(transaction, first)
    await transaction.execute(_NO_PARTS, first)
    await transaction.execute(_PARTS, json.dumps(further), first)


async def _ensure(transaction: Transaction, event_id: str) -> None:
    """Raise VaultGone where there is no such turn: what was noted of it would lead to nothing."""
    if await transaction.row(_KNOWN, event_id) is None:
        raise VaultGone("The message was erased while it was answered.")


async def _erase(transaction: Transaction, event_id: str) -> None:
    for statement in _ERASE:
        await transaction.execute(statement, event_id)


async def _add(transaction: Transaction, answer: KeptAnswer, event_id: str) -> None:
    place = (event_id, answer.room_id, answer.room_kind, answer.thread_id)
    said = ("assistant", answer.text, answer.note, to_text(answer.said_at), answer.question)
    cost = (
        answer.model,
        answer.gateway_host,
        answer.prompt_tokens,
        answer.completion_tokens,
        answer.provider or None,
    )
    await transaction.rows(ADD, *place, *said, *cost)


def _unsent(question: str) -> str:
    """What stands in the place of the event id of an answer that has none yet."""
    return f"{UNSENT}{question}"
