"""Keys are shared before there is something to say, where that is likely."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bot.errors import HomeserverError
from bot.matrix.sharing_ahead import ROOMS, SharingAhead


class Keys:
    """Remembers where keys were shared; fails where it should."""

    def __init__(self) -> None:
        self.shared: list[str] = []
        self.failing: set[str] = set()
        self.gate = asyncio.Event()
        self.gate.set()
        self._news = asyncio.Condition()

    async def share(self, room_id: str) -> None:
        await self.gate.wait()
        if room_id in self.failing:
            raise HomeserverError("no")
        async with self._news:
            self.shared.append(room_id)
            self._news.notify_all()

    async def ever_encrypted(self, room_id: str) -> bool:
        return "plain" not in room_id

    async def arrived(self, room_id: str) -> None:
        async with asyncio.timeout(10), self._news:
            await self._news.wait_for(lambda: room_id in self.shared)


@asynccontextmanager
async def running(keys: Keys) -> AsyncIterator[SharingAhead]:
    ahead = SharingAhead(keys, keys)
    task = asyncio.create_task(ahead.run())
    yield ahead
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_keys_are_shared_in_encrypted_rooms_alone_and_a_failure_stops_nothing() -> None:
    keys = Keys()
    keys.failing = {"!broken"}

    async with running(keys) as ahead:
        for room_id in ("!one", "!plain", "!broken", "!two"):
            ahead.expect(room_id)
        await keys.arrived("!two")

    assert keys.shared == ["!one", "!two"]


async def test_a_room_that_is_expected_many_times_is_shared_once() -> None:
    keys = Keys()

    async with running(keys) as ahead:
        for _ in range(50):
            ahead.expect("!one")
        ahead.expect("!two")
        await keys.arrived("!two")

    assert keys.shared == ["!one", "!two"]


async def test_too_many_rooms_push_out_those_that_wait_longest() -> None:
    keys = Keys()

    async with running(keys) as ahead:
        for number in range(ROOMS + 10):
            ahead.expect(f"!{number}")
        await keys.arrived(f"!{ROOMS + 9}")

    assert keys.shared == [f"!{number}" for number in range(10, ROOMS + 10)]
