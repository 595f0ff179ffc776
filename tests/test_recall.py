"""What the model is reminded of: in budget, newest turns without a gap, nothing twice."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.messages import Room, RoomMessage
from bot.preferences import Mode
from bot.recall import recall, tokens_in
from storage import MasterKey, Vault, open_storage

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
DIRECT = Room("!r", frozenset({"@bot:x", "@ann:x"}), encrypted=True)
SHARED = Room("!s", frozenset({"@bot:x", "@ann:x", "@bob:x"}), encrypted=True)


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Vault]:
    async with (
        open_storage(tmp_path, MasterKey.load("ab" * 32, tmp_path)) as storage,
        storage.vaults.open("@ann:x") as opened,
    ):
        yield opened


def asked(body: str, room: Room = DIRECT) -> RoomMessage:
    return RoomMessage("$asked", room.room_id, "@ann:x", body, NOON + timedelta(days=1), True)


async def say(vault: Vault, number: int, text: str, room: Room = DIRECT) -> None:
    await vault.turns.add(
        event_id=f"${number}",
        room_id=room.room_id,
        room_kind=room.kind,
        role="user",
        text=text,
        said_at=NOON + timedelta(minutes=number),
    )


async def test_everything_together_stays_in_the_budget(vault: Vault) -> None:
    for number in range(40):
        await say(vault, number, f"the papaya number {number} " * 5)
        await vault.memories.add(f"likes papaya {number} " * 3, origin="person", room_kind="direct")

    for tokens in (0, 50, 200, 1000):
        found = await recall(asked("papaya?"), DIRECT, vault, tokens=tokens)
        size = sum(
            tokens_in(one.text)
            for part in (found.memories, found.earlier, found.recent)
            for one in part
        )
        assert size <= tokens


async def test_a_long_memory_makes_way_for_shorter_ones(vault: Vault) -> None:
    await vault.memories.add("short", origin="person", room_kind="direct")
    await vault.memories.add("long " * 100, origin="person", room_kind="direct")

    found = await recall(asked("hello"), DIRECT, vault, tokens=60)

    assert [one.text for one in found.memories] == ["short"]


async def test_recent_turns_end_where_the_budget_does_and_have_no_gap(vault: Vault) -> None:
    for number, text in enumerate(("first", "x" * 400, "third", "fourth")):
        await say(vault, number, text)

    found = await recall(asked("hello"), DIRECT, vault, tokens=90)

    assert [one.text for one in found.recent] == ["third", "fourth"]


async def test_nothing_is_told_twice_and_the_question_not_at_all(vault: Vault) -> None:
    for number in range(30):
        await say(vault, number, f"papaya {number}")
    await vault.turns.add(
        event_id="$asked",
        room_id="!r",
        room_kind="direct",
        role="user",
        text="papaya?",
        said_at=NOON + timedelta(days=1),
    )

    found = await recall(asked("papaya?"), DIRECT, vault, tokens=2000)

    told = [one.event_id for one in (*found.earlier, *found.recent)]
    assert len(found.recent) == 12
    assert found.earlier
    assert len(set(told)) == len(told)
    assert "$asked" not in told


async def test_a_room_that_was_shared_later_keeps_what_was_said_between_two(vault: Vault) -> None:
    once_direct = Room("!s", frozenset({"@bot:x", "@ann:x"}), encrypted=True)
    await say(vault, 1, "the canary between two", once_direct)
    await say(vault, 2, "the canary among others", SHARED)

    found = await recall(asked("canary?", SHARED), SHARED, vault, tokens=2000)

    assert [one.text for one in (*found.earlier, *found.recent)] == ["the canary among others"]


async def test_whoever_turned_memory_off_is_reminded_of_this_room_alone(vault: Vault) -> None:
    elsewhere = Room("!elsewhere", DIRECT.members, encrypted=True)
    await say(vault, 1, "the papaya elsewhere", elsewhere)
    await say(vault, 2, "the papaya here")
    await vault.memories.add("likes papaya", origin="person", room_kind="direct")

    found = await recall(asked("papaya?"), DIRECT, vault, tokens=2000, mode=Mode.OFF)

    assert (found.memories, found.earlier) == ((), ())
    assert [one.text for one in found.recent] == ["the papaya here"]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("four letters make one", 5.25), ("我喜欢木瓜", 5), ("파파야 ok", 3.75)],
)
def test_a_letter_of_a_script_without_spaces_is_a_token(text: str, tokens: float) -> None:
    assert tokens_in(text) == tokens
