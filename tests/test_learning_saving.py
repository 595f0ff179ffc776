"""What the model's tools save of what a person says, through the whole spine."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.completions import Completion
from bot.errors import GatewayError
from bot.preferences import Mode
from tests.spine import ANN, Spine, calls, spine
from tests.teaching import choose, memories, results, teach, texts

ALL = ("remember", "update_memory", "forget_memory", "search_history")


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path) as opened:
        yield opened


async def test_a_fact_is_saved_and_shown_with_how_to_undo_it(bot: Spine) -> None:
    shown = await teach(bot, "My cat is called Miso.", "The cat is called Miso")

    assert shown == "Nice.\n\n*remembered: The cat is called Miso · `!memory delete 1`*"
    [memory] = await memories(bot)
    assert (memory.quote, memory.source_event_id) == ("My cat is called Miso.", "$said-0")


async def test_no_more_than_eight_calls_of_one_request_are_done(bot: Spine) -> None:
    bot.model.answers = [calls(*[("remember", {})] * 10), "Done."]

    await bot.say("What do you know?")

    assert ["too many calls" in one for one in results(bot)] == [False] * 8 + [True] * 2


async def test_all_requests_of_an_answer_are_counted(bot: Spine) -> None:
    bot.model.answers = [calls(("search_history", {"query": "x"})), "Done."]

    await bot.say("Hello there")

    async with bot.storage.vaults.open(ANN) as vault:
        assert await vault.usage(bot.clock().date()) == 30


async def test_what_was_said_before_a_failing_second_request_is_the_answer(bot: Spine) -> None:
    said = {"text": "Likes tea", "quote": "I like tea"}
    bot.model.answers = [
        calls(("remember", said), ("search_history", {"query": "tea"}), saying="Tea is fine."),
        GatewayError("away"),
    ]

    shown = await bot.text("I like tea")

    assert shown == "Tea is fine.\n\n*remembered: Likes tea · `!memory delete 1`*"


async def test_what_is_not_answered_teaches_nothing(bot: Spine) -> None:
    said = {"text": "Likes tea", "quote": "I like tea"}
    bot.model.answers = [calls(("remember", said)), GatewayError("away")]

    await bot.say("I like tea")

    assert await memories(bot) == []


@pytest.mark.parametrize(
    ("mode", "said", "offered"),
    [
        (Mode.AUTO, "Hello", ALL),
        (Mode.ASK, "Hello", ALL),
        (Mode.MANUAL, "I like tea", ("search_history",)),
        (Mode.MANUAL, "Remember that I like tea", ("remember", "update_memory", "search_history")),
        (Mode.MANUAL, "Merk dir: ich mag Tee", ("remember", "update_memory", "search_history")),
        (Mode.MANUAL, "Forget that I like tea", ("forget_memory", "search_history")),
        (Mode.OFF, "Remember that I like tea", ()),
    ],
)
async def test_the_mode_says_which_tools_there_are(
    bot: Spine, mode: Mode, said: str, offered: tuple[str, ...]
) -> None:
    await choose(bot, mode)

    await bot.say(said)

    assert bot.model.tools == [offered]


async def test_a_tool_that_is_not_offered_does_nothing(bot: Spine) -> None:
    await choose(bot, Mode.MANUAL)

    await teach(bot, "I like tea", "Likes tea")

    assert await memories(bot) == []


async def test_in_manual_mode_only_what_is_asked_for_is_saved(bot: Spine) -> None:
    await choose(bot, Mode.MANUAL)
    bot.model.answers = [
        calls(
            ("remember", {"text": "Likes tea", "quote": "I like tea"}),
            ("remember", {"text": "Has a cat", "quote": "I have a cat"}),
            saying="Nice.",
        )
    ]

    await bot.say("Remember that I like tea. By the way, I have a cat and she is lovely.")

    assert await texts(bot) == ["Likes tea"]


async def test_in_ask_mode_a_fact_waits_and_no_note_shows_it(bot: Spine) -> None:
    await teach(bot, "I live in Rome", "Lives in Rome")
    await choose(bot, Mode.ASK)

    shown = await teach(bot, "Remember that I moved to Oslo", "Moved to Oslo", "I moved to Oslo")
    again = await teach(bot, "I live in Rome, I said", "Lives in Rome", "I live in Rome")

    assert shown == again == "Nice."
    assert await texts(bot) == ["Lives in Rome"]
    async with bot.storage.vaults.open(ANN) as vault:
        waiting = await vault.memories.get(2)
        assert await vault.memories.get(3) is None
    assert waiting is not None
    assert (waiting.status, waiting.text, waiting.replaces) == ("pending", "Moved to Oslo", 1)


async def test_at_most_three_facts_of_one_message_are_saved(bot: Spine) -> None:
    said = "I like tea, I play chess, I have a cat, I drive a van"
    facts = [("remember", {"text": one, "quote": one}) for one in said.split(", ")]
    bot.model.answers = [calls(*facts), "I see."]

    await bot.say(said)

    assert await texts(bot) == ["I like tea", "I play chess", "I have a cat"]
    assert "enough was saved" in results(bot)[3]


async def test_a_call_with_no_arguments_or_of_no_tool_is_answered_in_words(bot: Spine) -> None:
    bot.model.answers = [
        calls(("search_history", {}), ("send_mail", {"to": "eve"}), ("remember", {})),
        "I see.",
    ]

    assert await bot.text("Hello there") == "I see."

    searched, unknown, garbled = results(bot)
    assert "Not searched" in searched
    assert "no such tool" in unknown
    assert "text and quote are needed" in garbled


async def test_text_beside_calls_needs_no_second_request(bot: Spine) -> None:
    await teach(bot, "I like tea", "Likes tea")

    assert len(bot.model.requests) == 1


async def test_a_fact_keeps_until_when_it_holds(bot: Spine) -> None:
    await teach(bot, "I am on holiday until Sunday", "On holiday", until="2026-01-04")

    [memory] = await memories(bot)

    assert memory.valid_until == bot.clock().replace(hour=0, day=5)
    assert memory.valid_until is not None
    bot.clock.forward(days=4)
    async with bot.storage.vaults.open(ANN) as vault:
        assert await vault.memories.expire(bot.clock() + timedelta()) == [1]


async def test_an_answer_of_calls_alone_says_something(bot: Spine) -> None:
    fact = {"text": "Likes tea", "quote": "I like tea"}
    bot.model.answers = [calls(("remember", fact)), Completion("Good choice.", "scripted")]

    shown = await bot.text("I like tea")

    assert shown == "Good choice.\n\n*remembered: Likes tea · `!memory delete 1`*"
    assert "It will be saved" in results(bot)[0]
