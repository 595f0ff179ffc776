"""What is done by the clock, once, also after the bot was down."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.errors import AuditUnavailableError
from bot.jobs import Job, run_due, ticking
from bot.tasks import task_group
from storage import MasterKey, open_storage

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def test_a_job_that_came_due_while_down_runs_once(tmp_path: Path) -> None:
    runs: list[str] = []

    async def sweep() -> None:
        runs.append("sweep")

    jobs = [Job("sweep", timedelta(days=1), sweep)]
    async with open_storage(tmp_path, MasterKey.load("ab" * 32, tmp_path)) as storage:
        await run_due(jobs, storage, NOON)
        await run_due(jobs, storage, NOON + timedelta(hours=23))
        await run_due(jobs, storage, NOON + timedelta(days=9))
        await run_due(jobs, storage, NOON + timedelta(days=9, hours=1))

    assert runs == ["sweep", "sweep"]


async def test_a_job_that_fails_does_not_hold_up_the_next_and_is_tried_in_its_time(
    tmp_path: Path,
) -> None:
    runs: list[str] = []

    async def broken() -> None:
        runs.append("broken")
        raise ValueError("canary")

    async def sound() -> None:
        runs.append("sound")

    jobs = [Job("broken", timedelta(days=1), broken), Job("sound", timedelta(days=1), sound)]
    async with open_storage(tmp_path, MasterKey.load("ab" * 32, tmp_path)) as storage:
        await run_due(jobs, storage, NOON)
        await run_due(jobs, storage, NOON + timedelta(hours=1))

    assert runs == ["broken", "sound"]


async def test_a_job_that_can_not_record_stops_the_bot_and_is_due_again(tmp_path: Path) -> None:
    runs: list[str] = []

    async def unrecorded() -> None:
        runs.append("unrecorded")
        raise AuditUnavailableError("full")

    async def sound() -> None:
        runs.append("sound")

    jobs = [Job("first", timedelta(days=1), unrecorded), Job("second", timedelta(days=1), sound)]
    async with open_storage(tmp_path, MasterKey.load("ab" * 32, tmp_path)) as storage:
        for _ in range(2):
            with pytest.raises(AuditUnavailableError):
                async with (
                    task_group() as tasks,
                    ticking(jobs, storage, tasks, now=lambda: datetime.now(UTC)),
                    asyncio.timeout(10),
                ):
                    await asyncio.Event().wait()

    assert runs == ["unrecorded", "unrecorded"]


async def test_due_jobs_run_at_the_start_without_waiting_for_a_tick(tmp_path: Path) -> None:
    ran = asyncio.Event()

    async def sweep() -> None:
        ran.set()

    jobs = [Job("sweep", timedelta(days=1), sweep)]
    async with (
        open_storage(tmp_path, MasterKey.load("ab" * 32, tmp_path)) as storage,
        asyncio.TaskGroup() as tasks,
        ticking(jobs, storage, tasks, now=lambda: datetime.now(UTC)),
    ):
        await asyncio.wait_for(ran.wait(), 10)

    assert ran.is_set()
