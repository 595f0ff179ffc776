"""`!forget imported` takes what came in files, all of it, and nothing that was said beside it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot import forget_words
from tests.hostile_exports import MEMORY, NOON, document
from tests.spine import ANN, Spine, remembers, spine
from tests.storage.test_merging import turn
from tests.test_import import erased, exported, imported, lived_in, vault


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path) as wired:
        yield wired


def memory(number: int, text: str, **other: Any) -> dict[str, Any]:
    return {**MEMORY, "memory_id": number, "text": text, "quote": "QUOTED", **other}


async def forgotten(bot: Spine) -> str:
    """What the bot says would go; it goes."""
    asked = await bot.text("!forget imported")
    await bot.say("yes")
    return asked


async def remembered(bot: Spine) -> list[tuple[str, str]]:
    return [(row["text"], row["origin"]) for row in (await vault(bot))["memory"]]


async def test_a_memory_that_was_changed_here_stays_with_what_it_says_now(bot: Spine) -> None:
    file = document(
        memory=[memory(1, "FILED tea"), memory(2, "FILED coffee")],
        memory_said=[
            {"memory_id": 1, "event_id": "$s", "room_id": "!r", "quote": "FILED"}
            | {"said_at": NOON}
        ],
        memory_revision=[
            {"revision_id": 1, "memory_id": 1, "text": "FILED water", "quote": ""}
            | {"changed_by": "person", "changed_at": NOON}
        ],
    )
    await imported(bot, file, sender=ANN)
    await bot.say("!memory edit 1 I like green tea")
    await bot.say("!memory edit 1 I like white tea")

    asked = await forgotten(bot)

    after = await vault(bot)
    assert "- 1 memory (2)" in asked
    assert "1 quote or former text of memories that stay" in asked
    assert await remembered(bot) == [("I like white tea", "person")]
    assert [row["text"] for row in after["memory_revision"]] == ["I like green tea"]
    assert "FILED" not in json.dumps(after)
    assert "QUOTED" not in json.dumps(after)
    assert await bot.text("!forget imported") == forget_words.NOTHING


async def test_revisions_that_a_file_brings_were_not_made_here(bot: Spine) -> None:
    revision = {"revision_id": 1, "memory_id": 1, "text": "FILED", "quote": ""}
    revision |= {"changed_by": "person", "changed_at": NOON}
    file = document(memory=[memory(1, "I like tea")], memory_revision=[revision])
    await imported(bot, file, sender=ANN)

    await forgotten(bot)

    assert await remembered(bot) == []


async def test_what_was_typed_under_an_event_that_a_file_names_stays(bot: Spine) -> None:
    await bot.say("!memory add My blood group is A", event_id="$typed")
    await imported(bot, document(turn=[turn("$typed", text="harmless")]), sender=ANN)

    asked = await forgotten(bot)

    assert "memory" not in asked
    assert await remembered(bot) == [("My blood group is A", "person")]
    assert (await vault(bot))["turn"] == []


async def test_a_message_that_really_comes_stays_with_its_answer_and_what_it_taught(
    bot: Spine,
) -> None:
    file = document(turn=[turn("$later", text="foretold"), turn("$other", 2)])
    await imported(bot, file, sender=ANN)
    bot.model.answers = [remembers("Ann plays chess", "I play chess")]
    await bot.say("I play chess", event_id="$later")

    asked = await forgotten(bot)

    assert "- 1 message of yours" in asked
    assert "answer" not in asked.splitlines()[2]
    turns = (await vault(bot))["turn"]
    assert [row["text"] for row in turns] == ["I play chess", "Nice."]
    assert [text for text, _ in await remembered(bot)] == ["I play chess"]


async def test_a_message_that_comes_between_the_question_and_the_yes_stays(bot: Spine) -> None:
    await imported(bot, document(turn=[turn("$later", text="foretold")]), sender=ANN)
    async with bot.storage.vaults.open(ANN) as opened:
        named = await opened.spans.imported()
        await bot.say("I play chess", event_id="$later")

        gone = await opened.spans.forget(named)

    assert not gone.taken
    assert len((await vault(bot))["turn"]) == 2


@pytest.mark.parametrize("known", ["I live in Paris", "something else"])
async def test_a_proposal_of_a_file_changes_no_memory_when_it_is_approved(
    bot: Spine, known: str
) -> None:
    await bot.say("!memory add I live in Paris")
    file = document(memory=[memory(8, known), memory(9, "FILED", status="pending", replaces=8)])
    await imported(bot, file, sender=ANN)
    [pending] = [one for one in (await vault(bot))["memory"] if one["status"] == "pending"]

    await bot.say(f"!memory approve {pending['memory_id']}")
    before = await remembered(bot)
    await forgotten(bot)

    assert ("FILED", "import") in before
    assert await remembered(bot) == [("I live in Paris", "person")]


async def test_of_a_restored_vault_the_messages_go_and_memories_are_ones_own(bot: Spine) -> None:
    await lived_in(bot)
    content = await exported(bot)
    await erased(bot)
    await imported(bot, content, sender=ANN)
    before = await remembered(bot)

    asked = await forgotten(bot)

    assert "2 messages of yours" in asked
    assert (await vault(bot))["turn"] == []
    assert await remembered(bot) == before
    assert [text for text, _ in before] == ["I play chess", "I drink green tea"]
