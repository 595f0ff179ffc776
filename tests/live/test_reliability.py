"""The bot is killed, stopped, doubled and cut off, and every message is answered once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from bot.demo.homeserver import Homeserver
from tests.live.bots import Bot, Chat, open_chat
from tests.live.conftest import StartBot, StartPeer
from tests.live.crashing import CONTROL, Plan, crash_run, echo
from tests.live.proxy import (
    Proxy,
    fault_proxy,
    replayed,
    unheard,
)
from tests.live.reckoning import Reckoning, question, reply
from tests.responder import Exchange, Responder, Step, responder

EXIT_SECONDS = 25.0


@pytest_asyncio.fixture(loop_scope="session")
async def gateway() -> AsyncIterator[Responder]:
    """A gateway that repeats what it is asked."""
    async with responder() as running:
        running.usual = echo
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def proxy(homeserver: Homeserver) -> AsyncIterator[Proxy]:
    """The way to the homeserver, which can be disturbed."""
    async with fault_proxy(homeserver.url) as running:
        yield running


def behind(gateway: Responder) -> dict[str, str]:
    return {"base_url": gateway.base_url, "model": gateway.models[0]}


def through(proxy: Proxy) -> dict[str, str]:
    return {"url": proxy.url}


async def ask(chat: Chat, numbers: Sequence[int], *, room: int = 0) -> list[str]:
    """Send questions one after the other; returns the answers to expect."""
    for number in numbers:
        await chat.person.send(chat.room_id, question(number, room))
    return [reply(question(number, room)) for number in numbers]


async def heard(chat: Chat, count: int, *, patience: float = 30.0) -> list[str]:
    """The next so many finished messages of the bot."""
    one = chat.person.next_message
    return [
        (await one(chat.room_id, chat.bot.user_id, patience=patience)).text for _ in range(count)
    ]


def everything(chat: Chat) -> list[str]:
    """All that the bot has ever said in the room."""
    return [one.text for one in chat.person.messages(chat.room_id, chat.bot.user_id)]


def asked(gateway: Responder) -> list[str]:
    """What the model was asked, in order."""
    return [body["messages"][-1]["content"] for body in gateway.chats]


async def arrived(gateway: Responder, count: int) -> None:
    """Wait until the model was asked so many times."""
    async with asyncio.timeout(30):
        while len(gateway.chats) < count:
            gateway.arrived.clear()
            await gateway.arrived.wait()


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


async def test_a_bot_killed_at_random_moments_answers_everything_once_and_in_order(
    homeserver: Homeserver, node_packages: None, tmp_path: Path
) -> None:
    outcome = await crash_run(homeserver, tmp_path, Plan(kills=6, messages=40))

    assert outcome.reckoning == Reckoning(asked=40)
    assert outcome.kills.total() == 6


@pytest.mark.parametrize(
    ("program", "answers"), [(Bot.program, 1), (CONTROL, 2)], ids=["as it is", "random ids"]
)
async def test_an_answer_that_was_sent_but_not_yet_recorded_at_a_kill_is_not_sent_twice(
    start_peer: StartPeer,
    start_bot: StartBot,
    gateway: Responder,
    proxy: Proxy,
    program: Sequence[str],
    answers: int,
) -> None:
    alice, bot = await asyncio.gather(
        start_peer(), start_bot(homeserver=through(proxy), gateway=behind(gateway))
    )
    chat = await open_chat(alice, bot)
    await heard(chat, len(await ask(chat, [1])))
    await bot.stop()
    bot.program = program
    await bot.start()
    killed = asyncio.Event()

    async def kill() -> None:
        await bot.kill()
        killed.set()

    proxy.on(unheard(meanwhile=kill), "PUT", chat.room_id, "/send/", times=1)
    await ask(chat, [2])
    await killed.wait()
    await bot.start()
    await ask(chat, [3])

    expected = [reply(question(2, 0))] * answers + [reply(question(3, 0))]
    assert await heard(chat, len(expected)) == expected
    assert everything(chat)[1:] == expected


async def test_sync_batches_that_come_twice_are_answered_once(
    start_peer: StartPeer, start_bot: StartBot, gateway: Responder, proxy: Proxy
) -> None:
    alice, bot = await asyncio.gather(
        start_peer(), start_bot(homeserver=through(proxy), gateway=behind(gateway))
    )
    chat = await open_chat(alice, bot)
    syncs = proxy.on(replayed(), "GET", "/sync")
    numbers = range(1, 6)

    expected = await ask(chat, numbers)

    assert await heard(chat, 5) == expected
    await syncs.met(syncs.count + 4)  # what came last has come again
    assert asked(gateway) == [question(number, 0) for number in numbers]
    assert everything(chat) == expected


async def test_twenty_rooms_are_answered_side_by_side_and_each_in_order(
    start_peer: StartPeer, start_bot: StartBot, gateway: Responder
) -> None:
    rooms, rounds = 20, 5
    alice, bot = await asyncio.gather(start_peer(), start_bot(gateway=behind(gateway)))
    chats = await asyncio.gather(*(open_chat(alice, bot) for _ in range(rooms)))
    together = asyncio.Barrier(rooms)  # nobody gets an answer before all rooms wait for one

    async def meet(exchange: Exchange) -> web.StreamResponse:
        await together.wait()
        return await echo(exchange)

    gateway.usual = meet
    numbers = [number for number in range(1, rounds + 1)]
    expected = await asyncio.gather(
        *(ask(chat, numbers, room=room) for room, chat in enumerate(chats))
    )
    answers = await asyncio.gather(*(heard(chat, rounds) for chat in chats))

    assert answers == expected
    assert len(gateway.chats) == rooms * rounds, "so it took five answers' time, not a hundred"


async def test_a_stop_under_load_ends_what_was_begun_and_leaves_the_rest_for_the_next_start(
    start_peer: StartPeer, start_bot: StartBot, gateway: Responder
) -> None:
    alice, bot = await asyncio.gather(start_peer(), start_bot(gateway=behind(gateway)))
    chats = await asyncio.gather(*(open_chat(alice, bot) for _ in range(3)))
    gate, numbers = asyncio.Event(), range(1, 6)
    gateway.usual = waiting(gate)
    expected = await asyncio.gather(
        *(ask(chat, numbers, room=room) for room, chat in enumerate(chats))
    )
    await arrived(gateway, len(chats))

    stopping, begun = asyncio.create_task(bot.stop()), time.monotonic()
    await asyncio.sleep(0)  # the signal goes out
    gate.set()
    await stopping
    seconds = time.monotonic() - begun
    at_the_stop = await asyncio.gather(*(heard(chat, 1) for chat in chats))
    await bot.start()
    rest = await asyncio.gather(*(heard(chat, 4) for chat in chats))

    assert seconds < EXIT_SECONDS
    assert [[*one, *others] for one, others in zip(at_the_stop, rest, strict=True)] == expected
    assert [everything(chat) for chat in chats] == expected


async def test_a_second_bot_on_the_same_data_is_refused_and_the_first_one_goes_on(
    start_peer: StartPeer, start_bot: StartBot, gateway: Responder
) -> None:
    alice, bot = await asyncio.gather(start_peer(), start_bot(gateway=behind(gateway)))
    chat = await open_chat(alice, bot)

    second = await asyncio.create_subprocess_exec(
        *(sys.executable, *bot.program, "run", "--config", bot.config),
        cwd=REPOSITORY,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await second.communicate()
    expected = await ask(chat, [1])

    assert second.returncode == 1
    assert said == b""
    assert "another" in complained.decode().splitlines()[-1].lower()
    assert await heard(chat, 1) == expected


async def test_what_was_said_while_the_bot_was_down_is_answered_in_order_beyond_one_sync(
    start_peer: StartPeer, start_bot: StartBot, gateway: Responder
) -> None:
    alice, bot = await asyncio.gather(start_peer(), start_bot(gateway=behind(gateway)))
    chats = await asyncio.gather(*(open_chat(alice, bot) for _ in range(3)))
    await asyncio.gather(*(ask(chat, [0], room=room) for room, chat in enumerate(chats)))
    await asyncio.gather(*(heard(chat, 1) for chat in chats))
    await bot.kill()
    counts = (120, 30, 30)  # a sync carries a hundred events of a room

    expected = await asyncio.gather(
        *(
            ask(chat, range(1, count + 1), room=room)
            for room, (chat, count) in enumerate(zip(chats, counts, strict=True))
        )
    )
    await bot.start()
    answers = await asyncio.gather(
        *(heard(chat, count) for chat, count in zip(chats, counts, strict=True))
    )

    assert answers == expected


async def test_a_homeserver_that_garbles_or_drops_its_answers_is_outlasted(
    start_peer: StartPeer, start_bot: StartBot, gateway: Responder, proxy: Proxy
) -> None:
    alice, bot = await asyncio.gather(
        start_peer(), start_bot(homeserver=through(proxy), gateway=behind(gateway))
    )
    chat = await open_chat(alice, bot)
    faults: Sequence[Fault] = (truncated(), cut(), failing(502), unheard())
    expected = []

    for number, fault in enumerate(faults):
        expected += await ask(chat, [3 * number + 1])  # brought by the sync that waits already
        syncs = proxy.on(fault, "GET", "/sync")
        sends = proxy.on(fault, "PUT", chat.room_id, "/send/", times=1)
        await syncs.met()
        expected += await ask(chat, [3 * number + 2])
        await syncs.met(syncs.count + 1)  # the one that would have brought it
        syncs.end()
        await sends.met()

    assert await heard(chat, len(expected)) == expected
    assert everything(chat) == expected


async def test_an_answer_waits_for_a_homeserver_that_is_restarted(
    homeserver: Homeserver, start_peer: StartPeer, start_bot: StartBot, gateway: Responder
) -> None:
    alice, bot = await asyncio.gather(start_peer(), start_bot(gateway=behind(gateway)))
    chat, gate = await open_chat(alice, bot), asyncio.Event()
    gateway.usual = waiting(gate)

    expected = await ask(chat, [1, 2])
    await arrived(gateway, 1)
    await homeserver.stop()
    gate.set()
    await homeserver.start()
    answers = await heard(chat, 2)
    expected += await ask(chat, [3])

    assert [*answers, *await heard(chat, 1)] == expected
    assert everything(chat) == expected


async def test_when_the_gateway_is_down_the_person_is_told_and_later_messages_are_answered(
    start_peer: StartPeer, start_bot: StartBot, gateway: Responder
) -> None:
    alice, bot = await asyncio.gather(start_peer(), start_bot(gateway=behind(gateway)))
    chat = await open_chat(alice, bot)
    gateway.usual = dead

    await ask(chat, [1])
    told = await chat.heard(kind="m.notice")
    gateway.usual = echo
    expected = await ask(chat, [2])

    assert "can't reach the model gateway" in told.text
    assert await heard(chat, 1) == expected
    assert len(everything(chat)) == 2
