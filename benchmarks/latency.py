"""How long people wait for the bot and how much memory it takes, against a bare exchange.

    ./confidant bench latency [--messages N] [--json]

A real Synapse, the bot as `python -m bot run` in its own process, a model behind a loopback socket
that answers at once or in pieces over 1.5 s, and people in encrypted direct chats. Every round says
one message to a friend (the baseline: what homeserver and encryption cost without a bot), one that
gets a quick answer and one that gets a growing answer; times run from the moment of the send.
Starts and memory have a baseline of their own: a process that only imports nio and openai. The last
column is the ratio to the baseline of the same run; --json adds one object as the last line.
"""

import argparse
import asyncio
import json
import os
import secrets
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from aiohttp import web

from bot.demo.homeserver import Homeserver, run_homeserver
from bot.demo.person import Person, Seen, person
from bot.tasks import task_group
from tests.live.bots import Bot, settings_for
from tests.live.events import is_greeting
from tests.responder import Exchange, Responder, answer, chunk, event, responder

STARTS = 3  # new bots, each started twice; the last one gets the messages
WARM_UP = 2  # rounds that don't count: connections, caches, the room's first key
PAUSE = 0.3  # seconds before a send: what the bot still keeps and posts is no part of the next
PATIENCE = 60.0
PIECES, GROWING = 15, 1.5  # a growing answer: so many pieces in so many seconds
BARE = "import nio, openai; openai.AsyncOpenAI; print(open('/proc/self/status').read())"

FIGURES = {  # name, ending in its unit -> title, what it is compared with
    "exchange_ms": ("baseline: send to receipt, person to person", "exchange_ms"),
    "request_ms": ("send to the request at the gateway", "exchange_ms"),
    "quick_answer_ms": ("send to the finished answer of a quick model", "exchange_ms"),
    "first_text_ms": ("send to the first text of an answer over 1.5 s", "exchange_ms"),
    "grown_answer_ms": ("send to the end of an answer over 1.5 s", "exchange_ms"),
    "new_chat_ms": ("opening a chat, to the answer in it", "exchange_ms"),
    "bare_start_ms": ("baseline: process that imports nio and openai", "bare_start_ms"),
    "first_start_ms": ("start to ready, first time", "bare_start_ms"),
    "later_start_ms": ("start to ready, on the same data", "bare_start_ms"),
    "bare_memory_mb": ("baseline: resident memory of that process", "bare_memory_mb"),
    "start_memory_mb": ("resident memory after the start", "bare_memory_mb"),
    "later_memory_mb": ("resident memory after the messages", "bare_memory_mb"),
}

Figures = dict[str, dict[str, float]]


class MeasuredBot(Bot):
    """A bot whose process can be looked at."""

    def resident(self) -> float:
        """Resident memory in MB."""
        assert self._process is not None, "it runs"
        return resident(Path(f"/proc/{self._process.pid}/status").read_text())


class Ears:
    """A person, and when each message of others became readable to them."""

    def __init__(self, somebody: Person) -> None:
        self.person = somebody
        self._heard: asyncio.Queue[tuple[float, Seen]] = asyncio.Queue()
        somebody.on_seen = lambda seen: self._heard.put_nowait((time.monotonic(), seen))

    async def hear(self, room_id: str) -> tuple[float, float]:
        """When the next message in a room had its first text, and when it was finished."""
        first = 0.0
        async with asyncio.timeout(PATIENCE):
            while True:
                at, seen = await self._heard.get()
                if seen.room_id == room_id and seen.text and not is_greeting(seen.text):
                    first = first or at
                    if seen.finished:
                        return first, at


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that runs, and what has been measured on it."""

    folder: Path
    homeserver: Homeserver
    gateway: Responder
    asker: Ears
    friend: Ears
    samples: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def took(self, name: str, begun: float, ended: float | None = None) -> None:
        """Keep the time between two moments of the monotonic clock, the second perhaps now."""
        self.samples[name].append(((ended or time.monotonic()) - begun) * 1000)

    async def say(self, room_id: str, text: str) -> float:
        """Send as the asker; returns when that began."""
        await asyncio.sleep(PAUSE)
        self.gateway.requests.clear()
        begun = time.monotonic()
        await self.asker.person.say(room_id, text)
        return begun


@asynccontextmanager
async def staged(folder: Path) -> AsyncIterator[Stage]:
    """Start homeserver, gateway, asker and friend."""
    async with AsyncExitStack() as stack:
        homeserver = await stack.enter_async_context(run_homeserver(folder / "homeserver"))
        gateway = await stack.enter_async_context(responder())
        tasks = await stack.enter_async_context(task_group())
        people = []
        for name in ("asker", "friend"):
            user_id = await homeserver.register(name, password := secrets.token_hex(16))
            client = person(homeserver.url, user_id, password, folder / name)
            people.append(Ears(await stack.enter_async_context(client)))
            ready = asyncio.Event()
            stack.callback(tasks.create_task(people[-1].person.sync(ready)).cancel)
            await ready.wait()
        yield Stage(folder, homeserver, gateway, asker=people[0], friend=people[1])


async def measure(stage: Stage, rounds: int) -> None:
    """First the starts, then the messages."""
    friends = await stage.asker.person.direct_chat(stage.friend.person.user_id)
    await stage.friend.person.join_invited()
    starts = min(STARTS, rounds)
    for number in range(1 + starts):
        if number == 1:
            stage.samples.clear()  # the first one read everything from disk, and compiled it
        await measure_bare_process(stage)
        bot = await new_bot(stage)
        try:
            chat = await measure_starts(stage, bot)
            if number == starts:
                for one in range(WARM_UP + rounds):
                    await measure_round(stage, one, chat, friends)
                stage.samples["later_memory_mb"].append(bot.resident())
        finally:
            await bot.stop()


async def measure_bare_process(stage: Stage) -> None:
    """What Python and the two large libraries cost without a bot."""
    begun = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", BARE), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    status = await process.stdout.read()
    stage.took("bare_start_ms", begun)
    stage.samples["bare_memory_mb"].append(resident(status.decode()))
    await process.wait()


async def new_bot(stage: Stage) -> MeasuredBot:
    """A bot that has never been started."""
    localpart, password = f"bot-{secrets.token_hex(4)}", secrets.token_hex(16)
    user_id = await stage.homeserver.register(localpart, password)
    settings = settings_for(stage.homeserver, user_id, password, operators=[])
    settings["gateway"] = {"base_url": stage.gateway.base_url, "model": stage.gateway.models[0]}
    settings["service"] = {"log_level": "INFO"}
    (folder := stage.folder / localpart).mkdir()
    return MeasuredBot(user_id, folder, settings)


async def measure_starts(stage: Stage, bot: MeasuredBot) -> str:
    """Start it, open a chat with it, start it again; returns the chat."""
    begun = time.monotonic()
    await bot.start()
    stage.took("first_start_ms", begun)
    begun = time.monotonic()
    chat = await stage.asker.person.direct_chat(bot.user_id)
    await stage.asker.person.say(chat, "Hello, are you there?")
    stage.took("new_chat_ms", begun, (await stage.asker.hear(chat))[1])
    await bot.stop()
    begun = time.monotonic()
    await bot.start()
    stage.took("later_start_ms", begun)
    stage.samples["start_memory_mb"].append(bot.resident())
    return chat


async def measure_round(stage: Stage, number: int, chat: str, friends: str) -> None:
    """Side by side, so that whatever else the machine does falls on all of them."""
    begun = await stage.say(friends, f"Good morning number {number}!")
    stage.took("exchange_ms", begun, (await stage.friend.hear(friends))[1])

    stage.gateway.script(answer("The ferry leaves at nine."))
    begun = await stage.say(chat, f"Question {number}: when does the ferry leave the harbour?")
    stage.took("quick_answer_ms", begun, (await stage.asker.hear(chat))[1])
    stage.took("request_ms", begun, stage.gateway.requests[0].at)

    stage.gateway.script(grow)
    begun = await stage.say(chat, f"Question {number}: what is the island like in winter?")
    first, last = await stage.asker.hear(chat)
    stage.took("first_text_ms", begun, first)
    stage.took("grown_answer_ms", begun, last)


async def grow(exchange: Exchange) -> web.StreamResponse:
    """A model that writes for a while."""
    response = await exchange.open()
    for number in range(PIECES):
        await response.write(chunk({"content": f"This is piece {number} of the answer. "}))
        await asyncio.sleep(GROWING / PIECES)
    await response.write(chunk({}, finish="stop"))
    await response.write(event("[DONE]"))
    return response


def resident(status: str) -> float:
    """The resident memory in MB of a /proc/PID/status."""
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024


def summary(samples: dict[str, list[float]], rounds: int) -> Figures:
    """Median, bounds and ratio of every figure, the warm-up left out."""
    figures: Figures = {}
    for name, (_, baseline) in FIGURES.items():
        values = sorted(samples[name][-rounds:])
        one = {"median": median(values), "min": values[0], "max": values[-1]}
        one["ratio"] = one["median"] / median(samples[baseline][-rounds:])
        figures[name] = {key: round(value, 2) for key, value in one.items()}
    return figures


def line(name: str, one: dict[str, float]) -> str:
    """One figure, for people."""
    title, unit = FIGURES[name][0], name[-2:].replace("mb", "MB")
    bounds = f"({one['min']:.0f} to {one['max']:.0f})"
    return f"{title:<48}{one['median']:>6.0f} {unit} {bounds:<16}{one['ratio']:>6.2f} ×"


async def run(rounds: int) -> Figures:
    """Measure in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="confidant-bench-") as folder:
        if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):  # or each start would compile it all
            os.environ["PYTHONPYCACHEPREFIX"] = f"{folder}/bytecode"
        async with staged(Path(folder)) as stage:
            await measure(stage, rounds)
        return summary(stage.samples, rounds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="how long people wait for the bot")
    parser.add_argument("--messages", type=int, default=20, metavar="N")
    parser.add_argument("--json", action="store_true", help="one object as the last line")
    options = parser.parse_args()
    figures = asyncio.run(run(options.messages))
    print("\n".join(line(name, one) for name, one in figures.items()))
    if options.json:
        print(json.dumps({"messages": options.messages, **figures}))
