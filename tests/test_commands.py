"""Each command through the real path, with every way of typing it wrong."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot import audit_replies, forget_words, memory_words
from bot.commands.audit import KINDS
from tests.spine import ANN, BOB, Spine, configured, remembers, spine


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path, configured(limits={"messages_per_minute": "10000"})) as running:
        yield running


async def test_help_lists_every_command_and_explains_one(bot: Spine) -> None:
    listed = await bot.text("!help")
    explained = await bot.text("!help memory")
    with_prefix = await bot.text("!help !memory")

    assert all(f"`!{name}`" in listed for name in ("help", "memory", "export", "forget"))
    assert "`!memory edit N TEXT`" in explained
    assert explained == with_prefix


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("!hepl", "I don't know `!hepl`; did you mean `!help`?"),
        ("!xyzzy", "I don't know `!xyzzy`; `!help` lists what there is."),
        ("!help xyzzy", "I don't know `!xyzzy`; `!help` lists what there is."),
        ("!memory show", "The number is missing. Type it like this: `!memory show 3`."),
        ("!memory show 9", "There is no memory 9. `!memory` lists those there are."),
        ("!memory delete x", "“x” is not the number of a memory. Type it like this: "
                             "`!memory delete 3`."),
        ("!memory delete 9", "There is no memory 9. `!memory` lists those there are."),
        ("!memory add", "The text is missing. Type it like this: "
                        "`!memory add I prefer short answers`."),
        ("!memory edit 9 x", "There is no memory 9. `!memory` lists those there are."),
        ("!forget 9", "There is no memory 9. `!memory` lists those there are."),
        ("!audit many", audit_replies.usage("!", "many", None, KINDS)),
        ("!audit memry", audit_replies.usage("!", "memry", "memory", KINDS)),
        ("!audit 0", audit_replies.usage("!", "0", None, KINDS)),
        ("!audit " + "9" * 5000, audit_replies.usage("!", "9" * 20, None, KINDS)),
        ("!audit proof", audit_replies.proof_usage("!")),
        ("!audit proof me", audit_replies.proof_usage("!")),
        ("!audit proof 99", audit_replies.no_such(99, "!")),
        ("!forget", forget_words.usage("!", "")),
        ("!forget me not", forget_words.usage("!", "me not")),
    ],
)  # fmt: skip
async def test_what_is_typed_wrongly_is_put_right_in_one_sentence(
    bot: Spine, typed: str, answer: str
) -> None:
    assert await bot.text(typed) == answer


async def test_a_memory_is_added_shown_changed_and_deleted(bot: Spine) -> None:
    added = await bot.text("!memory add I like\n  green tea")
    listed = await bot.text("!memory")
    edited = await bot.text("!memory edit 1 I like black tea")
    shown = await bot.text("!memory show 1")
    deleted = await bot.text("!memory delete 1")
    empty = await bot.text("!memory")

    assert added == "Kept as memory 1. Undo it with `!memory delete 1`."
    assert "**1** I like green tea *(added by you just now, direct chat, used 0 times)*" in listed
    assert edited == (
        "Memory 1 now says: I like black tea\n\n`!memory show 1` has what it said before; "
        "`!memory edit 1 TEXT` brings that back."
    )
    assert "I like black tea" in shown
    assert "“I like green tea”" in shown
    assert "https://matrix.to/#/!ann/$said-0" in shown
    assert deleted.startswith("Deleted, also from disk: 1. What you said to me stays")
    assert empty == memory_words.none_yet("!")


async def test_numbers_are_never_given_twice(bot: Spine) -> None:
    await bot.text("!memory add one")
    await bot.text("!memory delete 1")

    assert "memory 2" in await bot.text("!memory add two")


async def test_several_are_deleted_at_once_and_the_missing_named(bot: Spine) -> None:
    for text in ("one", "two", "three"):
        await bot.text(f"!memory add {text}")

    told = await bot.text("!memory delete 1, 3 9")

    assert told.startswith("Deleted, also from disk: 1, 3. There is no memory 9.")


async def test_memories_come_in_pages_newest_first(bot: Spine) -> None:
    for number in range(1, 24):
        await bot.text(f"!memory add fact {number}")

    first, last, beyond = [await bot.text(f"!memory {page}") for page in ("", "3", "99")]

    assert "I remember 23 things about you (page 1 of 3)" in first
    assert "**23** fact 23" in first
    assert "`!memory 2` for more" in first
    assert "**1** fact 1 " in last
    assert beyond == last


async def test_a_text_of_a_page_is_no_memory(bot: Spine) -> None:
    told = await bot.text("!memory add " + "x" * 1001)

    assert told == memory_words.too_long(1000, 1001)


async def test_forgetting_everything_asks_erases_and_gives_a_receipt(bot: Spine) -> None:
    await bot.say("!memory add I like tea")
    await bot.say("good morning")

    asked = await bot.text("!forget everything")
    receipt = await bot.text("yes")

    assert "1 memory, 2 stored messages" in asked
    assert "Done: everything is forgotten" in receipt
    assert "1 memory, 2 stored messages and " in receipt
    assert not await bot.storage.vaults.exists(ANN)
    bot.clock.forward(seconds=1)
    assert await bot.text("!memory") == memory_words.none_yet("!")


async def test_forgetting_leaves_others_as_they_are(bot: Spine) -> None:
    await bot.say("!memory add I like coffee", BOB, "!bob")
    await bot.say("!memory add I like tea")

    await bot.say("!forget everything")
    await bot.say("yes")

    assert "I like coffee" in await bot.text("!memory", BOB, "!bob")


async def test_forgetting_one_takes_the_message_that_it_came_from_along(bot: Spine) -> None:
    bot.model.answers = [remembers("The code is K7", "my code is K7"), "Good morning!"]
    await bot.say("my code is K7")
    await bot.say("good morning")

    asked = await bot.text("!forget 1")
    told = await bot.text("yes")
    await bot.say("what is my code?")

    for said in (asked, told):
        assert "- 1 message of yours\n- 1 answer of mine\n- 1 memory (1)" in said
    assert "K7" not in "".join(one.content for one in bot.model.requests[-1])
    assert "good morning" in "".join(one.content for one in bot.model.requests[-1])


async def test_a_no_is_heard(bot: Spine) -> None:
    await bot.say("!memory add I like tea")
    await bot.say("!forget everything")

    assert await bot.text("No thanks.") == forget_words.NOTHING_ERASED
    assert "I like tea" in await bot.text("!memory")


@pytest.mark.parametrize("answer", ["no", "yes please wait", "hm", "!help"])
async def test_anything_but_a_yes_leaves_everything_as_it_is(bot: Spine, answer: str) -> None:
    await bot.say("!memory add I like tea")
    await bot.say("!forget everything")

    await bot.say(answer)
    await bot.say("yes")

    assert "I like tea" in await bot.text("!memory")


async def test_a_yes_after_two_minutes_is_only_talk(bot: Spine) -> None:
    await bot.say("!memory add I like tea")
    await bot.say("!forget everything")
    bot.clock.forward(minutes=2, seconds=1)

    [sent] = await bot.say("yes")

    assert sent.generated
    assert "I like tea" in await bot.text("!memory")


async def test_nobody_else_can_say_yes(bot: Spine) -> None:
    bot.homeserver.rooms["!bob"] = bot.homeserver.rooms["!ann"]
    await bot.say("!memory add I like tea")
    await bot.say("!forget everything")

    await bot.say("yes", BOB, "!ann")

    assert "I like tea" in await bot.text("!memory")


async def test_privacy_says_who_what_and_where(bot: Spine) -> None:
    told = await bot.text("!privacy")

    assert "end-to-end encrypted" in told
    assert "“scripted” at 127.0.0.1" in told
    assert "promised" in told
    assert "0 memories" in told


async def test_verify_says_who_the_bot_is_and_how_to_check_it(bot: Spine) -> None:
    told = await bot.text("!verify")

    assert "@bot:x.org" in told
    assert "BOTDEVICE" in told
    assert "`abcd efgh ij`" in told, "the fingerprint, in groups"
    assert "`klmn opqr st`" in told, "the identity, in groups"
    assert "My identity has signed this device" in told


async def test_verify_answers_where_it_was_asked(bot: Spine) -> None:
    [sent] = await bot.say("!verify", room_id="!all")

    assert sent.room_id == "!all"


async def test_verify_does_not_call_a_device_signed_that_is_not_shown_so(bot: Spine) -> None:
    bot.homeserver.cross_signed = False

    told = await bot.text("!verify")

    assert "does not show this device as signed" in told
    assert "My identity has signed" not in told


@pytest.mark.parametrize("typed", ["memory mode", "MEMORY share 3", "!memory"])
async def test_help_of_more_than_a_command_is_help_of_the_command(bot: Spine, typed: str) -> None:
    assert await bot.text(f"!help {typed}") == await bot.text("!help memory")


async def test_forgetting_a_memory_takes_every_message_that_said_it(bot: Spine) -> None:
    bot.model.answers = [
        remembers("Lives in Rome", "I live in Rome"),
        remembers("Lives in Rome", "I live in Rome"),
        remembers("Lives in Oslo", "I live in Oslo"),
    ]
    for said in ("I live in Rome", "As I said, I live in Rome.", "I live in Oslo now"):
        await bot.say(said)

    await bot.say("!forget 1")
    told = await bot.text("yes")

    assert "- 3 messages of yours\n- 3 answers of mine\n- 1 memory (1)" in told
    async with bot.storage.vaults.open(ANN) as vault:
        assert await vault.turns.count() == 0
