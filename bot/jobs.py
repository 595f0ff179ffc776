"""What is done by the clock; due times live in our own table, APScheduler only ticks.

A job that came due while the bot was down runs once at the next start (REL-11).
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from bot.errors import AuditUnavailableError
from storage import Storage

log = logging.getLogger(__name__)

TICK = 60  # seconds
KEPT = timedelta(days=30)  # how long event ids are kept: finished ones, and ones without a key


@dataclass(frozen=True, slots=True)
class Job:
    """A name that never changes (its due time is stored under it), a period, and what to do."""

    name: str
    every: timedelta
    run: Callable[[], Awaitable[None]]


def inbox_sweep(storage: Storage, *, now: Callable[[], datetime]) -> Job:
    """Once a day, drop what is old: finished events, those without a key, who was forgotten."""
    inbox = storage.inbox

    async def sweep() -> None:
        before = now() - KEPT
        await inbox.sweep(before)
        await storage.forgetting.sweep(before)
        if given_up := await inbox.give_up(before):
            log.warning(
                "%d encrypted messages were given up: no key for them came in %d days",
                given_up,
                KEPT.days,
            )

    return Job("inbox sweep", timedelta(days=1), sweep)


async def run_due(jobs: Sequence[Job], storage: Storage, now: datetime) -> None:
    """Run each job whose time has come, then set its next one; a failed job waits its period.

    Raises AuditUnavailableError: what can't record doesn't act.
    """
    for job in jobs:
        stored = await storage.state(f"job.{job.name}.due")
        if stored is not None and datetime.fromisoformat(stored) > now:
            continue
        try:
            await job.run()
        except AuditUnavailableError:
            raise
        except Exception:
            log.exception("the job %s failed", job.name)
        await storage.set_state(f"job.{job.name}.due", (now + job.every).isoformat())


@asynccontextmanager
async def ticking(
    jobs: Sequence[Job],
    storage: Storage,
    tasks: asyncio.TaskGroup,
    *,
    now: Callable[[], datetime],
) -> AsyncIterator[None]:
    """Look for due jobs at once and every minute, for as long as the block runs.

    An AuditUnavailableError of theirs ends the task group: the scheduler would only log it.
    """
    unavailable: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def tick() -> None:
        try:
            await run_due(jobs, storage, now())
        except AuditUnavailableError as error:
            if not unavailable.done():
                unavailable.set_exception(error)

    scheduler = AsyncIOScheduler()
    scheduler.add_job(
        tick,
        "interval",
        seconds=TICK,
        id="tick",
        next_run_time=now(),
        coalesce=True,
        max_instances=1,
        misfire_grace_time=TICK,
        replace_existing=True,
    )
    scheduler.start()
    watching = tasks.create_task(_raised(unavailable), name="jobs")
    try:
        yield
    finally:
        watching.cancel()
        scheduler.shutdown(wait=False)


async def _raised(failure: asyncio.Future[None]) -> None:
    await failure
