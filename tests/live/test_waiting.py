"""Replays and late keys over a real homeserver, with the bot started again in between."""

import asyncio
import copy
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from bot import replies
from bot.demo.homeserver import Homeserver
from bot.matrix.events import ClearEvent
from bot.matrix.http import path
from bot.messages import RoomMessage
from tests.live.bots import Bot, Chat, open_chat
from tests.live.conftest import StartBot
from tests.live.peers import Implementation, run_peer
from tests.live.proxy import Fault, Passing, Proxy, fault_proxy, noticed
from tests.live.test_matrix_client import SECONDS, E, Person, World, online, world

pytestmark = pytest.mark.asyncio(loop_scope="session")

__all__ = ["world"]  # a fixture

Deliver = Callable[[], Awaitable[object]]


@pytest_asyncio.fixture(loop_scope="session")
async def proxy(homeserver: Homeserver) -> AsyncIterator[Proxy]:
    """A person's way to the homeserver, on which room keys can get lost."""
    async with fault_proxy(homeserver.url) as running:
        yield running


def held_back(deliveries: list[Deliver]) -> Fault:
    """What is sent seems to be delivered, and isn't before somebody delivers it."""

    async def fault(passing: Passing) -> web.StreamResponse:
        deliveries.append(passing.forward)
        return web.json_response({})

    return fault


async def seen(person: Person, wanted: Callable[[ClearEvent], bool]) -> ClearEvent:
    """The next event that this person can read and that is the wanted one."""
    async with asyncio.timeout(SECONDS):
        while not wanted(event := await person.watched.get()):
            pass
    return event


async def chat_with(person: Person, bot: Bot) -> str:
    """An encrypted direct chat that the bot has joined."""
    room_id = await person.client.sender.direct_room(bot.user_id)
    await seen(
        person,
        lambda event: (
            (event.room_id, event.sender, event.content.get("membership"))
            == (room_id, bot.user_id, "join")
        ),
    )
    return room_id


def saying(bot: Bot, word: str) -> Callable[[ClearEvent], bool]:
    """What the bot says with this word in it; answers grow by edits."""
    return lambda event: event.sender == bot.user_id and word in str(event.content.get("body"))


def begun(person: Person) -> int:
    """How many answers have begun that nobody has taken yet."""
    return sum(isinstance(one, RoomMessage) for one in _left(person.events))


def _left(queue: asyncio.Queue[E]) -> list[E]:
    return [queue.get_nowait() for _ in range(queue.qsize())]


async def test_a_replay_is_dropped_after_a_restart(world: World, start_bot: StartBot) -> None:
    mallory, bot = await world.person("mallory"), await start_bot()
    room_id = await chat_with(mallory, bot)
    event_id = await mallory.says(room_id, "I like tea")
    await seen(mallory, saying(bot, "tea"))
    sent = await mallory.http.call("GET", path("rooms", room_id, "event", event_id))

    await bot.restart()
    await mallory.send_raw(room_id, "m.room.encrypted", sent["content"])
    await mallory.says(room_id, "I like cake")
    await seen(mallory, saying(bot, "cake"))

    assert begun(mallory) == 2
    assert bot.log.read_bytes().count(b"dropped an event") == 1


def _told(event: ClearEvent) -> bool:
    return event.content.get("body") == replies.UNDECRYPTABLE


async def test_a_message_whose_key_comes_after_a_kill_is_answered_and_told_of_once(
    world: World, start_bot: StartBot, proxy: Proxy
) -> None:
    account = (await world.account("ann")).model_copy(update={"url": proxy.url})
    ann = await world.stack.enter_async_context(online(account, world.data(account)))
    bot = await start_bot()
    room_id = await chat_with(ann, bot)
    keys: list[Deliver] = []
    lost = proxy.on(held_back(keys), "PUT", "/sendToDevice/m.room.encrypted", times=1)

    await ann.says(room_id, "I like tea")
    await lost.met()
    await seen(ann, _told)
    await bot.kill()
    await bot.start()
    for deliver in keys:
        await deliver()
    await seen(ann, saying(bot, "tea"))
    await ann.says(room_id, "I like cake")
    answer = await seen(ann, lambda event: _told(event) or saying(bot, "cake")(event))

    assert not _told(answer)
    assert begun(ann) == 2


async def test_a_key_that_got_lost_is_asked_for_and_comes_from_another_implementation(
    homeserver: Homeserver,
    node_packages: None,
    start_bot: StartBot,
    proxy: Proxy,
    tmp_path: Path,
) -> None:
    (behind_proxy := copy.copy(homeserver)).url = proxy.url
    bot = await start_bot()
    running = run_peer(behind_proxy, Implementation.JS_SDK, "loser", folder=tmp_path)
    async with running as person:
        chat: Chat = await open_chat(person, bot)
        keys: list[Deliver] = []
        lost = proxy.on(held_back(keys), "PUT", "/sendToDevice/m.room.encrypted", times=1)
        asked = proxy.on(noticed(), "PUT", "/sendToDevice/m.room.encrypted")

        await person.send(chat.room_id, "I like tea")
        await lost.met()
        answer = await chat.heard(kind="m.text")

    assert "tea" in answer.text
    assert asked.count >= 1  # the key came by a second message, the first was never delivered
    assert len(keys) == 1
