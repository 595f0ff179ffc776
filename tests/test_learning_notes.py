"""The lines under an answer: nobody is misled about what was saved or forgotten."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot import pausing
from bot.messages import Standing
from bot.preferences import Mode
from tests.spine import ANN, Spine, calls, configured, remembers, spine
from tests.teaching import choose, memories, teach, texts


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(
    ("mode", "said", "answer", "note"),
    [
        (Mode.AUTO, "I like tea", "I'll remember that!", "`!memory add TEXT` keeps it"),
        (Mode.AUTO, "Ich mag Tee", "Das habe ich mir gemerkt.", "`!memory add TEXT` keeps it"),
        (Mode.AUTO, "Remember that I like tea", "Tea is fine.", "`!memory add TEXT` keeps it"),
        (Mode.MANUAL, "I like tea", "Noted.", "`!memory mode auto` lets me"),
        (Mode.OFF, "Remember that I like tea", "Tea.", "memory is off · `!memory mode auto`"),
    ],
)
async def test_nobody_is_misled_about_what_was_saved(
    bot: Spine, mode: Mode, said: str, answer: str, note: str
) -> None:
    await choose(bot, mode)
    bot.model.answers = [answer]

    shown = await bot.text(said)

    assert shown.startswith(f"{answer}\n\n*not saved: ")
    assert note in shown


async def test_a_claim_that_something_was_saved_is_explained_where_it_was_refused(
    bot: Spine,
) -> None:
    fact = {"text": "Has diabetes", "quote": "I have diabetes"}
    secret = {"text": "Password is hunter2", "quote": "my password is hunter2"}
    bot.model.answers = [calls(("remember", fact), saying="I'll remember that.")]
    delicate = await bot.text("I have diabetes")
    bot.model.answers = [calls(("remember", secret), saying="Noted.")]
    hidden = await bot.text("Remember: my password is hunter2")

    assert "*not saved: this is sensitive, and kept only when you ask for it" in delicate
    assert "*not saved: passwords, keys, and numbers of cards or accounts never become a" in hidden
    assert hidden.endswith("your message itself is kept: delete it in the room to erase it*")
    assert await memories(bot) == []


async def test_no_note_contradicts_what_is_known_already(bot: Spine) -> None:
    await teach(bot, "I like tea", "Likes tea")
    bot.model.answers = [remembers("Likes tea", "I like tea", saying="I'll remember that.")]

    assert await bot.text("I like tea") == "I'll remember that."


async def test_nothing_is_saved_where_the_gateway_may_train(tmp_path: Path) -> None:
    async with spine(tmp_path, configured(privacy={"gateway_training": "unknown"})) as bot:
        bot.model.answers = [remembers("Likes tea", "I like tea", saying="I'll remember that.")]

        shown = await bot.text("I like tea")

        assert (
            "*not saved: memory is not used with this AI provider · `!privacy` says why*" in shown
        )
        assert await memories(bot) == []
        assert bot.model.tools == [()]


@pytest.mark.parametrize("begun", ["", "!private on"])
@pytest.mark.parametrize(
    ("said", "answer"),
    [("I have a rash", "Noted! I'll remember that."), ("Remember: I have a rash", "Rash, fine.")],
)
async def test_nobody_is_misled_about_what_is_private(
    bot: Spine, begun: str, said: str, answer: str
) -> None:
    if begun:
        await bot.say(begun)
    bot.model.answers = [answer]

    shown = await bot.text(said if begun else f"!private {said}")

    note = "not saved: this is private, and not kept · `!memory add TEXT` keeps it"
    assert shown == f"{answer}\n\n*{note}*"


async def test_nobody_is_misled_about_what_was_forgotten_in_private(bot: Spine) -> None:
    bot.model.answers = ["I've deleted that."]

    shown = await bot.text("!private forget that I live in Rome")

    assert "*not forgotten: nothing was deleted" in shown


@pytest.mark.parametrize(
    ("said", "answer", "note"),
    [
        ("I like tea", "Noted! I'll remember that.", "not saved"),
        ("Remember that I like tea", "Tea, fine.", "not saved"),
        ("Forget that I like tea", "I've deleted that.", "not forgotten"),
    ],
)
async def test_whoever_shows_another_identity_is_told_that_memory_is_paused(
    bot: Spine, said: str, answer: str, note: str
) -> None:
    await bot.say("hello")
    bot.model.answers = [answer]

    sent = await bot.say(said, device_id="NEW", standing=Standing.CHANGED)

    [shown] = [one.text for one in sent if one.text != pausing.CHANGED]
    assert shown == (f"{answer}\n\n*{note}: memory is paused until your new identity is confirmed*")


async def test_talk_without_memory_that_claims_nothing_has_no_note(bot: Spine) -> None:
    bot.model.answers = ["See a doctor."]

    assert await bot.text("!private I have a rash") == "See a doctor."


async def test_what_waits_already_is_said_with_how_to_approve_it(bot: Spine) -> None:
    await choose(bot, Mode.ASK)
    await teach(bot, "I like tea", "Likes tea")
    fact = remembers("Likes tea", "I like tea", saying="I'll remember that.")
    bot.model.answers = [fact, fact]

    asked = await bot.text("Please remember that I like tea")
    claimed = await bot.text("I like tea, you know")

    waits = "I'll remember that.\n\n*waits for your approval: `!memory approve 1`*"
    assert (asked, claimed) == (waits, waits)
    assert (await bot.audited()).count(("memory.created", "ok")) == 1


@pytest.mark.parametrize("mode", [Mode.AUTO, Mode.ASK])
async def test_who_asks_to_remember_what_is_known_is_told_so(bot: Spine, mode: Mode) -> None:
    await teach(bot, "I like tea", "Likes tea")
    await choose(bot, mode)

    shown = await teach(bot, "Please remember that I like tea", "Likes tea", "I like tea")

    assert shown == "Nice.\n\n*known already: memory 1 · `!memory show 1`*"


@pytest.mark.parametrize("before", ["I live in " + "Rome " * 40, "I live in `Rome`"])
async def test_a_former_text_that_can_not_be_put_into_a_command_is_not_repeated(
    bot: Spine, before: str
) -> None:
    await bot.say(f"!memory add {before}")

    shown = await teach(bot, "I live in Oslo", "I live in Oslo")

    assert shown.endswith("*updated: I live in Oslo · `!memory show 1` shows what it said before*")


async def test_the_undo_in_a_note_undoes_it(bot: Spine) -> None:
    await teach(bot, "I live in Rome", "Lives in Rome")
    shown = await teach(bot, "I live in Oslo", "Lives in Oslo")

    await bot.say(shown.partition("undo: `")[2].partition("`")[0])

    assert await texts(bot) == ["Lives in Rome"]


async def notes(bot: Spine) -> str:
    async with bot.storage.vaults.open(ANN) as vault:
        return " ".join(one["note"] for one in (await vault.export())["turn"])


@pytest.mark.parametrize("gone", ["!memory delete 1", "!memory edit 1 I am a nomad"])
async def test_the_note_that_repeats_a_former_text_goes_with_the_memory(
    bot: Spine, gone: str
) -> None:
    await teach(bot, "I live in Rome", "Lives in Rome")
    await teach(bot, "I live in Oslo", "Lives in Oslo")
    before = await notes(bot)

    await bot.say(gone)

    assert before.count("Rome") == 2
    assert not [town for town in ("Rome", "Oslo") if town in await notes(bot)]


@pytest.mark.parametrize("taken_back", ["$said-0", "$said-1"])
async def test_the_note_that_repeats_a_former_text_goes_with_its_message(
    bot: Spine, taken_back: str
) -> None:
    await teach(bot, "I live in Rome", "Lives in Rome")
    await teach(bot, "I live in Oslo", "Lives in Oslo")

    await bot.redact(taken_back)

    gone = "Rome" if taken_back == "$said-0" else "Oslo"
    assert gone not in await notes(bot)


async def test_the_note_that_repeats_a_former_text_goes_when_its_message_is_edited(
    bot: Spine,
) -> None:
    await teach(bot, "I live in Rome", "Lives in Rome")
    await teach(bot, "I live in Oslo", "Lives in Oslo")

    await bot.edit("$said-0", "I never said where")

    assert "Rome" not in await notes(bot)
