"""How much sooner rooms are answered side by side than one after the other.

    ./confidant bench rooms [--rooms N] [--messages N] [--think SECONDS] [--json]

A real Synapse, the bot as `python -m bot run` in its own process, and a model behind a loopback
socket that thinks for a second before it repeats the question. Everything is asked while the bot is
stopped; the time is from its start to the last answer that the person's client has read. First one
room alone: its time, times the rooms, is what all would take one after the other. Then every room
has as many messages. Each must be answered whole and in order, else the exit code is 1. The last
line is one object of figures; with --json it is the only one on standard output.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from bot.demo.homeserver import run_homeserver
from tests.live.bots import Chat
from tests.live.node import install_packages
from tests.live.reckoning import reply
from tests.live.staging import Stage, ask, asked, heard, staged
from tests.responder import Exchange, Step, answer

PATIENCE = 300.0  # seconds for one answer: all rooms share this machine with the homeserver


def thinking(seconds: float) -> Step:
    """A model that takes its time."""

    async def step(exchange: Exchange) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await answer(reply(asked(exchange.captured.body)))(exchange)

    return step


async def timed(stage: Stage, chats: Sequence[Chat], numbers: range) -> float:
    """Ask everything, start the bot, and wait for the last answer; returns the seconds."""
    asking = (ask(chat, numbers, room=room) for room, chat in enumerate(chats))
    expected = await asyncio.gather(*asking)
    begun = time.monotonic()
    await stage.bot.start()
    hearing = (heard(chat, len(numbers), patience=PATIENCE) for chat in chats)
    answers = await asyncio.gather(*hearing)
    seconds = time.monotonic() - begun
    await stage.bot.stop()
    if answers != expected:
        sys.exit("some answers were missing or came out of order")
    return seconds


async def measure(rooms: int, messages: int, think: float, folder: Path) -> tuple[float, float]:
    """Seconds for all rooms one after the other, and side by side."""
    install_packages()
    async with (
        run_homeserver(folder / "homeserver") as homeserver,
        staged(homeserver, folder) as stage,
    ):
        stage.gateway.usual = thinking(think)
        chats = await stage.chats(rooms)
        await stage.bot.stop()
        alone = await timed(stage, chats[:1], range(messages))
        return alone * rooms, await timed(stage, chats, range(messages, 2 * messages))


def run(options: argparse.Namespace) -> int:
    """Measure in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="confidant-bench-") as folder:
        measuring = measure(options.rooms, options.messages, options.think, Path(folder))
        serial, parallel = asyncio.run(measuring)
    each = f"{options.rooms} rooms, {options.messages} messages in each"
    line = f"{each}: {serial:.0f} s one after the other, {parallel:.0f} s side by side"
    print(line, file=sys.stderr if options.json else sys.stdout)
    figures = {
        "rooms": options.rooms,
        "messages": options.messages,
        "serial_s": round(serial, 1),
        "parallel_s": round(parallel, 1),
        "ratio": round(parallel / serial, 3),
    }
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="rooms side by side against one after the other")
    parser.add_argument("--rooms", type=int, default=20, metavar="N")
    parser.add_argument("--messages", type=int, default=50, metavar="N", help="in each room")
    parser.add_argument("--think", type=float, default=1.0, metavar="SECONDS", help="of the model")
    parser.add_argument("--json", action="store_true", help="only the object on standard output")
    sys.exit(run(parser.parse_args()))
