"""What the service manager hears, on a real socket: signs of life while the bot gets on."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.dispatcher import Dispatcher
from bot.room_events import Batch, RoomEvent
from bot.service import Watched, notify, stop_signals, watchdog, watchdog_seconds, watched
from storage import MasterKey, open_storage
from tests.test_dispatcher import message

INTERVAL = 90.0


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket on which systemd would listen."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listening


def heard(manager: socket.socket) -> list[str]:
    """Everything that was said since the last time."""
    said = []
    while True:
        try:
            said.append(manager.recv(256).decode())
        except BlockingIOError:
            return said


class Time:
    """A clock that a test moves; whoever pauses goes on when the time has come."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []
        self._paused: asyncio.Queue[asyncio.Event] = asyncio.Queue()
        self._turn: asyncio.Event | None = None

    def __call__(self) -> float:
        return self.now

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        turn = asyncio.Event()
        self._paused.put_nowait(turn)
        await turn.wait()

    async def paused(self) -> None:
        """Wait until the watchdog has looked and pauses."""
        self._turn = await self._paused.get()

    async def forward(self, seconds: float) -> None:
        """Let time pass, and the watchdog look once."""
        self.now += seconds
        assert self._turn is not None
        self._turn.set()
        await self.paused()


@asynccontextmanager
async def watching(time: Time, *parts: Watched) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(watchdog(parts, INTERVAL, clock=time, pause=time.pause))
        await time.paused()
        yield
        task.cancel()


async def test_signs_of_life_come_three_times_in_each_interval(manager: socket.socket) -> None:
    time = Time()

    async with watching(time, Watched("the sync", time, 60)):
        await time.forward(30)

    assert heard(manager) == ["WATCHDOG=1"] * 2
    assert time.pauses == [INTERVAL / 3] * 2


async def test_they_stop_while_the_sync_is_stuck_and_come_again_with_it(
    manager: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    time, came_round = Time(), [1000.0]

    async with watching(
        time, Watched("the sync", lambda: came_round[0], 60), Watched("a room", time, 60)
    ):
        await time.forward(60)
        alive = heard(manager)
        await time.forward(1)
        await time.forward(30)
        stuck = heard(manager)
        came_round[0] = time.now
        await time.forward(30)

    assert (alive, stuck, heard(manager)) == (["WATCHDOG=1"] * 2, [], ["WATCHDOG=1"])
    assert [one.getMessage().rpartition(" is ")[2] for one in caplog.records] == ["the sync"] * 2


async def test_they_stop_while_a_message_is_never_done_with_and_come_again_after_it(
    manager: socket.socket, tmp_path: Path
) -> None:
    time = Time()
    gates = {f"${number}": asyncio.Event() for number in range(3)}
    begun: asyncio.Queue[str] = asyncio.Queue()

    async def handle(event: RoomEvent) -> None:
        event_id = getattr(event, "event_id", "")
        begun.put_nowait(event_id)
        await gates[event_id].wait()

    key = MasterKey.load("ab" * 32, tmp_path)
    async with open_storage(tmp_path, key) as storage, asyncio.TaskGroup() as tasks:
        dispatcher = Dispatcher(handle, storage.inbox, tasks, clock=time)
        worker = Watched("a room", lambda: dispatcher.busy_since, 900)
        async with watching(time, worker):
            events = tuple(message(f"${number}", f"!{number // 2}") for number in range(3))
            await dispatcher.receive(Batch(events, "s1"))
            assert {await begun.get(), await begun.get()} == {"$0", "$2"}
            heard(manager)
            await time.forward(900)
            busy = heard(manager)
            gates["$2"].set()  # other rooms go on
            await time.forward(1)
            stuck = heard(manager)
            gates["$0"].set()
            assert await begun.get() == "$1"
            await time.forward(1)
            next_one = heard(manager)
            gates["$1"].set()
            assert await dispatcher.drain(10)
            await time.forward(10_000)

    assert (busy, stuck, next_one) == (["WATCHDOG=1"], [], ["WATCHDOG=1"])
    assert heard(manager) == ["WATCHDOG=1"], "nothing to do is no standstill"


async def test_a_worker_that_waits_for_its_turn_is_at_nothing(
    manager: socket.socket, tmp_path: Path
) -> None:
    time, gate = Time(), asyncio.Semaphore(0)
    begun: asyncio.Queue[RoomEvent] = asyncio.Queue()

    async def handle(event: RoomEvent) -> None:
        begun.put_nowait(event)
        await gate.acquire()

    key = MasterKey.load("ab" * 32, tmp_path)
    async with open_storage(tmp_path, key) as storage, asyncio.TaskGroup() as tasks:
        dispatcher = Dispatcher(handle, storage.inbox, tasks, side_by_side=1, clock=time)
        events = (message("$1", "!1"), message("$2", "!1"), message("$3", "!2"))
        await dispatcher.receive(Batch(events, "s1"))
        assert await begun.get() == message("$1", "!1")
        time.now += 500
        gate.release()
        assert await begun.get() == message("$3", "!2"), "the first room waits again"

        assert dispatcher.busy_since == time.now
        gate.release()
        gate.release()


@dataclass
class Parts:
    """A client and a dispatcher: when they last got on."""

    synced: float = 1000.0
    away_at: float = 0.0
    busy_since: float = 1000.0

    @property
    def alive_at(self) -> float:
        return max(self.synced, self.away_at)


@pytest.mark.parametrize(
    ("parts", "signs"),
    [
        (Parts(synced=1300), 0),
        (Parts(synced=1300, busy_since=1950), 0),
        (Parts(synced=1950, busy_since=1099), 0),
        (Parts(synced=1950, busy_since=1100), 1),
        (Parts(away_at=1950), 1),
        (Parts(synced=1950, busy_since=500, away_at=1100), 1),
        (Parts(synced=1950, busy_since=500, away_at=1099), 0),
    ],
    ids=[
        "both stuck",
        "the sync stuck",
        "a worker stuck",
        "both get on",
        "an outage",
        "a worker after ten minutes of a proxy's page",
        "a worker stuck after them",
    ],
)
async def test_both_have_to_get_on_and_an_outage_counts_against_neither(
    manager: socket.socket, parts: Parts, signs: int
) -> None:
    time = Time()
    time.now = 2000.0

    async with watching(time, *watched(parts, parts, quiet=100, longest=900)):
        pass

    assert len(heard(manager)) == signs


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "120000000"}, 120.0),
        ({"WATCHDOG_USEC": "120000000", "WATCHDOG_PID": str(os.getpid())}, 120.0),
        ({"WATCHDOG_USEC": "120000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_a_watchdog_is_there_only_where_it_is_asked_for_and_of_this_process(
    environment: dict[str, str], seconds: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert watchdog_seconds() == seconds


def test_an_abstract_socket_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"confidant-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}")
        listening.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")

        notify("READY=1")

        assert heard(listening) == ["READY=1"]


def test_without_a_service_manager_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)

    notify("READY=1")


def test_a_service_manager_that_is_gone_or_does_not_listen_stops_nothing(
    manager: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)

    for _ in range(5000):  # until nothing more fits in: a blocking send would hang here
        notify("WATCHDOG=1")
    manager.close()
    notify("STOPPING=1")

    assert "WATCHDOG=1" in caplog.messages[0]
    assert "STOPPING=1" in caplog.messages[-1]


async def test_sigterm_and_sigint_set_the_event_and_end_nothing() -> None:
    for one in (signal.SIGTERM, signal.SIGINT):
        with stop_signals() as stop:
            os.kill(os.getpid(), one)
            await asyncio.wait_for(stop.wait(), 10)
