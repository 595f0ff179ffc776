"""Rooms side by side, each in order, and nothing accepted twice."""

import asyncio
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.dispatcher import Dispatcher
from bot.errors import HomeserverUnavailableError
from bot.messages import RoomMessage
from bot.room_events import Alone, Backlog, Batch, Gap, Invite, RoomEvent, Unfinished, Upgraded
from bot.room_queue import WHOLE
from bot.tasks import task_group
from storage import MasterKey, open_storage


def message(event_id: str, room_id: str = "!r") -> RoomMessage:
    return RoomMessage(event_id, room_id, "@ann:x", "hello", datetime(2026, 1, 1, tzinfo=UTC), True)


class RememberingHandler:
    """Keeps what it was given, by room."""

    def __init__(self) -> None:
        self.handled: dict[str, list[str]] = defaultdict(list)

    async def __call__(self, event: RoomEvent) -> None:
        assert isinstance(event, RoomMessage)
        await asyncio.sleep(0)
        self.handled[event.room_id].append(event.event_id)


@pytest.fixture
def key(tmp_path: Path) -> MasterKey:
    return MasterKey.load("ab" * 32, tmp_path)


async def test_a_room_is_answered_in_order_and_a_redelivered_event_once(
    tmp_path: Path, key: MasterKey
) -> None:
    handle = RememberingHandler()
    events = tuple(message(f"${n}", f"!{n % 3}") for n in range(30))

    async with open_storage(tmp_path, key) as storage, asyncio.TaskGroup() as tasks:
        dispatcher = Dispatcher(handle, storage.inbox, tasks)
        await dispatcher.receive(Batch(events, "s1"))
        await dispatcher.receive(Batch(events, "s2"))
        assert await storage.inbox.token() == "s2"

    for room in range(3):
        assert handle.handled[f"!{room}"] == [f"${n}" for n in range(30) if n % 3 == room]


async def test_a_gap_is_handed_on_once_and_kept_until_it_was_told(
    tmp_path: Path, key: MasterKey
) -> None:
    handled: list[RoomEvent] = []

    async def handle(event: RoomEvent) -> None:
        handled.append(event)

    gap = Gap("gap 5000 !r s0", "!r", 5_000)
    async with open_storage(tmp_path, key) as storage, asyncio.TaskGroup() as tasks:
        dispatcher = Dispatcher(handle, storage.inbox, tasks)
        await dispatcher.receive(Batch((gap,), "s1"))
        await dispatcher.receive(Batch((gap,), "s1"))
        assert await dispatcher.drain(10)
        assert await storage.inbox.unfinished() == [(gap.event_id, "!r")]

    assert handled == [gap]


async def test_what_begins_and_ceases_to_wait_is_kept_with_the_token(
    tmp_path: Path, key: MasterKey
) -> None:
    async with open_storage(tmp_path, key) as storage, asyncio.TaskGroup() as tasks:
        dispatcher = Dispatcher(RememberingHandler(), storage.inbox, tasks)
        await dispatcher.receive(Batch((), "s1", waiting=(("$1", "!r"), ("$2", "!r"))))
        await dispatcher.receive(Batch((message("$1"),), "s2", settled=("$1",)))
        assert await dispatcher.drain(10)
        waiting = await storage.inbox.waiting()

    assert [one.event_id for one in waiting] == ["$2"]


async def test_a_slow_room_does_not_hold_up_another(tmp_path: Path, key: MasterKey) -> None:
    gate, done = asyncio.Event(), asyncio.Event()

    async def handle(event: RoomEvent) -> None:
        if event.room_id == "!slow":
            await gate.wait()
        else:
            done.set()

    async with open_storage(tmp_path, key) as storage, asyncio.TaskGroup() as tasks:
        dispatcher = Dispatcher(handle, storage.inbox, tasks)
        await dispatcher.receive(Batch((message("$1", "!slow"), message("$2", "!quick")), "s1"))
        await asyncio.wait_for(done.wait(), 10)
        gate.set()


async def test_what_a_handler_raises_ends_the_group(tmp_path: Path, key: MasterKey) -> None:
    async def handle(event: RoomEvent) -> None:
        raise HomeserverUnavailableError("revoked")

    async with open_storage(tmp_path, key) as storage:
        with pytest.raises(HomeserverUnavailableError):
            async with task_group() as tasks:
                dispatcher = Dispatcher(handle, storage.inbox, tasks)
                await dispatcher.receive(Batch((message("$1"), message("$2")), "s1"))
        assert await storage.inbox.unfinished() == [("$1", "!r"), ("$2", "!r")]


async def test_a_drain_begins_nothing_new_and_leaves_the_rest_unfinished(
    tmp_path: Path, key: MasterKey
) -> None:
    gate, begun = asyncio.Event(), asyncio.Event()
    handled: list[str] = []

    async def handle(event: RoomEvent) -> None:
        assert isinstance(event, RoomMessage)
        begun.set()
        await gate.wait()
        handled.append(event.event_id)
        await storage.inbox.finish(event.event_id)

    async with open_storage(tmp_path, key) as storage, asyncio.TaskGroup() as tasks:
        dispatcher = Dispatcher(handle, storage.inbox, tasks)
        await dispatcher.receive(Batch((message("$1"), message("$2")), "s1"))
        await begun.wait()
        draining = tasks.create_task(dispatcher.drain(10))
        await asyncio.sleep(0)
        gate.set()
        assert await draining
        assert await storage.inbox.unfinished() == [("$2", "!r")]

    assert handled == ["$1"]


async def test_a_drain_that_takes_too_long_says_so(tmp_path: Path, key: MasterKey) -> None:
    gate, begun = asyncio.Event(), asyncio.Event()

    async def handle(event: RoomEvent) -> None:
        begun.set()
        await gate.wait()

    async with open_storage(tmp_path, key) as storage, asyncio.TaskGroup() as tasks:
        dispatcher = Dispatcher(handle, storage.inbox, tasks)
        await dispatcher.receive(Batch((message("$1"),), "s1"))
        await begun.wait()
        assert not await dispatcher.drain(0.01)
        dispatcher.cancel()


async def test_hundreds_of_invites_take_one_place_and_delay_no_chat(
    tmp_path: Path, key: MasterKey
) -> None:
    gate, all_answered, going = asyncio.Event(), asyncio.Event(), 0
    chat = [message(f"${number}", f"!{number}") for number in range(20)]
    answered: list[str] = []
    gone: list[str] = []

    async def handle(event: RoomEvent) -> None:
        nonlocal going
        if isinstance(event, RoomMessage):
            answered.append(event.event_id)
            if len(answered) == len(chat):
                all_answered.set()
            return
        going += 1
        assert going == 1, "one after the other"
        await gate.wait()
        going -= 1
        gone.append(event.room_id)

    invites = [Invite(f"!{number}", "@ann:x") for number in range(500)]
    membership: list[RoomEvent] = [*invites, Upgraded("!a"), Alone("!c")]
    async with open_storage(tmp_path, key) as storage, asyncio.TaskGroup() as tasks:
        dispatcher = Dispatcher(handle, storage.inbox, tasks, side_by_side=2)
        await dispatcher.receive(Batch((*membership, *chat), "s1"))
        await asyncio.wait_for(all_answered.wait(), 10)
        assert gone == []
        gate.set()

    assert gone == [event.room_id for event in membership]


async def test_of_a_burst_all_is_handled_in_order_and_the_room_told_once(
    tmp_path: Path, key: MasterKey
) -> None:
    gate, handled = asyncio.Event(), list[RoomEvent]()

    async def handle(event: RoomEvent) -> None:
        handled.append(event)
        await gate.wait()

    async with open_storage(tmp_path, key) as storage, asyncio.TaskGroup() as tasks:
        dispatcher = Dispatcher(handle, storage.inbox, tasks)
        for number in range(1000):
            await dispatcher.receive(Batch((message(f"${number}"),), f"s{number}"))
        gate.set()

    first, backlog, *rest = handled
    ids = [getattr(one, "event_id", "") for one in (first, *rest)]
    whole = [one for one in (first, *rest) if isinstance(one, RoomMessage)]
    assert backlog == Backlog(message("$999"), 999)
    assert ids == [f"${number}" for number in range(1000)]
    assert len(whole) <= WHOLE + 1
    assert Unfinished("$999", "!r", recovered=False) in rest


async def test_a_stop_leaves_what_waits_by_id_to_the_next_start_as_well(
    tmp_path: Path, key: MasterKey
) -> None:
    gate, begun = asyncio.Event(), asyncio.Event()

    async def handle(event: RoomEvent) -> None:
        begun.set()
        await gate.wait()
        assert isinstance(event, RoomMessage)
        await storage.inbox.finish(event.event_id)

    async with open_storage(tmp_path, key) as storage, asyncio.TaskGroup() as tasks:
        dispatcher = Dispatcher(handle, storage.inbox, tasks)
        await dispatcher.receive(Batch((message("$0"),), "s0"))
        await begun.wait()
        burst = tuple(message(f"${number}") for number in range(1, 1000))
        await dispatcher.receive(Batch(burst, "s1"))
        draining = tasks.create_task(dispatcher.drain(10))
        await asyncio.sleep(0)
        gate.set()
        assert await draining
        left = await storage.inbox.unfinished()

    assert left == [(f"${number}", "!r") for number in range(1, 1000)]
