"""Homeserver, gateway and proxies on bad days: what was asked is answered or accounted for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

import pytest
import pytest_asyncio
from aiohttp import web

from bot.demo.homeserver import Homeserver
from tests.live.bots import open_chat
from tests.live.proxy import (
    Proxy,
    cut,
    failing,
    fault_proxy,
    hanging,
    limited,
    refusing,
    trickling,
    truncated,
    unheard,
    unsent,
)
from tests.live.staging import (
    EXIT_SECONDS,
    Stage,
    ask,
    code,
    dead,
    echo,
    everything,
    heard,
    in_order,
    seconds_to_stop,
    staged,
    waiting,
)
from tests.responder import Exchange, hang

Scenario = Callable[[Stage, Proxy], Awaitable[None]]


async def rate_limits(stage: Stage, proxy: Proxy) -> None:
    """The homeserver names absurd times to come back, whatever it is asked for."""
    await stage.bot.start()
    limits = [
        proxy.on(limited(retry_after_ms=-1), "POST", "/join/", times=1),
        proxy.on(limited(retry_after_ms="soon"), "POST", "/keys/query", times=1),
        proxy.on(limited(retry_after_ms=None), "PUT", "/sendToDevice/", times=1),
        proxy.on(limited(), "PUT", "/typing/", times=1),
    ]
    chats = [await open_chat(stage.person, stage.bot) for _ in range(3)]
    absurd = (
        limited(retry_after_ms=10**12),
        limited(retry_after="9" * 12),
        limited(retry_after_ms={}),
    )
    for chat, fault in zip(chats, absurd, strict=True):
        limits.append(proxy.on(fault, "PUT", chat.room_id, "/send/", times=1))
    limits.append(proxy.on(limited(retry_after_ms=1e300), "GET", "/sync", times=1))

    expected = [await ask(chat, [1], room=room) for room, chat in enumerate(chats)]
    answers = [await heard(chat, 1, patience=90.0) for chat in chats]
    expected += [await ask(chat, [2], room=room) for room, chat in enumerate(chats)]
    answers += [await heard(chat, 1) for chat in chats]

    assert answers == expected
    assert [limit.count for limit in limits] == [1] * len(limits), "each was met"


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


async def hundreds_while_it_was_down(stage: Stage, proxy: Proxy) -> None:
    """More was said meanwhile than a sync holds: a hundred events of a room."""
    chats = await stage.chats(3)
    await asyncio.gather(*(ask(chat, [0]) for chat in chats))
    await asyncio.gather(*(heard(chat, 1) for chat in chats))
    await stage.bot.kill()
    said = (range(1, 501), range(1, 21), range(1, 11))

    asking = (ask(*one, room=room) for room, one in enumerate(zip(chats, said, strict=True)))
    expected = await asyncio.gather(*asking)
    await stage.bot.start()
    hearing = (
        heard(chat, len(numbers), patience=120.0) for chat, numbers in zip(chats, said, strict=True)
    )

    assert await asyncio.gather(*hearing) == expected
    assert [everything(chat)[1:] for chat in chats] == expected


async def a_gap_that_stays(stage: Stage, proxy: Proxy) -> None:
    """The homeserver shows the newest hundred events of a room, and refuses the rest."""
    [chat] = await stage.chats(1)
    await ask(chat, [0])
    await heard(chat, 1)
    await stage.bot.kill()
    expected = await ask(chat, range(1, 106))
    proxy.on(refusing(403, "M_FORBIDDEN"), "GET", "/messages")

    await stage.bot.start()
    notices = await heard(chat, 2, kind="m.notice")  # how many wait is the other
    answers = await heard(chat, 100)
    await stage.bot.restart()
    expected += await ask(chat, [106])

    [told] = [one for one in notices if "I read the newest 100 events" in one]
    assert answers + await heard(chat, 1) == expected[-101:]
    assert everything(chat, kind="m.notice").count(told) == 1


PATIENT: Sequence[Scenario] = (
    rate_limits,
    half_open_connections,
    stop_while_all_hangs,
    hundreds_while_it_was_down,
    a_gap_that_stays,
)


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


async def test_a_homeserver_that_garbles_or_drops_its_answers_is_outlasted(
    stage: Stage, proxy: Proxy
) -> None:
    [chat], expected = await stage.chats(1), list[str]()

    faults = (truncated(), cut(), failing(502), failing(200), unheard(), trickling())
    for number, fault in enumerate(faults):
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


async def test_a_reverse_proxy_that_knows_no_homeserver_for_a_while_costs_no_answer(
    stage: Stage, proxy: Proxy
) -> None:
    [chat], expected = await stage.chats(1), list[str]()

    for number, status in enumerate((404, 403, 200)):
        gate, before = asyncio.Event(), len(stage.gateway.chats)
        stage.gateway.usual = waiting(gate)
        expected += await ask(chat, [10 * number + 1])
        await stage.model_asked(before + 1)
        trouble = proxy.on(failing(status))
        gate.set()
        expected += await ask(chat, [10 * number + 2])
        await trouble.met(6)
        trouble.end()
        await heard(chat, 2)

    assert everything(chat, kind=None) == expected


async def test_a_revoked_token_ends_the_bot_with_one_sentence_and_loses_nothing(
    stage: Stage, proxy: Proxy
) -> None:
    [chat] = await stage.chats(1)
    await stage.bot.stop()
    process = await stage.bot.begin()
    await stage.bot.ready_or_ended()

    proxy.on(refusing(401, "M_UNKNOWN_TOKEN"), "GET", "/sync", times=1)
    expected = await ask(chat, [1])  # ends the sync that is under way
    ended = await code(process)
    await stage.bot.kill()  # so that its log is read to the end
    told = stage.bot.log.read_text().splitlines()[-1]
    expected += await ask(chat, [2])
    await stage.bot.start()

    assert (ended, told.count(". ")) == (1, 1)
    assert told.startswith("confidant: The homeserver no longer accepts the bot's access token")
    assert await heard(chat, 2) == everything(chat) == expected


async def test_a_gateway_that_went_silent_holds_up_one_room_and_is_asked_again(
    stage: Stage,
) -> None:
    (one, other), gate = await stage.chats(2), asyncio.Event()

    async def silent(exchange: Exchange) -> web.StreamResponse:
        await gate.wait()
        return await dead(exchange)

    stage.gateway.script(silent)
    expected = await ask(one, [1])
    await stage.model_asked(1)
    meanwhile = await ask(other, [2], room=1)

    assert await heard(other, 1) == meanwhile
    gate.set()
    assert await heard(one, 1) == everything(one) == expected


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
    assert everything(chat, kind=None) == [told.text, *expected]


@pytest.mark.timeout(900)  # half a minute on a machine that has nothing else to do
async def test_what_was_said_while_the_bot_was_down_is_answered_in_order(
    beside: Mapping[Scenario, asyncio.Task[None]],
) -> None:
    await beside[hundreds_while_it_was_down]


async def test_what_can_not_be_read_any_more_is_told_once_and_the_rest_is_answered(
    beside: Mapping[Scenario, asyncio.Task[None]],
) -> None:
    await beside[a_gap_that_stays]


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


async def test_a_homeserver_restarted_during_a_start_and_a_key_share_costs_nothing(
    homeserver: Homeserver, stage: Stage, proxy: Proxy
) -> None:
    [chat] = await stage.chats(1)
    await stage.bot.stop()
    expected = await ask(chat, [1, 2])

    async def restart() -> None:
        await homeserver.stop()
        await homeserver.start()

    starting = proxy.on(unsent(restart), "GET", "/whoami", times=1)
    sharing = proxy.on(unheard(restart), "PUT", "/sendToDevice/", times=1)
    await stage.bot.start()
    await sharing.met()

    await heard(chat, 2, patience=60.0)  # in the order in which their key made them readable
    told = chat.person.messages(chat.room_id, chat.bot.user_id)
    texts = {one.event_id: one.text for one in told}
    ids = in_order(homeserver, chat, chat.bot.user_id)
    assert [texts[one] for one in ids if one in texts] == expected
    assert (starting.count, sharing.count) == (1, 1)
