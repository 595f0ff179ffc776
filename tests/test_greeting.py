"""The first contact: a person is told once what they talk with, what is kept and who sees it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.errors import AudienceChangedError, HomeserverUnavailableError
from bot.greeting import HELLO
from bot.messages import Outgoing
from tests.spine import ANN, BOB, BOT, EVE, Spine, configured, spine


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path) as running:
        running.homeserver.greetings = running.homeserver.sent  # in the order of all that is said
        yield running


async def test_before_the_first_answer_everything_that_matters_is_said(bot: Spine) -> None:
    greeting, answer = await bot.say("hello")

    assert (greeting.generated, answer.generated) == (False, True)
    assert greeting.audience == frozenset({ANN, BOT})
    for words in (
        "an AI, a program and not a person",
        "in an encrypted vault of your own",
        "your memory mode is **auto**",
        "“scripted” at 127.0.0.1",
        "`!memory mode`",
        "`!privacy`",
        "`!forget everything`",
        "`!help`",
    ):
        assert words in greeting.text


async def test_it_is_said_once_to_each(bot: Spine) -> None:
    await bot.say("hello")

    assert len(await bot.say("hello again")) == 1
    assert len(await bot.say("!memory")) == 1
    assert len(await bot.say("hello", BOB, "!bob")) == 2


async def test_it_names_the_mode_that_is_on(tmp_path: Path) -> None:
    async with spine(tmp_path, configured(memory={"mode": "ask", "retention": "30d"})) as bot:
        await bot.say("hello")

    [greeting] = bot.homeserver.greetings
    assert "your memory mode is **ask**. I ask you before I remember anything" in greeting.text
    assert "what you write to me and what I answer, for 30d, in" in greeting.text


async def test_a_crash_says_it_neither_twice_nor_never(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bot.messages import RoomMessage

    message = RoomMessage("$m", "!ann", ANN, "hello", bot.clock(), True)
    await bot.storage.inbox.accept([("$m", "!ann")], "s1")
    async with bot.storage.vaults.open(ANN) as vault:
        monkeypatch.setattr(type(vault), "set_setting", _crash)
        with pytest.raises(CrashError):
            await bot.handler.handle(message)
        monkeypatch.undo()

    await bot.handler.handle(replace(message, recovered=True))
    await bot.say("hello again")

    assert sum(HELLO in one.text for one in bot.homeserver.sent) == 1


class CrashError(BaseException):
    """The process ends here."""


async def _crash(*arguments: object) -> None:
    raise CrashError


async def test_in_a_shared_room_it_is_one_line_that_pings_nobody(bot: Spine) -> None:
    line, answer = await bot.say("hello", room_id="!all", mentions_bot=True)
    again = await bot.say("hello", room_id="!all", mentions_bot=True)
    whole, _ = await bot.say("hello")
    late = await bot.say("hello", room_id="!all", mentions_bot=True)

    assert line.text.startswith(HELLO)
    assert "\n" not in line.text
    assert "your memory mode is **auto**" in line.text
    assert (line.room_id, line.mention, answer.mention) == ("!all", None, ANN)
    assert len(again) == 1
    assert "your memory mode" in whole.text, "the direct chat says the rest"
    assert len(late) == 1


async def test_nobody_is_greeted_who_is_not_answered(bot: Spine) -> None:
    sent = await bot.say("hello", EVE, "!eve")

    assert not any(HELLO in one.text for one in sent)


async def test_after_everything_is_forgotten_the_person_is_new(bot: Spine) -> None:
    await bot.say("hello")
    await bot.say("!forget everything")
    await bot.say("yes")
    bot.clock.forward(seconds=1)

    greeting, _ = await bot.say("hello")

    assert HELLO in greeting.text


async def test_where_nothing_may_be_learned_the_line_names_no_mode(tmp_path: Path) -> None:
    async with spine(tmp_path, configured(privacy={"gateway_training": "unknown"})) as bot:
        await bot.say("hello", room_id="!all", mentions_bot=True)

    [line] = bot.homeserver.greetings
    assert "I learn nothing about you from it" in line.text
    assert "**auto**" not in line.text


async def test_what_a_shared_room_is_told_meanwhile_does_not_bring_the_whole_again(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = bot.homeserver.send

    async def meanwhile(outgoing: Outgoing) -> str:
        if outgoing.room_id == "!all":  # the direct chat is told everything before this is kept
            monkeypatch.undo()
            await bot.say("hello")
        return await send(outgoing)

    monkeypatch.setattr(bot.homeserver, "send", meanwhile)
    await bot.say("hello", room_id="!all", mentions_bot=True)

    assert len(await bot.say("hello again")) == 1
    assert sum("your memory mode is" in one.text for one in bot.homeserver.sent) == 2


async def test_a_refused_greeting_is_in_the_way_of_nothing_and_follows(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = bot.homeserver.send

    async def refuse(outgoing: Outgoing) -> str:
        if HELLO in outgoing.text:
            raise AudienceChangedError("somebody came")
        return await send(outgoing)

    with monkeypatch.context() as refusing:
        refusing.setattr(bot.homeserver, "send", refuse)
        [only] = await bot.say("!memory")
    greeting, answer = await bot.say("!memory")

    assert only.text == answer.text
    assert HELLO in greeting.text


async def test_what_the_homeserver_is_away_for_is_said_before_the_answer_all_the_same(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = bot.homeserver.send

    async def away(outgoing: Outgoing) -> str:
        if HELLO in outgoing.text:
            raise HomeserverUnavailableError("away")
        return await send(outgoing)

    with monkeypatch.context() as outage:
        outage.setattr(bot.homeserver, "send", away)
        with pytest.raises(HomeserverUnavailableError):
            await bot.say("hello")

    assert len(await bot.say("hello")) == 2


async def test_it_reads_right_also_for_somebody_who_has_talked_with_the_bot_before(
    bot: Spine,
) -> None:
    greeting, _ = await bot.say("hello")

    assert "Before you tell me anything" not in greeting.text
