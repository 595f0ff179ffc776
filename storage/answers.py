"""What the bot answered: kept whole before it is sent, so that a crash can't make it another."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from storage.clock import to_text
from storage.database import Database, Transaction
from storage.turns import ADD


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

    async def keep(self, answer: KeptAnswer) -> None:
        """Keep an answer that is about to be sent, with what it used and cost, all or nothing."""
        unsent = _unsent(answer.question)
        async with self._database.transaction() as transaction:
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

        `room_kind` is what the room is now: what was for two is not shown to more.
        """
        row = await self._database.row(
            "SELECT text, note FROM turn WHERE answers_event_id = ? AND room_kind IN (?, 'shared')",
            question,
            room_kind,
        )
        return None if row is None else row["text"] + row["note"]

    async def sent(self, question: str, event_ids: Sequence[str]) -> None:
        """The answer to a message stands in the room now: the first event, and those after it."""
        first, *further = event_ids
        async with self._database.transaction() as transaction:
            for statement in _SENT:
                await transaction.execute(statement, first, _unsent(question))
            await transaction.execute(_NO_PARTS, first)
            await transaction.execute(_PARTS, json.dumps(further), first)


async def _add(transaction: Transaction, answer: KeptAnswer, event_id: str) -> None:
    place = (event_id, answer.room_id, answer.room_kind, answer.thread_id)
    said = ("assistant", answer.text, answer.note, to_text(answer.said_at), answer.question)
    cost = (
        answer.model,
        answer.gateway_host,
        answer.prompt_tokens,
        answer.completion_tokens,
    )
    await transaction.rows(ADD, *place, *said, *cost)


def _unsent(question: str) -> str:
    """What stands in the place of the event id of an answer that has none yet."""
    return f"unsent answer to {question}"
