"""The bot is killed, stopped and started twice, and every message is answered once and in order."""

import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiohttp import web

from bot.demo.homeserver import Homeserver
from tests.live.bots import REPOSITORY, Bot, open_chat
from tests.live.crashing import CONTROL, Plan, crash_run
from tests.live.proxy import (
    Proxy,
    after,
    cut,
    failing,
    hanging,
    twice,
    unheard,
)
from tests.live.reckoning import Reckoning, question, reply
from tests.live.staging import (
    EXIT_SECONDS,
    Stage,
    ask,
    code,
    echo,
    everything,
    heard,
    seconds_to_stop,
    waiting,
)
from tests.responder import Exchange

TERM, INT = signal.SIGTERM, signal.SIGINT


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


async def test_a_first_start_killed_at_each_of_its_steps_ends_as_one_trusted_device(
    stage: Stage, proxy: Proxy
) -> None:
    steps = 0
    while await killed_at(steps, stage.bot, proxy):
        steps += 1
    chat = await open_chat(stage.person, stage.bot)
    expected = await ask(chat, [1])

    assert await heard(chat, 1) == expected
    assert list((await stage.person.devices(stage.bot.user_id)).values()) == [True]
    assert steps >= 5


async def killed_at(step: int, bot: Bot, proxy: Proxy) -> bool:
    """Start a bot and kill it when the homeserver has done the step, counting what changes things.

    False where it got ready before that.
    """

    over = killed = False

    async def kill() -> None:
        nonlocal killed
        if not over:
            killed = True
            process.kill()
            await process.wait()

    fault = after(step, unheard(kill))  # counts both kinds together
    troubles = [proxy.on(fault, "POST "), proxy.on(fault, "PUT ")]
    process = await bot.begin()
    await bot.ready_or_ended()
    over = True  # what it does once it is ready is not part of the start
    for trouble in troubles:
        trouble.end()
    if process.returncode is None and not killed:  # it may be dying of what came when it was ready
        return False
    await bot.kill()
    return True


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
    await stage.bot.stop()
    asking = (ask(chat, numbers, room=room) for room, chat in enumerate(chats))
    expected = await asyncio.gather(*asking)
    await stage.bot.start()
    answers = await asyncio.gather(*(heard(chat, len(numbers)) for chat in chats))

    assert answers == expected
    assert len(stage.asked) == 100, "so it took the time of five answers"


async def test_a_stop_under_load_ends_what_has_begun_and_leaves_the_rest_to_the_next_start(
    stage: Stage,
) -> None:
    chats, gate = await stage.chats(3), asyncio.Event()
    await stage.bot.stop()
    stage.gateway.usual = waiting(gate)
    asking = (ask(chat, range(1, 6), room=room) for room, chat in enumerate(chats))
    expected = await asyncio.gather(*asking)
    await stage.bot.start()
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


async def test_every_signal_that_stops_it_ends_it_well_however_often_it_comes(
    stage: Stage,
) -> None:
    [chat], expected = await stage.chats(1), list[str]()
    await stage.bot.stop()

    for number, signals in enumerate(([TERM, TERM], [INT], [INT, TERM])):
        gate, asked = asyncio.Event(), len(stage.gateway.chats)
        stage.gateway.usual = waiting(gate)
        expected += await ask(chat, [10 * number + 1, 10 * number + 2])
        process = await stage.bot.begin()
        await stage.model_asked(asked + 1)
        for one in signals:
            process.send_signal(one)
        gate.set()
        assert await code(process) == 0
        await stage.bot.stop()
    await stage.bot.start()

    assert await heard(chat, len(expected)) == everything(chat) == expected


async def test_a_stop_ends_a_start_too_also_where_the_homeserver_is_away(
    stage: Stage, proxy: Proxy
) -> None:
    [chat] = await stage.chats(1)
    await stage.bot.stop()
    expected = await ask(chat, [1])
    outages = {
        "/whoami": hanging(),
        "/keys/query": failing(502),
        "/members": cut(),
        "/sync": hanging(),
    }

    for where, outage in outages.items():
        trouble = proxy.on(outage, where)
        process = await stage.bot.begin()
        await trouble.met()
        process.send_signal(TERM)
        ended = await code(process)
        trouble.end()
        assert ended == 0, where
        await stage.bot.stop()
    await stage.bot.start()

    assert await heard(chat, 1) == everything(chat) == expected


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
