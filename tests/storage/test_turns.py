"""Turns: one an event, in order, replaced and erased without a trace."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from storage.database import Database
from storage.memories import Memories
from storage.taking_back import TakingBack
from storage.turns import Turn, Turns
from tests.storage.conftest import holding
from tests.storage.test_answers import use

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def turns(database: Database) -> Turns:
    return Turns(database)


async def say(
    turns: Turns, event_id: str, text: str = "hello", *, room: str = "!r", thread: str | None = None
) -> int:
    return await turns.add(
        event_id=event_id,
        room_id=room,
        room_kind="direct",
        role="user",
        text=text,
        said_at=NOON,
        thread_id=thread,
    )


async def answer(turns: Turns, event_id: str, to: str, text: str = "hi") -> int:
    return await turns.add(
        event_id=event_id,
        room_id="!r",
        room_kind="direct",
        role="assistant",
        text=text,
        said_at=NOON,
        answers_event_id=to,
        model="m",
        gateway_host="h",
        prompt_tokens=3,
        completion_tokens=4,
    )


async def test_a_turn_comes_back_as_it_was(turns: Turns) -> None:
    await say(turns, "$q")
    turn_id = await answer(turns, "$a", "$q")

    got = await turns.get("$a")

    assert got == Turn(
        turn_id=turn_id,
        event_id="$a",
        room_id="!r",
        room_kind="direct",
        thread_id=None,
        role="assistant",
        text="hi",
        said_at=NOON,
        answers_event_id="$q",
        model="m",
        gateway_host="h",
        prompt_tokens=3,
        completion_tokens=4,
    )
    assert await turns.get("$none") is None


async def test_times_are_kept_in_utc(turns: Turns) -> None:
    eastern = NOON.astimezone(timezone(timedelta(hours=-5)))
    await turns.add(
        event_id="$q", room_id="!r", room_kind="direct", role="user", text="", said_at=eastern
    )

    got = await turns.get("$q")

    assert got is not None
    assert (got.said_at, got.said_at.tzinfo) == (NOON, UTC)


async def test_the_same_event_again_replaces_the_text_and_keeps_its_place(turns: Turns) -> None:
    first = await say(turns, "$1", "grow")
    await say(turns, "$2")

    again = await say(turns, "$1", "grown")

    assert again == first
    assert [turn.text for turn in await turns.recent("!r", limit=9)] == ["grown", "hello"]
    assert await turns.count() == 2


async def test_recent_turns_are_of_the_room_oldest_first(turns: Turns) -> None:
    for number in range(6):
        await say(turns, f"${number}", str(number), room="!r" if number % 2 else "!other")

    assert [turn.text for turn in await turns.recent("!r", limit=2)] == ["3", "5"]
    assert await turns.recent("!none", limit=2) == []


async def test_a_thread_is_its_root_and_what_is_in_it(turns: Turns) -> None:
    await say(turns, "$root", "root")
    await say(turns, "$aside", "aside")
    await say(turns, "$in", "in", thread="$root")
    await say(turns, "$away", "away", room="!other", thread="$root")

    thread = await turns.recent("!r", limit=9, thread_id="$root")
    room = await turns.recent("!r", limit=9)

    assert [turn.text for turn in thread] == ["root", "in"]
    assert [turn.text for turn in room] == ["root", "aside", "in"]


async def test_an_edited_message_leaves_nothing_of_what_it_said(
    turns: Turns, database: Database
) -> None:
    taking_back = TakingBack(database)
    for number in range(30):
        await say(turns, f"${number}", f"canary8d41 {number} " * 20)

    replaced = [
        await taking_back.words(f"${number}", "changed", lambda quote: False)
        for number in range(30)
    ]

    assert [one.messages for one in replaced] == [1] * 30
    assert not await taking_back.words("$none", "x", lambda quote: False)
    assert holding(b"canary8d41", database.files()) == []


async def test_erasing_a_message_takes_what_was_learned_from_it_alone(
    turns: Turns, database: Database
) -> None:
    memories = Memories(database)
    for event_id, text in (("$1", "canary8d41 one"), ("$2", "stays")):
        await say(turns, event_id, text)
        await memories.add(
            f"learned: {text}", origin="model", room_kind="direct", source_event_id=event_id
        )
    await answer(turns, "$a", "$1", "canary8d41 answered")
    await use(database, "$used", memories=(1, 2), turns=(1, 2))

    deleted = await turns.delete(["$1", "$a", "$used", "$none"])

    assert deleted == 3
    assert [turn.text for turn in await turns.recent("!r", limit=9)] == ["stays"]
    assert [memory.text for memory in await memories.page(limit=9)] == ["learned: stays"]
    assert await turns.used_by("$used") == []
    assert await memories.used_by("$used") == []
    assert holding(b"canary8d41", database.files()) == []
