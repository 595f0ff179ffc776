"""Learning from a model that takes no tools."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.errors import GatewayError
from bot.extraction import facts_in, may_teach
from bot.learning import Fact
from bot.preferences import Mode, choose_mode
from tests.asking import gateway
from tests.responder import Step, answer, error, responder, unprocessable
from tests.spine import ANN, Spine, spine

TEA = {"text": "Likes tea", "quote": "I like tea", "category": "general", "about": "self"}


def listed(*facts: dict[str, str]) -> str:
    return json.dumps({"facts": facts})


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path) as opened:
        opened.model.refuses_tools = True
        yield opened


async def texts(bot: Spine) -> list[str]:
    async with bot.storage.vaults.open(ANN) as vault:
        return [one.text for one in await vault.memories.page(limit=9)]


async def test_one_more_request_finds_the_facts(bot: Spine) -> None:
    bot.model.answers = ["Tea is fine.", listed(TEA)]

    shown = await bot.text("You know, I like tea.")

    assert shown == "Tea is fine.\n\n*remembered: Likes tea · `!memory delete 1`*"
    assert bot.model.tools == [(), ()]
    assert "remember" not in bot.model.requests[0][0].content.replace("What you remember", "")


async def test_it_is_asked_with_the_message_alone(bot: Spine) -> None:
    await bot.say("!memory add my canary is K7")
    bot.model.answers = ["Nice.", listed()]
    await bot.say("> quoted Q8 words\n\nMy canary is a fine bird")

    _, asked = bot.model.requests[-1]

    assert asked.content == ">\n\nMy canary is a fine bird"
    assert "K7" not in str([one.content for one in bot.model.requests[-1]])
    assert "K7" in str([one.content for one in bot.model.requests[-2]])


async def test_its_cost_is_counted(bot: Spine) -> None:
    bot.model.answers = ["Nice.", listed()]

    await bot.say("My canary is a fine bird")

    async with bot.storage.vaults.open(ANN) as vault:
        assert await vault.usage(bot.clock().date()) == 30


@pytest.mark.parametrize(
    "found",
    [
        GatewayError("away"),
        "I found nothing.",
        "{",
        '{"facts": 7}',
        '{"facts": [7, null, {"text": 1}]}',
        "[" * 100_000,
    ],
)
async def test_what_goes_wrong_fails_no_answer(bot: Spine, found: str | Exception) -> None:
    bot.model.answers = ["Tea is fine.", found]

    assert await bot.text("I like tea a lot") == "Tea is fine."
    assert await texts(bot) == []


@pytest.mark.parametrize(
    "fact",
    [
        {**TEA, "quote": "I love coffee"},
        {"text": "Has diabetes", "quote": "I have diabetes"},
        {"text": "Pin", "quote": "my pin is 1234"},
        {"text": "Lives in Ulm", "quote": "my sister lives in Ulm"},
    ],
)
async def test_its_facts_are_checked_as_any(bot: Spine, fact: dict[str, str]) -> None:
    bot.model.answers = ["I see.", listed(fact)]

    await bot.say("I like tea, I have diabetes, my pin is 1234, my sister lives in Ulm")

    assert await texts(bot) == []


@pytest.mark.parametrize(
    ("mode", "said", "requests"),
    [
        (Mode.AUTO, "I like tea a lot", 2),
        (Mode.ASK, "I like tea a lot", 2),
        (Mode.MANUAL, "I like tea a lot", 1),
        (Mode.MANUAL, "Remember that I like tea", 2),
        (Mode.OFF, "Remember that I like tea", 1),
        (Mode.AUTO, "What is the capital of France?", 1),
        (Mode.AUTO, "ok thanks", 1),
    ],
)
async def test_it_is_asked_only_where_something_may_be_learned(
    bot: Spine, mode: Mode, said: str, requests: int
) -> None:
    async with bot.storage.vaults.open(ANN) as vault:
        await choose_mode(vault, mode)

    await bot.say(said)

    assert len(bot.model.requests) == requests


async def test_a_model_that_takes_tools_is_not_asked_again(bot: Spine) -> None:
    bot.model.refuses_tools = False

    await bot.say("I like tea a lot")

    assert len(bot.model.requests) == 1


@pytest.mark.parametrize(
    "said",
    ["I like tea", "What now? I live in Rome.", "Ich wohne in Köln", "私は京都に住んでいます。"],
)
def test_a_statement_may_teach(said: str) -> None:
    assert may_teach(said)


@pytest.mark.parametrize(
    "said",
    ["", "hi", "ok thanks", "How are you today my friend", "Wie heißt die Katze?", "本当ですか?"],
)
def test_a_question_or_a_word_teaches_nothing(said: str) -> None:
    assert not may_teach(said)


@pytest.mark.parametrize(
    "text",
    [
        listed(TEA),
        f"```json\n{listed(TEA)}\n```",
        f"Here you are:\n{listed(TEA)}\nAnything else?",
        json.dumps([TEA]),
    ],
)
def test_json_is_found_in_what_a_model_writes_around_it(text: str) -> None:
    assert facts_in(text) == [Fact("Likes tea", "I like tea")]


@pytest.mark.parametrize("refusal", [unprocessable("tools"), error(400, "no tools here")])
async def test_a_server_that_refuses_tools_is_learned_from_all_the_same(
    tmp_path: Path, refusal: Step
) -> None:
    async with (
        responder() as server,
        gateway(server.base_url) as real,
        spine(tmp_path, gateway=real) as bot,
    ):
        server.script(refusal, answer("Tea is fine."), answer(listed(TEA)), answer("Again."))

        shown = await bot.text("Well, I like tea.")
        await bot.say("And is it healthy?")

        assert shown == "Tea is fine.\n\n*remembered: Likes tea · `!memory delete 1`*"
        assert ["tools" in one for one in server.chats] == [True, False, False, False]
        assert [one["content"] for one in server.chats[2]["messages"]][1:] == ["Well, I like tea."]
