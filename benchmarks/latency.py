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
import secrets
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from aiohttp import web

from bot.demo.homeserver import Homeserver, run_homeserver
from bot.demo.person import Person, Seen, person
from bot.tasks import task_group
from tests.live.bots import Bot, settings_for
from tests.responder import Exchange, Responder, answer, chunk, event, responder

STARTS = 3  # new bots, each started twice
WARM_UP = 2  # rounds that don't count: connections, caches, the room's first key
PAUSE = 0.3  # seconds before a send: what the bot still keeps and posts is no part of the next
PATIENCE = 60.0
PIECES, GROWING = 15, 1.5  # a growing answer: so many pieces in so many seconds
BARE = "import nio, openai; openai.AsyncOpenAI; print(open('/proc/self/status').read())"

FIGURES = {  # name -> title, unit, which figure it is compared with
    "exchange": ("baseline: send to receipt, person to person", "ms", "exchange"),
    "request": ("send to the request at the gateway", "ms", "exchange"),
    "quick_answer": ("send to the finished answer of a quick model", "ms", "exchange"),
    "first_text": ("send to the first text of an answer over 1.5 s", "ms", "exchange"),
    "grown_answer": ("send to the finished answer over 1.5 s", "ms", "exchange"),
    "new_chat": ("opening a chat, to the answer in it", "ms", "exchange"),
    "bare_start": ("baseline: process that imports nio and openai", "ms", "bare_start"),
    "first_start": ("start to ready, first time", "ms", "bare_start"),
    "later_start": ("start to ready, on the same data", "ms", "bare_start"),
    "bare_memory": ("baseline: resident memory of that process", "MB", "bare_memory"),
    "start_memory": ("resident memory after the start", "MB", "bare_memory"),
    "later_memory": ("resident memory after the messages", "MB", "bare_memory"),
}


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
                if seen.room_id == room_id and seen.text:
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
    samples: defaultdict[str, list[float]]

    def took(self, name: str, begun: float, ended: float | None = None) -> None:
        """Keep a time between two moments of the monotonic clock, the second one perhaps now."""
        self.samples[name].append(((ended or time.monotonic()) - begun) * 1000)

    async def say(self, room_id: str, text: str) -> float:
        """Send as the asker; returns when that began."""
        await asyncio.sleep(PAUSE)
        self.gateway.requests.clear()
        begun = time.monotonic()
        await self.asker.person.say(room_id, text)
        return begun


@asynccontextmanager
async def staged() -> AsyncIterator[Stage]:
    """Start homeserver, gateway, asker and friend."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="confidant-bench-")))
        homeserver = await stack.enter_async_context(run_homeserver(folder / "homeserver"))
        gateway = await stack.enter_async_context(responder())
        tasks = await stack.enter_async_context(task_group())
        people = []
        for name in ("asker", "friend"):
            password = secrets.token_hex(16)
            user_id = await homeserver.register(name, password)
            client = person(homeserver.url, user_id, password, folder / name)
            people.append(Ears(await stack.enter_async_context(client)))
            ready = asyncio.Event()
            following = tasks.create_task(people[-1].person.sync(ready))
            stack.callback(following.cancel)
            await ready.wait()
        asker, friend = people
        yield Stage(folder, homeserver, gateway, asker, friend, defaultdict(list))


async def measure(stage: Stage, rounds: int) -> None:
    """Starts first; the last bot that was started gets the messages."""
    friends = await stage.asker.person.direct_chat(stage.friend.person.user_id)
    await stage.friend.person.join_invited()
    for number in range(starts := min(STARTS, rounds)):
        await measure_bare_process(stage)
        bot = await new_bot(stage)
        try:
            chat = await measure_starts(stage, bot)
            if number == starts - 1:
                await measure_rounds(stage, rounds, chat, friends)
                stage.samples["later_memory"].append(bot.resident())
        finally:
            await bot.stop()


async def measure_bare_process(stage: Stage) -> None:
    """What Python and the two large libraries cost without a bot."""
    begun = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", BARE), stdout=asyncio.subprocess.PIPE
    )
    status, _ = await process.communicate()
    stage.took("bare_start", begun)
    stage.samples["bare_memory"].append(resident(status.decode()))


async def new_bot(stage: Stage) -> MeasuredBot:
    """A bot with an account of its own that has never been started."""
    localpart, password = f"bot-{secrets.token_hex(4)}", secrets.token_hex(16)
    user_id = await stage.homeserver.register(localpart, password)
    settings = settings_for(stage.homeserver, user_id, password, operators=[])
    settings["gateway"] = {"base_url": stage.gateway.base_url, "model": stage.gateway.models[0]}
    settings["service"]["log_level"] = "INFO"
    folder = stage.folder / localpart
    folder.mkdir()
    return MeasuredBot(user_id, folder, settings)


async def measure_starts(stage: Stage, bot: MeasuredBot) -> str:
    """Start it, open a chat with it, start it again; returns the chat."""
    begun = time.monotonic()
    await bot.start()
    stage.took("first_start", begun)
    begun = time.monotonic()
    chat = await stage.asker.person.direct_chat(bot.user_id)
    await stage.asker.person.say(chat, "Hello, are you there?")
    stage.took("new_chat", begun, (await stage.asker.hear(chat))[1])
    await bot.stop()
    begun = time.monotonic()
    await bot.start()
    stage.took("later_start", begun)
    stage.samples["start_memory"].append(bot.resident())
    return chat


async def measure_rounds(stage: Stage, rounds: int, chat: str, friends: str) -> None:
    """Side by side, so that whatever else the machine does falls on all of them."""
    uncounted = replace(stage, samples=defaultdict(list))
    for number in range(WARM_UP + rounds):
        await measure_round(stage if number >= WARM_UP else uncounted, number, chat, friends)


async def measure_round(stage: Stage, number: int, chat: str, friends: str) -> None:
    """One message to the friend, one for a quick answer, one for a growing one."""
    begun = await stage.say(friends, f"Good morning number {number}!")
    stage.took("exchange", begun, (await stage.friend.hear(friends))[1])

    stage.gateway.script(answer("The ferry leaves at nine."))
    begun = await stage.say(chat, f"Question {number}: when does the ferry leave the harbour?")
    stage.took("quick_answer", begun, (await stage.asker.hear(chat))[1])
    stage.took("request", begun, stage.gateway.requests[0].at)

    stage.gateway.script(grow)
    begun = await stage.say(chat, f"Question {number}: what is the island like in winter?")
    first, last = await stage.asker.hear(chat)
    stage.took("first_text", begun, first)
    stage.took("grown_answer", begun, last)


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


def summary(samples: defaultdict[str, list[float]]) -> dict[str, dict[str, float | str]]:
    """Median, bounds and ratio of every figure."""
    return {
        name: {
            "unit": unit,
            "median": round(statistics.median(samples[name]), 1),
            "min": round(min(samples[name]), 1),
            "max": round(max(samples[name]), 1),
            "count": len(samples[name]),
            "ratio": round(
                statistics.median(samples[name]) / statistics.median(samples[baseline]), 2
            ),
        }
        for name, (_, unit, baseline) in FIGURES.items()
    }


def main() -> None:
    """Measure, print the table, and the object where asked for."""
    parser = argparse.ArgumentParser(description="time and memory of the bot, medians")
    parser.add_argument("--messages", type=int, default=20, metavar="N")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = summary(asyncio.run(run(options.messages)))
    print(f"{'median (min to max)':>78}  ratio")
    for name, figure in figures.items():
        title, unit, _ = FIGURES[name]
        bounds = f"({figure['min']:.0f} to {figure['max']:.0f})"
        print(f"{title:<50}{figure['median']:>8.0f} {unit} {bounds:>16} {figure['ratio']:>6.2f}")
    if options.json:
        print(json.dumps({"messages": options.messages, "figures": figures}))


async def run(rounds: int) -> defaultdict[str, list[float]]:
    """Everything that was measured."""
    async with staged() as stage:
        await measure(stage, rounds)
        return stage.samples


if __name__ == "__main__":
    main()
