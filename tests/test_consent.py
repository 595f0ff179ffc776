"""In ask mode one notice asks, and only the person whom it asks decides, once and in time."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot import consent_words
from bot.changes import noted
from bot.errors import AudienceChangedError, HomeserverError, HomeserverUnavailableError
from bot.messages import Outgoing, Room, RoomMessage
from bot.room_events import Reaction
from storage import AuditLog, Memory, Pending, StorageFailure
from tests.spine import (
    ANN,
    AUDIT_ROOM,
    BOB,
    BOT,
    EVE,
    FakeHomeserver,
    Spine,
    configured,
    remembers,
    spine,
)

MESSAGE = RoomMessage("$q", "!ann", ANN, "something", datetime(2026, 1, 1, tzinfo=UTC), True)
MORE = {"messages_per_minute": "10000"}


class CrashError(BaseException):
    """The process ends here."""


async def _crash(*arguments: object, **more: object) -> None:
    raise CrashError


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path, configured(limits=MORE)) as running:
        yield running


async def told(
    bot: Spine,
    *texts: str,
    room_id: str = "!ann",
    replaces: int | None = None,
    event_id: str = "$q",
) -> list[Outgoing]:
    """What the bot sends for a message of Ann from which the model proposes these texts."""
    kind = "direct" if room_id == "!ann" else "shared"

    async def propose() -> None:
        async with bot.storage.vaults.open(ANN) as vault:
            for text in texts:
                await vault.memories.add(
                    text,
                    origin="model",
                    quote=text,
                    room_kind=kind,
                    status="pending",
                    source_event_id=event_id,
                    source_room_id=room_id,
                    replaces=replaces,
                )

    bot.model.meanwhile = propose
    sent = await bot.say("something", ANN, room_id, event_id=event_id, mentions_bot=True)
    bot.model.meanwhile = None
    return sent


async def react(
    bot: Spine,
    *,
    yes: bool,
    sender: str = ANN,
    room_id: str = "!ann",
    to: str = "$sent-1",
    event_id: str = "$r",
) -> list[Outgoing]:
    return await bot.give(Reaction(event_id, room_id, sender, to, yes))


@contextmanager
def edits_refused(bot: Spine, failure: Exception, with_words: str = "") -> Iterator[None]:
    """The homeserver takes no edits, or none that hold these words."""
    send = bot.homeserver.send

    async def refuse(outgoing: Outgoing) -> str:
        if outgoing.replaces and with_words in outgoing.text:
            raise failure
        return await send(outgoing)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bot.homeserver, "send", refuse)
        yield


async def remembered(bot: Spine, sender: str = ANN) -> Sequence[Memory]:
    async with bot.storage.vaults.open(sender) as vault:
        return await vault.memories.page(limit=10)


async def waiting(bot: Spine) -> list[int]:
    async with bot.storage.vaults.open(ANN) as vault:
        return [one.memory_id for one in await vault.pending.all()]


async def test_one_notice_after_the_answer_asks_about_all_of_it(bot: Spine) -> None:
    answer, notice = await told(bot, "likes tea", "plays the oboe")

    assert (answer.generated, notice.generated) == (True, False)
    assert notice.text == (
        "May I remember this?\n\n- **1** likes tea\n- **2** plays the oboe\n\n"
        "React with ✅ for all of it or ❌ for none of it, or type `!memory approve 1 2` or "
        "`!memory reject 1 2`. Without an answer it is dropped in 7 days."
    )
    assert notice.audience == frozenset({ANN, BOT})
    assert await remembered(bot) == []


async def test_in_ask_mode_what_the_model_would_keep_waits_for_a_yes(bot: Spine) -> None:
    await bot.say("!memory mode ask")
    bot.model.answers = [remembers("The cat is called Miso", "cat is called Miso")]

    answer, notice = await bot.say("My cat is called Miso", event_id="$miso")
    unasked = await bot.text("!memory")
    await react(bot, yes=True, to="$sent-2")
    listed = await bot.text("!memory show 1")

    assert answer.generated
    assert "- **1** The cat is called Miso" in notice.text
    assert "nothing about you yet" in unasked
    assert "**Memory 1**: The cat is called Miso" in listed
    assert "https://matrix.to/#/!ann/$miso" in listed


async def test_nothing_is_asked_where_nothing_was_proposed(bot: Spine) -> None:
    assert len(await bot.say("hello")) == 1


async def test_a_yes_remembers_and_stands_in_the_place_of_the_question(bot: Spine) -> None:
    await told(bot, "likes tea", "plays the oboe")

    [edit] = await react(bot, yes=True)

    assert [one.text for one in await remembered(bot)] == ["plays the oboe", "likes tea"]
    assert (edit.room_id, edit.replaces, edit.audience) == (
        "!ann",
        "$sent-1",
        frozenset({ANN, BOT}),
    )
    assert edit.text == (
        "Remembered: likes tea · `!memory delete 1`\n"
        "Remembered: plays the oboe · `!memory delete 2`"
    )
    assert (await bot.audited()).count(("memory.created", "ok")) == 2


async def test_a_no_erases_and_says_so_without_repeating_it(bot: Spine) -> None:
    await told(bot, "likes tea")

    [edit] = await react(bot, yes=False)

    assert (edit.replaces, edit.text) == ("$sent-1", "Not kept.")
    assert await waiting(bot) == []
    assert await remembered(bot) == []
    assert ("memory.deleted", "ok") in await bot.audited()


async def test_an_update_is_shown_with_what_it_would_replace(bot: Spine) -> None:
    await bot.say("!memory add lives in Oslo")

    _, notice = await told(bot, "lives in Rome", replaces=1)
    [edit] = await react(bot, yes=True, to="$sent-2")

    assert "- **2** “lives in Rome” instead of “lives in Oslo”" in notice.text
    assert edit.text == "Remembered: lives in Rome · `!memory delete 1`"
    [memory] = await remembered(bot)
    assert (memory.memory_id, memory.text) == (1, "lives in Rome")
    assert ("memory.updated", "ok") in await bot.audited()


@pytest.mark.parametrize(
    ("by", "room_id", "to"),
    [
        (BOB, "!all", "$sent-1"),
        (EVE, "!all", "$sent-1"),
        (ANN, "!all", "$sent-0"),
        (ANN, "!all", "$elsewhere"),
        (ANN, "!ann", "$sent-1"),
    ],
    ids=["another person", "a stranger", "the answer", "another event", "another room"],
)
async def test_a_reaction_of_others_or_to_something_else_does_nothing(
    bot: Spine, by: str, room_id: str, to: str
) -> None:
    await told(bot, "likes tea", room_id="!all")
    await bot.storage.inbox.accept([("$r", room_id)], "s1")

    sent = await react(bot, yes=True, sender=by, room_id=room_id, to=to)

    assert sent == []
    assert await remembered(bot) == []
    assert await waiting(bot) == [1]
    assert await bot.storage.inbox.unfinished() == []
    assert not await bot.storage.vaults.exists(BOB), "nobody gets a vault for reacting"


async def test_a_second_reaction_changes_nothing(bot: Spine) -> None:
    await told(bot, "likes tea")
    await react(bot, yes=True)

    assert await react(bot, yes=False, event_id="$r2") == []
    assert [one.text for one in await remembered(bot)] == ["likes tea"]


async def test_a_yes_after_the_week_is_told_that_it_is_over(bot: Spine) -> None:
    await told(bot, "likes tea")
    bot.clock.forward(days=7)

    [edit] = await react(bot, yes=True)

    assert edit.text == consent_words.EXPIRED
    assert await remembered(bot) == []
    async with bot.storage.vaults.open(ANN) as vault:
        assert await vault.memories.get(1) is None


async def test_the_notice_says_by_itself_that_the_week_is_over(bot: Spine) -> None:
    await told(bot, "likes tea")
    before = len(bot.homeserver.sent)

    bot.clock.forward(days=6)
    await bot.daily["unanswered proposals"]()
    assert await waiting(bot) == [1]
    bot.clock.forward(days=1)
    await bot.daily["unanswered proposals"]()
    await bot.daily["unanswered proposals"]()

    [edit] = bot.homeserver.sent[before:]
    assert (edit.replaces, edit.text) == ("$sent-1", consent_words.EXPIRED)
    assert (await bot.audited()).count(("memory.deleted", "ok")) == 1
    assert await react(bot, yes=True) == []


async def test_a_reaction_is_ignored_while_the_identity_is_in_doubt(bot: Spine) -> None:
    await told(bot, "likes tea")
    await bot.storage.set_state(noted(bot.storage, ANN), "noted")

    assert await react(bot, yes=True) == []
    assert await waiting(bot) == [1]


async def test_in_a_shared_room_the_notice_names_only_what_was_said_there(bot: Spine) -> None:
    await bot.say("!memory add lives in Oslo")

    answer, notice = await told(bot, "lives in Rome", room_id="!all", replaces=1)

    assert (answer.room_id, notice.room_id) == ("!all", "!all")
    assert "Rome" in notice.text
    assert "Oslo" not in notice.text, "that was said in the direct chat"


async def test_what_was_said_between_two_is_not_asked_before_others(bot: Spine) -> None:
    await told(bot, "likes tea")
    bot.homeserver.rooms["!ann"] = Room("!ann", frozenset({BOT, ANN, BOB}), encrypted=True)

    [edit] = await react(bot, yes=True)

    assert "tea" not in edit.text
    assert [one.text for one in await remembered(bot)] == ["likes tea"]


async def test_a_crash_before_the_notice_was_kept_asks_once_all_the_same(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bot.storage.inbox.accept([("$q", "!ann")], "s1")
    with monkeypatch.context() as armed:
        armed.setattr(Pending, "noticed", _crash)
        with pytest.raises(CrashError):
            await told(bot, "likes tea")

    await bot.give(replace(MESSAGE, recovered=True))

    notices = [one for one in bot.homeserver.sent if "May I remember" in one.text]
    assert len(notices) == 1
    assert await bot.storage.inbox.unfinished() == []
    await react(bot, yes=True)
    assert [one.text for one in await remembered(bot)] == ["likes tea"]


async def test_a_reaction_that_a_crash_cut_short_is_told_and_recorded(bot: Spine) -> None:
    await told(bot, "likes tea")
    await bot.storage.inbox.accept([("$r", "!ann")], "s1")
    await bot.storage.inbox.begin("$r", "memory approve")
    with suppress(CrashError):
        async with bot.storage.vaults.open(ANN) as vault:
            await vault.pending.approve(1)
            raise CrashError

    [edit] = await react(bot, yes=True)

    assert edit.text == "Remembered: likes tea · `!memory delete 1`"
    assert (await bot.audited()).count(("memory.created", "ok")) == 1
    assert await bot.storage.inbox.unfinished() == []


async def test_it_can_be_approved_and_rejected_by_number_instead(bot: Spine) -> None:
    await told(bot, "likes tea", "plays the oboe", "has a cat")

    listed, page = await bot.text("!memory pending"), await bot.text("!memory")
    approved = await bot.text("!memory approve 1 9")
    rejected = await bot.text("!memory reject 2")
    rest, edit = await bot.say("!memory approve all")

    assert "- **2** plays the oboe *(from [this message](https://matrix.to/#/!ann/$q)" in listed
    assert page.endswith("3 more things wait for your approval: `!memory pending`")
    assert approved == (
        "Remembered: likes tea · `!memory delete 1`\n\n"
        "9 waits for no approval. `!memory pending` lists what does."
    )
    assert rejected == "Not kept, and erased from disk: 2."
    assert rest.text == "Remembered: has a cat · `!memory delete 3`"
    assert await bot.text("!memory pending") == consent_words.nothing_waits("!")
    assert (edit.replaces, edit.text) == ("$sent-1", "Done: `!memory` shows what I remember.")
    assert await react(bot, yes=False) == [], "it was decided"


async def test_what_waits_is_not_in_any_prompt(bot: Spine) -> None:
    await told(bot, "likes tea")

    await bot.say("what do I drink?")

    assert "likes tea" not in bot.model.last_prompt


async def test_the_audit_room_is_not_asked_in(bot: Spine) -> None:
    bot.homeserver.rooms[AUDIT_ROOM] = Room(AUDIT_ROOM, frozenset({BOT, ANN}), encrypted=True)
    await told(bot, "likes tea")

    assert await react(bot, yes=True, room_id=AUDIT_ROOM) == []


@pytest.mark.parametrize(
    ("of", "name", "failure"),
    [
        (FakeHomeserver, "room", HomeserverError("refused")),
        (Pending, "approve", StorageFailure("damaged")),
    ],
    ids=["the homeserver", "the vault"],
)
async def test_a_reaction_that_fails_is_left_to_the_next_start(
    bot: Spine, monkeypatch: pytest.MonkeyPatch, of: type, name: str, failure: Exception
) -> None:
    await told(bot, "likes tea")
    await bot.storage.inbox.accept([("$r", "!ann")], "s1")

    async def fail(*given: object) -> None:
        raise failure

    with monkeypatch.context() as broken:
        broken.setattr(of, name, fail)
        assert await react(bot, yes=True) == []
    left = await bot.storage.inbox.unfinished()
    [edit] = await react(bot, yes=True)

    assert left == [("$r", "!ann")]
    assert edit.text == "Remembered: likes tea · `!memory delete 1`"
    assert await bot.storage.inbox.unfinished() == []


@pytest.mark.parametrize(
    ("typed", "became"),
    [
        ("!memory approve 1", "Done: `!memory` shows what I remember."),
        ("!memory reject 1", "Not kept."),
        ("!memory delete 1", "Not kept."),
    ],
)
async def test_what_a_command_decides_stands_in_the_place_of_the_question_without_its_words(
    bot: Spine, typed: str, became: str
) -> None:
    await told(bot, "likes tea")

    _, edit = await bot.say(typed)

    assert (edit.room_id, edit.replaces, edit.text) == ("!ann", "$sent-1", became)
    assert await react(bot, yes=True) == []


async def test_a_notice_that_asks_about_several_goes_on_until_all_is_decided(bot: Spine) -> None:
    await told(bot, "likes tea", "plays the oboe")

    assert len(await bot.say("!memory approve 1")) == 1
    [edit] = await react(bot, yes=False)

    assert edit.text == "Done: `!memory` shows what I remember.", "one of them is remembered"
    assert [one.text for one in await remembered(bot)] == ["likes tea"]


async def test_a_question_goes_with_the_memory_that_it_would_have_changed(bot: Spine) -> None:
    await bot.say("!memory add lives in Oslo")
    await told(bot, "lives in Rome", replaces=1)

    _, edit = await bot.say("!memory delete 1")

    assert (edit.replaces, edit.text) == ("$sent-2", "Not kept.")


async def test_what_the_homeserver_was_away_for_is_said_the_next_time(bot: Spine) -> None:
    await told(bot, "likes tea")

    with edits_refused(bot, HomeserverUnavailableError("away")):
        assert len(await bot.say("!memory reject 1")) == 1
    _, edit = await bot.say("!memory")

    assert (edit.replaces, edit.text) == ("$sent-1", "Not kept.")
    assert len(await bot.say("!memory")) == 1


async def test_a_notice_in_a_room_that_refuses_is_let_go(bot: Spine) -> None:
    await told(bot, "likes tea")

    with edits_refused(bot, HomeserverError("refused")):
        await bot.say("!memory reject 1")

    assert len(await bot.say("!memory")) == 1


async def test_in_a_shared_room_a_yes_is_answered_without_the_words(bot: Spine) -> None:
    await told(bot, "likes tea", room_id="!all")
    late = "@late:x.org"  # and could not read the notice
    members = bot.homeserver.rooms["!all"].members | {late}
    bot.homeserver.rooms["!all"] = Room("!all", members, encrypted=True)

    [edit] = await react(bot, yes=True, room_id="!all")

    assert edit.text == "Remembered: memory 1 · `!memory delete 1`"
    assert [one.text for one in await remembered(bot)] == ["likes tea"]


async def test_where_somebody_comes_in_just_then_the_words_are_left_out(bot: Spine) -> None:
    await told(bot, "likes tea")

    with edits_refused(bot, AudienceChangedError("somebody came"), with_words="likes tea"):
        [edit] = await react(bot, yes=True)

    assert (edit.replaces, edit.text) == ("$sent-1", "Done: `!memory` shows what I remember.")


async def test_everybodys_is_erased_before_anything_is_said(bot: Spine) -> None:
    await told(bot, "likes tea")
    async with bot.storage.vaults.open(BOB) as vault:
        await vault.memories.add("milk", origin="model", room_kind="direct", status="pending")
    bot.clock.forward(days=7)
    before = len(bot.homeserver.sent)

    with edits_refused(bot, HomeserverUnavailableError("away")):
        await bot.daily["unanswered proposals"]()
    async with bot.storage.vaults.open(BOB) as vault:
        gone = await vault.memories.get(1)
    await bot.daily["unanswered proposals"]()

    assert gone is None
    [edit] = bot.homeserver.sent[before:]
    assert (edit.replaces, edit.text) == ("$sent-1", consent_words.EXPIRED)


@pytest.mark.parametrize(
    ("typed", "told_first"),
    [
        ("!memory approve 2", "2 waits for no approval. `!memory pending` lists what does."),
        ("!memory reject 1", "1 waits for no approval. `!memory pending` lists what does."),
        (
            "!memory reject 1 3",
            "Not kept, and erased from disk: 3.\n\n"
            "1 waits for no approval. `!memory pending` lists what does.",
        ),
    ],
)
async def test_of_two_clients_the_slower_one_is_told_that_nothing_waits(
    bot: Spine, monkeypatch: pytest.MonkeyPatch, typed: str, told_first: str
) -> None:
    await told(bot, "likes tea", "plays the oboe", "has a cat")
    listed = Pending.all

    async def outrun(self: Pending) -> list[Memory]:
        found = await listed(self)
        await self.approve(1)
        await self.reject([2])
        return found

    monkeypatch.setattr(Pending, "all", outrun)

    [answer, *_] = await bot.say(typed)

    assert answer.text == told_first
    assert [one.text for one in await remembered(bot)] == ["likes tea"]


async def test_a_no_that_came_too_late_does_not_say_that_nothing_was_kept(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await told(bot, "likes tea")
    record = AuditLog.record

    async def outrun(self: AuditLog, *given: object, **more: object) -> list[int]:
        if more.get("begins"):
            async with bot.storage.vaults.open(ANN) as vault:
                await vault.pending.approve(1)
        return await record(self, *given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(AuditLog, "record", outrun)

    [edit] = await react(bot, yes=False)

    assert edit.text == "Done: `!memory` shows what I remember."


async def test_a_question_about_a_message_that_was_taken_back_does_not_go_on(bot: Spine) -> None:
    await told(bot, "likes tea")
    before = len(bot.homeserver.sent)

    await bot.redact("$q")
    await bot.say("hello")
    await bot.withdrawing.go_on()

    assert not [one for one in bot.homeserver.sent[before:] if one.replaces]
    assert bot.homeserver.redacted == ["$sent-1"]


async def test_a_late_reaction_says_what_could_not_be_said_before_and_nothing_else(
    bot: Spine,
) -> None:
    await told(bot, "likes tea")
    with edits_refused(bot, HomeserverUnavailableError("away")):
        await bot.say("!memory reject 1")

    [edit] = await react(bot, yes=True)

    assert (edit.replaces, edit.text) == ("$sent-1", "Not kept.")
    assert await react(bot, yes=True, event_id="$r2") == []
    assert await remembered(bot) == []
