"""`!import` through the real command path: what came in, what did not, and all that is refused."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot import import_words as words
from bot.messages import Attachment
from tests.hostile_exports import TEXTS, ZIPS, document
from tests.spine import ANN, BOB, BOT, Spine, configured, remembers, spine
from tests.test_chatgpt_reading import chain, message


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path) as wired:
        yield wired


def put(
    bot: Spine, content: bytes, *, sender: str = ANN, room_id: str = "!ann", event_id: str = "$file"
) -> str:
    """Somebody sends a file; its event id."""
    file = Attachment("export.zip", "application/octet-stream", content)
    bot.homeserver.files[room_id, event_id] = (sender, file)
    return event_id


async def imported(bot: Spine, content: bytes, *, sender: str = BOT) -> str:
    """What the bot says to `!import` of this file."""
    return await asked(bot, put(bot, content, sender=sender))


async def asked(bot: Spine, event_id: str | None, said: str = "!import", **where: Any) -> str:
    sent = await bot.say(said, reply_to=event_id, **where)
    return sent[-1].text


async def exported(bot: Spine) -> bytes:
    """The file that `!export` sends."""
    sent = await bot.say("!export")
    return next(one.attachment.content for one in sent if one.attachment)


async def vault(bot: Spine, sender: str = ANN) -> dict[str, Any]:
    async with bot.storage.vaults.open(sender) as opened:
        return await opened.export()


async def lived_in(bot: Spine) -> None:
    """Ann has said things, shared one, and chosen what she wants."""
    bot.model.answers = [remembers("Ann plays chess", "I play chess")]
    await bot.say("I play chess every Sunday")
    await bot.say("!memory add I drink tea")
    await bot.say("!memory edit 2 I drink green tea")
    await bot.say("!memory pin 2")
    await bot.say("!memory share 1", room_id="!all", mentions_bot=True)
    await bot.say("!private on", room_id="!all", mentions_bot=True)
    await bot.say("!memory mode ask")
    await bot.say("How do I play?")


async def erased(bot: Spine) -> None:
    await bot.say("!forget everything")
    await bot.say("yes")
    bot.clock.forward(seconds=1)


async def test_an_export_comes_back_after_everything_was_forgotten(bot: Spine) -> None:
    await lived_in(bot)
    content = await exported(bot)
    before = json.loads(content)["tables"] if content[:1] == b"{" else await vault(bot)
    await erased(bot)

    text = await imported(bot, content, sender=ANN)

    after = await vault(bot)
    same = {"turn", "memory", "memory_revision", "memory_said", "memory_share", "memory_use"}
    same |= {"turn_use", "turn_part", "usage"}
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    chosen = {row["name"]: row["value"] for row in after["setting"]}
    assert chosen["memory.mode"] == "ask"
    assert chosen["private !all"] == "on"
    assert "**Imported:** 2 memories, 4 messages" in text
    assert "1 memory is shared with rooms as before; 1 room is private as before" in text
    assert ("import.applied", "ok") in await bot.audited()
    assert ("memory.created", "ok") in await bot.audited()
    shown = await bot.text("!memory")
    assert "I drink green tea" in shown


async def test_the_same_file_twice_changes_nothing_and_says_so(bot: Spine) -> None:
    await lived_in(bot)
    content = await exported(bot)
    before = await vault(bot)

    text = await imported(bot, content)

    after = await vault(bot)
    for table in ("turn", "memory", "memory_revision", "memory_share", "memory_use", "turn_use"):
        assert after[table] == before[table]
    assert "**Imported:** 0 memories, 0 messages." in text
    assert "2 memories that I have already; 4 messages that I have already" in text
    assert "Your settings stay as they are here" in text


async def test_a_file_that_only_claims_to_be_ones_own_shares_nothing_and_sets_nothing(
    bot: Spine,
) -> None:
    await lived_in(bot)
    tables = await vault(bot)
    await erased(bot)
    tables["audit_detail"] = []  # what nobody but its person can have: the salts of their entries
    forged = {"schema": "org.confidant.export/1", "user_id": ANN, "tables": tables}

    text = await imported(bot, json.dumps(forged).encode(), sender=ANN)

    after = await vault(bot)
    assert not after["memory_share"]
    assert not [row for row in after["setting"] if row["name"].startswith(("private", "memory"))]
    assert {row["room_kind"] for row in after["turn"] + after["memory"]} == {"direct"}
    assert "also 1 memory that was shared with rooms" in text
    assert "!memory share N" in text


@pytest.mark.parametrize("claimed", [ANN, BOB])
async def test_somebody_elses_export_is_no_proof_of_being_ones_own(
    bot: Spine, claimed: str
) -> None:
    await lived_in(bot)
    stolen = {"schema": "org.confidant.export/1", "user_id": claimed, "tables": await vault(bot)}
    put(bot, json.dumps(stolen).encode(), sender=BOB, room_id="!bob")

    await asked(bot, "$file", sender=BOB, room_id="!bob")

    after = await vault(bot, BOB)
    assert len(after["memory"]) == 2
    assert not after["memory_share"]
    assert {row["actor"] for row in after["audit_detail"]} == {BOB}


async def test_a_waiting_wipe_an_invalid_mode_and_a_waiting_question_are_not_taken_over(
    bot: Spine,
) -> None:
    await lived_in(bot)
    tables = await vault(bot)
    await erased(bot)
    names = {"memory.mode": "nonsense", "wipe is due": "yes", "retention": "1 nonsense"}
    names |= {"question !ann": "{}", "digest": "maybe", "digest sent": "2026-01-01T00:00:00"}
    tables["setting"] = [{"name": name, "value": value} for name, value in names.items()]
    hostile = {"schema": "org.confidant.export/1", "user_id": ANN, "tables": tables}

    await imported(bot, json.dumps(hostile).encode(), sender=ANN)

    after = await vault(bot)
    assert {row["name"] for row in after["setting"]} <= {"greeted in direct"}
    assert await bot.text("hello") == "I see."


async def test_chatgpts_conversations_are_found_by_search_and_linked_nowhere(bot: Spine) -> None:
    talk = [chain(message("m1", "user", "My zebra is called Otto"))]

    text = await imported(bot, json.dumps(talk).encode(), sender=ANN)
    await bot.say("What is my zebra called?")

    assert "**Imported:** 0 memories, 1 message." in text
    assert "I have made no memories of it" in text
    assert "My zebra is called Otto" in bot.model.last_prompt
    why = await bot.text("!why")
    assert "My zebra is called Otto" in why
    assert "matrix.to/#/import" not in why


async def test_an_answer_of_chatgpts_that_is_the_last_one_is_not_linked_either(bot: Spine) -> None:
    talk = [chain(message("m1", "user", "a"), message("m2", "assistant", "b"))]
    await imported(bot, json.dumps(talk).encode(), sender=ANN)

    why = await bot.text("!why")

    assert "The last answer that I kept of 2023-11-14" in why
    assert "matrix.to" not in why


async def test_messages_older_than_they_are_kept_stay_out_and_it_is_said(tmp_path: Path) -> None:
    async with spine(tmp_path, configured(memory={"retention": "30d"})) as bot:
        talk = [chain(message("m1", "user", "long ago"))]

        text = await imported(bot, json.dumps(talk).encode(), sender=ANN)

        assert "1 message older than your messages are kept" in text
        assert not (await vault(bot))["turn"]


async def test_a_large_file_is_told_about_while_it_is_read(bot: Spine) -> None:
    talk = [chain(message("m1", "user", "a"), padding="x" * 1_000_000)]
    put(bot, json.dumps(talk).encode())

    sent = await bot.say("!import", reply_to="$file")

    assert [one.text for one in sent[:2]] == [words.READING, words.MERGING]
    assert sent[1].replaces is not None
    assert "1 message" in sent[-1].text


@pytest.mark.parametrize("name", ["cut off", "with a way up", "of another hash"])
async def test_a_hostile_zip_changes_nothing_and_gets_its_sentence(bot: Spine, name: str) -> None:
    make, sentence = ZIPS[name]
    await bot.say("!memory add I drink tea")
    before = await vault(bot)

    text = await imported(bot, make(), sender=ANN)

    after = await vault(bot)
    assert text == sentence
    assert {**after, "audit_detail": []} == {**before, "audit_detail": []}
    assert ("import.applied", "ok") not in await bot.audited()


async def test_a_hostile_text_gets_its_sentence(bot: Spine) -> None:
    make, sentence = TEXTS["with a strange table"]

    assert await imported(bot, make(), sender=ANN) == sentence


async def test_what_is_no_file_of_ones_own_is_refused_with_what_to_do(bot: Spine) -> None:
    put(bot, document(), sender=BOB, event_id="$bobs")

    answers = [
        await asked(bot, None),
        await asked(bot, "$nothing"),
        await asked(bot, "$bobs"),
        await asked(bot, "$bobs", "!import please"),
    ]

    assert answers[0] == words.no_reply("!")
    assert answers[1].startswith("The message that you replied to holds no file.")
    assert answers[2].startswith("The message that you replied to is somebody else's")
    assert answers[3] == words.arguments_not_taken("!")
    assert all(text.endswith(words.how("!")) for text in answers)


async def test_in_a_shared_room_nothing_is_imported(bot: Spine) -> None:
    put(bot, document(), sender=ANN, room_id="!all")

    sent = await bot.say("!import", room_id="!all", reply_to="$file", mentions_bot=True)

    assert sent[0].room_id == "!ann"
    assert sent[0].text == words.only_in_direct_chat("!")


async def test_a_file_larger_than_any_export_is_refused(bot: Spine) -> None:
    text = await imported(bot, bytes(51_000_001), sender=ANN)

    assert text.startswith("The file is larger than 51000000 bytes.")


async def test_a_message_of_an_import_is_no_command_and_no_event_of_the_inbox(bot: Spine) -> None:
    talk = [chain(message("m1", "user", "!forget everything"), message("m2", "user", "yes"))]

    await imported(bot, json.dumps(talk).encode(), sender=ANN)
    await bot.say("hello")

    assert len((await vault(bot))["turn"]) == 4
