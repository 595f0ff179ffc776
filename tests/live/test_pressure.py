"""More is said than can be answered at once, and somebody watches whether the bot still lives."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import web

from bot import replies
from bot.demo.homeserver import Homeserver
from bot.room_queue import LONG, WHOLE
from tests.live.bots import Bot, Chat
from tests.live.proxy import Proxy, hanging
from tests.live.reckoning import question, reply
from tests.live.staging import Stage, ask, asked, everything, heard, in_order, waiting
from tests.responder import Exchange, answer

BURST = 1000
LETTER = "\N{PERSON IN LOTUS POSITION}"  # with it, every letter of a text takes 4 bytes
LONG_TEXT = LETTER + 16_000 * "x"
ANSWERED = 60  # of them: some have waited with their text and some as an id; all would take minutes
AT_ONCE = 8  # messages under way from the person's client
GROWTH = 50 * 1024  # kB

WATCHDOG = 1.5  # seconds; a sign of life each half second


def memory(bot: Bot, what: str) -> int:
    """What the bot's process takes (VmRSS), or took at most (VmHWM), in kB."""
    lines = Path(f"/proc/{bot.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:"))


async def burst(homeserver: Homeserver, chat: Chat) -> list[str]:
    """Send many long messages side by side; returns the questions in the homeserver's order."""
    sent, lanes = dict[str, str](), asyncio.Semaphore(AT_ONCE)

    async def send(number: int) -> None:
        async with lanes:
            text = question(number, 0)
            sent[await chat.person.send(chat.room_id, f"{text}\n{LONG_TEXT}")] = text

    await asyncio.gather(*(send(number) for number in range(1, BURST + 1)))
    ids = in_order(homeserver, chat, chat.person.user_id)
    return [sent[event_id] for event_id in ids if event_id in sent]


@pytest.mark.timeout(600)
async def test_a_burst_of_a_thousand_takes_little_memory_and_is_told_of_once_and_answered(
    homeserver: Homeserver, stage: Stage
) -> None:
    chat, other = await stage.chats(2)
    turns = asyncio.Semaphore(1)  # answers that the model may give in the first room

    async def slow(exchange: Exchange) -> web.StreamResponse:
        said = asked(exchange.captured.body).partition("\n")[0]
        if said.endswith("of room 0?"):
            await turns.acquire()
        return await answer(reply(said))(exchange)

    stage.gateway.usual = slow
    for one, room in ((chat, 0), (other, 1)):
        await ask(one, [0], room=room)
        await heard(one, 1)
    before = memory(stage.bot, "VmRSS")

    questions = await burst(homeserver, chat)
    await ask(other, [1], room=1)
    await heard(other, 1)  # so the bot has taken in all that was said before
    turns.release()
    _, notice = await heard(chat, 2, kind=None)
    for _ in range(ANSWERED - 1):
        turns.release()
    await heard(chat, ANSWERED - 1, patience=60.0)
    grown = memory(stage.bot, "VmHWM") - before

    assert len(questions) == BURST
    assert notice == replies.backlog(BURST - 1)
    assert everything(chat, kind="m.notice") == [notice]
    expected = [reply(one) for one in (question(0, 0), *questions[:ANSWERED])]
    assert everything(chat, kind="m.text") == expected
    assert grown < GROWTH


async def test_a_stop_while_much_waits_loses_nothing_of_it(stage: Stage) -> None:
    [chat], gate = await stage.chats(1), asyncio.Event()
    stage.gateway.usual = waiting(gate)
    expected = await ask(chat, range(1, WHOLE + 10))
    await stage.model_asked(1)

    stopping = asyncio.create_task(stage.bot.stop())
    await asyncio.sleep(0)  # the signal goes out
    gate.set()
    await stopping
    await stage.bot.start()

    assert len(expected) > LONG
    assert await heard(chat, len(expected), kind="m.text") == expected
    assert everything(chat, kind="m.text") == expected


class Manager:
    """systemd, as far as the bot talks with it."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel

    async def hears(self, wanted: str) -> None:
        """Wait for a word from the bot."""
        async with asyncio.timeout(30):
            while await asyncio.get_running_loop().sock_recv(self._channel, 256) != wanted.encode():
                pass

    def heard(self) -> list[str]:
        """What else was said by now."""
        said = []
        while True:
            try:
                said.append(self._channel.recv(256).decode())
            except BlockingIOError:
                return said


@contextmanager
def service_manager(bot: Bot, address: Path) -> Iterator[Manager]:
    """Have the bot believe that systemd started it, and wants signs of life."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(address))
        channel.setblocking(False)
        usec = str(round(WATCHDOG * 1_000_000))
        bot.environment = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": usec}
        yield Manager(channel)


async def test_signs_of_life_come_also_in_an_outage(
    stage: Stage, proxy: Proxy, tmp_path: Path
) -> None:
    with service_manager(stage.bot, tmp_path / "notify") as manager:
        await stage.bot.start()
        await manager.hears("READY=1")
        await manager.hears("WATCHDOG=1")

        silence = proxy.on(hanging(), "GET", "/sync")
        await stage.person.direct_chat(stage.bot.user_id)  # ends the sync that is under way
        await silence.met()
        outage = proxy.on(hanging())
        manager.heard()
        for _ in range(5):
            await manager.hears("WATCHDOG=1")
        silence.end()
        outage.end()

        await stage.bot.stop()
        assert "STOPPING=1" in manager.heard()
