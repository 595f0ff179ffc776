"""The bot's own messages that are to be redacted, until they are: ids only."""

import asyncio
import json
import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from storage.clock import from_text, to_text
from storage.database import Database, Transaction
from storage.purging import Purging
from storage.wiping import owe_shared_wipe

# A message that waits already gets the job as well: a job is over when nothing of it waits.
ADD = """
    INSERT INTO withdrawal (event_id, room_id, job)
    SELECT value ->> 0, value ->> 1, ?2 FROM json_each(?1) WHERE true
    ON CONFLICT (event_id) DO UPDATE SET job = iif(excluded.job = '', job, excluded.job)
"""
SEARCH = """
    INSERT INTO withdrawal_search (room_id, until, job) VALUES (?, ?, ?)
    ON CONFLICT (room_id) DO UPDATE SET
        until = max(until, excluded.until), job = excluded.job
"""
# min() names the row that the other columns are of.
NEXT = """
    SELECT event_id, room_id, job, min(position) FROM withdrawal
    WHERE event_id NOT IN (SELECT value FROM json_each(?))
    GROUP BY job, iif(job = '', room_id, '') ORDER BY job <> '', min(position)
"""
LEFT = "SELECT count(*) FROM withdrawal WHERE ?1 IN ('', room_id)"
LEFT_OF = "SELECT count(*) FROM withdrawal WHERE job = ?"


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """One message of the bot that is to be redacted."""

    event_id: str
    room_id: str
    job: str = field(default="", compare=False)  # the erasure of everything that it is of, if any


@dataclass(frozen=True, slots=True)
class Unlisted:
    """A room all of whose messages of the bot up to a moment are to be redacted."""

    room_id: str
    until: datetime
    job: str = field(default="", compare=False)


class Withdrawals:
    """The queue of redactions; what is in it survives a crash."""

    def __init__(self, database: Database, purging: Purging) -> None:
        self._database = database
        self._purging = purging
        self._added = asyncio.Event()

    async def add(self, events: Sequence[tuple[str, str]]) -> None:
        """Let these (event id, room id) pairs be redacted."""
        async with self._database.transaction() as transaction:
            await withdraw(transaction, events)
        self.wake()

    async def searches(self) -> list[Unlisted]:
        """The rooms that are still to be listed."""
        rows = await self._database.rows("SELECT room_id, until, job FROM withdrawal_search")
        return [Unlisted(row["room_id"], from_text(row["until"]), row["job"]) for row in rows]

    async def found(self, room_id: str, event_ids: Sequence[str]) -> None:
        """The room was listed: its messages take the place of the search."""
        async with self._database.transaction() as transaction:
            rows = await transaction.rows(
                "DELETE FROM withdrawal_search WHERE room_id = ? RETURNING job", room_id
            )
            for row in rows:
                await withdraw(transaction, [(one, room_id) for one in event_ids], job=row["job"])
        self.wake()
        await self._purging.close()

    async def next(self, besides: Collection[str] = ()) -> list[Withdrawal]:
        """One of each that take turns: of each room's single answers, then of each erasure.

        None of the event ids `besides`.
        """
        rows = await self._database.rows(NEXT, json.dumps([*besides]))
        return [Withdrawal(row["event_id"], row["room_id"], row["job"]) for row in rows]

    async def done(self, event_id: str) -> None:
        """It is redacted, or never can be. After the last one its traces here are wiped."""
        async with self._database.transaction() as transaction:
            await transaction.execute("DELETE FROM withdrawal WHERE event_id = ?", event_id)
            await owe_shared_wipe(transaction)
        await self._purging.close()

    async def left(self, room_id: str = "") -> int:
        """How many are left, of one room or of all; what is still to be listed can't be counted."""
        return int(await self._database.value(LEFT, room_id))

    async def left_of(self, job: str) -> int:
        """How many are left of the erasure of that name."""
        return int(await self._database.value(LEFT_OF, job))

    async def wait(self, seconds: float | None = None) -> None:
        """Return as soon as something was added since the last call, or after so long.

        For one waiter.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._added.wait()
        self._added.clear()

    def wake(self) -> None:
        """Something was added."""
        self._added.set()


async def withdraw(
    transaction: Transaction, events: Sequence[tuple[str, str]], *, job: str = ""
) -> None:
    """Let (event id, room id) pairs be redacted, in the transaction that decides so.

    What has the form of neither, as what was imported, is in no room.
    """
    await transaction.execute(ADD, json.dumps([one for one in events if can_be(*one)]), job)


def can_be(event_id: str, room_id: str) -> bool:
    """Whether there can be such an event in a room of Matrix, by the form of the ids alone."""
    return bool(re.fullmatch(r"\$\S{1,254}", event_id) and re.fullmatch(r"!\S{1,254}", room_id))


async def search(transaction: Transaction, room_id: str, until: datetime, *, job: str) -> None:
    """Let a room be listed and redacted, in the transaction that decides so."""
    await transaction.execute(SEARCH, room_id, to_text(until), job)
