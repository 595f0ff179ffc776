"""A room in which much waits is told once; what had to wait is answered like anything else."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot import replies
from bot.errors import HomeserverError
from bot.messages import Outgoing, Room, RoomMessage
from bot.room_events import Backlog, Unfinished
from tests.spine import ANN, AUDIT_ROOM, BOB, BOT, EVE, Spine, configured, spine


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path) as running:
        yield running


def message(bot: Spine, sender: str = ANN, room_id: str = "!ann") -> RoomMessage:
    return RoomMessage("$newest", room_id, sender, "hello", bot.clock(), True, thread_id="$root")


async def told(
    bot: Spine, newest: RoomMessage, *, waiting: int = 40, mentioning: bool = False
) -> list[Outgoing]:
    """What is said about a backlog."""
    return await bot.give(Backlog(newest, waiting, mentioning=mentioning))


async def test_a_direct_chat_is_told_how_many_wait_in_the_thread_of_the_newest(bot: Spine) -> None:
    [notice] = await told(bot, message(bot))

    assert (notice.room_id, notice.thread_id, notice.generated) == ("!ann", "$root", False)
    assert notice.text == replies.backlog(40)
    assert "40 messages" in notice.text
    assert notice.audience == frozenset({BOT, ANN})


async def test_it_is_no_event_of_the_audit_log_and_takes_no_other_answers_place(
    bot: Spine,
) -> None:
    [notice] = await told(bot, message(bot))
    again = await told(bot, message(bot))
    [answer] = await bot.give(message(bot))

    assert again == [], "the same transaction id is the same notice"
    assert answer.generated
    assert answer.transaction_id != notice.transaction_id
    assert await bot.audited() == [("vault.created", "ok"), ("message.answered", "ok")]


async def test_in_a_shared_room_only_those_count_that_mention_the_bot(bot: Spine) -> None:
    among_others = message(bot, room_id="!all")

    everything = await told(bot, among_others)
    [notice] = await told(bot, replace(among_others, mentions_bot=True), mentioning=True)

    assert everything == []
    assert (notice.reply_to, notice.mention) == ("$newest", ANN)


async def test_in_a_direct_chat_mentions_are_not_counted_again(bot: Spine) -> None:
    assert await told(bot, replace(message(bot), mentions_bot=True), mentioning=True) == []


async def test_those_who_are_not_obeyed_are_not_told(bot: Spine) -> None:
    bot.homeserver.rooms["!left"] = Room("!left", frozenset({BOT, BOB}), encrypted=True)
    bot.homeserver.rooms[AUDIT_ROOM] = replace(bot.homeserver.rooms["!ann"], room_id=AUDIT_ROOM)
    unlisted, gone = message(bot, EVE, "!eve"), message(bot, ANN, "!left")
    forged = replace(message(bot), encrypted=False)
    readable = replace(message(bot, ANN, "!open"), encrypted=False)
    long = replace(message(bot), body="x" * 17_000)
    feed = message(bot, ANN, AUDIT_ROOM)

    said = [await told(bot, one) for one in (unlisted, gone, forged, readable, long, feed)]

    assert said == [[]] * 6


async def test_a_notice_costs_nobody_a_turn(tmp_path: Path) -> None:
    async with spine(tmp_path, configured(limits={"messages_per_minute": "1"})) as bot:
        for _ in range(3):
            await told(bot, message(bot))

        [answer] = await bot.say("hello")

        assert answer.generated


async def test_a_room_that_refuses_the_notice_stops_nothing(bot: Spine) -> None:
    bot.homeserver.broken = HomeserverError("not a member any more")

    assert await told(bot, message(bot)) == []
    assert await bot.audited() == []


async def test_what_waited_its_turn_is_streamed_and_counts_against_the_pace(tmp_path: Path) -> None:
    async with spine(tmp_path, configured(limits={"messages_per_minute": "1"})) as bot:
        first = replace(message(bot), event_id="$1", recovered=True)  # as `fetch` gives it
        bot.homeserver.kept = {"$1": first, "$2": replace(first, event_id="$2")}
        await bot.storage.inbox.accept([("$1", "!ann"), ("$2", "!ann")], "s1")

        [answer] = await bot.give(Unfinished("$1", "!ann", recovered=False))
        [refusal] = await bot.give(Unfinished("$2", "!ann", recovered=False))

        assert (answer.generated, answer.replaces) == (True, None)
        assert refusal.text == replies.TOO_FAST
        assert await bot.storage.inbox.unfinished() == []


async def test_what_was_there_before_a_crash_is_edited_in_and_never_too_fast(
    tmp_path: Path,
) -> None:
    async with spine(tmp_path, configured(limits={"messages_per_minute": "1"})) as bot:
        await bot.say("hello")
        bot.homeserver.kept = {"$newest": replace(message(bot), recovered=True)}

        begun, ended = await bot.give(Unfinished("$newest", "!ann"))

        assert (begun.generated, ended.replaces) == (True, "$sent-1")


async def test_nobody_is_told_that_none_gets_lost_while_the_bot_is_paused(bot: Spine) -> None:
    await bot.storage.access.pause()

    assert await told(bot, message(bot)) == []
