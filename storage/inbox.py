"""Which events were accepted and finished, and the sync token: what makes an answer come once."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.clock import to_text, utc_now
from storage.database import Database, Transaction
from storage.sealing import digest
from storage.wiping import owe_shared_wipe, wipe_shared

SYNC_TOKEN = "sync token"  # noqa: S105 - the name of a row

KNOWN = """
    SELECT value FROM json_each(?) WHERE unhex(value) IN (SELECT event FROM handled)
"""
DROP = (
    "DELETE FROM inbox WHERE event_id IN (SELECT value FROM json_each(?))",
    "DELETE FROM waiting WHERE event_id IN (SELECT value FROM json_each(?))",
)


async def finish(transaction: Transaction, event_id: str, now: datetime) -> None:
    """Mark an event as done, in the transaction that records what was done."""
    await transaction.execute(
        "UPDATE inbox SET finished_at = ? WHERE event_id = ? AND finished_at IS NULL",
        to_text(now),
        event_id,
    )


async def begin(transaction: Transaction, event_id: str, what: str) -> None:
    """Note what begins because of an event, in the transaction that records that it does."""
    await transaction.execute("UPDATE inbox SET begun = ? WHERE event_id = ?", what, event_id)


@dataclass(frozen=True, slots=True)
class StillWaiting:
    """An encrypted event that could not be read yet, and whether its sender was told so."""

    event_id: str
    room_id: str
    told: bool


class Inbox:
    """The inbox of the bot: event ids only, never a text.

    Of what was swept, digests under the key remain, so that no old event ever counts as new.
    """

    def __init__(
        self, database: Database, now: Callable[[], datetime] = utc_now, *, key: bytes
    ) -> None:
        self._database = database
        self._now = now
        self._key = key

    async def accept(
        self,
        event_ids: Sequence[tuple[str, str]],
        token: str,
        *,
        waiting: Iterable[tuple[str, str]] = (),
        settled: Iterable[str] = (),
    ) -> list[str]:
        """Accept the (event id, room id) pairs of one sync and its token, all or nothing.

        In the same transaction `waiting` pairs begin to wait for their keys, and the ids that are
        `settled` wait no longer. Returns the event ids that were not known yet, in order.
        """
        now = to_text(self._now())
        accepted = []
        async with self._database.transaction() as transaction:
            for event_id, room_id in event_ids:
                if not await self._was_swept(transaction, event_id) and await transaction.execute(
                    "INSERT INTO inbox (event_id, room_id, accepted_at) VALUES (?, ?, ?) "
                    "ON CONFLICT (event_id) DO NOTHING",
                    event_id,
                    room_id,
                    now,
                ):
                    accepted.append(event_id)
            await _wait(transaction, waiting, now)
            for event_id in settled:
                await transaction.execute("DELETE FROM waiting WHERE event_id = ?", event_id)
            await transaction.execute(
                "INSERT INTO state (name, value) VALUES (?, ?) "
                "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                SYNC_TOKEN,
                token,
            )
        return accepted

    async def waiting(self) -> list[StillWaiting]:
        """The events that wait for their keys, in order of arrival."""
        rows = await self._database.rows(
            "SELECT event_id, room_id, told_at FROM waiting ORDER BY position"
        )
        return [
            StillWaiting(row["event_id"], row["room_id"], told=row["told_at"] is not None)
            for row in rows
        ]

    async def tell(self, event_id: str) -> None:
        """Note that the sender of a waiting event was told."""
        async with self._database.transaction() as transaction:
            await transaction.execute(
                "UPDATE waiting SET told_at = ? WHERE event_id = ?", to_text(self._now()), event_id
            )

    async def begin(self, event_id: str, what: str) -> None:
        """Note that something begins which must not be done twice, such as a command."""
        async with self._database.transaction() as transaction:
            await begin(transaction, event_id, what)

    async def begun(self, event_id: str) -> str | None:
        """What had begun when a crash came in between."""
        value = await self._database.value("SELECT begun FROM inbox WHERE event_id = ?", event_id)
        return None if value is None else str(value)

    async def finish(self, event_id: str) -> None:
        """The event is not for the bot; it will not be taken up again."""
        async with self._database.transaction() as transaction:
            await finish(transaction, event_id, self._now())

    async def let_go(self, event_ids: Sequence[str]) -> None:
        """What is still being answered of these is not taken up again: it is to be forgotten."""
        async with self._database.transaction() as transaction:
            await transaction.execute(
                "UPDATE inbox SET finished_at = ? WHERE finished_at IS NULL "
                "AND event_id IN (SELECT value FROM json_each(?))",
                to_text(self._now()),
                json.dumps(list(event_ids)),
            )

    async def unfinished(self) -> list[tuple[str, str]]:
        """(event id, room id) of what was accepted and not finished, in order of acceptance."""
        rows = await self._database.rows(
            "SELECT event_id, room_id FROM inbox WHERE finished_at IS NULL ORDER BY position"
        )
        return [(row["event_id"], row["room_id"]) for row in rows]

    async def seen(self, event_id: str) -> bool:
        """Whether the event was ever accepted."""
        row = await self._database.row("SELECT 1 FROM inbox WHERE event_id = ?", event_id)
        return row is not None or await self._was_swept(self._database, event_id)

    async def token(self) -> str | None:
        """The sync token after everything that was accepted."""
        value = await self._database.value("SELECT value FROM state WHERE name = ?", SYNC_TOKEN)
        return None if value is None else str(value)

    async def sweep(self, before: datetime) -> int:
        """Drop events finished before a moment; their digests remain and tell what comes again."""
        async with self._database.transaction() as transaction:
            rows = await transaction.rows(
                "SELECT event_id FROM inbox WHERE finished_at < ?", to_text(before)
            )
            await self.pass_over(transaction, [row["event_id"] for row in rows])
            return await transaction.execute(
                "DELETE FROM inbox WHERE finished_at < ?", to_text(before)
            )

    async def never_again(self, event_ids: Iterable[str]) -> None:
        """Let these events never be accepted, though this inbox has not handled them itself."""
        async with self._database.transaction() as transaction:
            await self.pass_over(transaction, event_ids)

    async def drop_handled(self) -> None:
        """Keep no row of what is never accepted again, and no byte of one."""
        async with self._database.transaction() as transaction:
            rows = await transaction.rows(
                "SELECT event_id FROM inbox UNION SELECT event_id FROM waiting"
            )
            digests = {digest(row[0], key=self._key).hex(): row[0] for row in rows}
            known = await transaction.rows(KNOWN, json.dumps([*digests]))
            gone = json.dumps([digests[row[0]] for row in known])
            for statement in DROP:
                await transaction.execute(statement, gone)
            await owe_shared_wipe(transaction)
        await wipe_shared(self._database)

    async def give_up(self, before: datetime) -> int:
        """Let nothing wait that came before a moment; how many were given up."""
        async with self._database.transaction() as transaction:
            return await transaction.execute(
                "DELETE FROM waiting WHERE arrived_at < ?", to_text(before)
            )

    async def pass_over(self, transaction: Transaction, event_ids: Iterable[str]) -> None:
        """The same in the transaction that deletes what is known of them."""
        digests = [digest(event_id, key=self._key).hex() for event_id in event_ids]
        await transaction.execute(
            "INSERT OR IGNORE INTO handled (event) SELECT unhex(value) FROM json_each(?)",
            json.dumps(digests),
        )

    async def _was_swept(self, where: Database | Transaction, event_id: str) -> bool:
        known = "SELECT 1 FROM handled WHERE event = ?"
        return await where.row(known, digest(event_id, key=self._key)) is not None


async def _wait(transaction: Transaction, waiting: Iterable[tuple[str, str]], now: str) -> None:
    for event_id, room_id in waiting:
        await transaction.execute(
            "INSERT INTO waiting (event_id, room_id, arrived_at) VALUES (?, ?, ?) "
            "ON CONFLICT (event_id) DO NOTHING",
            event_id,
            room_id,
            now,
        )
