"""A bot, a person with matrix-js-sdk in strict mode, and a model that repeats what it is asked."""

import asyncio
import secrets
import sqlite3
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from bot.demo.homeserver import Homeserver
from tests.live.bots import Bot, Chat, open_chat, settings_for
from tests.live.peers import Implementation, Peer, run_peer
from tests.live.reckoning import question, reply
from tests.responder import Exchange, Responder, Step, answer, chunk, event, responder

EXIT_SECONDS = 25.0  # from SIGTERM to the end of the process
LONG = 7  # every so many questions get an answer that grows for a while
PIECES, PIECE_SECONDS = 5, 0.1


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that runs; the bot only once a test starts it."""

    gateway: Responder
    person: Peer
    bot: Bot

    async def chats(self, count: int) -> list[Chat]:
        """Start the bot and open encrypted direct chats with it."""
        await self.bot.start()
        opening = (open_chat(self.person, self.bot) for _ in range(count))
        return list(await asyncio.gather(*opening))

    @property
    def asked(self) -> list[str]:
        """What the model was asked, in order."""
        return [asked(body) for body in self.gateway.chats]

    async def model_asked(self, times: int) -> None:
        """Wait until the model was asked so many times."""
        async with asyncio.timeout(30):
            while len(self.gateway.chats) < times:
                self.gateway.arrived.clear()
                await self.gateway.arrived.wait()


@asynccontextmanager
async def staged(homeserver: Homeserver, folder: Path, *, url: str = "") -> AsyncIterator[Stage]:
    """Have a bot and a person of one's own; `url` is the bot's way to the homeserver."""
    name, password = secrets.token_hex(4), secrets.token_hex(16)
    (own := folder / name).mkdir()
    person = run_peer(homeserver, Implementation.JS_SDK, f"person-{name}", folder=own)
    async with responder() as gateway, person as peer:
        gateway.usual = echo
        user_id = await homeserver.register(f"bot-{name}", password)
        settings = settings_for(homeserver, user_id, password, operators=[])
        settings["homeserver"]["url"] = url or homeserver.url
        settings["gateway"] = {"base_url": gateway.base_url, "model": gateway.models[0]}
        settings["limits"] = {"messages_per_minute": 1_000_000}
        settings["service"] = {"log_level": "INFO"}
        bot = Bot(user_id, own, settings)
        try:
            yield Stage(gateway, peer, bot)
        finally:
            await bot.kill()


async def ask(chat: Chat, numbers: Sequence[int], *, room: int = 0) -> list[str]:
    """Send questions one after the other; returns the answers to expect."""
    for number in numbers:
        await chat.person.send(chat.room_id, question(number, room))
    return [reply(question(number, room)) for number in numbers]


async def heard(
    chat: Chat, count: int, *, kind: str | None = "m.text", patience: float = 30.0
) -> list[str]:
    """The next so many finished messages of the bot; other kinds are passed over."""

    async def hear() -> str:
        person, room_id, bot = chat.person, chat.room_id, chat.bot.user_id
        return (await person.next_message(room_id, bot, kind=kind, patience=patience)).text

    return [await hear() for _ in range(count)]


def everything(chat: Chat, *, kind: str | None = "m.text") -> list[str]:
    """All of a kind that the bot has ever said in the room."""
    said = chat.person.messages(chat.room_id, chat.bot.user_id)
    return [one.text for one in said if kind in (None, one.kind)]


def in_order(homeserver: Homeserver, chat: Chat, sender: str) -> list[str]:
    """The ids of what somebody sent in a room, in the homeserver's order."""
    with closing(sqlite3.connect(f"{homeserver.database.as_uri()}?mode=ro", uri=True)) as database:
        rows = database.execute(
            "SELECT event_id FROM events WHERE room_id = ? AND sender = ? "
            "AND type = 'm.room.encrypted' ORDER BY stream_ordering",
            (chat.room_id, sender),
        )
        return [event_id for (event_id,) in rows]


def asked(body: dict[str, list[dict[str, str]]]) -> str:
    """The question in a request for a completion."""
    return body["messages"][-1]["content"]


async def echo(exchange: Exchange) -> web.StreamResponse:
    """A model that repeats the question, now and then slowly."""
    said = asked(exchange.captured.body)
    if int(said.split()[1]) % LONG:
        return await answer(reply(said))(exchange)
    response, text = await exchange.open(), reply(said)
    for start in range(0, len(text), size := len(text) // PIECES + 1):
        await response.write(chunk({"content": text[start : start + size]}))
        await asyncio.sleep(PIECE_SECONDS)
    await response.write(chunk({}, finish="stop"))
    await response.write(event("[DONE]"))
    return response


async def dead(exchange: Exchange) -> web.StreamResponse:
    """A gateway that takes connections and drops them."""
    exchange.hang_up()
    return web.Response()


def waiting(gate: asyncio.Event) -> Step:
    """A model that thinks until the gate opens."""

    async def step(exchange: Exchange) -> web.StreamResponse:
        await gate.wait()
        return await echo(exchange)

    return step


async def seconds_to_stop(bot: Bot) -> float:
    """How long it takes from SIGTERM to the end of the process."""
    begun = time.monotonic()
    await bot.stop()
    return time.monotonic() - begun


async def code(process: Process) -> int:
    """With what a process ends, which has so many seconds for it."""
    async with asyncio.timeout(EXIT_SECONDS):
        return await process.wait()
