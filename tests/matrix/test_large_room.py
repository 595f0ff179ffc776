"""In a room of hundreds the others get their turn while its key is shared."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.matrix.channels import AT_ONCE
from tests.matrix.people import Device, Somebody
from tests.matrix.test_sharing import World, opened

PEOPLE = 200
STEPS = {  # what takes time for a device: judging it, opening a channel, sealing its key
    "judge": ("store", "save_device_keys"),
    "claim": ("olm", "create_session"),
    "seal": ("olm", "_olm_encrypt"),
}


class Turns:
    """How many devices each step handled between two turns of the event loop."""

    def __init__(self) -> None:
        self.handled = {step: Counter[int]() for step in STEPS}
        self._turn = 0

    @asynccontextmanager
    async def counted(self) -> AsyncIterator[None]:
        """Compete for the event loop while the block runs."""
        task = asyncio.create_task(self._compete())
        try:
            yield
        finally:
            task.cancel()

    async def _compete(self) -> None:
        while True:
            self._turn += 1
            await asyncio.sleep(0)

    def watched(self, step: str, real: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, its calls counted; one that takes many devices counts each."""

        def watching(*args: Any) -> Any:
            many = sum(len(one) for one in args[0].values()) if step == "judge" else 1
            self.handled[step][self._turn] += many
            return real(*args)

        return watching

    def most(self) -> dict[str, int]:
        """The largest number of devices that a step handled at once."""
        return {step: max(counts.values()) for step, counts in self.handled.items()}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Two hundred people, every second with a second device."""
    people = [Somebody(f"@person{number}:b") for number in range(PEOPLE)]
    async with opened(tmp_path, *people) as world:
        for somebody in people[::2]:
            laptop = Device(somebody.user_id, "LAPTOP")
            world.homeserver.add(somebody.user_id, laptop, signed=True)
        yield world


async def test_a_first_key_for_two_hundred_people_gives_way_to_others_all_the_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = Turns()
    parts = {"store": world.guard.client.store, "olm": world.guard.olm}
    for step, (part, name) in STEPS.items():
        watching = turns.watched(step, getattr(parts[part], name))
        monkeypatch.setattr(parts[part], name, watching)

    async with turns.counted():
        event = await world.encrypt()

    handled = {step: counts.total() for step, counts in turns.handled.items()}
    assert handled == dict.fromkeys(STEPS, PEOPLE * 3 // 2)
    assert len(world.homeserver.readers(event)) == PEOPLE * 3 // 2
    assert turns.most() == {"judge": 2, "claim": AT_ONCE, "seal": AT_ONCE}


async def test_a_room_that_changes_costs_no_new_channels(world: World) -> None:
    await world.encrypt()
    gone = f"@person{PEOPLE - 1}:b"
    del world.homeserver.people[gone]
    world.membership(gone, "leave")
    world.homeserver.failing = {"claim"}

    event = await world.encrypt()

    assert len(world.homeserver.readers(event)) == PEOPLE * 3 // 2 - 1
