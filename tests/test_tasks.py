"""Work that is given up, unless it has come far enough."""

import asyncio

import pytest

from bot.tasks import given_up


async def test_what_has_not_come_far_enough_is_given_up_at_the_event() -> None:
    at, unless, tidied = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        try:
            at.set()
            await asyncio.Event().wait()
        finally:
            tidied.set()

    async with asyncio.timeout(10):
        await given_up(work(), at=at, unless=unless)

    assert tidied.is_set()


async def test_what_has_come_far_enough_ends_by_itself() -> None:
    at, unless, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        unless.set()
        at.set()
        for _ in range(10):
            await asyncio.sleep(0)
        done.set()

    await given_up(work(), at=at, unless=unless)

    assert done.is_set()


async def test_its_failure_is_raised_as_itself() -> None:
    async def work() -> None:
        raise LookupError("nobody there")

    with pytest.raises(LookupError, match="nobody"):
        await given_up(work(), at=asyncio.Event(), unless=asyncio.Event())
