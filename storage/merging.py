"""What comes in a file goes into a vault, all or nothing, and twice is once."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from storage.clock import to_text
from storage.database import Transaction
from storage.incoming import COLUMNS, Fields, Tables, binary
from storage.merge_plan import Here, Plan, Skip, named, plan
from storage.remembered import digest
from storage.rows import Row

_TURNS = """
    SELECT event_id, turn_id FROM turn WHERE event_id IN (SELECT value FROM json_each(?1))
    UNION ALL
    SELECT event_id, turn_id FROM turn_part WHERE event_id IN (SELECT value FROM json_each(?1))
"""
# What a memory said before was changed here on purpose: it is not to come back beside what it says.
_SAID = """
    SELECT memory_id, text FROM memory_revision UNION ALL SELECT memory_id, text FROM memory
"""
_BOUNDS = """
    SELECT (SELECT min(turn_id) FROM turn) AS first_turn,
           (SELECT min(position) FROM audit_detail) AS first_detail,
           max(ifnull((SELECT max(memory_id) FROM memory), 0),
               ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'memory'), 0)) AS last_memory
"""
_USAGE = """
    INSERT INTO usage (day, model, requests, prompt_tokens, completion_tokens)
    VALUES (?, ?, ?, ?, ?) ON CONFLICT (day, model) DO UPDATE SET
        requests = max(requests, excluded.requests),
        prompt_tokens = max(prompt_tokens, excluded.prompt_tokens),
        completion_tokens = max(completion_tokens, excluded.completion_tokens)
"""
# The events of turns that came in a file are not the bot's to redact or to edit, whatever it says.
_MARK = "INSERT INTO turn_imported (turn_id) VALUES (?)"
AT_ONCE = 500  # rows that are written, or events looked for, before others may do something
LETTERS = 500_000  # characters of such rows, but for one that has more by itself


@dataclass(frozen=True, slots=True)
class Merged:
    """How many rows came into each table, and how much did not, by the reason.

    `is_restored` says that the vault was empty and is now what the export was of.
    """

    added: Mapping[str, int]
    skipped: Mapping[Skip, int] = field(default_factory=dict)
    is_restored: bool = False


async def merge(
    transaction: Transaction, tables: Tables, *, is_own: bool, since: datetime | None, now: datetime
) -> Merged:
    """Bring checked tables in; nothing of what is here changes, but for the greater counts.

    `is_own` says that they are proven to be of an export of this very vault's person by this bot.
    Messages from before `since` are not kept.
    """
    oldest = None if since is None else to_text(since)
    here = await _here(transaction, tables)
    planned = await asyncio.to_thread(
        plan, tables, here, is_own=is_own, since=oldest, now=to_text(now)
    )
    await transaction.execute("PRAGMA defer_foreign_keys = ON")  # memories refer to later ones
    for table, rows in planned.rows.items():
        await _write(transaction, table, rows)
    await _in_pieces(transaction, _MARK, [[row["turn_id"]] for row in planned.rows["turn"]])
    return _merged(planned)


async def _here(transaction: Transaction, tables: Tables) -> Here:
    events = iter(named(tables))
    turns: list[Row] = []
    while some := list(islice(events, AT_ONCE)):
        turns += await transaction.rows(_TURNS, json.dumps(some))
    said = await transaction.rows(_SAID)
    memories = await transaction.rows("SELECT memory_id FROM memory")
    details = await transaction.rows("SELECT commitment FROM audit_detail")
    [bounds] = await transaction.rows(_BOUNDS)
    return Here(
        turns={row["event_id"]: row["turn_id"] for row in turns},
        first_turn=bounds["first_turn"],
        memories=await asyncio.to_thread(_by_digest, said),
        numbers=frozenset(row["memory_id"] for row in memories),
        last_memory=bounds["last_memory"],
        details=frozenset(row["commitment"].hex() for row in details),
        first_detail=bounds["first_detail"],
    )


def _by_digest(said: Iterable[Row]) -> dict[bytes, int]:
    return {digest(row["text"]): row["memory_id"] for row in said}


async def _write(transaction: Transaction, table: str, rows: list[Fields]) -> None:
    columns, marks = ", ".join(COLUMNS[table]), ", ".join("?" * len(COLUMNS[table]))
    otherwise = "OR IGNORE " if table == "setting" else ""  # what the person chose here wins
    insert = f"INSERT {otherwise}INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608
    statement = _USAGE if table == "usage" else insert
    await _in_pieces(transaction, statement, (binary(table, row) for row in rows))


async def _in_pieces(transaction: Transaction, statement: str, rows: Iterable[list[Any]]) -> None:
    some: list[list[Any]] = []
    letters = 0
    for row in rows:
        size = sum(len(value) for value in row if isinstance(value, str))
        if some and (len(some) == AT_ONCE or letters + size > LETTERS):
            await transaction.many(statement, some)
            some, letters = [], 0
        some.append(row)
        letters += size
    if some:
        await transaction.many(statement, some)


def _merged(planned: Plan) -> Merged:
    added = {table: len(rows) for table, rows in planned.rows.items()}
    skipped = {why: number for why, number in planned.skipped.items() if number}
    return Merged(added, skipped, planned.is_restored)
