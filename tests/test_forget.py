"""`!forget`: it says what goes, asks, and then exactly that is gone, everywhere."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot import forget_words, replies
from bot.errors import HomeserverError
from bot.messages import Room, RoomKind, RoomMessage, Standing
from bot.room_events import Edit
from storage import Answers
from tests.spine import ANN, BOB, Spine, calls, configured, remembers, spine

pytestmark = pytest.mark.asyncio

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def everything_of(bot: Spine, sender: str = ANN) -> str:
    """All that somebody's vault holds, as one text."""
    async with bot.storage.vaults.open(sender) as vault:
        tables = await vault.export()
    return str({name: rows for name, rows in tables.items() if name != "audit_detail"})


async def agreed(bot: Spine, line: str, room_id: str = "!ann") -> tuple[str, str]:
    """What is asked about a `!forget`, and what is said after a yes."""
    said = await bot.say(f"!forget {line}", room_id=room_id)
    asked = next(one.text for one in said if one.room_id == "!ann")
    bot.clock.forward(seconds=1)
    told = await bot.text("yes")
    bot.clock.forward(seconds=1)
    return asked, told


def counts(text: str) -> list[str]:
    """The lines of a list in it."""
    return [line for line in text.splitlines() if line.startswith("- ")]


async def test_the_last_exchange_of_the_room_goes_and_no_other(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        bot.model.answers = ["About one.", "About two.", "About three."]
        await bot.say("Canary one")
        await bot.say("Canary two")
        await bot.say("Canary three", room_id="!all", mentions_bot=True)

        asked, told = await agreed(bot, "last")

        kept = await everything_of(bot)
        assert counts(asked) == counts(told) == ["- 1 message of yours", "- 1 answer of mine"]
        assert "Canary two" not in kept
        assert "About two" not in kept
        assert "Canary one" in kept
        assert "Canary three" in kept


async def test_last_is_the_last_of_all_where_the_room_has_none(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("Canary three", room_id="!all", mentions_bot=True)

        await agreed(bot, "last")

        assert "Canary" not in await everything_of(bot)


async def test_a_span_takes_what_was_said_in_it_and_what_was_typed_to_be_remembered(
    tmp_path: Path,
) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("Canary one")
        await bot.say("!memory add I like canary two")
        await bot.say("!memory add I drink tea")
        bot.clock.forward(hours=2)
        await bot.say("!memory add I like canary three")
        await bot.say("!memory edit 2 I drink canary four")
        bot.model.answers = [remembers("Has a canary five", "I have a canary five")]
        await bot.say("I have a canary five")

        asked, told = await agreed(bot, "1h")

        kept = await everything_of(bot)
        assert counts(asked) == counts(told)
        assert "- 2 memories (3, 4)" in asked
        assert "- 1 memory says again what was there before (2)" in asked
        assert not [word for word in ("three", "four", "five") if f"canary {word}" in kept]
        assert "Canary one" in kept
        assert "canary two" in kept
        assert "I drink tea" in kept


async def test_a_question_is_as_new_as_its_answer_whatever_time_its_sender_claims(
    tmp_path: Path,
) -> None:
    async with spine(tmp_path) as bot:
        said = bot.message("Canary one", event_id="$slow")
        await bot.give(replace(said, sent_at=bot.clock() - timedelta(days=3)))

        await agreed(bot, "1h")

        assert "Canary" not in await everything_of(bot)


async def test_a_room_takes_what_came_from_it_and_is_answered_in_the_direct_chat(
    tmp_path: Path,
) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("Canary one")
        bot.model.answers = [remembers("Has a canary two", "I have a canary two")]
        await bot.say("I have a canary two", room_id="!all", mentions_bot=True)
        await bot.say("!memory add I like canary three", room_id="!all")
        await bot.say("Canary of Bob", BOB, "!all", mentions_bot=True)

        asked, _ = await agreed(bot, "room", room_id="!all")

        kept = await everything_of(bot)
        assert "- 2 memories (1, 2)" in asked
        assert "canary two" not in kept
        assert "canary three" not in kept
        assert "Canary one" in kept
        assert "Canary of Bob" in await everything_of(bot, BOB)


async def test_nothing_that_came_since_goes(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("Canary one")
        await bot.say("!forget 1h")
        await bot.say("Canary two", room_id="!all", mentions_bot=True)

        await bot.say("yes")

        kept = await everything_of(bot)
        assert "Canary one" not in kept
        assert "Canary two" in kept


@pytest.mark.parametrize("line", ["last", "1h", "room"])
async def test_where_there_is_nothing_that_is_said_and_nothing_asked(
    tmp_path: Path, line: str
) -> None:
    async with spine(tmp_path) as bot:
        told = await bot.text(f"!forget {line}")

        assert told == forget_words.NOTHING
        assert forget_words.GO_ON not in told


@pytest.mark.parametrize("line", ["", "me", "0h", "last week", "1y", "everything now"])
async def test_what_is_no_span_is_told_what_to_type(tmp_path: Path, line: str) -> None:
    async with spine(tmp_path) as bot:
        told = await bot.text(f"!forget {line}".strip())

        assert "`!forget 1h`" in told
        assert "`!forget room`" in told


async def test_a_no_leaves_all_as_it_is(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("Canary one")
        before = await everything_of(bot)

        await bot.say("!forget last")

        assert await bot.text("no") == forget_words.NOTHING_ERASED
        assert await everything_of(bot) == before


async def test_what_was_said_in_shared_rooms_leaves_the_ram_too(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        bot.model.answers = [remembers("Has a canary", "I have a canary")]
        await bot.say("I have a canary", room_id="!all", mentions_bot=True)
        await bot.say("Overheard by the way", room_id="!all")

        await agreed(bot, "1", room_id="!all")
        await bot.say("What now?", BOB, "!all", mentions_bot=True)
        after_one = bot.model.last_prompt
        await bot.say("Canary two", room_id="!all", mentions_bot=True)
        await agreed(bot, "1h")
        await bot.say("And now?", BOB, "!all", mentions_bot=True)

        assert "canary" not in after_one
        assert "Overheard" in after_one
        assert "Canary two" not in bot.model.last_prompt
        assert "Overheard" not in bot.model.last_prompt


async def test_a_span_takes_private_talk_out_of_the_ram(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("Kept, so that there is something")
        await bot.say("!private on")
        await bot.say("A private canary")

        await agreed(bot, "1h")
        await bot.say("What did I say?")

        assert "canary" not in bot.model.last_prompt


async def test_the_answers_that_held_it_leave_the_rooms_with_all_their_edits(
    tmp_path: Path,
) -> None:
    async with spine(tmp_path) as bot:
        bot.model.answers = ["Canary answer.", "Another."]
        await bot.say("Canary one", room_id="!all", mentions_bot=True, event_id="$one")
        await bot.say("Stays", room_id="!all", mentions_bot=True)
        bot.model.answers = ["Canary answer again."]
        await bot.edit("$one", "Canary two", room_id="!all")

        await bot.say("!memory")
        async with bot.storage.vaults.open(ANN) as vault:
            named = await vault.spans.of_room("!all")
        assert "$one" in named.event_ids
        await agreed(bot, "room", room_id="!all")
        await bot.withdrawing.go_on()

        assert not [text for text in bot.homeserver.standing("!all") if "anary" in text]
        assert await bot.storage.withdrawals.left() == 0


async def test_everything_gives_a_receipt_that_says_what_can_not_be_erased(
    tmp_path: Path,
) -> None:
    async with spine(tmp_path) as bot:
        await bot.storage.set_state("backup.last", "2025-12-31T03:00:00+00:00")
        await bot.say("Canary one")

        asked, receipt = await agreed(bot, "everything")

        assert "0 memories, 2 stored messages" in asked
        assert "I remove what I wrote in this chat" in asked
        assert "0 memories, 2 stored messages and " in receipt
        assert "2026-01-01 12:00:01 UTC" in receipt
        assert "the key of your vault was overwritten" in receipt
        for stays in ("Your own messages", "keys to those", "gateway (127.0.0.1)", "2025-12-31"):
            assert stays in receipt


async def test_an_export_before_the_yes_leaves_everything_and_says_to_type_it_again(
    tmp_path: Path,
) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("Canary one")
        [asked] = await bot.say("!forget everything")

        await bot.say("!export")
        await bot.say("yes")

        assert "type `!forget everything` again after that" in asked.text
        assert "Canary one" in await everything_of(bot)


async def test_what_was_said_before_is_neither_learned_nor_answered_when_it_comes_late(
    tmp_path: Path,
) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("Canary one")
        late: list[RoomMessage | Edit] = [
            bot.message("Canary again", event_id="$again"),
            RoomMessage("$other", "!all", ANN, "Canary", bot.clock(), True, mentions_bot=True),
            RoomMessage("$heard", "!all", ANN, "Canary overheard", bot.clock(), True),
            RoomMessage("$back", "!ann", ANN, "Canary", bot.clock(), True, recovered=True),
            Edit(bot.message("Canary edit", event_id="$edit"), "$again"),
        ]
        await agreed(bot, "everything")
        asked = len(bot.model.requests)
        await bot.storage.inbox.accept([(one.event_id, one.room_id) for one in late], "s")

        [told], *sent = [await bot.give(one) for one in late]

        assert told.text == replies.CAME_LATE[RoomKind.DIRECT]
        assert sent == [[], [], [], []]
        assert len(bot.model.requests) == asked
        assert not await bot.storage.vaults.exists(ANN)
        assert await bot.storage.inbox.unfinished() == []
        await bot.say("What now?", BOB, "!all", mentions_bot=True)
        assert "Canary" not in bot.model.last_prompt


async def test_that_a_message_came_too_late_is_said_once_a_day_where_it_would_be_answered(
    tmp_path: Path,
) -> None:
    async with spine(tmp_path) as bot:
        said = bot.message("Canary", event_id="$late")
        shared = replace(said, room_id="!all", event_id="$shared")
        addressed = replace(shared, event_id="$addressed", mentions_bot=True)
        await agreed(bot, "everything")
        bot.homeserver.broken_rooms["!all"] = HomeserverError("what is this?")
        refused = await bot.give(replace(addressed, event_id="$refused"))
        bot.homeserver.broken_rooms.clear()
        bot.clock.forward(days=1)

        sent = [await bot.give(one) for one in (shared, addressed, said)]
        bot.clock.forward(days=1)
        [again] = await bot.give(replace(said, event_id="$again"))

        assert refused == []
        assert [[one.text for one in each] for each in sent] == [
            *([], [replies.CAME_LATE[RoomKind.SHARED]], [])
        ]
        assert "erased" not in sent[1][0].text, "that is nobody else's concern"
        assert "Send it again" in again.text
        feed = await bot.storage.audit_log.feed(limit=1_000)
        assert [one.action for one in feed].count("message.denied") == 5
        assert await bot.storage.inbox.unfinished() == []


async def test_a_time_in_the_future_shuts_nobody_out(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("Canary one")
        await bot.say("!forget everything")
        yes = bot.message("yes", event_id="$yes")
        await bot.give(replace(yes, sent_at=bot.clock() + timedelta(days=9_999)))

        [told] = await bot.say("Hello again")
        bot.clock.forward(minutes=5, seconds=1)
        [answer] = await bot.say("And again")

        assert told.text == replies.CAME_LATE[RoomKind.DIRECT]
        assert answer.generated


async def test_a_yes_from_before_the_question_decides_nothing_and_leaves_it_open(
    tmp_path: Path,
) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("Canary one")
        held_back = bot.message("yes", event_id="$yes")
        bot.clock.forward(seconds=1)
        await bot.say("!forget everything")

        await bot.give(held_back)

        assert "Canary one" in await everything_of(bot)
        assert (await bot.text("yes")).startswith("**Done: everything is forgotten.**")


@pytest.mark.parametrize("standing", [Standing.UNSIGNED, Standing.CHANGED])
async def test_a_yes_that_is_refused_decides_nothing(tmp_path: Path, standing: Standing) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("Canary one")
        await bot.say("!forget everything")

        await bot.say("yes", standing=standing)

        assert "Canary one" in await everything_of(bot)


async def test_a_yes_that_comes_too_fast_decides_nothing_and_leaves_the_question_open(
    tmp_path: Path,
) -> None:
    async with spine(tmp_path, configured(limits={"messages_per_minute": "2"})) as bot:
        await bot.say("Canary one")
        await bot.say("!forget everything")

        [refused] = await bot.say("yes")

        assert refused.text == replies.TOO_FAST
        assert "Canary one" in await everything_of(bot)
        bot.clock.forward(minutes=1, seconds=1)
        assert (await bot.text("yes")).startswith("**Done: everything is forgotten.**")


@pytest.mark.parametrize("anew", [False, True], ids=["no vault", "a new vault"])
@pytest.mark.parametrize(
    "late",
    [
        RoomMessage("$late", "!all", ANN, "Canary", NOON, True, mentions_bot=True),
        RoomMessage("$late", "!all", ANN, "!private canary", NOON, True),
        RoomMessage("$late", "!all", ANN, "Canary overheard", NOON, True),
        RoomMessage(
            *("$late", "!all", ANN, "Canary", NOON, True),
            mentions_bot=True,
            standing=Standing.CHANGED,
        ),
    ],
    ids=["chat", "command", "overheard", "another identity"],
)
async def test_a_message_that_overtakes_the_erasure_is_neither_learned_nor_answered(
    tmp_path: Path, late: RoomMessage, anew: bool
) -> None:
    looked, erased = asyncio.Event(), asyncio.Event()

    async with spine(tmp_path) as bot:
        room = bot.homeserver.room

        async def gate(room_id: str) -> Room:
            if room_id == late.room_id and not looked.is_set():
                looked.set()  # that nothing is forgotten yet
                await erased.wait()
            return await room(room_id)

        await bot.say("Before")
        bot.homeserver.room = gate  # type: ignore[method-assign]
        await bot.storage.inbox.accept([("$late", "!all")], "s")
        async with asyncio.TaskGroup() as tasks:
            handling = tasks.create_task(bot.handler.handle(late))
            await looked.wait()
            bot.clock.forward(seconds=1)
            await agreed(bot, "everything")
            if anew:
                await bot.say("Hello again")
            sent, asked = len(bot.homeserver.sent), len(bot.model.requests)
            erased.set()
            await handling

        assert (len(bot.homeserver.sent), len(bot.model.requests)) == (sent, asked)
        assert await bot.storage.vaults.exists(ANN) is anew
        assert await bot.storage.inbox.unfinished() == []
        await bot.say("What now?", BOB, "!all", mentions_bot=True)
        assert "anary" not in bot.model.last_prompt
        assert "anary" not in await everything_of(bot)


async def test_what_was_answered_when_everything_went_is_not_overheard_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("Before")
        sent = Answers.sent

        async def forgotten_after(answers: Answers, question: str, events: Sequence[str]) -> None:
            monkeypatch.setattr(Answers, "sent", sent)
            await sent(answers, question, events)
            bot.clock.forward(seconds=1)
            await agreed(bot, "everything")

        monkeypatch.setattr(Answers, "sent", forgotten_after)
        await bot.say("Canary", room_id="!all", mentions_bot=True)

        await bot.say("What now?", BOB, "!all", mentions_bot=True)
        assert "Canary" not in bot.model.last_prompt
        assert not await bot.storage.vaults.exists(ANN)


async def test_what_is_said_afterwards_starts_from_nothing(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("Canary one")
        await agreed(bot, "everything")

        [answer] = await bot.say("Hello again")

        assert answer.generated
        assert "Canary" not in bot.model.last_prompt
        assert "Hello again" in await everything_of(bot)


async def test_an_answer_in_flight_writes_nothing_and_leaves_the_room(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:

        async def meanwhile() -> None:
            bot.model.meanwhile = None
            bot.clock.forward(seconds=1)
            await agreed(bot, "everything")

        await bot.say("Before")
        bot.model.meanwhile = meanwhile
        bot.model.answers = [remembers("Has a canary", "I have a canary", saying="A canary!")]

        sent = await bot.say("I have a canary", room_id="!all", mentions_bot=True)
        await bot.withdrawing.go_on()

        assert not [one for one in sent if "canary" in one.text]
        assert bot.homeserver.standing("!all") == []
        assert not await bot.storage.vaults.exists(ANN)


async def test_an_answer_that_is_half_shown_is_taken_back(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("Before")
        send = bot.homeserver.send

        async def forgets_after(outgoing: object) -> str:
            bot.homeserver.send = send  # type: ignore[method-assign]
            event_id = await send(outgoing)  # type: ignore[arg-type]
            bot.clock.forward(seconds=1)
            await agreed(bot, "everything")
            return event_id

        bot.model.answers = ["A canary, " * 900]  # of several parts
        bot.homeserver.send = forgets_after  # type: ignore[method-assign]

        await bot.say("Tell me", room_id="!all", mentions_bot=True)
        shown = bot.homeserver.standing("!all")
        await bot.withdrawing.go_on()

        assert len(shown) == 1
        assert bot.homeserver.standing("!all") == []
        assert not await bot.storage.vaults.exists(ANN)


async def test_of_a_question_that_was_forgotten_meanwhile_no_answer_is_kept(
    tmp_path: Path,
) -> None:
    async with spine(tmp_path) as bot:

        async def meanwhile() -> None:
            bot.model.meanwhile = None
            await agreed(bot, "1h")

        bot.model.meanwhile = meanwhile
        bot.model.answers = [remembers("Has a canary", "I have a canary", saying="A canary!")]

        await bot.say("I have a canary", room_id="!all", mentions_bot=True)
        await bot.withdrawing.go_on()

        assert "canary" not in await everything_of(bot)
        assert not [text for text in bot.homeserver.standing("!all") if "canary" in text]


async def test_daily_jobs_of_somebody_forgotten_write_nothing(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("!memory digest on")
        await bot.say("!memory mode ask")
        bot.model.answers = [remembers("Has a canary", "I have a canary")]
        await bot.say("I have a canary")
        await agreed(bot, "everything")
        bot.clock.forward(days=8)
        before = len(bot.homeserver.sent)

        for job in bot.daily.values():
            await job()

        assert bot.homeserver.sent[before:] == []
        assert not await bot.storage.vaults.exists(ANN)


async def test_a_memory_that_the_model_forgets_in_between_makes_no_difference(
    tmp_path: Path,
) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("!memory add I like canary one")
        await bot.say("!forget 1")
        drop = ("forget_memory", {"number": 1, "quote": "Forget that I like canary one"})
        bot.model.answers = [calls(drop, saying="Done.")]
        await bot.say("Forget that I like canary one", room_id="!all", mentions_bot=True)

        told = await bot.text("yes")

        assert told.startswith("Forgotten, also on disk")
