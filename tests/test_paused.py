"""While paused the bot talks with nobody, and people's say in their own data goes on."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.asking_words import too_late
from bot.exchange import Exchanges
from bot.replies import paused
from bot.room_events import Reaction
from tests.spine import ANN, Spine, remembers, spine
from tests.test_operating import CONFIG, OPERATOR, entries, order, texts, with_audit_room

PAUSED = paused("!")
PASSPHRASE = "correct horse battery staple 7"


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path, CONFIG) as running:
        yield with_audit_room(running)


async def test_people_are_told_once_a_day_and_the_model_is_asked_nothing(bot: Spine) -> None:
    await bot.say("Hello", event_id="$kept")
    answer = await order(bot, "!pause")
    asked = len(bot.model.requests)
    told = [
        await bot.say("Are you there?"),
        await bot.say("!private And in private?"),
        await bot.say("And in company?", room_id="!all", mentions_bot=True),
        await bot.say("Hello", OPERATOR, "!op"),
    ]
    bot.clock.forward(days=1, seconds=1)
    next_day = await bot.say("Are you there?")
    again = await order(bot, "!pause")
    async with bot.storage.vaults.open(ANN) as vault:
        counts = await vault.counts()
    ended = await order(bot, "!resume")
    after = await bot.say("Hello!")

    assert [texts(one) for one in told] == [[PAUSED], [], [], [PAUSED]]
    assert texts(next_day) == [PAUSED]
    assert answer == again, "since when does not change"
    assert (counts.memories, counts.turns) == (0, 2)
    assert "I talk again" in ended
    assert texts(after) == ["I see."]
    assert len(bot.model.requests) == asked + 1
    denied = [one for one in await entries(bot, ANN) if one.outcome == "denied"]
    assert [one.facts["reason"] for one in denied] == ["paused"] * 4
    assert await bot.storage.inbox.unfinished() == []


async def test_every_command_goes_on(bot: Spine) -> None:
    await order(bot, "!pause")
    await bot.say("!memory add I live in Oslo")
    shown = await bot.text("!memory")
    exported = await bot.say("!export json")
    lines = ("!audit", "!privacy", "!help", "!why", "!retention 7d", "!nothing", "!private on")
    answers = [await bot.text(line) for line in lines]

    assert "I live in Oslo" in shown
    assert any(one.attachment for one in exported)
    assert PAUSED not in answers
    assert bot.model.requests == []


async def test_everything_is_forgotten_whether_it_was_asked_for_before_or_after(bot: Spine) -> None:
    await bot.say("I live in Rome")
    await bot.say("!forget everything")
    await order(bot, "!pause")
    before = await bot.say("yes")
    gone = not await bot.storage.vaults.exists(ANN)
    bot.clock.forward(seconds=1)
    await bot.say("!memory add I live in Oslo")
    asks = await bot.text("!forget everything")
    after = await bot.say("yes")

    assert gone
    assert "everything is forgotten" in before[0].text
    assert "Answer **yes**" in asks
    assert "everything is forgotten" in after[0].text
    assert not await bot.storage.vaults.exists(ANN)


async def test_a_passphrase_that_was_asked_for_is_taken_and_later_talk_is_not(bot: Spine) -> None:
    await bot.say("!export --passphrase")
    await order(bot, "!pause")
    taken = await bot.say(PASSPHRASE)
    asked_again = await bot.text("!export --passphrase")
    bot.clock.forward(minutes=11)
    late = await bot.text(PASSPHRASE)
    talk = await bot.say("Hello")

    assert any(one.attachment for one in taken)
    assert "passphrase" in asked_again
    assert late == too_late("export", "!")
    assert texts(talk) == [PAUSED]
    assert bot.model.requests == []


@pytest.mark.parametrize("line", ["hello?", "!private hello?"])
async def test_talk_that_is_refused_ends_a_question_all_the_same(bot: Spine, line: str) -> None:
    await bot.say("I live in Rome")
    await bot.say("!forget everything")
    await order(bot, "!pause")
    told = await bot.say(line)
    yes = await bot.say("yes")

    assert texts(told) == [PAUSED]
    assert yes == [], "it answers nothing any more, and that the bot is paused was said"
    assert await bot.storage.vaults.exists(ANN)


async def test_a_yes_whose_time_runs_out_while_it_is_taken_is_no_talk_either(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Exchanges._begin

    async def slow(*given: Any) -> None:
        bot.clock.forward(seconds=0.2)
        await begin(*given)

    await bot.say("Hello")
    await bot.say("!forget everything")
    await order(bot, "!pause")
    asked = len(bot.model.requests)
    bot.clock.forward(seconds=119.9)
    monkeypatch.setattr(Exchanges, "_begin", slow)

    told = await bot.say("yes")

    assert texts(told) == [PAUSED]
    assert len(bot.model.requests) == asked
    assert await bot.storage.vaults.exists(ANN)


async def test_a_private_question_is_no_answer_to_a_question(bot: Spine) -> None:
    await bot.say("!export --passphrase")
    await order(bot, "!pause")

    assert texts(await bot.say("!private What is it?")) == [PAUSED]
    assert bot.model.requests == []


async def test_a_second_pause_on_the_same_day_is_told_as_well(bot: Spine) -> None:
    await bot.say("My code is 1234", event_id="$kept")
    told = []
    for code in ("a secret", "another"):
        await order(bot, "!pause")
        told.append(await bot.say("Are you there?"))
        told.append(await bot.say("Are you?"))
        await order(bot, "!resume")
        bot.clock.forward(hours=1)
        await order(bot, "!pause")
        told.append(await bot.edit("$kept", f"My code is {code}"))
        await order(bot, "!resume")
        bot.clock.forward(hours=1)

    first, again, edited, *rest = (len(one) for one in told)
    assert (first, again, edited) == (1, 0, 1)
    assert rest == [1, 0, 1]


async def test_an_edit_replaces_what_is_kept_and_is_not_answered(bot: Spine) -> None:
    await bot.say("My code is 1234", event_id="$kept")
    await order(bot, "!pause")
    asked = len(bot.model.requests)
    told = await bot.edit("$kept", "My code is a secret")
    async with bot.storage.vaults.open(ANN) as vault:
        kept = await vault.turns.get("$kept")

    assert kept is not None
    assert kept.text == "My code is a secret"
    assert len(bot.model.requests) == asked
    assert ["paused me" in one.text for one in told] == [True]


async def test_a_reaction_decides_nothing_and_the_notice_goes_on_asking(bot: Spine) -> None:
    await bot.say("!memory mode ask")
    bot.model.answers = [remembers("You live in Oslo.", "I live in Oslo")]
    await bot.say("I live in Oslo")
    notice = list(bot.homeserver.ids())[-1]
    await order(bot, "!pause")
    ignored = await bot.give(Reaction("$yes", "!ann", ANN, notice, yes=True))
    async with bot.storage.vaults.open(ANN) as vault:
        waiting = (await vault.counts()).pending
    await order(bot, "!resume")
    heard = await bot.give(Reaction("$again", "!ann", ANN, notice, yes=True))

    assert (ignored, waiting) == ([], 1)
    assert [one.replaces for one in heard] == [notice]


async def test_a_digest_waits_while_paused(bot: Spine) -> None:
    await bot.say("!memory digest on")
    await bot.say("!memory add I live in Oslo")
    bot.clock.forward(days=8)
    await order(bot, "!pause")
    before = len(bot.homeserver.sent)
    await bot.daily["digest"]()
    while_paused = len(bot.homeserver.sent) - before
    await order(bot, "!resume")
    before = len(bot.homeserver.sent)
    await bot.daily["digest"]()

    assert while_paused == 0
    assert len(bot.homeserver.sent) - before == 1
