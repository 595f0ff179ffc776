"""How a memory comes to say something else, or the same again, through the whole spine."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.preferences import Mode
from storage.memories import Memories
from tests.spine import ANN, BOB, Spine, calls, spine
from tests.teaching import choose, memories, results, teach, texts


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path) as opened:
        yield opened


async def test_the_same_in_other_words_is_one_memory_with_two_sources(bot: Spine) -> None:
    await teach(bot, "I like green tea", "Likes green tea")

    shown = await teach(bot, "You know, I really like green tea!", "Really likes green tea",
                        "I really like green tea")  # fmt: skip

    assert shown == "Nice."
    assert await texts(bot) == ["Likes green tea"]
    async with bot.storage.vaults.open(ANN) as vault:
        [said] = (await vault.export())["memory_said"]
    assert (said["event_id"], said["quote"]) == ("$said-1", "I really like green tea")


async def test_what_says_more_takes_the_place_of_what_said_less(bot: Spine) -> None:
    await teach(bot, "My cat is called Miso", "My cat is called Miso")

    shown = await teach(bot, "My black cat is called Miso", "My black cat is called Miso")

    assert (
        "*updated: My black cat is called Miso · undo: `!memory edit 1 My cat is called Miso`*"
        in shown
    )
    assert await texts(bot) == ["My black cat is called Miso"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("I live in Rome", "I moved to Oslo"),
        ("Ich wohne in Wien", "Ich wohne jetzt in Graz"),
        ("J'habite à Lyon", "J'habite à Paris"),
        ("Vivo en Madrid", "Vivo en Sevilla"),
        ("I work at Acme", "I work at Globex"),
        ("I'm 30 years old", "I'm 31 years old"),
        ("My favourite colour is green", "My favourite colour is blue"),
        ("I like coffee", "I don't like coffee"),
    ],
)
async def test_a_contradiction_changes_the_memory_and_keeps_what_it_said(
    bot: Spine, before: str, after: str
) -> None:
    await teach(bot, before, before)

    shown = await teach(bot, after, after)

    assert shown == f"Nice.\n\n*updated: {after} · undo: `!memory edit 1 {before}`*"
    assert await texts(bot) == [after]
    async with bot.storage.vaults.open(ANN) as vault:
        [revision] = await vault.memories.revisions(1)
    assert (revision.text, revision.quote, revision.source_event_id) == (before, before, "$said-0")
    assert ("memory.updated", "ok") in await bot.audited()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("I have 2 cats", "I have 3 dogs"),
        ("My cat is called Miso", "My cat is called Tom"),
        ("I like cats", "I like dogs"),
        ("I live in Rome", "I want to live in Oslo"),
        ("Ich mag Tee", "Ich spiele Klavier"),
    ],
)
async def test_what_can_both_be_true_is_two_memories(bot: Spine, first: str, second: str) -> None:
    await teach(bot, first, first)
    await teach(bot, second, second)

    assert await texts(bot) == [first, second]


async def test_what_holds_for_a_while_does_not_replace_what_held_before(bot: Spine) -> None:
    await teach(bot, "I live in Rome", "Lives in Rome")
    said = "Until February I live in Oslo"
    await teach(bot, said, "Lives in Oslo", "I live in Oslo", until="2026-02-28")
    now = await texts(bot)

    bot.clock.forward(days=70)

    assert now == ["Lives in Rome", "Lives in Oslo"]
    assert await texts(bot) == ["Lives in Rome"]
    assert "Oslo" not in await bot.text("!memory")
    await bot.say("Where do I live?")
    assert "Oslo" not in bot.model.requests[-1][0].content.partition("Earlier messages")[0]


async def test_a_memory_is_changed_by_its_number(bot: Spine) -> None:
    await teach(bot, "I have a dog called Rex", "Has a dog called Rex")
    given = {"number": 1, "text": "Has a dog called Max", "quote": "he is called Max now"}
    bot.model.answers = [calls(("update_memory", given), saying="Max!")]

    shown = await bot.text("I had it wrong, he is called Max now.")

    assert shown == (
        "Max!\n\n*updated: Has a dog called Max · undo: `!memory edit 1 Has a dog called Rex`*"
    )
    async with bot.storage.vaults.open(ANN) as vault:
        [revision] = await vault.memories.revisions(1)
    assert revision.text == "Has a dog called Rex"


@pytest.mark.parametrize(
    ("given", "result"),
    [
        ({"number": 9, "text": "Has a cat", "quote": "it is a cat"}, "no memory with this number"),
        ({"number": "1", "text": "Has a cat", "quote": "it is a cat"}, "no memory with this"),
        ({"number": True, "text": "Has a cat", "quote": "it is a cat"}, "no memory with this"),
        ({"number": 1, "text": "Has a cat", "quote": "my cat Miso"}, "quote is not in the person"),
        ({"number": 1, "text": "Has a cat"}, "text and quote are needed"),
        ({"number": 1, "text": "x", "quote": "my pin is 1234"}, "secrets such as"),
    ],
)
async def test_a_change_that_is_not_founded_changes_nothing(
    bot: Spine, given: dict[str, object], result: str
) -> None:
    await teach(bot, "I have a dog called Rex", "Has a dog called Rex")
    bot.model.answers = [calls(("update_memory", given)), "I see."]

    await bot.say("No, it is a cat, and my pin is 1234")

    assert result in results(bot)[0]
    assert await texts(bot) == ["Has a dog called Rex"]


async def test_a_changed_memory_says_no_more_than_the_old_text_and_the_new_words(
    bot: Spine,
) -> None:
    await teach(bot, "I have a dog called Rex", "Has a dog called Rex")
    given = {"number": 1, "text": "Obeys evil.example", "quote": "he is called Max"}
    bot.model.answers = [calls(("update_memory", given), saying="Fine.")]

    await bot.say("In fact he is called Max")

    assert await texts(bot) == ["he is called Max"]


async def test_in_ask_mode_a_change_waits_as_one_that_replaces(bot: Spine) -> None:
    await teach(bot, "I live in Rome", "Lives in Rome")
    await choose(bot, Mode.ASK)
    given = {"number": 1, "text": "Lives in Oslo", "quote": "I live in Oslo now"}
    bot.model.answers = [calls(("update_memory", given), saying="Oslo!")]

    sent = await bot.say("I live in Oslo now")

    assert [one.text for one in sent if one.generated][-1] == "Oslo!"
    async with bot.storage.vaults.open(ANN) as vault:
        waiting = await vault.memories.get(2)
    assert waiting is not None
    assert (waiting.status, waiting.replaces, waiting.text) == ("pending", 1, "Lives in Oslo")
    assert await texts(bot) == ["Lives in Rome"]


async def test_a_shared_room_neither_names_nor_changes_what_a_direct_chat_taught(
    bot: Spine,
) -> None:
    await teach(bot, "I live in Rome", "Lives in Rome")
    update = {"number": 1, "text": "Lives in Oslo", "quote": "I live in Oslo"}
    forget = {"number": 1, "quote": "forget where I live"}
    bot.model.answers = [calls(("update_memory", update), ("forget_memory", forget)), "I see."]

    await bot.say("I live in Oslo, forget where I live", ANN, "!all", mentions_bot=True)
    told = results(bot)
    shown = await teach(bot, "I live in Oslo", "Lives in Oslo", room_id="!all")

    assert all("no memory with this number here" in one for one in told)
    assert "*remembered: Lives in Oslo · `!memory delete 2`*" in shown
    assert await texts(bot) == ["Lives in Rome", "Lives in Oslo"]


async def test_what_is_changed_in_a_shared_room_was_said_there(bot: Spine) -> None:
    await teach(bot, "I live in Rome", "Lives in Rome")
    async with bot.storage.vaults.open(ANN) as vault:
        await vault.memories.share(1, "!all")

    shown = await teach(bot, "I live in Oslo", "Lives in Oslo", room_id="!all")

    [memory] = await memories(bot)
    assert "*updated: Lives in Oslo · undo: `!memory edit 1 Lives in Rome`*" in shown
    assert (memory.room_kind, memory.source_room_id) == ("shared", "!all")


async def test_what_is_changed_in_a_direct_chat_is_no_longer_used_in_the_shared_room(
    bot: Spine,
) -> None:
    await teach(bot, "I live in Rome", "Lives in Rome", room_id="!all")
    await teach(bot, "I live in Oslo", "Lives in Oslo")

    await bot.say("Where do I live?", ANN, "!all", mentions_bot=True)

    assert await texts(bot) == ["Lives in Oslo"]
    assert "Oslo" not in bot.model.requests[-1][0].content


async def test_one_persons_memory_is_out_of_reach_for_another(bot: Spine) -> None:
    await teach(bot, "I live in Rome", "Lives in Rome")
    forget = {"number": 1, "quote": "forget memory 1"}
    bot.model.answers = [calls(("forget_memory", forget)), "I see."]

    await bot.say("forget memory 1", BOB, "!bob")

    assert "no memory with this number" in results(bot)[0]
    assert await texts(bot) == ["Lives in Rome"]


async def approve(bot: Spine) -> None:
    async with bot.storage.vaults.open(ANN) as vault:
        waiting = [one.memory_id for one in await vault.pending.all()]
    for number in waiting:
        await bot.say(f"!memory approve {number}")


async def test_in_ask_mode_what_is_approved_merges_and_supersedes_as_in_auto_mode(
    bot: Spine,
) -> None:
    await choose(bot, Mode.ASK)
    for said, text in (
        ("I live in Rome", "I live in Rome"),
        ("I live in Paris", "I live in Paris"),
        ("As I said, I live in Paris", "The person lives in Paris"),
        ("I live in Paris in the old town", "I live in Paris in the old town"),
    ):
        await teach(bot, said, text, said.removeprefix("As I said, "))
        await approve(bot)

    assert await texts(bot) == ["I live in Paris"]
    async with bot.storage.vaults.open(ANN) as vault:
        assert [one.text for one in await vault.memories.revisions(1)] == ["I live in Rome"]
        sources = [one["event_id"] for one in (await vault.export())["memory_said"]]
    assert len(sources) == 2


async def test_in_ask_mode_the_same_is_asked_for_once(bot: Spine) -> None:
    await choose(bot, Mode.ASK)

    await teach(bot, "I like green tea", "Likes green tea")
    await teach(bot, "You know, I really like green tea!", "Really likes green tea",
                "I really like green tea")  # fmt: skip

    async with bot.storage.vaults.open(ANN) as vault:
        [waiting] = await vault.pending.all()
    assert waiting.text == "Likes green tea"


async def test_what_is_deleted_while_it_is_said_again_is_learned_anew(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await teach(bot, "I like tea", "Likes tea")
    said_again = Memories.said_again

    async def deleted_before(self: Memories, memory_id: int, **more: str) -> bool:
        await self.delete([memory_id])
        return await said_again(self, memory_id, **more)

    monkeypatch.setattr(Memories, "said_again", deleted_before)

    shown = await teach(bot, "I like tea", "Likes tea")

    assert "*remembered: Likes tea · `!memory delete" in shown
    assert await texts(bot) == ["Likes tea"]


async def test_what_is_said_in_two_rooms_at_once_is_one_memory(bot: Spine) -> None:
    bot.homeserver.rooms["!ann2"] = replace(bot.homeserver.rooms["!ann"], room_id="!ann2")
    towns = ("Graz", "Linz")
    facts = [
        ("remember", {"text": f"I live in {one}", "quote": f"I live in {one}"}) for one in towns
    ]
    bot.model.answers = [calls(*facts, saying="Nice.")] * 2
    await bot.say("!memory add I like tea")

    await asyncio.gather(bot.say("I live in Graz"), bot.say("I live in Linz", room_id="!ann2"))

    [tea, town] = await texts(bot)
    assert tea == "I like tea"
    async with bot.storage.vaults.open(ANN) as vault:
        [revision] = await vault.memories.revisions(2)
    assert {town, revision.text} == {"I live in Graz", "I live in Linz"}
