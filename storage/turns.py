"""What one person said to the bot and what it answered, verbatim: the turns of their vault."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from storage.clock import from_text, to_text, utc_now
from storage.database import Database
from storage.errors import VaultGone
from storage.rows import Row
from storage.taking_back import take_back
from storage.wiping import owe_wipe, wipe


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of the person, or one answer of the bot, with who wrote it at what cost."""

    turn_id: int
    event_id: str
    room_id: str
    room_kind: str
    thread_id: str | None
    role: str  # "user" or "assistant"
    text: str = field(repr=False)
    said_at: datetime
    answers_event_id: str | None = None
    model: str | None = None
    gateway_host: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    provider: str | None = None


# The same event again is what it is now, whatever an import says that it was; what two people said
# alone stays between them.
ADD = """
    INSERT INTO turn (event_id, room_id, room_kind, thread_id, role, text, note, said_at,
                      answers_event_id, model, gateway_host, prompt_tokens, completion_tokens,
                      provider)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (event_id) DO UPDATE SET
        room_id = excluded.room_id, thread_id = excluded.thread_id, role = excluded.role,
        room_kind = iif(room_kind = 'direct', 'direct', excluded.room_kind),
        said_at = excluded.said_at, answers_event_id = excluded.answers_event_id,
        text = excluded.text, note = excluded.note,
        model = excluded.model, gateway_host = excluded.gateway_host,
        provider = excluded.provider,
        prompt_tokens = excluded.prompt_tokens, completion_tokens = excluded.completion_tokens
    RETURNING turn_id
"""

# The turn of an event, which may be a later part of it.
GET = """
    SELECT * FROM turn WHERE turn_id = (
        SELECT turn_id FROM turn WHERE event_id = ?1
        UNION ALL SELECT turn_id FROM turn_part WHERE event_id = ?1 LIMIT 1
    )
"""
_SAID_HERE = "DELETE FROM turn_imported WHERE turn_id = ?"
_IS_IMPORTED = "SELECT 1 FROM turn_imported WHERE turn_id = ?"
ABOUT = """
    SELECT event_id FROM turn WHERE ?1 IN (event_id, answers_event_id)
    OR turn_id = (SELECT turn_id FROM turn_part WHERE event_id = ?1)
    ORDER BY turn_id
"""


def turn_from(row: Row) -> Turn:
    """The Turn of a row of the table turn."""
    return Turn(
        turn_id=row["turn_id"],
        event_id=row["event_id"],
        room_id=row["room_id"],
        room_kind=row["room_kind"],
        thread_id=row["thread_id"],
        role=row["role"],
        text=row["text"],
        said_at=from_text(row["said_at"]),
        answers_event_id=row["answers_event_id"],
        model=row["model"],
        gateway_host=row["gateway_host"],
        prompt_tokens=row["prompt_tokens"],
        completion_tokens=row["completion_tokens"],
        provider=row["provider"],
    )


class Turns:
    """The turns of one vault."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self,
        *,
        event_id: str,
        room_id: str,
        room_kind: str,
        role: str,
        text: str,
        said_at: datetime,
        thread_id: str | None = None,
        answers_event_id: str | None = None,
        model: str | None = None,
        gateway_host: str | None = None,
        prompt_tokens: int | None = None,
        completion_tokens: int | None = None,
    ) -> int:
        """Keep a turn; the same event again replaces its text. The turn's id."""
        values = (event_id, room_id, room_kind, thread_id, role, text, "", to_text(said_at))
        answer = (answers_event_id, model, gateway_host, prompt_tokens, completion_tokens, None)
        async with self._database.transaction() as transaction:
            [row] = await transaction.rows(ADD, *values, *answer)
            await transaction.execute(_SAID_HERE, row["turn_id"])
        return int(row["turn_id"])

    async def get(self, event_id: str) -> Turn | None:
        """The turn of an event, also where that holds a later part of a long answer."""
        row = await self._database.row(GET, event_id)
        return None if row is None else turn_from(row)

    async def was_said(self, event_id: str) -> bool:
        """Whether there is a turn of an event that was said here, and did not come in a file."""
        turn = await self.get(event_id)
        return turn is not None and not await self._database.row(_IS_IMPORTED, turn.turn_id)

    async def ensure(self, event_id: str) -> None:
        """Raise VaultGone where a message is not kept, or not any more."""
        if await self.get(event_id) is None:
            raise VaultGone("The message was erased while it was answered.")

    async def recent(self, room_id: str, *, limit: int, thread_id: str | None = None) -> list[Turn]:
        """The last turns of a room, oldest first; of one thread and its root if given."""
        rows = await self._database.rows(
            "SELECT * FROM turn WHERE room_id = ?1 AND (?2 IS NULL OR ?2 IN (thread_id, event_id)) "
            "ORDER BY turn_id DESC LIMIT ?3",
            room_id,
            thread_id,
            limit,
        )
        return [turn_from(row) for row in reversed(rows)]

    async def about(self, event_id: str) -> list[str]:
        """The event ids of a message and of the answers to it, those that are kept."""
        rows = await self._database.rows(ABOUT, event_id)
        return [row["event_id"] for row in rows]

    async def is_last_question(self, turn: Turn) -> bool:
        """Whether the person said nothing after it in its room and thread."""
        row = await self._database.row(
            "SELECT 1 FROM turn WHERE room_id = ? AND thread_id IS ? AND role = 'user' "
            "AND turn_id > ?",
            turn.room_id,
            turn.thread_id,
            turn.turn_id,
        )
        return row is None

    async def delete(self, event_ids: Sequence[str]) -> int:
        """Erase turns, the answers to them and what was learned from them alone; how many turns.

        Repeating it wipes the disk again, so a deletion that was cut short is finished by asking
        for it once more. What becomes of memories in detail: storage/taking_back.py.
        """
        async with self._database.transaction() as transaction:
            taken = await take_back(transaction, event_ids, utc_now())
            await owe_wipe(transaction)
        await wipe(self._database)
        return taken.messages

    async def used_by(self, answer_event_id: str) -> list[Turn]:
        """The earlier turns that an answer was given with, oldest first."""
        rows = await self._database.rows(
            "SELECT turn.* FROM turn JOIN turn_use USING (turn_id) "
            "WHERE turn_use.answer_event_id = ? ORDER BY turn_id",
            answer_event_id,
        )
        return [turn_from(row) for row in rows]

    async def count(self) -> int:
        """How many turns the vault holds."""
        return int(await self._database.value("SELECT count(*) FROM turn"))
