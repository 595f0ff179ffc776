"""One vault: settings, usage, counts, and an export that leaves nothing out."""

import json
from datetime import UTC, date, datetime

from storage import AuditEntry, Storage
from tests.storage.test_answers import answer

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TODAY, TOMORROW = date(2026, 11, 23), date(2026, 11, 24)


async def test_a_setting_is_kept_and_replaced(storage: Storage) -> None:
    async with storage.vaults.open("@a:hs") as vault:
        before = await vault.setting("mode")
        await vault.set_setting("mode", "ask")
        await vault.set_setting("mode", "off")

        assert before is None
        assert await vault.setting("mode") == "off"


async def test_counts_tell_what_is_stored_and_its_size(storage: Storage) -> None:
    async with storage.vaults.open("@a:hs") as vault:
        await vault.memories.add("a", origin="person", room_kind="direct")
        await vault.turns.add(
            event_id="$1", room_id="!r", room_kind="direct", role="user", text="a", said_at=NOON
        )
        entry = AuditEntry(NOON, "@a:hs", "memory.created", "ok", "memory 1")
        await storage.audit_log.append(entry, vault)

        counts = await vault.counts()

        assert (counts.memories, counts.turns, counts.audit_entries) == (1, 1, 1)
        assert counts.bytes > 4096


async def test_an_export_has_every_row_of_every_table_and_nothing_derived(
    storage: Storage,
) -> None:
    async with storage.vaults.open("@a:hs") as vault:
        await vault.memories.add("a fact", origin="person", room_kind="direct")
        await vault.memories.edit(1, "another", changed_by="person")
        await vault.turns.add(
            event_id="$1", room_id="!r", room_kind="direct", role="user", text="hey", said_at=NOON
        )
        await vault.answers.keep(answer(memory_ids=[1], turn_ids=[1]))
        await vault.set_setting("mode", "auto")
        done = (
            ("memory.created", "memory 1"),
            ("memory.updated", "memory 1"),
            ("settings.changed", ""),
        )
        entries = [AuditEntry(NOON, "@a:hs", action, "ok", about) for action, about in done]
        await storage.audit_log.record(entries, vault)

        export = await vault.export()

    assert set(export) == {
        "audit_detail",
        "memory",
        "memory_revision",
        "memory_said",
        "memory_share",
        "memory_use",
        "notice",
        "setting",
        "turn",
        "turn_part",
        "turn_use",
        "usage",
    }
    assert {table: len(rows) for table, rows in export.items() if len(rows) != 1} == {
        "audit_detail": 3,
        "memory_said": 0,
        "memory_share": 0,
        "notice": 0,
        "turn": 2,
        "turn_part": 0,
    }
    assert export["turn"][0]["text"] == "hey"
    assert export["memory_revision"][0]["text"] == "a fact"
    assert bytes.fromhex(export["audit_detail"][0]["salt"])
    assert json.loads(json.dumps(export)) == export


async def test_search_is_of_this_vault(storage: Storage) -> None:
    async with storage.vaults.open("@a:hs") as mine, storage.vaults.open("@b:hs") as other:
        await mine.memories.add("likes papaya", origin="person", room_kind="direct")

        assert [hit.memory.text for hit in await mine.search.memories("papaya")] == ["likes papaya"]
        assert await other.search.memories("papaya") == []


async def test_counts_tell_the_parts(storage: Storage) -> None:
    async with storage.vaults.open("@a:hs") as vault:
        await vault.memories.add("a", origin="person", room_kind="direct")
        await vault.memories.add("b", origin="model", room_kind="direct", status="pending")
        await vault.set_setting("private !r:hs", "on")
        await vault.set_setting("private !s:hs", "off")
        nothing = (await vault.counts()).oldest
        await vault.turns.add(
            event_id="$1", room_id="!r", room_kind="direct", role="user", text="a", said_at=NOON
        )
        counts = await vault.counts()

    assert nothing is None
    assert (counts.memories, counts.pending) == (2, 1)
    assert (counts.settings, counts.private_rooms, counts.oldest) == (2, 1, TODAY)
