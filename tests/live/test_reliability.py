"""The bot is killed, stopped, started twice and cut off, and every message is answered once."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from bot.demo.homeserver import Homeserver
from tests.live.bots import REPOSITORY, Bot
from tests.live.crashing import CONTROL, Plan, crash_run
from tests.live.proxy import (
    Proxy,
    cut,
    failing,
    fault_proxy,
    hanging,
    limited,
    truncated,
    twice,
    unheard,
)
from tests.live.reckoning import Reckoning, question, reply
from tests.live.staging import Stage, ask, dead, echo, everything, heard, staged, waiting
from tests.responder import Exchange, hang

EXIT_SECONDS = 25.0  # from SIGTERM to the end of the process

Scenario = Callable[[Stage, Proxy], Awaitable[None]]


@pytest_asyncio.fixture(loop_scope="session")
async def proxy(homeserver: Homeserver) -> AsyncIterator[Proxy]:
    """The bot's way to the homeserver, which can be disturbed."""
    async with fault_proxy(homeserver.url) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def stage(
    homeserver: Homeserver, node_packages: None, proxy: Proxy, tmp_path: Path
) -> AsyncIterator[Stage]:
    """A bot behind the proxy, not started yet, and a person."""
    async with staged(homeserver, tmp_path, url=proxy.url) as ready:
        yield ready


async def rate_limits(stage: Stage, proxy: Proxy) -> None:
    """The homeserver names absurd times to come back, for sends and for syncs."""
    chats = await stage.chats(3)
    for chat, absurd in zip(chats, (10**12, -1, "soon"), strict=True):
        proxy.on(limited(absurd), "PUT", chat.room_id, "/send/", times=1)
        proxy.on(limited(absurd), "GET", "/sync", times=1)

    expected = [await ask(chat, [1], room=room) for room, chat in enumerate(chats)]
    answers = [await heard(chat, 1, patience=90.0) for chat in chats]
    expected += [await ask(chat, [2], room=room) for room, chat in enumerate(chats)]
    answers += [await heard(chat, 1) for chat in chats]

    assert answers == expected


async def half_open_connections(stage: Stage, proxy: Proxy) -> None:
    """The homeserver takes a sync and a send, and answers neither."""
    [chat] = await stage.chats(1)
    await ask(chat, [1])
    await heard(chat, 1)

    sends = proxy.on(hanging(), "PUT", chat.room_id, "/send/", times=1)
    expected = await ask(chat, [2])
    await sends.met()
    syncs = proxy.on(hanging(), "GET", "/sync", times=1)
    expected += await ask(chat, [3])  # perhaps brought by the sync that is under way
    await syncs.met()
    expected += await ask(chat, [4])

    assert await heard(chat, 3, patience=90.0) == expected
    assert everything(chat)[1:] == expected


async def stop_while_all_hangs(stage: Stage, proxy: Proxy) -> None:
    """SIGTERM, while neither the gateway nor the homeserver says a word."""
    [chat] = await stage.chats(1)
    stage.gateway.script(hang())
    expected = await ask(chat, [1, 2])
    await stage.model_asked(1)
    silence = proxy.on(hanging())

    seconds = await seconds_to_stop(stage.bot)
    silence.end()
    await stage.bot.start()

    assert await heard(chat, 2) == expected
    assert seconds < EXIT_SECONDS


PATIENT: Sequence[Scenario] = (rate_limits, half_open_connections, stop_while_all_hangs)


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def beside(
    homeserver: Homeserver, node_packages: None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Mapping[Scenario, asyncio.Task[None]]]:
    """What mostly waits, begun together and beside the other tests; a test each takes the outcome.

    One after the other they would take two minutes more.
    """

    async def play(scenario: Scenario) -> None:
        async with (
            fault_proxy(homeserver.url) as proxy,
            staged(homeserver, tmp_path_factory.mktemp("stage"), url=proxy.url) as stage,
        ):
            await scenario(stage, proxy)

    tasks = {one: asyncio.create_task(play(one)) for one in PATIENT}
    yield tasks
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)


async def seconds_to_stop(bot: Bot) -> float:
    """How long it takes from SIGTERM to the end of the process."""
    begun = time.monotonic()
    await bot.stop()
    return time.monotonic() - begun


async def test_a_bot_killed_at_random_moments_answers_everything_once_and_in_order(
    homeserver: Homeserver, tmp_path: Path
) -> None:
    outcome = await crash_run(homeserver, tmp_path, Plan(kills=6, messages=40))

    assert outcome.reckoning == Reckoning(asked=40)
    assert outcome.kills.total() == 6


@pytest.mark.parametrize(
    ("program", "answers"), [(Bot.program, 1), (CONTROL, 2)], ids=["as it is", "random ids"]
)
async def test_an_answer_that_was_sent_and_not_yet_recorded_at_a_kill_is_not_sent_again(
    stage: Stage, proxy: Proxy, program: Sequence[str | Path], answers: int
) -> None:
    stage.bot.program = program
    [chat] = await stage.chats(1)
    await ask(chat, [1])
    await heard(chat, 1)
    killed = asyncio.Event()

    async def kill() -> None:
        await stage.bot.kill()
        killed.set()

    proxy.on(unheard(meanwhile=kill), "PUT", chat.room_id, "/send/", times=1)
    await ask(chat, [2])
    async with asyncio.timeout(30):
        await killed.wait()
    await stage.bot.start()
    await ask(chat, [3])

    expected = [reply(question(2, 0))] * answers + [reply(question(3, 0))]
    assert await heard(chat, len(expected)) == expected
    assert everything(chat)[1:] == expected


async def test_syncs_that_come_twice_are_answered_once(stage: Stage, proxy: Proxy) -> None:
    [chat] = await stage.chats(1)
    syncs = proxy.on(twice(), "GET", "/sync")
    await syncs.met()

    expected = await ask(chat, range(1, 6))
    answers = await heard(chat, 5)
    await syncs.met(syncs.count + 2)  # what came last has come again

    assert answers == everything(chat) == expected
    assert stage.asked == [question(number, 0) for number in range(1, 6)]


async def test_twenty_rooms_are_answered_side_by_side_and_each_in_order(stage: Stage) -> None:
    chats, numbers = await stage.chats(20), range(1, 6)
    together = asyncio.Barrier(len(chats))  # nobody is answered before all rooms wait for it

    async def meet(exchange: Exchange) -> web.StreamResponse:
        await together.wait()
        return await echo(exchange)

    stage.gateway.usual = meet
    asking = (ask(chat, numbers, room=room) for room, chat in enumerate(chats))
    expected = await asyncio.gather(*asking)
    answers = await asyncio.gather(*(heard(chat, len(numbers)) for chat in chats))

    assert answers == expected
    assert len(stage.asked) == 100, "so it took the time of five answers"


async def test_a_stop_under_load_ends_what_has_begun_and_leaves_the_rest_to_the_next_start(
    stage: Stage,
) -> None:
    chats, gate = await stage.chats(3), asyncio.Event()
    stage.gateway.usual = waiting(gate)
    asking = (ask(chat, range(1, 6), room=room) for room, chat in enumerate(chats))
    expected = await asyncio.gather(*asking)
    await stage.model_asked(len(chats))

    stopping = asyncio.create_task(seconds_to_stop(stage.bot))
    await asyncio.sleep(0)  # the signal goes out
    gate.set()
    seconds = await stopping
    begun = await asyncio.gather(*(heard(chat, 1) for chat in chats))
    await stage.bot.start()
    await asyncio.gather(*(heard(chat, 4) for chat in chats))

    assert seconds < EXIT_SECONDS
    assert begun == [answers[:1] for answers in expected]
    assert [everything(chat) for chat in chats] == expected


async def test_a_second_bot_on_the_same_data_is_refused_and_the_first_goes_on(
    stage: Stage,
) -> None:
    [chat] = await stage.chats(1)

    second = await asyncio.create_subprocess_exec(
        *(sys.executable, *stage.bot.program, "run", "--config", stage.bot.config),
        cwd=REPOSITORY,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(30):
            said, complaints = await second.communicate()
    finally:
        if second.returncode is None:
            second.kill()
    expected = await ask(chat, [1])

    assert (second.returncode, said) == (1, b"")
    assert "another" in complaints.decode().splitlines()[-1].lower()
    assert await heard(chat, 1) == expected


async def test_what_was_said_while_the_bot_was_down_is_answered_in_order(stage: Stage) -> None:
    chats = await stage.chats(3)
    await asyncio.gather(*(ask(chat, [0]) for chat in chats))
    await asyncio.gather(*(heard(chat, 1) for chat in chats))
    await stage.bot.kill()
    said = (range(1, 111), range(1, 21), range(1, 11))  # a sync holds a hundred events of a room

    asking = (ask(*one, room=room) for room, one in enumerate(zip(chats, said, strict=True)))
    expected = await asyncio.gather(*asking)
    await stage.bot.start()
    hearing = (heard(chat, len(numbers)) for chat, numbers in zip(chats, said, strict=True))

    assert await asyncio.gather(*hearing) == expected


async def test_a_homeserver_that_garbles_or_drops_its_answers_is_outlasted(
    stage: Stage, proxy: Proxy
) -> None:
    [chat], expected = await stage.chats(1), list[str]()

    for number, fault in enumerate((truncated(), cut(), failing(502), unheard())):
        expected += await ask(chat, [10 * number + 1])  # brought by the sync that is under way
        await heard(chat, 1)
        syncs = proxy.on(fault, "GET", "/sync")
        sends = proxy.on(fault, "PUT", chat.room_id, "/send/", times=1)
        expected += await ask(chat, [10 * number + 2, 10 * number + 3])
        await syncs.met(2)
        syncs.end()
        await heard(chat, 2)
        await sends.met()

    assert everything(chat) == expected


async def test_a_dead_gateway_is_told_to_the_person_and_forgotten_once_it_is_back(
    stage: Stage,
) -> None:
    [chat] = await stage.chats(1)
    stage.gateway.usual = dead

    await ask(chat, [1])
    told = await chat.heard(kind="m.notice")
    stage.gateway.usual = echo
    expected = await ask(chat, [2])

    assert "can't reach the model gateway" in told.text
    assert await heard(chat, 1) == expected
    assert everything(chat) == [told.text, *expected]


async def test_absurd_rate_limits_are_waited_out_within_bounds(
    beside: Mapping[Scenario, asyncio.Task[None]],
) -> None:
    await beside[rate_limits]


async def test_connections_that_went_silent_are_given_up_and_made_anew(
    beside: Mapping[Scenario, asyncio.Task[None]],
) -> None:
    await beside[half_open_connections]


async def test_a_stop_is_in_time_when_gateway_and_homeserver_hang_and_loses_nothing(
    beside: Mapping[Scenario, asyncio.Task[None]],
) -> None:
    await beside[stop_while_all_hangs]


async def test_an_answer_waits_for_a_homeserver_that_is_restarted(
    homeserver: Homeserver, stage: Stage
) -> None:
    [chat], gate = await stage.chats(1), asyncio.Event()
    stage.gateway.usual = waiting(gate)

    expected = await ask(chat, [1, 2])
    await stage.model_asked(1)
    await homeserver.stop()
    gate.set()
    await homeserver.start()
    answers = await heard(chat, 2)
    expected += await ask(chat, [3])

    assert [*answers, *await heard(chat, 1)] == everything(chat) == expected
