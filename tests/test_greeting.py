"""The first contact: a person is told once what they talk with, what is kept and who sees it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.greeting import HELLO
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

    greeting, _ = await bot.say("hello")

    assert HELLO in greeting.text
