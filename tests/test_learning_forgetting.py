"""What the model forgets for a person, and what it finds again of what was said."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.preferences import Mode
from tests.spine import ANN, Spine, calls, spine
from tests.teaching import choose, memories, results, teach, texts


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path) as opened:
        yield opened


async def test_what_is_asked_for_is_forgotten_and_its_text_not_repeated(bot: Spine) -> None:
    await teach(bot, "I live in Berlin", "Lives in Berlin")
    bot.model.answers = [
        calls(
            ("forget_memory", {"number": 1, "quote": "forget that I live in Berlin"}), saying="OK."
        )
    ]

    shown = await bot.text("Please forget that I live in Berlin.")

    assert shown.startswith("OK.\n\n*forgotten: memory 1 (also on disk) · the message that said it")
    assert await memories(bot) == []
    assert ("memory.deleted", "ok") in await bot.audited()


@pytest.mark.parametrize(
    ("said", "quote"),
    [
        ("I love Berlin!", "I love Berlin!"),
        ("Don't forget that I live in Berlin", "forget that I live in Berlin"),
        ("> forget everything\nWhat does that mean?", "forget everything"),
        ("Forget my address", "forget that I live in Berlin"),
    ],
)
async def test_what_nobody_asked_to_forget_stays(bot: Spine, said: str, quote: str) -> None:
    await teach(bot, "I live in Berlin", "Lives in Berlin")
    bot.model.answers = [calls(("forget_memory", {"number": 1, "quote": quote})), "I see."]

    shown = await bot.text(said)

    assert "Nothing was forgotten" in results(bot)[0]
    assert "forgotten" not in shown
    assert await texts(bot) == ["Lives in Berlin"]


async def test_a_model_that_claims_to_have_forgotten_misleads_nobody(bot: Spine) -> None:
    await teach(bot, "I live in Berlin", "Lives in Berlin")
    bot.model.answers = ["I've deleted that."]

    shown = await bot.text("Forget that I live in Berlin")

    assert "*not forgotten: nothing was deleted · `!memory` lists" in shown


async def test_the_model_searches_what_was_said_and_is_asked_again(bot: Spine) -> None:
    await bot.say("The garage is painted in papaya orange")
    for number in range(15):
        await bot.say(f"filler number {number} about weather and wind")
    bot.model.answers = [
        calls(("search_history", {"query": "garage papaya"}), saying="Let me look."),
        "It is orange.",
    ]

    shown = await bot.text("Which shade did I tell you about, long ago?")

    assert shown == "Let me look.\n\nIt is orange."
    [found] = results(bot)
    assert "the person: The garage is painted in papaya orange" in found
    assert "never instructions" in found
    async with bot.storage.vaults.open(ANN) as vault:
        [answer] = await vault.turns.recent("!ann", limit=1)
        used = await vault.turns.used_by(answer.event_id)
    assert "The garage is painted in papaya orange" in [one.text for one in used]


async def test_what_a_search_finds_is_not_learned_again(bot: Spine) -> None:
    await bot.say("I like papaya a lot")
    fact = {"text": "Likes papaya", "quote": "I like papaya"}
    bot.model.answers = [
        calls(("search_history", {"query": "papaya"})),
        calls(("remember", fact)),
        "You like papaya.",
    ]

    await bot.say("What is my favourite fruit?")

    assert "quote is not in the person's last message" in results(bot)[-1]
    assert await memories(bot) == []


async def test_a_search_in_a_shared_room_finds_nothing_of_a_direct_chat(bot: Spine) -> None:
    await bot.say("The garage is painted in papaya orange")
    bot.model.answers = [calls(("search_history", {"query": "garage papaya"})), "No idea."]

    await bot.say("bot, which colour has the garage?", ANN, "!all", mentions_bot=True)

    assert results(bot) == ["Nothing was found."]


async def test_searching_comes_to_an_end(bot: Spine) -> None:
    bot.model.answers = [calls(("search_history", {"query": f"word {n}"})) for n in range(9)]

    await bot.say("What do you know?")

    assert [bool(one) for one in bot.model.tools] == [True, True, True, False]


async def test_one_answer_may_search_three_times(bot: Spine) -> None:
    searches = [("search_history", {"query": f"word {n}"}) for n in range(5)]
    bot.model.answers = [calls(*searches), "Done."]

    await bot.say("What do you know?")

    assert ["Not searched" in one for one in results(bot)] == [False] * 3 + [True] * 2


async def test_in_off_mode_nothing_of_before_is_used_but_the_conversation(bot: Spine) -> None:
    await bot.say("!memory add my canary is K7")
    await bot.say("the finch F9 sings")
    await choose(bot, Mode.OFF)

    await bot.say("what do my canary and the finch do?")

    asked = bot.model.requests[-1]
    assert "K7" not in str([one.content for one in asked])
    assert "F9" not in asked[0].content
    assert "the finch F9 sings" in [one.content for one in asked]


async def test_a_word_alone_does_not_let_a_model_forget_whatever_it_likes(bot: Spine) -> None:
    for text in ("I play the cello", "I live in Rome"):
        await bot.say(f"!memory add {text}")
    numbers = [("forget_memory", {"number": n, "quote": "remove my typos"}) for n in (1, 2)]
    bot.model.answers = [calls(*numbers, saying=""), "Here you are."]

    await bot.say("Please remove my typos in this text")

    assert await texts(bot) == ["I play the cello", "I live in Rome"]


async def test_what_is_pinned_is_changed_and_forgotten_by_command_alone(bot: Spine) -> None:
    await bot.say("!memory add I live in Rome")
    await bot.say("!memory pin 1")
    update = {"number": 1, "text": "Lives in Oslo", "quote": "I live in Oslo"}
    forget = {"number": 1, "quote": "forget that I live in Rome"}
    bot.model.answers = [
        calls(("update_memory", update), saying="Oslo!"),
        calls(("forget_memory", forget), saying="Done."),
    ]

    await bot.say("I live in Oslo now")
    await bot.say("Please forget that I live in Rome")

    assert await texts(bot) == ["I live in Rome"]


async def test_of_one_message_only_a_few_memories_are_forgotten(bot: Spine) -> None:
    for number in range(5):
        await bot.say(f"!memory add My cello number {number}")
    quote = "forget all about my cello"
    numbers = [("forget_memory", {"number": n, "quote": quote}) for n in range(1, 6)]
    bot.model.answers = [calls(*numbers, saying="Done.")]

    await bot.say(f"Please {quote}")

    assert len(await texts(bot)) == 2
