"""A message that is handled again after a crash teaches nothing twice."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.learning import Kept
from bot.messages import Room, RoomMessage
from bot.saving import Became, Place
from storage import MasterKey, Vault, open_storage

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DIRECT = Room("!r", frozenset({"@bot:x", "@ann:x"}), encrypted=True)
ROME, OSLO, BERGEN = (
    Kept(f"Lives in {town}", f"I live in {town}") for town in ("Rome", "Oslo", "Bergen")
)


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Vault]:
    key = MasterKey.load("ab" * 32, tmp_path)
    async with open_storage(tmp_path, key) as storage, storage.vaults.open("@ann:x") as opened:
        yield opened


def place(vault: Vault, event_id: str) -> Place:
    return Place(RoomMessage(event_id, "!r", "@ann:x", "", NOON, True), DIRECT, vault)


async def test_it_saves_once_and_says_so_again(vault: Vault) -> None:
    first = await place(vault, "$1").save(ROME)
    again = await place(vault, "$1").save(ROME)

    assert first == again
    assert first.became is Became.SAVED
    assert await vault.memories.count() == 1


async def test_it_changes_once_and_says_so_again(vault: Vault) -> None:
    await place(vault, "$1").save(ROME)
    first = await place(vault, "$2").save(OSLO)
    again = await place(vault, "$2").save(OSLO)
    by_number = await place(vault, "$2").change(again.memory, OSLO)

    assert [one.became for one in (first, again, by_number)] == [Became.UPDATED] * 3
    assert [one.text for one in await vault.memories.revisions(1)] == ["Lives in Rome"]


@pytest.mark.parametrize("late", ["$1", "$2"])
async def test_it_does_not_bring_back_what_was_changed_since(vault: Vault, late: str) -> None:
    for event_id, kept in (("$1", ROME), ("$2", OSLO), ("$3", BERGEN)):
        await place(vault, event_id).save(kept)

    again = await place(vault, late).save(ROME if late == "$1" else OSLO)

    assert again.became is Became.KNOWN
    assert [one.text for one in await vault.memories.page(limit=9)] == ["Lives in Bergen"]


async def test_it_proposes_once(vault: Vault) -> None:
    first = await place(vault, "$1").propose(ROME)
    again = await place(vault, "$1").propose(ROME)

    assert first == again
    assert (first.became, first.memory.memory_id) == (Became.PENDING, 1)
