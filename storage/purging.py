"""What leads to a forgotten person in shared.db goes, and at last the job that saw to it."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime

from storage.clock import to_text
from storage.database import Database, Transaction
from storage.inbox import DROP, Inbox
from storage.tenants import Tenants
from storage.wiping import owe_shared_wipe, wipe_shared

# Whose a row of the inbox is nobody can tell, so all that is finished becomes digests, which say as
# much of what comes again. What still waits in a queue keeps its row: a crash must not lose it.
SETTLED = """
    SELECT event_id FROM inbox WHERE finished_at IS NOT NULL
    UNION SELECT event_id FROM waiting
    WHERE room_id IN (SELECT room_id FROM forgetting_room WHERE job = ?)
"""
# Nothing of it is left to do, and nothing from before it waits in a queue.
OVER = """
    SELECT event_id FROM forgetting AS done
    WHERE erased_at IS NOT NULL AND searched_at IS NOT NULL AND receipted_at IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM withdrawal WHERE job = done.event_id)
    AND NOT EXISTS (SELECT 1 FROM withdrawal_search WHERE job = done.event_id)
    AND NOT EXISTS (SELECT 1 FROM inbox WHERE finished_at IS NULL AND position <= done.accepted)
"""
QUEUED = "SELECT 1 FROM withdrawal UNION ALL SELECT 1 FROM withdrawal_search LIMIT 1"
DELETE_JOB = (
    "DELETE FROM forgetting_room WHERE job = ?",
    "DELETE FROM forgetting WHERE event_id = ?",
    "DELETE FROM state WHERE substr(name, -1 - length(?1)) = ' ' || ?1",  # what the bot noted of it
)


class Purging:
    """Takes the rows of forgotten people out of shared.db; every step may be repeated."""

    def __init__(
        self, database: Database, *, tenants: Tenants, inbox: Inbox, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._tenants = tenants
        self._inbox = inbox
        self._now = now

    async def is_planned(self, vault_id: str) -> bool:
        """Whether a vault is to be destroyed, whatever is left of it."""
        row = await self._database.row("SELECT 1 FROM forgetting WHERE vault_id = ?", vault_id)
        return row is not None

    async def of_vault(self, vault_id: str) -> None:
        """The key and the files of a vault are gone: so goes what leads to its owner."""
        for row in await self._database.rows(
            "SELECT event_id FROM forgetting WHERE vault_id = ?", vault_id
        ):
            await self.purge(row["event_id"])

    async def purge(self, job: str) -> None:
        """Take out what leads to the person, as far as it is finished; the vault is gone by now."""
        async with self._database.transaction() as transaction:
            await self._purge(transaction, job)
            for row in await transaction.rows(
                "UPDATE forgetting SET erased_at = ? WHERE event_id = ? AND erased_at IS NULL "
                "RETURNING user_id",
                to_text(self._now()),
                job,
            ):
                await self._tenants.unlearn(transaction, self._tenants.unseal(row["user_id"]))
            await owe_shared_wipe(transaction)

    async def close(self) -> None:
        """End the jobs of which nothing is left to do.

        The disk is wiped of them, and of withdrawals when none is left.
        """
        over = [row["event_id"] for row in await self._database.rows(OVER)]
        if over:
            await self._end(over)
        if over or await self._database.row(QUEUED) is None:
            await wipe_shared(self._database)

    async def _end(self, jobs: Sequence[str]) -> None:
        async with self._database.transaction() as transaction:
            for job in jobs:
                await self._purge(transaction, job)
                for statement in DELETE_JOB:
                    await transaction.execute(statement, job)
            await owe_shared_wipe(transaction)

    async def _purge(self, transaction: Transaction, job: str) -> None:
        settled = [row["event_id"] for row in await transaction.rows(SETTLED, job)]
        await self._inbox.pass_over(transaction, settled)
        for statement in DROP:
            await transaction.execute(statement, json.dumps(settled))
