"""What a file says was said or done later than now was said or done now: it has to grow old."""

from datetime import timedelta
from typing import Any

import pytest

from storage.clock import to_text
from tests.hostile_exports import MEMORY
from tests.storage.test_merging import NOW, an_empty_vault, brought_in, turn

LATER, BEFORE = to_text(NOW + timedelta(days=9_000)), to_text(NOW - timedelta(days=1))
OF_A_MEMORY: dict[str, dict[str, Any]] = {
    "memory_said": {"event_id": "$e", "room_id": "!r", "quote": "", "said_at": LATER},
    "memory_share": {"room_id": "!r", "shared_at": LATER},
    "memory_use": {"answer_event_id": "$late", "used_at": LATER},
    "memory_revision": {"revision_id": 1, "text": "", "changed_by": "person", "changed_at": LATER}
    | {"quote": "", "source_event_id": None, "source_room_id": None, "valid_until": None},
}


@pytest.mark.parametrize("is_own", [True, False])
async def test_nothing_is_said_or_done_later_than_now(is_own: bool) -> None:
    memory = {**MEMORY, "created_at": BEFORE, "updated_at": LATER, "valid_until": LATER}
    tables = {
        "turn": [turn("$late", said_at=LATER), turn("$before", 2, said_at=BEFORE)],
        "memory": [memory],
        **{table: [{**row, "memory_id": 1}] for table, row in OF_A_MEMORY.items()},
    }
    async with an_empty_vault() as vault:
        await brought_in(vault, tables, is_own=is_own)
        once = await vault.export()

        now = to_text(NOW)
        assert {row["event_id"]: row["said_at"] for row in once["turn"]} == {
            "$late": now,
            "$before": BEFORE,
        }
        [kept] = once["memory"]
        assert [kept[name] for name in ("created_at", "updated_at")] == [BEFORE, now]
        assert kept["valid_until"] == LATER
        times = {
            (table, column): row[column]
            for table in OF_A_MEMORY
            for row in once[table]
            for column in row
            if column.endswith("_at")
        }
        assert len(times) == len(OF_A_MEMORY) - (not is_own)  # sharing is no stranger's to bring
        assert set(times.values()) == {now}


async def test_what_is_said_later_than_now_goes_when_messages_of_now_do() -> None:
    async with an_empty_vault() as vault:
        await brought_in(vault, {"turn": [turn("$late", said_at=LATER)]}, is_own=False)

        assert await vault.taking_back.before(NOW + timedelta(seconds=1)) == 1


@pytest.mark.parametrize("is_own", [True, False])
async def test_nothing_is_said_or_done_before_1970(is_own: bool) -> None:
    early, first = "0001-01-01T00:00:00.000000+00:00", "1970-01-01T00:00:00.000000+00:00"
    dates = {"said_at", "shared_at", "used_at", "changed_at"}
    tables = {
        "turn": [turn("$late", said_at=early)],
        "memory": [{**MEMORY, "created_at": early, "updated_at": early}],
        **{
            table: [{**row, "memory_id": 1} | dict.fromkeys(dates & row.keys(), early)]
            for table, row in OF_A_MEMORY.items()
        },
    }
    async with an_empty_vault() as vault:
        await brought_in(vault, tables, is_own=is_own)
        once = await vault.export()

    times = [
        row[name] for rows in once.values() for row in rows for name in row if name.endswith("_at")
    ]
    assert set(times) == {first}
    assert len(times) == 6 + is_own
