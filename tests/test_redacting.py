"""A message is taken back in its room: no copy stays, whoever did it, and it never comes again."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bot.dispatcher import Dispatcher
from bot.errors import HomeserverError, HomeserverUnavailableError
from bot.messages import Room, Standing
from bot.room_events import Batch, Redaction
from storage import StorageFailure, TakenBack, TakingBack
from tests.spine import ANN, AUDIT_ROOM, BOB, BOT, EVE, Spine, disclosed, remembers, spine
from tests.storage.test_answers import answer as kept_answer
from tests.test_editing import texts


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path) as running:
        yield running


async def unfinished(bot: Spine) -> list[str]:
    return [event_id for event_id, _ in await bot.storage.inbox.unfinished()]


async def test_a_redacted_message_goes_with_its_answer_and_what_it_taught(bot: Spine) -> None:
    bot.model.answers = [remembers("The cat is called Miso", "my cat is called Miso")]
    await bot.say("my cat is called Miso", event_id="$1")
    await bot.say("hello")

    assert await bot.redact("$1") == []

    assert await texts(bot) == ["hello", "I see."]
    assert "Miso" not in await bot.text("!memory")
    await bot.say("what is my cat called?")
    assert "Miso" not in "".join(one.content for one in bot.model.requests[-1])
    assert await unfinished(bot) == []


async def test_the_audit_log_says_what_went_and_by_what(bot: Spine) -> None:
    bot.model.answers = [remembers("The cat is called Miso", "my cat is called Miso")]
    await bot.say("my cat is called Miso", event_id="$1")

    await bot.redact("$1")

    async with bot.storage.vaults.open(ANN) as vault:
        entries = (await disclosed(bot.storage.audit_log, vault))[:2]
    assert [(one.action, one.target, one.facts) for _, one in reversed(entries)] == [
        ("memory.deleted", "memory 1", {"by": "redaction"}),
        ("forget.done", "", {"by": "redaction", "messages": 2}),
    ]


async def test_a_moderator_takes_back_for_its_author(bot: Spine) -> None:
    await bot.say("I like tea", ANN, "!all", mentions_bot=True, event_id="$1")
    await bot.say("I like milk", BOB, "!all", mentions_bot=True, event_id="$2")

    await bot.redact("$1", BOB, "!all")

    assert await texts(bot, ANN, "!all") == []
    assert await texts(bot, BOB, "!all") == ["I like milk", "I see."]


async def test_the_bots_answer_goes_from_the_vault_of_whoever_took_it_back(bot: Spine) -> None:
    [answer] = await bot.say("I like tea", ANN, "!all", mentions_bot=True, event_id="$1")
    event_id = bot.homeserver.events[answer.transaction_id]

    await bot.redact(event_id, BOB, "!all")
    assert await texts(bot, ANN, "!all") == ["I like tea", "I see."], "whose it is was not said"

    await bot.redact(event_id, ANN, "!all")
    assert await texts(bot, ANN, "!all") == ["I like tea"]


async def answered(bot: Spine, sender: str) -> str:
    """Somebody is answered in the shared room; the event of the answer."""
    [answer] = await bot.say("I like tea", sender, "!all", mentions_bot=True)
    event_id = bot.homeserver.events[answer.transaction_id]
    bot.homeserver.senders[event_id] = BOT
    return event_id


async def test_a_moderator_takes_back_what_the_bot_answered_to_somebody_in_the_room(
    bot: Spine,
) -> None:
    event_id = await answered(bot, ANN)

    await bot.redact(event_id, EVE, "!all")

    assert await texts(bot, ANN, "!all") == ["I like tea"]
    assert await bot.storage.vaults.people() == [ANN], "nobody gets a vault for it"
    assert await unfinished(bot) == []


async def test_the_bots_answer_is_looked_for_only_with_those_who_may_ask(bot: Spine) -> None:
    event_id = await answered(bot, ANN)
    bot.homeserver.rooms["!all"] = Room("!all", frozenset({BOT, BOB, EVE}), encrypted=True)
    async with bot.storage.vaults.open(EVE) as vault:
        await vault.answers.keep(kept_answer("$q", "hers"))
        await vault.answers.sent("$q", [event_id])

    await bot.redact(event_id, BOB, "!all")

    assert await texts(bot, EVE, "!r") == ["hers"], "she is not listed"
    assert await texts(bot, ANN, "!all") == ["I like tea", "I see."], "she is not in the room"


async def test_the_bots_answer_to_somebody_who_is_shut_out_by_now_is_taken_back(
    bot: Spine,
) -> None:
    event_id = await answered(bot, ANN)
    await bot.storage.access.block(ANN)

    await bot.redact(event_id, EVE, "!all")

    assert await texts(bot, ANN, "!all") == ["I like tea"]


@pytest.mark.parametrize("asker", [BOB, ANN])
async def test_another_members_damaged_vault_keeps_no_answer_back(
    bot: Spine, asker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bot.say("hello", BOB if asker == ANN else ANN, "!all", mentions_bot=True)
    event_id = await answered(bot, asker)
    messages, tries = TakingBack.messages, 0

    async def first_fails(self: TakingBack, event_ids: Sequence[str]) -> TakenBack:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise StorageFailure("damaged")
        return await messages(self, event_ids)

    monkeypatch.setattr(TakingBack, "messages", first_fails)
    await bot.redact(event_id, EVE, "!all")

    if asker == BOB:
        assert await texts(bot, BOB, "!all") == ["I like tea"]
        assert await unfinished(bot) == []
    else:
        assert len(await unfinished(bot)) == 1, "it was hers that is damaged: it is tried again"


@pytest.mark.parametrize("known", [True, False], ids=["a stranger's", "gone"])
async def test_what_can_not_be_attributed_is_finished_and_nobody_gets_a_vault(
    bot: Spine, *, known: bool
) -> None:
    if known:
        bot.homeserver.senders["$x"] = EVE

    await bot.redact("$x", BOB, "!all")

    assert await unfinished(bot) == []
    assert await bot.storage.vaults.people() == []


async def test_a_memory_typed_into_a_command_goes_with_the_command(bot: Spine) -> None:
    await bot.say("!memory add I like tea", event_id="$1")

    await bot.redact("$1")

    assert "tea" not in await bot.text("!memory")


async def test_while_an_identity_is_paused_a_redaction_deletes_all_the_same(bot: Spine) -> None:
    await bot.say("I like tea", event_id="$1")
    await bot.say("hello", standing=Standing.CHANGED)

    await bot.redact("$1")

    assert await texts(bot) == []


async def test_what_was_overheard_is_dropped_as_well(bot: Spine) -> None:
    await bot.say("the party is at nine", BOB, "!all", event_id="$party")

    await bot.redact("$party", BOB, "!all")

    await bot.say("when is it?", ANN, "!all", mentions_bot=True)
    assert "nine" not in "".join(one.content for one in bot.model.requests[-1])


async def test_taking_back_an_edit_takes_the_message(bot: Spine) -> None:
    await bot.say("hello", event_id="$1")
    await bot.edit("$1", "I like tea", event_id="$e")

    await bot.redact("$e")

    assert await texts(bot) == []


async def test_a_redaction_in_the_audit_room_is_nobodys(bot: Spine) -> None:
    await bot.say("I like tea", event_id="$1")

    await bot.redact("$1", ANN, AUDIT_ROOM)

    assert await unfinished(bot) == []
    assert await texts(bot) == ["I like tea", "I see."]


@pytest.mark.parametrize("failure", [HomeserverError("broken"), StorageFailure("full")])
async def test_what_fails_is_left_to_the_next_start(
    bot: Spine, failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(*anything: object) -> None:
        raise failure

    await bot.say("I like tea", ANN, "!all", mentions_bot=True, event_id="$1")
    with monkeypatch.context() as patch:
        patch.setattr(bot.homeserver, "sender_of", failing)
        if isinstance(failure, StorageFailure):
            patch.setattr(TakingBack, "messages", failing)
        await bot.redact("$1", BOB, "!all")

    [row] = await unfinished(bot)
    assert row.startswith("$redaction")
    await bot.give(Redaction(row, "!all", BOB, "$1"))
    assert await texts(bot, ANN, "!all") == []
    assert await unfinished(bot) == []


async def test_a_homeserver_that_is_away_holds_it_up(bot: Spine) -> None:
    bot.homeserver.broken = HomeserverUnavailableError("away")

    with pytest.raises(HomeserverUnavailableError):
        await bot.redact("$1")


async def test_what_was_taken_back_while_it_waited_is_not_kept_and_never_comes_again(
    bot: Spine,
) -> None:
    said, redaction = bot.message("I like tea", event_id="$1"), Redaction("$r", "!ann", ANN, "$1")
    async with asyncio.TaskGroup() as tasks:
        dispatcher = Dispatcher(bot.handler.handle, bot.storage.inbox, tasks)
        await dispatcher.receive(Batch((bot.message("hello", event_id="$0"), said), "s1"))
        await dispatcher.receive(Batch((redaction,), "s2"))  # the queue still holds the text
        await dispatcher.receive(Batch((said, replace(said, recovered=True)), "s3"))

    assert await texts(bot) == ["hello", "I see."]
    assert await unfinished(bot) == []
