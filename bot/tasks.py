"""Tasks whose one failure is raised as itself, so that callers can name what they expect."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager


@asynccontextmanager
async def task_group() -> AsyncIterator[asyncio.TaskGroup]:
    """Like `asyncio.TaskGroup`; a single exception leaves without the group around it."""
    try:
        async with asyncio.TaskGroup() as tasks:
            yield tasks
    except BaseExceptionGroup as group:
        if len(group.exceptions) > 1:
            raise
        raise group.exceptions[0] from None


async def given_up(
    work: Coroutine[object, object, None], *, at: asyncio.Event, unless: asyncio.Event
) -> None:
    """Do something, and cancel it at an event, unless it has come as far as another."""
    async with task_group() as tasks:
        doing = tasks.create_task(work)

        async def give_up() -> None:
            await at.wait()
            if not unless.is_set():
                doing.cancel()

        giving_up = tasks.create_task(give_up())
        await asyncio.wait([doing])
        giving_up.cancel()
