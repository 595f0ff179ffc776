"""One person's vault: what was said, what is remembered, settings, usage and audit details."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from storage import unrecorded
from storage.answers import Answers
from storage.audit_entry import BEGUN, AuditDetail, detail_from, keep
from storage.clock import from_text
from storage.database import Database, Transaction
from storage.files import size_on_disk
from storage.incoming import Tables
from storage.memories import Memories
from storage.merging import Merged, merge
from storage.pending import Pending
from storage.rows import Row
from storage.search import Search
from storage.spans import Spans
from storage.taking_back import UNSENT, TakingBack
from storage.tracing import Traces
from storage.turns import Turns
from storage.vectors import Vectors

# Tables that hold nothing but what can be made of the others, what an import makes itself, or
# what is due in the audit log.
DERIVED = frozenset(
    {
        "turn_vector",
        "memory_vector",
        "vector_state",
        "turn_imported",
        "unrecorded",
        "unpublished",
    }
)

_COUNTS = """
    SELECT (SELECT count(*) FROM memory) AS memories,
        (SELECT count(*) FROM turn) AS turns,
        (SELECT count(*) FROM audit_detail) AS audit_entries,
        (SELECT count(*) FROM memory WHERE status = 'pending') AS pending,
        (SELECT count(*) FROM memory_revision) AS revisions,
        (SELECT count(*) FROM turn_vector) + (SELECT count(*) FROM memory_vector) AS vectors,
        (SELECT count(*) FROM setting) AS settings,
        (SELECT count(*) FROM setting WHERE name LIKE 'private !%' AND value = 'on')
            AS private_rooms,
        (SELECT count(*) FROM turn JOIN turn_imported USING (turn_id)
            WHERE role = 'assistant' AND room_kind = 'shared') AS imported_answers,
        (SELECT count(*) FROM audit_detail WHERE action = 'message.answered' AND outcome = 'ok'
            AND CASE WHEN json_valid(facts)
                THEN facts ->> 'private' AND facts ->> 'room' = 'shared' END) AS private_answers
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """How much a vault holds; `bytes` is the size of its files on disk.

    Of the memories `pending` wait for a yes. `oldest` is the day of the oldest message. In rooms
    with others stand answers that are known from a file alone, and private ones that are not kept.
    """

    memories: int = 0
    turns: int = 0
    audit_entries: int = 0
    bytes: int = 0
    pending: int = 0
    revisions: int = 0
    vectors: int = 0
    settings: int = 0
    private_rooms: int = 0
    imported_answers: int = 0
    private_answers: int = 0
    oldest: date | None = None


# What came in a file only claims to be the bot's.
BY_THE_BOT = """
    SELECT event_id, room_id FROM turn
    WHERE role = 'assistant' AND substr(event_id, 1, length(?1)) <> ?1
    AND turn_id NOT IN (SELECT turn_id FROM turn_imported)
    UNION SELECT turn_part.event_id, room_id FROM turn_part JOIN turn USING (turn_id)
    WHERE role = 'assistant' AND turn_id NOT IN (SELECT turn_id FROM turn_imported)
    UNION SELECT event_id, room_id FROM notice
"""


LAST_SAID = """
    SELECT max(said_at) FROM turn
    WHERE role = 'user' AND turn_id NOT IN (SELECT turn_id FROM turn_imported)
"""


@dataclass(frozen=True, slots=True)
class Vault:
    """A handle on one person's data, from which no other person's can be reached.

    `pseudonym` is what others know the person by. `is_new` says that the vault was made by this
    opening, or before a crash and nothing was audited yet: its making belongs into the audit log.
    """

    pseudonym: str
    is_new: bool
    memories: Memories
    pending: Pending
    turns: Turns
    answers: Answers
    taking_back: TakingBack
    spans: Spans
    search: Search
    traces: Traces
    vectors: Vectors
    _database: Database = field(repr=False)
    # Of the details that are marked, those that are known to be public; for all openings together.
    _published: set[bytes] = field(default_factory=set, repr=False, compare=False)

    @classmethod
    def over(
        cls, database: Database, *, pseudonym: str, is_new: bool, now: Callable[[], datetime]
    ) -> "Vault":
        """The vault in an open database."""
        vectors = Vectors(database)
        return cls(
            pseudonym=pseudonym,
            is_new=is_new,
            memories=Memories(database, now),
            pending=Pending(database, now),
            turns=Turns(database),
            answers=Answers(database),
            taking_back=TakingBack(database, now),
            spans=Spans(database, now),
            search=Search(database, now, vectors=vectors),
            traces=Traces(database),
            vectors=vectors,
            _database=database,
        )

    def ensure(self) -> None:
        """Raise VaultGone where it was destroyed since."""
        self._database.ensure()

    async def setting(self, name: str) -> str | None:
        """The person's setting, or None if they never made it."""
        value = await self._database.value("SELECT value FROM setting WHERE name = ?", name)
        return None if value is None else str(value)

    async def set_setting(self, name: str, value: str) -> None:
        """Keep a setting."""
        async with self._database.transaction() as transaction:
            await transaction.execute(
                "INSERT INTO setting (name, value) VALUES (?, ?) "
                "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                name,
                value,
            )

    async def usage(self, day: date) -> int:
        """How many tokens the person used on a day, questions and answers together."""
        total = await self._database.value(
            "SELECT sum(prompt_tokens + completion_tokens) FROM usage WHERE day = ?",
            day.isoformat(),
        )
        return int(total or 0)

    async def counts(self) -> Counts:
        """What is stored, in numbers; memories of every status."""
        row = await self._database.row(_COUNTS)
        assert row is not None
        numbers = {name: int(row[name]) for name in row.keys()}  # noqa: SIM118
        said = await self._database.value("SELECT min(said_at) FROM turn")
        oldest = None if said is None else from_text(str(said)).date()
        return Counts(**numbers, bytes=size_on_disk(self._database.files()), oldest=oldest)

    async def last_said(self) -> date | None:
        """The day on which the person last said something that is still kept."""
        said = await self._database.value(LAST_SAID)
        return None if said is None else from_text(str(said)).date()

    async def said_by_the_bot(self) -> list[tuple[str, str]]:
        """The (event id, room id) of all that the bot said to the person, as far as it was kept."""
        rows = await self._database.rows(BY_THE_BOT, UNSENT)
        return [(row["event_id"], row["room_id"]) for row in rows]

    async def export(self) -> dict[str, list[dict[str, Any]]]:
        """Every row of every table at one moment; bytes as hex. What is derived is left out.

        The transaction lasts as long as the reading, 0.3 s for 100,000 messages; making plain
        values of the rows takes longer, so it is done behind it and in a thread.
        """
        async with self._database.transaction() as transaction:
            tables = await transaction.rows(
                "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' "
                "AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name"
            )
            names = [row["name"] for row in tables if row["name"] not in DERIVED]
            found = {name: await _everything(transaction, name) for name in names}
        return await asyncio.to_thread(_plain, found)

    async def merge(
        self, tables: Tables, *, is_own: bool, since: datetime | None, now: datetime
    ) -> Merged:
        """Bring in what an export holds, all or nothing: see storage/merging.py."""
        async with self.memories.settling, self._database.transaction() as transaction:
            merged = await merge(transaction, tables, is_own=is_own, since=since, now=now)
            await unrecorded.note_instead(transaction, "import.applied")
        return merged

    async def keep_audit_details(self, details: Sequence[AuditDetail]) -> None:
        """Write the private halves of audit entries; the log calls this before it publishes.

        Unless they say only that something begins, all that was changed counts as recorded.
        """
        published = frozenset(self._published)
        async with self._database.transaction() as transaction:
            if any(detail.entry.outcome != BEGUN for detail in details):
                await unrecorded.drop_noted(transaction)
            await unrecorded.unmark(transaction, published)
            await unrecorded.mark(transaction, details)
            for detail in details:
                await keep(transaction, detail)
        self._published.difference_update(published)

    def published(self, details: Sequence[AuditDetail]) -> None:
        """The public halves of these are in the log: no crash keeps them out any more."""
        self._published.update(unrecorded.marks(details))

    async def noted(self) -> set[tuple[str, str]]:
        """Actions and targets of what was changed in this opening and isn't recorded yet."""
        return await unrecorded.noted(self._database)

    async def left_unrecorded(
        self, alive: Collection[str], made: Callable[[str, str], AuditDetail]
    ) -> list[AuditDetail]:
        """The details of what a crash, or a failure, kept out of the audit log; they are kept.

        Some may be public already. `alive` are the openings that go on, which record it themselves.
        """
        async with self._database.transaction() as transaction:
            details = [made(*one) for one in await unrecorded.left(transaction, alive)]
            for detail in details:
                await keep(transaction, detail)
            await unrecorded.mark(transaction, details)
            await unrecorded.drop_left(transaction, alive)
            return await unrecorded.marked(transaction)

    async def unsettled(self) -> frozenset[bytes]:
        """The commitments of entries whose public halves a crash may have kept back."""
        return frozenset(await unrecorded.commitments(self._database))

    async def audit_details(self, *, limit: int, offset: int) -> list[AuditDetail]:
        """Private halves, newest first; those of unpublished entries among them."""
        rows = await self._database.rows(
            "SELECT * FROM audit_detail ORDER BY position DESC LIMIT ? OFFSET ?", limit, offset
        )
        return [detail_from(row) for row in rows]


async def _everything(transaction: Transaction, table: str) -> list[Row]:
    return await transaction.rows(
        f"SELECT * FROM {table} ORDER BY rowid"  # noqa: S608 - a name of our schema
    )


def _plain(tables: Mapping[str, Sequence[Row]]) -> dict[str, list[dict[str, Any]]]:
    return {
        name: [
            {
                column: value.hex() if isinstance(value, bytes) else value
                for column, value in zip(row.keys(), row, strict=True)
            }
            for row in rows
        ]
        for name, rows in tables.items()
    }
