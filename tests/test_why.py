"""`!why` says what an answer rests on: memories, earlier messages, model, gateway and tokens."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot import why_words
from bot.completions import Completion
from bot.messages import Standing
from tests.spine import ANN, BOB, Spine, calls, configured, disclosed, spine


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path, configured(limits={"messages_per_minute": "10000"})) as running:
        yield running


async def why(bot: Spine, reply_to: str, sender: str = ANN, room_id: str = "!ann") -> str:
    first, *_ = await bot.say("!why", sender, room_id, reply_to=reply_to)
    return first.text


async def test_the_last_answer_is_explained_with_its_sources_and_its_cost(bot: Spine) -> None:
    await bot.say("!memory add My cat is called Miso")
    bot.model.answers = [Completion("Miso.", "grand-model", prompt_tokens=42)]
    await bot.say("What is my cat called?")

    told = await bot.text("!why")

    assert told.startswith(
        "[The last answer that I kept](https://matrix.to/#/!ann/$sent-1) of 2026-01-01 12:00"
    )
    assert "- **1** My cat is called Miso · `!memory show 1`" in told
    assert "“grand-model”, as the gateway names it" in told
    assert "**Gateway:** 127.0.0.1" in told
    assert "42 for the question with all that, not told for the answer" in told


async def test_earlier_messages_are_told_apart_from_the_conversation(bot: Spine) -> None:
    await bot.say("The zebra book is on the upper shelf, " + "x" * 200, event_id="$zebra")
    for number in range(20):
        await bot.say(f"Something else, number {number}", event_id=f"$else-{number}")
    await bot.say("Where did I put the zebra book?")

    told = await bot.text("!why")

    assert "you: “The zebra book is on the upper shelf, xxx" in told
    assert "x" * 101 not in told
    assert "](https://matrix.to/#/!ann/$zebra)" in told
    assert "**The conversation just before:** its last 12 messages." in told
    assert "number 19" not in told, "that is the conversation"


async def test_a_reply_says_which_answer_is_meant(bot: Spine) -> None:
    bot.model.answers = [Completion("One.", "model-one"), Completion("Two.", "model-two")]
    await bot.say("first")
    await bot.say("second")

    assert "“model-one”" in await why(bot, "$sent-0")
    assert "“model-two”" in await why(bot, "$sent-1")
    assert "“model-one”" in await why(bot, "$said-0"), "its question stands for it"


async def test_any_part_of_a_long_answer_leads_to_it(bot: Spine) -> None:
    bot.model.answers = [Completion("word " * 12_000, "long-model")]
    parts = await bot.say("Tell me everything")

    assert len(parts) > 1
    assert "“long-model”" in await why(bot, f"$sent-{len(parts) - 1}")


async def test_in_a_room_it_is_the_last_answer_there_and_told_in_the_direct_chat(
    bot: Spine,
) -> None:
    bot.model.answers = [Completion("There.", "room-model"), Completion("Here.", "chat-model")]
    await bot.say("hello", ANN, "!all", mentions_bot=True)
    await bot.say("hello")

    personal, public = await bot.say("!why", ANN, "!all")

    assert (personal.room_id, public.room_id) == ("!ann", "!all")
    assert "room-model" in personal.text
    assert "chat-model" in await bot.text("!why")


async def test_an_answer_to_somebody_else_is_not_told(bot: Spine) -> None:
    [answered] = await bot.say("hello", BOB, "!all", mentions_bot=True)
    assert answered.generated
    await bot.say("hello there", ANN, "!ann")

    assert await why(bot, "$sent-0", ANN, "!all") == why_words.no_answer("!")


async def test_before_any_answer_it_says_what_to_do(bot: Spine) -> None:
    assert await bot.text("!why") == why_words.no_answers_yet("!")
    assert await bot.text("!why not") == why_words.arguments_not_taken("!")


async def test_of_an_answer_without_memory_nothing_is_kept(bot: Spine) -> None:
    await bot.say("hello", standing=Standing.CHANGED)

    assert await why(bot, "$sent-1") == why_words.no_answer("!")


async def test_the_provider_is_named_where_the_gateway_names_one(bot: Spine) -> None:
    bot.model.answers = [Completion("Hi.", "a/model", provider="Amazon-Bedrock"), "Hello."]
    await bot.say("hello")
    named = await bot.text("!why")
    await bot.say("hello again")

    assert "as the gateway names it · **Provider:** Amazon-Bedrock" in named
    assert "Provider" not in await bot.text("!why")


async def test_who_answered_is_recorded_for_the_person_alone(bot: Spine) -> None:
    bot.model.answers = [Completion("Hi.", "CANARY@model+" + "x" * 100, provider="CANARY")]
    await bot.say("hello")

    async with bot.storage.vaults.open(ANN) as vault:
        [(_, entry)] = (await disclosed(bot.storage.audit_log, vault))[:1]
    assert entry.facts["model"] == "scripted", "as configured"
    assert entry.facts["answered_by"] == ("CANARYmodel" + "x" * 100)[:80]
    assert entry.facts["provider"] == "CANARY"
    published = [one.facts for one in await bot.storage.audit_log.feed(limit=50)]
    assert "CANARY" not in str(published), "a gateway could put anything into a name"


async def test_of_an_answer_in_several_requests_the_last_provider_is_named(bot: Spine) -> None:
    search = calls(("search_history", {"query": "cats"}))
    bot.model.answers = [search, Completion("Two cats.", "a/model", provider="Together")]
    await bot.say("Which cats do I have?")

    assert "**Provider:** Together" in await bot.text("!why")
