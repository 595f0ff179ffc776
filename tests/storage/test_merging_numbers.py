"""A file chooses no numbers here: those that it names are no reason why a later one is refused."""

from typing import Any

import pytest

from storage import Vault, checked
from storage.incoming import LARGEST
from storage.merge_plan import KEPT
from tests.hostile_exports import MEMORY
from tests.storage.test_merging import NOW, an_empty_vault, brought_in, turn
from tests.storage.vault_tables import through_json

REVISION: dict[str, Any] = {"memory_id": LARGEST, "text": "I lived in Rome", "quote": ""}
REVISION |= {"changed_by": "person", "changed_at": MEMORY["created_at"]}
REVISION |= dict.fromkeys(("source_event_id", "source_room_id", "valid_until"))


def numbered(turns: int, others: int = LARGEST) -> dict[str, list[dict[str, Any]]]:
    """An export whose numbers are as large, or as low, as they may be."""
    return {
        "turn": [
            turn("$first", turns - 1),
            turn("$second", turns, role="assistant", answers_event_id="$first"),
        ],
        "turn_part": [{"event_id": "$part", "turn_id": turns}],
        "turn_use": [{"answer_event_id": "$second", "turn_id": turns - 1}],
        "memory": [
            {**MEMORY, "memory_id": others - 1, "status": "superseded", "superseded_by": others},
            {**MEMORY, "memory_id": others, "text": "I live in Bergen"},
        ],
        "memory_revision": [{**REVISION, "memory_id": others, "revision_id": others}],
    }


async def said_and_typed(vault: Vault) -> None:
    """Numbers of the vault's own come after those that are there."""
    said: dict[str, Any] = {"room_id": "!r", "room_kind": "direct", "role": "user", "said_at": NOW}
    await vault.turns.add(event_id="$here", text="hello", **said)
    kept = await vault.memories.add("I like tea", origin="person", room_kind="direct")
    await vault.memories.edit(kept.memory_id, "I like green tea", changed_by="person")


@pytest.mark.parametrize("is_own", [True, False])
@pytest.mark.parametrize("turns", [LARGEST, 1 - LARGEST])
async def test_after_any_file_the_vault_has_small_numbers_and_its_export_comes_back(
    turns: int, is_own: bool
) -> None:
    async with an_empty_vault() as vault, an_empty_vault() as later:
        await brought_in(vault, numbered(turns), is_own=is_own)
        await said_and_typed(vault)

        exported = await vault.export()
        again = await brought_in(later, exported)

        assert [row["turn_id"] for row in exported["turn"]] == [1, 2, 3]
        assert [row["event_id"] for row in exported["turn"]] == ["$first", "$second", "$here"]
        assert exported["turn_part"] == [{"event_id": "$part", "turn_id": 2}]
        assert exported["turn_use"] == [{"answer_event_id": "$second", "turn_id": 1}]
        assert [row["memory_id"] for row in exported["memory"]] == [1, 2, 3]
        assert exported["memory"][0]["superseded_by"] == 2
        revised = [(row["revision_id"], row["memory_id"]) for row in exported["memory_revision"]]
        assert revised == [(1, 2), (2, 3)]
        assert again.is_restored
        assert await later.export() == exported


async def test_before_what_is_here_turns_stand_one_below_the_other() -> None:
    async with an_empty_vault() as vault:
        await said_and_typed(vault)

        await brought_in(vault, numbered(LARGEST))

        exported = await vault.export()
        assert [row["turn_id"] for row in exported["turn"]] == [-1, 0, 1]
        assert {row["memory_id"] for row in exported["memory"]} == {1, 2, 3}
        checked(through_json(exported))


@pytest.mark.parametrize("highest", [10**9, 10**12])
async def test_a_vault_with_the_numbers_of_an_earlier_file_comes_back(highest: int) -> None:
    async with an_empty_vault() as vault, an_empty_vault() as later:
        async with vault._database.transaction() as transaction:
            await transaction.execute("INSERT INTO sqlite_sequence VALUES ('memory', ?)", highest)
        await said_and_typed(vault)
        exported = await vault.export()
        exported["turn"][0]["turn_id"] = highest + 1

        merged = await brought_in(later, exported)

        assert exported["memory"][0]["memory_id"] == highest + 1
        assert merged.is_restored
        [memory] = await later.memories.page(limit=9)
        assert (memory.memory_id, memory.text) == (1, "I like green tea")
        assert [row["turn_id"] for row in (await later.export())["turn"]] == [1]


async def test_what_is_restored_has_the_numbers_that_it_had() -> None:
    async with an_empty_vault() as vault:
        await brought_in(vault, numbered(-KEPT + 1, KEPT))

        exported = await vault.export()

        assert [row["turn_id"] for row in exported["turn"]] == [-KEPT, -KEPT + 1]
        assert [row["memory_id"] for row in exported["memory"]] == [KEPT - 1, KEPT]
        assert [row["revision_id"] for row in exported["memory_revision"]] == [KEPT]
