"""One person's vault: what was said, what is remembered, settings, usage and audit details."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from storage.answers import Answers
from storage.audit_entry import AuditDetail, detail_from, keep
from storage.database import Database, Transaction
from storage.files import size_on_disk
from storage.memories import Memories
from storage.pending import Pending
from storage.search import Search
from storage.taking_back import TakingBack
from storage.tracing import Traces
from storage.turns import Turns
from storage.vectors import Vectors

# Tables that hold nothing but what can be made of the others.
DERIVED = frozenset({"turn_vector", "memory_vector", "vector_state"})


@dataclass(frozen=True, slots=True)
class Counts:
    """How much a vault holds; `bytes` is the size of its files on disk."""

    memories: int
    turns: int
    audit_entries: int
    bytes: int


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
    search: Search
    traces: Traces
    vectors: Vectors
    _database: Database = field(repr=False)

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
            search=Search(database, now, vectors=vectors),
            traces=Traces(database),
            vectors=vectors,
            _database=database,
        )

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
        row = await self._database.row(
            "SELECT (SELECT count(*) FROM memory) AS memories, "
            "(SELECT count(*) FROM turn) AS turns, "
            "(SELECT count(*) FROM audit_detail) AS audit_entries"
        )
        assert row is not None
        size = size_on_disk(self._database.files())
        return Counts(row["memories"], row["turns"], row["audit_entries"], size)

    async def export(self) -> dict[str, list[dict[str, Any]]]:
        """Every row of every table at one moment; bytes as hex. What is derived is left out."""
        async with self._database.transaction() as transaction:
            tables = await transaction.rows(
                "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' "
                "AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name"
            )
            names = [row["name"] for row in tables if row["name"] not in DERIVED]
            return {name: await _everything(transaction, name) for name in names}

    async def keep_audit_details(self, details: Sequence[AuditDetail]) -> None:
        """Write the private halves of audit entries; the log calls this before it publishes."""
        async with self._database.transaction() as transaction:
            for detail in details:
                await keep(transaction, detail)

    async def audit_details(self, *, limit: int, offset: int) -> list[AuditDetail]:
        """Private halves, newest first; those of unpublished entries among them."""
        rows = await self._database.rows(
            "SELECT * FROM audit_detail ORDER BY position DESC LIMIT ? OFFSET ?", limit, offset
        )
        return [detail_from(row) for row in rows]


async def _everything(transaction: Transaction, table: str) -> list[dict[str, Any]]:
    rows = await transaction.rows(f"SELECT * FROM {table}")  # noqa: S608 - a name of our schema
    return [{name: _plain(row[name]) for name in row.keys()} for row in rows]  # noqa: SIM118


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value
