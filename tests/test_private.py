"""A private question: answered without the vault, kept nowhere, forgotten within half an hour."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot import pausing
from bot.editing_words import erased
from bot.errors import GatewayError
from bot.messages import Room, RoomMessage, Standing
from bot.preferences import choose_private, is_private
from bot.private_talk import EXCHANGES, WINDOWS, PrivateWindows
from bot.unkept import INTERRUPTED, PRIVATE
from tests.spine import ANN, BOB, Clock, Spine, configured, disclosed, remembers, spine
from tests.test_crash import Trap, crash_and_recover, ids, shown, traps


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path) as running:
        yield running


async def facts(bot: Spine) -> dict[str, object]:
    async with bot.storage.vaults.open(ANN) as vault:
        [(_, entry)] = (await disclosed(bot.storage.audit_log, vault))[:1]
    return dict(entry.facts) if entry.action == "message.answered" else {}


async def everything(bot: Spine) -> str:
    async with bot.storage.vaults.open(ANN) as vault:
        return str(await vault.export())


async def test_a_private_question_is_answered_and_kept_nowhere(bot: Spine) -> None:
    await bot.say("!memory add I like tea")
    await bot.say("I play the oboe")
    bot.model.answers = [remembers("Has a rash", "I have a rash", saying="See a doctor.")]

    [sent] = await bot.say("!private I have a rash, what is it?")

    assert (sent.text, sent.generated, sent.live) == ("See a doctor.", True, False)
    assert "I have a rash, what is it?" in bot.model.last_prompt
    assert "!private" not in bot.model.last_prompt
    assert not [word for word in ("tea", "oboe") if word in bot.model.last_prompt]
    assert "talks privately" in bot.model.last_prompt
    assert bot.model.tools[-1] == ()
    assert "rash" not in await everything(bot)
    assert "doctor" not in await everything(bot)
    told = await facts(bot)
    assert (told["private"], told["model"], told["memories"]) == (True, "scripted", 0)


async def test_there_is_nothing_to_explain_after_it(bot: Spine) -> None:
    await bot.say("!private what is a rash?")

    assert "rash" not in await bot.text("!why")


async def test_what_it_cost_counts_for_the_day(tmp_path: Path) -> None:
    async with spine(tmp_path, configured(limits={"tokens_per_day": "10"})) as bot:
        await bot.say("!private hello")
        async with bot.storage.vaults.open(ANN) as vault:
            assert await vault.usage(bot.clock().date()) == 15

        assert "10 tokens" in await bot.text("!private and again?")
        assert len(bot.model.requests) == 1


async def test_in_a_private_room_the_talk_goes_on_in_working_memory(bot: Spine) -> None:
    await bot.say("I play the oboe")
    told = await bot.text("!private on")
    bot.model.answers = ["Itchy?"]
    await bot.say("I have a rash")

    await bot.say("yes, very")

    assert told.startswith("**Private from now on.**")
    assert "I have a rash" in bot.model.last_prompt
    assert "Itchy?" in bot.model.last_prompt
    assert "oboe" not in bot.model.last_prompt
    assert "rash" not in await everything(bot)
    assert "Itchy" not in await everything(bot)


async def test_one_private_question_knows_no_other(bot: Spine) -> None:
    await bot.say("!private I have a rash")

    await bot.say("!private what did I say?")

    assert "rash" not in bot.model.last_prompt


@pytest.mark.parametrize("ends", ["half an hour", "off", "everything", "redacted", "edited"])
async def test_working_memory_of_private_talk_ends_with(bot: Spine, ends: str) -> None:
    await bot.say("!private on")
    await bot.say("I have a rash", event_id="$1")
    match ends:
        case "half an hour":
            bot.clock.forward(minutes=30)
        case "off":
            await bot.say("!private off")
            await bot.say("!private on")
        case "everything":
            await bot.say("!forget everything")
            await bot.say("yes")
            bot.clock.forward(seconds=1)
            async with bot.storage.vaults.open(ANN) as vault:
                await choose_private(vault, "!ann", private=True)
        case "redacted":
            await bot.redact("$1")
        case "edited":
            await bot.edit("$1", "I have nothing")

    await bot.say("what did I say?")

    assert "rash" not in bot.model.last_prompt


async def test_after_off_everything_is_kept_as_before(bot: Spine) -> None:
    await bot.say("!private on")
    await bot.say("I have a rash")
    assert (await bot.text("!private off")).startswith("**No longer private.**")

    await bot.say("I play the oboe")

    assert "oboe" in await everything(bot)
    assert "rash" not in bot.model.last_prompt
    assert ("settings.changed", "ok") in await bot.audited()


async def test_it_says_how_it_stands_and_what_to_type(bot: Spine) -> None:
    before = await bot.text("!private")
    await bot.say("!private on")
    after = await bot.text("!private")

    assert "**not private**" in before
    assert "`!private on`" in before
    assert "is **private**" in after
    assert "`!private off`" in after
    assert "This room is **private**" in await bot.text("!privacy")


async def test_only_that_person_and_that_room_are_private(bot: Spine) -> None:
    await bot.say("!private on", ANN, "!all")
    await bot.say("I have a rash", ANN, "!all", mentions_bot=True)

    await bot.say("what did Ann say?", BOB, "!all", mentions_bot=True)
    await bot.say("I play the oboe", ANN, "!ann")

    assert "rash" not in "".join(one.content for one in bot.model.requests[1]), "nor overheard"
    assert "oboe" in await everything(bot)


async def test_an_older_message_that_is_edited_in_a_private_room_is_kept_no_more(
    bot: Spine,
) -> None:
    await bot.say("I like tea", event_id="$1")
    await bot.say("!private on")

    assert await bot.edit("$1", "I have a rash") == []

    assert "tea" not in await everything(bot)
    assert "rash" not in await everything(bot)


async def test_an_edit_into_a_private_question_is_not_kept(bot: Spine) -> None:
    await bot.say("I like tea", event_id="$1")

    [told] = await bot.edit("$1", "!private I have a rash")

    assert told.text == erased("!")

    assert "rash" not in await everything(bot)


async def test_while_memory_is_paused_a_private_question_is_answered_too(bot: Spine) -> None:
    await bot.say("hello")

    *_, answer = await bot.say("!private I have a rash", standing=Standing.CHANGED)
    *_, told = await bot.say("!private on", standing=Standing.CHANGED)

    assert answer.text == "I see."
    assert "I have a rash" in bot.model.last_prompt
    assert "!private" not in bot.model.last_prompt
    assert "Until your new identity is confirmed" in told.text
    assert pausing.NOT_NOW not in (answer.text, told.text)
    assert "rash" not in await everything(bot)


async def test_a_failure_is_told_in_its_own_words(bot: Spine) -> None:
    bot.model.answers = [GatewayError("The model is away.")]

    assert await bot.text("!private hello") == "The model is away."


@pytest.mark.parametrize("trap", traps(), ids=ids)
async def test_after_a_crash_a_private_answer_stands_there_once_or_its_person_is_told(
    tmp_path: Path, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("hello")
        bot.model.answers = ["The red one.", "The blue one."]

        await crash_and_recover(bot, "!private Which?", trap, monkeypatch)

        answered = shown(bot)[-1]
        assert answered in ("The red one.", INTERRUPTED[PRIVATE])
        assert len(bot.model.requests) == 2
        assert "red one" not in await everything(bot)


def said(event_id: str, sender: str, body: str) -> RoomMessage:
    return RoomMessage(event_id, "!ann", sender, body, Clock()(), True)


def test_what_is_held_of_private_talk_is_bounded() -> None:
    clock = Clock()
    windows = PrivateWindows(clock)
    room = Room("!ann", frozenset(), encrypted=True)
    for number in range(EXCHANGES + 3):
        windows.add(said(f"${number}", ANN, "x" * 9000), room, "y" * 9000)

    held = windows.of(ANN, room)
    assert [one.event_id for one in held[::2]] == [f"${number}" for number in range(3, 9)]
    assert max(len(one.text) for one in held) == 2000

    for number in range(WINDOWS):
        windows.add(said("$1", f"@{number}:x", "hello"), room, "hi")
    assert windows.of(ANN, room) == ()


@pytest.mark.parametrize("line", ["on please", "off now", "ON!", "!memory", "/off"])
async def test_a_switch_with_a_word_too_many_is_neither_asked_nor_obeyed(
    bot: Spine, line: str
) -> None:
    said = await bot.text(f"!private {line}")

    assert "nothing was changed and nothing asked" in said
    assert bot.model.requests == []
    async with bot.storage.vaults.open(ANN) as vault:
        assert not await is_private(vault, "!ann")


@pytest.mark.parametrize("question", ["On which day is Easter?", "off topic, what is a rash?"])
async def test_a_question_may_begin_with_the_word_of_a_switch(bot: Spine, question: str) -> None:
    await bot.say(f"!private {question}")

    assert question in bot.model.last_prompt


async def test_among_others_private_is_said_to_be_for_one_alone(bot: Spine) -> None:
    [here] = await bot.say("!private on", ANN, "!all")

    assert "for you alone" in here.text
    assert "for you alone" not in await bot.text("!private on")


async def test_what_was_private_between_two_is_not_told_where_others_read_now(bot: Spine) -> None:
    await bot.say("!private on")
    await bot.say("my canary is K7")
    direct = bot.homeserver.rooms["!ann"]
    bot.homeserver.rooms["!ann"] = replace(direct, members=direct.members | {BOB})

    await bot.say("what is my canary?", mentions_bot=True)

    assert "what is my canary?" in bot.model.last_prompt
    assert "K7" not in bot.model.last_prompt
