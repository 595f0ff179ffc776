"""Answers that come out of order, twice, edited, or by clocks that differ: none of them is talk."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot import asking_words, export_words, replies
from bot.commands.export import LEAST
from bot.confirmations import SKEW
from bot.messages import Standing
from tests.spine import Spine, configured, spine
from tests.test_questions import (
    LATE,
    PASSPHRASE,
    bot,
    heard_by_the_model,
    is_export,
    kept_nowhere,
    log_of_everything,
    quick_seal,
    said,
)

__all__ = ["bot", "log_of_everything", "quick_seal"]  # fixtures

UNSURE = asking_words.unsure("export", "!")
SHORT = export_words.too_short(LEAST)


async def test_a_first_answer_that_comes_after_it_was_asked_again_is_no_talk(bot: Spine) -> None:
    await bot.say("!export --passphrase")
    first = said(bot, PASSPHRASE)
    bot.clock.forward(seconds=30)
    await bot.say("short")
    bot.clock.forward(seconds=30)

    sent = await bot.give(first)

    assert is_export(sent)
    assert bot.model.requests == []
    assert await kept_nowhere(bot)


async def test_a_first_answer_that_comes_after_the_second_is_no_talk(bot: Spine) -> None:
    await bot.say("!export --passphrase")
    first = said(bot, PASSPHRASE)
    bot.clock.forward(seconds=30)
    await bot.say("short")
    bot.clock.forward(seconds=30)
    other = "another battery of words"
    assert is_export(await bot.say(other), other)

    [told] = await bot.give(first)

    assert told.text == LATE
    assert await kept_nowhere(bot)


async def test_an_answer_to_an_earlier_question_is_no_talk_while_a_later_one_waits(
    bot: Spine,
) -> None:
    await bot.say("!export --passphrase")
    first = said(bot, PASSPHRASE)
    bot.clock.forward(minutes=3)
    await bot.say("cancel")
    bot.clock.forward(minutes=3)
    await bot.say("!export --passphrase")

    [told] = await bot.give(first)
    sent = await bot.say(PASSPHRASE)

    assert told.text == UNSURE
    assert is_export(sent)
    assert await kept_nowhere(bot)


@pytest.mark.parametrize("seconds", [0.1, 1, 59])
async def test_what_a_clock_says_was_sent_before_the_question_is_asked_for_again(
    bot: Spine, seconds: float
) -> None:
    await bot.say("!export --passphrase")
    before = bot.clock() - timedelta(seconds=seconds)

    [told] = await bot.give(said(bot, PASSPHRASE, sent_at=before))
    sent = await bot.say(PASSPHRASE)

    assert told.text == UNSURE
    assert is_export(sent)
    assert bot.model.requests == []
    assert await kept_nowhere(bot)


async def test_it_is_too_late_for_that_as_well(bot: Spine) -> None:
    await bot.say("!export --passphrase")
    before = bot.clock() - SKEW
    bot.clock.forward(minutes=11)

    [told] = await bot.give(said(bot, PASSPHRASE, sent_at=before))

    assert told.text == LATE
    assert await kept_nowhere(bot)


async def test_a_command_that_was_sent_before_the_question_leaves_it_open(bot: Spine) -> None:
    before = said(bot, "!memory", event_id="$memory")
    bot.clock.forward(seconds=1)
    await bot.say("!export --passphrase")

    listed = await bot.give(before)

    assert "remember" in listed[0].text
    assert is_export(await bot.say(PASSPHRASE))


@pytest.mark.parametrize("where", [{"thread_id": "$thread"}, {"reply_to": "$other"}])
async def test_an_answer_in_a_thread_or_as_a_reply_is_one(bot: Spine, where: Any) -> None:
    await bot.say("!export --passphrase")

    sent = await bot.give(said(bot, PASSPHRASE, **where))

    assert is_export(sent)
    assert bot.model.requests == []
    assert await kept_nowhere(bot)


async def test_an_edit_of_what_was_no_good_is_no_talk_and_no_answer(bot: Spine) -> None:
    await bot.say("!export --passphrase")
    assert await bot.text("short") == SHORT
    await bot.say("!export --passphrase", event_id="$command")
    await bot.say("short", event_id="$short")

    edits = [await bot.edit(one, PASSPHRASE) for one in ("$short", "$command", "$not-read-yet")]

    assert edits == [[], [], []]
    assert bot.model.requests == []
    assert await kept_nowhere(bot)
    assert is_export(await bot.say(PASSPHRASE))


async def test_an_answer_that_is_refused_is_no_talk_and_the_question_stays(tmp_path: Path) -> None:
    async with spine(tmp_path, configured(limits={"messages_per_minute": "2"})) as bot:
        await bot.say("!help")
        await bot.say("!export --passphrase")

        fast = await bot.say(PASSPHRASE)
        bot.clock.forward(minutes=2)
        unsigned = await bot.say(PASSPHRASE, standing=Standing.UNSIGNED)
        plain = await bot.say(PASSPHRASE, encrypted=False)
        sent = await bot.say(PASSPHRASE)

        assert [one.text for one in (*fast, *unsigned, *plain)] == [
            replies.TOO_FAST,
            replies.UNVERIFIED_SESSION,
            replies.UNENCRYPTED_MESSAGE,
        ]
        assert "send it again" in replies.TOO_FAST
        assert is_export(sent)
        assert bot.model.requests == []


async def test_what_was_talked_before_stays_talk(bot: Spine) -> None:
    before = said(bot, "good morning")
    bot.clock.forward(minutes=2)
    await bot.say("!export --passphrase")

    await bot.give(before)

    assert "good morning" in heard_by_the_model(bot)
