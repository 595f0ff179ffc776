"""A question for a passphrase: what is said next gets to nobody, whatever happens in between."""

import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from bot import asking_words, export_words
from bot.commands.export import LEAST
from bot.errors import HomeserverUnavailableError
from bot.messages import Outgoing, Room, RoomMessage, Standing
from bot.pausing import NOT_NOW
from bot.room_events import Unfinished
from storage import seal, unseal
from tests.spine import ANN, BOB, BOT, EVE, Spine, configured, disclosed, spine
from tests.test_crash import Trap, crash_and_recover, ids, traps

PASSPHRASE = "correct horse battery staple"
SECRET = "battery"  # of the words the one that no pseudonym has
MARK = b"sealed "
LATE = asking_words.too_late("export", "!")


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path, configured(limits={"messages_per_minute": "10000"})) as running:
        yield running


@pytest.fixture(autouse=True)
def log_of_everything(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a test does, no log may hold a word of the passphrase."""
    caplog.set_level(logging.DEBUG)
    yield
    assert SECRET not in caplog.text


@pytest.fixture(autouse=True)
def quick_seal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something that takes no seconds: what becomes of a passphrase is not up to the cipher."""
    monkeypatch.setattr("bot.commands.export.seal", stand_in)


def stand_in(content: bytes, passphrase: str) -> bytes:
    return MARK + sha256(passphrase.encode()).digest() + content[::-1]


def is_export(sent: list[Outgoing], passphrase: str = PASSPHRASE) -> bool:
    begin = MARK + sha256(passphrase.encode()).digest()
    return any(one.attachment and one.attachment.content.startswith(begin) for one in sent)


def said(bot: Spine, body: str, event_id: str = "$p", **more: Any) -> RoomMessage:
    return replace(bot.message(body, event_id=event_id), **more)


def heard_by_the_model(bot: Spine) -> str:
    return "\n".join(one.content for request in bot.model.requests for one in request)


async def kept_nowhere(bot: Spine) -> bool:
    """Whether neither the model nor the vault nor any answer has a word of the passphrase."""
    assert SECRET not in heard_by_the_model(bot)
    assert SECRET not in str([(one.text, one.question) for one in bot.homeserver.sent])
    async with bot.storage.vaults.open(ANN) as vault:
        tables = await vault.export()
        entries = await disclosed(bot.storage.audit_log, vault)
    assert SECRET not in str(tables)
    assert SECRET not in str(entries)
    assert SECRET not in str(await bot.storage.audit_log.feed(limit=1000))
    return True


async def test_the_answer_is_carried_out_and_kept_nowhere(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.commands.export.seal", seal)
    await bot.say("!export --passphrase")

    sent = await bot.say(PASSPHRASE)

    [file] = [one.attachment.content for one in sent if one.attachment]
    assert unseal(file, PASSPHRASE).startswith(b"PK")
    assert bot.model.requests == []
    assert await kept_nowhere(bot)
    assert SECRET not in str(sent)


@pytest.mark.parametrize("typed", [f"!{PASSPHRASE}", f"! {PASSPHRASE}", "!battery2026xyz"])
async def test_an_answer_may_look_like_a_command_that_there_is_not(bot: Spine, typed: str) -> None:
    await bot.say("!export --passphrase")

    sent = await bot.say(typed)

    assert is_export(sent, typed)
    assert bot.model.requests == []
    assert "I don't know" not in sent[-1].text
    assert await kept_nowhere(bot)


async def test_a_command_that_there_is_not_is_told_where_nothing_is_asked(bot: Spine) -> None:
    assert (await bot.text("!exprot")).startswith("I don't know `!exprot`")


async def test_what_the_model_hears_would_be_seen(bot: Spine) -> None:
    await bot.say(PASSPHRASE)

    with pytest.raises(AssertionError, match="battery"):
        await kept_nowhere(bot)


async def test_an_answer_that_an_outage_kept_back_is_still_in_time(bot: Spine) -> None:
    await bot.say("!export --passphrase")
    bot.homeserver.broken = HomeserverUnavailableError("away")
    with pytest.raises(HomeserverUnavailableError):
        await bot.say(PASSPHRASE, event_id="$p")
    bot.homeserver.broken = None

    sent = await bot.say(PASSPHRASE, event_id="$p")

    assert is_export(sent)
    assert await kept_nowhere(bot)


async def test_a_question_is_asked_once(bot: Spine) -> None:
    await bot.say("!export --passphrase")
    await bot.say(PASSPHRASE)

    assert await bot.text("good morning") == "I see."
    assert len(bot.model.requests) == 1


async def test_a_question_survives_a_restart(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("!export html --passphrase")

    async with spine(tmp_path) as bot:
        sent = await bot.say(PASSPHRASE)

        assert is_export(sent)
        assert [one.attachment.filename[-8:] for one in sent if one.attachment] == ["html.age"]
        assert bot.model.requests == []
        assert await kept_nowhere(bot)


@pytest.mark.parametrize("answer", ["cancel", "Cancel.", " CANCEL! "])
async def test_a_question_can_be_cancelled(bot: Spine, answer: str) -> None:
    await bot.say("!export --passphrase")

    assert await bot.text(answer) == asking_words.CANCELLED
    assert await bot.text("good morning") == "I see."


async def test_a_command_ends_the_question_and_is_run(bot: Spine) -> None:
    await bot.say("!export --passphrase")

    listed = await bot.text("!memory")
    talked = await bot.text("good morning")

    assert "remember" in listed
    assert talked == "I see."


@pytest.mark.parametrize("answer", ["short", "   spaces   ", "two lines of\na passphrase"])
async def test_a_passphrase_that_is_no_good_is_asked_for_again(bot: Spine, answer: str) -> None:
    await bot.say("!export --passphrase")

    told = await bot.text(answer)
    sent = await bot.say(PASSPHRASE)

    assert told == export_words.too_short(LEAST)
    assert is_export(sent)
    assert bot.model.requests == []


async def test_what_is_said_too_late_is_no_talk_and_what_follows_is(bot: Spine) -> None:
    await bot.say("!export --passphrase")
    bot.clock.forward(minutes=10, seconds=1)

    late = await bot.text(PASSPHRASE)
    talked = await bot.text("good morning")

    assert late == LATE
    assert talked == "I see."
    assert await kept_nowhere(bot)


async def test_what_was_said_in_time_and_comes_after_it_is_no_talk_either(bot: Spine) -> None:
    await bot.say("!export --passphrase")
    message = said(bot, PASSPHRASE, recovered=True)
    bot.clock.forward(hours=3)

    [told] = await bot.give(message)

    assert told.text == LATE
    assert await kept_nowhere(bot)


async def test_what_was_said_before_the_question_is_talk_whenever_it_comes(bot: Spine) -> None:
    before = said(bot, "good morning")
    bot.clock.forward(seconds=61)
    await bot.say("!export --passphrase")

    [told] = await bot.give(before)
    sent = await bot.say(PASSPHRASE)

    assert told.text == "I see."
    assert is_export(sent)


async def test_an_answer_whose_key_comes_later_is_no_talk(bot: Spine) -> None:
    await bot.say("!export --passphrase")
    message = said(bot, PASSPHRASE)
    bot.clock.forward(seconds=30)
    await bot.say("are you still there?")
    await bot.say("cancel")

    [told] = await bot.give(message)

    assert told.text == LATE
    assert await kept_nowhere(bot)


async def test_an_answer_in_another_room_is_talk_there(bot: Spine) -> None:
    await bot.say("!export --passphrase")

    await bot.say("good morning", room_id="!all", mentions_bot=True)
    sent = await bot.say(PASSPHRASE)

    assert len(bot.model.requests) == 1
    assert is_export(sent)


async def test_somebody_elses_words_answer_nothing(bot: Spine) -> None:
    await bot.say("!export --passphrase")

    told = await bot.text("good morning", BOB, "!bob")

    assert told == "I see."


async def test_what_is_asked_because_of_a_shared_room_is_asked_and_answered_in_the_direct_chat(
    bot: Spine,
) -> None:
    asked = await bot.say("!export --passphrase", room_id="!all")
    sent = await bot.say(PASSPHRASE)

    assert asked[0].room_id == "!ann"
    assert "passphrase" not in asked[1].text
    assert is_export(sent)
    assert {one.room_id for one in sent} == {"!ann"}


async def test_an_answer_into_a_room_that_others_have_come_into_is_not_overheard(
    bot: Spine,
) -> None:
    await bot.say("!export --passphrase")
    bot.homeserver.rooms["!ann"] = Room("!ann", frozenset({BOT, ANN, EVE}), encrypted=True)

    await bot.say(PASSPHRASE)
    await bot.say("What did I say?", mentions_bot=True)

    assert "What did I say?" in bot.model.last_prompt
    assert await kept_nowhere(bot)


async def test_an_answer_under_a_changed_identity_is_refused_and_no_talk(bot: Spine) -> None:
    await bot.say("!export --passphrase")

    sent = await bot.say(PASSPHRASE, standing=Standing.CHANGED)

    assert sent[-1].text == NOT_NOW
    assert not is_export(sent)
    assert await kept_nowhere(bot)


async def test_an_answer_in_a_private_room_is_an_answer(bot: Spine) -> None:
    await bot.say("!private on")
    await bot.say("!export --passphrase")

    assert is_export(await bot.say(PASSPHRASE))
    assert bot.model.requests == []


async def test_an_answer_that_is_edited_or_taken_back_is_no_talk(bot: Spine) -> None:
    await bot.say("!export --passphrase")
    await bot.say(PASSPHRASE, event_id="$p")

    edited = await bot.edit("$p", f"{PASSPHRASE} 2")
    redacted = await bot.redact("$p")

    assert edited == redacted == []
    assert bot.model.requests == []
    assert await kept_nowhere(bot)


@pytest.mark.parametrize("trap", traps(), ids=ids)
async def test_a_crash_at_any_step_neither_talks_nor_asks_twice(
    tmp_path: Path, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("!export json --passphrase")
        before = len(bot.homeserver.sent)

        crashed = await crash_and_recover(bot, PASSPHRASE, trap, monkeypatch)

        sent = bot.homeserver.sent[before:]
        files = [one for one in sent if one.attachment is not None]
        told = [one for one in sent if one.text == asking_words.INTERRUPTED]
        assert len(files) <= 1
        assert bool(told) is crashed or files
        assert bot.model.requests == []
        assert await kept_nowhere(bot)
        assert await bot.text("good morning") == "I see."


async def test_a_crash_before_the_answer_began_leaves_it_to_the_next_start(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bot.say("!export --passphrase")
    message = said(bot, PASSPHRASE)
    await bot.storage.inbox.accept([("$p", "!ann")], "s1")

    async def crash(event_id: str, what: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as armed:
        armed.setattr(bot.storage.inbox, "begin", crash)
        with pytest.raises(KeyboardInterrupt):
            await bot.handler.handle(message)
    bot.homeserver.kept["$p"] = message
    sent = await bot.give(Unfinished("$p", "!ann"))

    assert is_export(sent)
    assert await kept_nowhere(bot)
