"""A file names what events it likes: nobody else's leave a room, or stay in a vault, for that."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot import forget_words
from tests.hostile_exports import MEMORY, document
from tests.spine import ANN, BOB, BOT, EVE, Spine, spine
from tests.storage.test_merging import turn
from tests.test_editing import texts
from tests.test_import import erased, exported, imported, lived_in, vault

VICTIMS = ("$victim", "$victim-2")


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path) as wired:
        yield wired


def forged(question: str = "$q", room_id: str = "!ann") -> bytes:
    """An exchange of which the answer stands in somebody else's messages."""
    place: dict[str, Any] = {"room_id": room_id}
    answer = turn("$victim", 2, role="assistant", answers_event_id=question, **place)
    part = {"event_id": "$victim-2", "turn_id": 2}
    return document(turn=[turn(question, 1, **place), answer], turn_part=[part])


async def to_be_redacted(bot: Spine) -> set[str]:
    return {one.event_id for one in await bot.storage.withdrawals.next()}


@pytest.mark.parametrize("what", ["last", "room", "everything"])
async def test_forgetting_redacts_no_event_that_came_in_a_file(bot: Spine, what: str) -> None:
    await imported(bot, forged(), sender=ANN)

    asked = await bot.text(f"!forget {what}")
    await bot.say("yes")

    assert "remove those answers from their rooms" not in asked
    assert not await to_be_redacted(bot) & set(VICTIMS)
    async with bot.storage.vaults.open(ANN) as vault:
        assert "$victim" not in json.dumps(await vault.export())


async def test_forgetting_ends_nobody_elses_message_that_a_file_names(bot: Spine) -> None:
    await bot.storage.inbox.accept([("$of bob", "!bob")], "s")
    await imported(bot, forged("$of bob", "!bob"), sender=ANN)

    await bot.say("!forget imported")
    told = await bot.text("yes")

    assert told.startswith("Forgotten")
    assert await bot.storage.inbox.unfinished() == [("$of bob", "!bob")]


async def test_what_was_answered_here_is_still_redacted(bot: Spine) -> None:
    await imported(bot, forged(room_id="!elsewhere"), sender=ANN)
    [answer] = await bot.say("I like tea")

    await bot.say("!forget last")
    await bot.say("yes")

    assert await to_be_redacted(bot) == {bot.homeserver.events[answer.transaction_id]}


async def test_nothing_of_a_restored_vault_is_redacted_either(bot: Spine) -> None:
    await lived_in(bot)
    content = await exported(bot)
    await erased(bot)
    before = await to_be_redacted(bot)
    await imported(bot, content, sender=ANN)

    async with bot.storage.vaults.open(ANN) as vault:
        said = await vault.said_by_the_bot()
        named = await vault.spans.of_room("!ann")
        going = await vault.spans.preview(named)

    assert said == []
    assert (going.answers, going.standing) == (2, ())
    assert await to_be_redacted(bot) == before


async def test_an_answer_given_again_takes_over_no_event_that_came_in_a_file(bot: Spine) -> None:
    await imported(bot, forged(), sender=ANN)

    sent = await bot.edit("$q", "something else")
    await bot.say("!forget last")
    await bot.say("yes")

    assert [one.text for one in sent] == ["I see."]
    assert not {one.replaces for one in sent} & set(VICTIMS)
    events = {bot.homeserver.events[one.transaction_id] for one in sent}
    assert await to_be_redacted(bot) == events


async def test_a_copy_that_came_in_a_file_keeps_no_answer_in_the_vault_that_it_is_of(
    bot: Spine,
) -> None:
    [answer] = await bot.say("I like tea", BOB, "!all", mentions_bot=True)
    event_id = bot.homeserver.events[answer.transaction_id]
    bot.homeserver.senders[event_id] = BOT
    copy = turn(event_id, role="assistant", room_id="!all")
    await imported(bot, document(turn=[copy]), sender=ANN)

    await bot.redact(event_id, EVE, "!all")

    assert await texts(bot, BOB, "!all") == ["I like tea"]
    assert await texts(bot, ANN, "!all") == []


async def test_whoever_takes_back_what_they_brought_takes_it_from_its_author_too(
    bot: Spine,
) -> None:
    await bot.say("I like tea", BOB, "!all", mentions_bot=True, event_id="$tea")
    bot.homeserver.senders["$tea"] = BOB
    await imported(bot, document(turn=[turn("$tea", room_id="!all")]), sender=ANN)

    await bot.redact("$tea", ANN, "!all")

    assert await texts(bot, BOB, "!all") == []
    assert await texts(bot, ANN, "!all") == []


async def test_what_came_in_files_can_be_taken_out_again_and_nothing_else_goes(bot: Spine) -> None:
    await lived_in(bot)
    before = await vault(bot)
    memory = {**MEMORY, "text": "comes from elsewhere"}
    file = document(turn=[turn("$theirs", 1)], memory=[memory])
    came = await imported(bot, file, sender=ANN)

    asked = await bot.text("!forget imported")
    await bot.say("yes")

    after = await vault(bot)
    assert "`!forget imported`" in came
    assert "1 message of yours" in asked
    assert {name: after[name] for name in ("turn", "memory")} == {
        name: before[name] for name in ("turn", "memory")
    }
    assert await bot.text("!forget imported") == forget_words.NOTHING


async def restored_in_a_shared_room(bot: Spine) -> None:
    """Ann's vault, lost and brought back, with an answer that stands among others."""
    await bot.say("I have a canary", room_id="!all", mentions_bot=True)
    content = await exported(bot)
    await bot.storage.vaults.destroy(ANN)
    bot.clock.forward(seconds=1)
    await imported(bot, content, sender=ANN)


STAYS = "In rooms with others I can't remove 1 answer that I know from a file alone; a moderator"


@pytest.mark.parametrize("what", ["room", "everything"])
async def test_of_restored_answers_among_others_it_is_said_that_they_stay(
    bot: Spine, what: str
) -> None:
    await restored_in_a_shared_room(bot)

    said = await bot.say(f"!forget {what}", room_id="!all")
    asked = next(one.text for one in said if one.room_id == "!ann")
    bot.clock.forward(seconds=1)
    told = await bot.text("yes")

    assert STAYS in asked
    assert STAYS in told


async def test_the_receipt_goes_on_saying_it_when_all_else_is_removed(bot: Spine) -> None:
    await restored_in_a_shared_room(bot)
    await bot.say("!forget everything")
    await bot.say("yes")

    await bot.withdrawing.go_on()

    [receipt, *_] = [one.text for one in reversed(bot.homeserver.sent) if one.replaces]
    assert "I have removed everything" in receipt
    assert f"\n- {STAYS}" in receipt


async def test_of_private_answers_among_others_it_is_said_that_they_stay(bot: Spine) -> None:
    await bot.say("!private do I have a canary?", room_id="!all")
    await bot.say("!private and a second one?", room_id="!all")
    await bot.say("!private and here?")

    asked = await bot.text("!forget everything")
    told = await bot.text("yes")

    stays = "I can't remove 2 answers to what was asked in private, of which I keep no trace;"
    assert stays in asked
    assert stays in told


@pytest.mark.parametrize("what", ["1h", "imported", "everything"])
async def test_nothing_is_said_of_what_stays_where_nothing_does(bot: Spine, what: str) -> None:
    await bot.say("I have a canary", room_id="!all", mentions_bot=True)
    await bot.say("!private and here?")
    await imported(bot, forged(), sender=ANN)

    asked = await bot.text(f"!forget {what}")
    told = await bot.text("yes")

    assert "I can't remove" not in asked + told
