"""kill -9 at random moments while people write in several rooms, and the reckoning afterwards.

The homeserver's own table of events says what was sent and in which order; the person's client,
an independent one in strict mode, says what it could read of it. Shared by the test of a few kills
and by `benchmarks/crash.py`.
"""

import asyncio
import random
import sqlite3
import time
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from bot.demo.homeserver import Homeserver
from bot.tasks import task_group
from tests.live.bots import REPOSITORY, Bot
from tests.live.events import Event
from tests.live.proxy import Proxy, after, fault_proxy, unheard, unsent
from tests.live.reckoning import Reckoning, Sent, question, reckon, reply, said
from tests.live.staging import Stage, staged

CONTROL = (REPOSITORY / "benchmarks" / "_control.py",)  # the bot with random transaction ids

RUNNING = 2.0  # seconds at most from ready to kill
ANSWERS, ANSWERING = 30, 0.25  # the model is asked at most so often, then so many seconds pass
WRITING = 1.0  # seconds at most between two messages of a person in one room
READY = 60.0  # seconds for a start that is not killed
STILL = 60.0  # seconds without anything new, after which what is missing counts as lost

CALLS = (  # where a kill at a request cuts the bot short; one of them is met within a start
    ("PUT", "/send/"),  # accepted and not sent, or sent and not recorded: the likeliest
    ("PUT", "/send/"),
    ("GET", "/sync"),  # catching up, or between two batches
    ("GET", "/event/"),  # taking up what the kill before has left
    ("GET", "/members"),  # accepted and not begun
    ("PUT", "/sendToDevice/"),  # a room's key is under way
    ("POST", "/keys/"),  # uploaded, queried or claimed
)
PASSED = 0.5  # of such requests about this part is the one; the others pass before it


class Moment(StrEnum):
    """When a kill comes; the exact time within is random."""

    STARTING = "while it starts"
    RUNNING = "some time after its start"
    ANSWERING = "while it answers"
    CALLING = "at a request to the homeserver"


@dataclass(frozen=True, slots=True)
class Plan:
    """How often to kill, how much is said in all, and what decides the moments."""

    kills: int
    messages: int
    rooms: int = 4
    seed: int = 1
    weights: Mapping[Moment, int] = field(
        default_factory=lambda: {
            Moment.STARTING: 1,
            Moment.RUNNING: 1,
            Moment.ANSWERING: 1,
            Moment.CALLING: 2,
        }
    )

    @property
    def meanwhile(self) -> int:
        """How many are asked while the bot is killed; two in each room are kept for the end."""
        return max(self.messages - 2 * self.rooms, 0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A whole run."""

    reckoning: Reckoning
    kills: Counter[Moment]
    open_at_the_end: int  # questions that had no answer yet at the last kill
    seconds: float


async def crash_run(
    homeserver: Homeserver,
    folder: Path,
    plan: Plan,
    *,
    program: Sequence[str | Path] = Bot.program,
    told: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Carry out a plan with a bot and a person of its own."""
    begun = time.monotonic()
    async with (
        fault_proxy(homeserver.url) as proxy,
        staged(homeserver, folder, url=proxy.url) as stage,
    ):
        stage.bot.program = program
        run = _Run(plan, stage, proxy, homeserver.database, told)
        await run.everything()
        return Outcome(run.reckoning(), run.kills, run.open_at_the_end, time.monotonic() - begun)


class _Run:
    """One bot, one person, their rooms, and what has been said and killed so far."""

    def __init__(
        self,
        plan: Plan,
        stage: Stage,
        proxy: Proxy,
        database: Path,
        told: Callable[[str], None],
    ) -> None:
        self._plan = plan
        self._proxy = proxy
        self._database = database
        self._stage = stage
        self._gateway = stage.gateway
        self._peer = stage.person
        self._bot = stage.bot
        self._told = told
        self._random = random.Random(plan.seed)
        self._asked: dict[str, list[str]] = {}
        self._start_seconds = 1.5
        self.kills: Counter[Moment] = Counter()
        self.open_at_the_end = 0

    async def everything(self) -> None:
        """Rooms, then talk and kills side by side, then everything answered and two last starts."""
        chats = await self._stage.chats(self._plan.rooms)
        self._asked = {chat.room_id: [] for chat in chats}
        await self._bot.stop()
        may_write = [asyncio.Semaphore(0) for _ in chats]
        async with task_group() as tasks:
            for room, room_id in enumerate(self._asked):
                tasks.create_task(self._talk(room_id, room, may_write[room]))
            await self._kill_again_and_again(may_write)
        answered = {(one.room_id, one.replaces or one.event_id) for one in self._sent()}
        self.open_at_the_end = max(sum(map(len, self._asked.values())) - len(answered), 0)
        await self._bot.start()
        await self._catch_up(self._plan.meanwhile)
        await self._bot.restart()  # what a crash left behind would come back now
        await self._catch_up(self._plan.meanwhile + 1)
        await self._bot.stop()
        await self._everything_read()

    def reckoning(self) -> Reckoning:
        """What the homeserver holds of the bot, as far as the person's client could read it."""
        rooms, sent, read = self._asked.items(), self._sent(), self._read()
        each = (reckon(questions, said(sent, read, room_id)) for room_id, questions in rooms)
        return sum(each, Reckoning())

    async def _everything_read(self) -> None:
        """Wait for the person's client; what it can't read is for the reckoning to say."""
        with suppress(AssertionError):
            ids = {one.event_id for one in self._sent()}
            await self._peer.wait_for(lambda: ids <= self._read().keys(), "every event of the bot")

    async def _talk(self, room_id: str, room: int, may_write: asyncio.Semaphore) -> None:
        chance = random.Random(f"{self._plan.seed} {room}")
        for number in range(room, self._plan.meanwhile, self._plan.rooms):
            await may_write.acquire()
            await asyncio.sleep(chance.uniform(0, WRITING))
            await self._ask(room_id, question(number, room))

    async def _ask(self, room_id: str, question: str) -> None:
        await self._peer.send(room_id, question)
        self._asked[room_id].append(question)

    async def _kill_again_and_again(self, may_write: Sequence[asyncio.Semaphore]) -> None:
        """Spread the messages over the kills; what is over may be written after the last."""
        plan, allowed = self._plan, 0
        for kill in range(plan.kills):
            while allowed * plan.kills < plan.meanwhile * (kill + 1):
                may_write[allowed % plan.rooms].release()
                allowed += 1
            await self._kill_once()
            if (kill + 1) % 10 == 0:
                self._told(f"{kill + 1} kills, {sum(map(len, self._asked.values()))} messages")

    async def _kill_once(self) -> None:
        at: dict[Moment, Callable[[], Awaitable[Moment]]] = {
            Moment.STARTING: self._while_it_starts,
            Moment.RUNNING: self._some_time_later,
            Moment.ANSWERING: self._while_it_answers,
            Moment.CALLING: self._at_a_request,
        }
        moments, weights = zip(*self._plan.weights.items(), strict=True)
        [moment] = self._random.choices(moments, weights)
        self.kills[await at[moment]()] += 1

    async def _while_it_starts(self) -> Moment:
        process = await self._bot.begin()
        await asyncio.sleep(self._random.random() * self._start_seconds)
        await self._kill(process)
        return Moment.STARTING

    async def _some_time_later(self) -> Moment:
        process = await self._started()
        await asyncio.sleep(self._random.random() * RUNNING)
        await self._kill(process)
        return Moment.RUNNING

    async def _while_it_answers(self) -> Moment:
        answers, chance = self._random.randint(1, ANSWERS), self._random.random()
        process = await self._started()
        self._gateway.requests.clear()
        with suppress(TimeoutError):  # nothing is left to answer
            async with asyncio.timeout(RUNNING):
                while len(self._gateway.requests) < answers:
                    self._gateway.arrived.clear()
                    await self._gateway.arrived.wait()
        await asyncio.sleep(chance * ANSWERING)
        await self._kill(process)
        return Moment.ANSWERING

    async def _at_a_request(self) -> Moment:
        """Just before a request reaches the homeserver, or after, before the bot has its answer."""
        call, passed = self._random.choice(CALLS), int(self._random.expovariate(PASSED))
        fault, met = self._random.choice((unheard, unsent)), asyncio.Event()
        process: Process | None = None

        async def kill() -> None:
            if process is not None and process.returncode is None:
                met.set()
                process.kill()
                await process.wait()

        trouble = self._proxy.on(after(passed, fault(kill)), *call, times=passed + 1)
        process = await self._bot.begin()
        with suppress(TimeoutError):  # no such request is made now
            async with asyncio.timeout(self._start_seconds + RUNNING):
                await met.wait()
        trouble.end()
        await (self._bot.kill() if met.is_set() else self._kill(process))
        return Moment.CALLING if met.is_set() else Moment.RUNNING

    async def _started(self) -> Process:
        begun = time.monotonic()
        process = await self._bot.begin()
        async with asyncio.timeout(READY):
            await self._bot.ready_or_ended()
        self._start_seconds = time.monotonic() - begun
        return process

    async def _kill(self, process: Process) -> None:
        assert process.returncode is None, f"the bot ended by itself: {self._bot.log}"
        await self._bot.kill()

    async def _catch_up(self, number: int) -> None:
        """Ask one more question in each room: its answer comes after all that was asked before."""
        waiting = set()
        for room, room_id in enumerate(self._asked):
            text = question(number, room)
            await self._ask(room_id, text)
            waiting.add((room_id, reply(text)))

        def all_answered() -> bool:
            for one in self._peer.events:
                text = one.content.get("m.new_content", one.content).get("body")
                waiting.discard((one.room_id, text))
            return not waiting

        known = -1
        while waiting and known < (known := len(self._peer.events)):  # else: lost, it will be said
            with suppress(AssertionError):
                await self._peer.wait_for(all_answered, "the last answer in every room", STILL)

    def _read(self) -> Mapping[str, Event]:
        """What the person's client could read, by event id."""
        return {one.event_id: one for one in self._peer.events if one.readable}

    def _sent(self) -> list[Sent]:
        """All encrypted events of the bot in the rooms, in the homeserver's order."""
        file = f"{self._database.as_uri()}?mode=ro"
        with closing(sqlite3.connect(file, uri=True)) as database:
            rows = database.execute(_SENT, (self._bot.user_id,))
            return [one for one in (Sent(*row) for row in rows) if one.room_id in self._asked]


_SENT = """
    SELECT event_id, room_id, relates_to_id
    FROM events LEFT JOIN (
        SELECT event_id, relates_to_id FROM event_relations WHERE relation_type = 'm.replace'
    ) USING (event_id)
    WHERE sender = ? AND type = 'm.room.encrypted'
    ORDER BY stream_ordering
"""
