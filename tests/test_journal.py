"""An effect is recorded once, with its details or without, whichever of the two files fails."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.errors import AuditUnavailableError
from bot.journal import SOMEBODY, Journal
from bot.messages import Action, Effect
from storage import AuditEntry, MasterKey, StorageFailure, Vault, audit_log, open_storage

ANN = "@ann:hs"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MADE = Effect(Action.MEMORY_CREATED, target="memory 1")


async def change(vault: Vault) -> None:
    await vault.memories.add("likes tea", origin="person", room_kind="direct")


async def test_a_log_that_cannot_be_written_for_a_moment_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish, failures = audit_log._publish, [StorageFailure("shared.db: it is busy.")]

    async def once(*arguments: object) -> int:
        if failures:
            raise failures.pop()
        return await publish(*arguments)  # type: ignore[arg-type]

    async with open_storage(tmp_path, MasterKey.load("ab" * 32, tmp_path)) as storage:
        journal = Journal(storage.audit_log, now=lambda: NOON)
        monkeypatch.setattr(audit_log, "_publish", once)
        with pytest.raises(AuditUnavailableError, match="busy"):
            async with storage.vaults.open(ANN) as vault:
                await change(vault)
                await journal.of_person(ANN, vault, [MADE])
        async with storage.vaults.open(ANN) as vault:
            found = await storage.audit_log.disclosed(vault)

        assert [(one.entry.actor, one.entry.action) for _, one in found] == [(ANN, MADE.action)]
        assert (await storage.audit_log.verify()).entries == 1


async def test_where_a_vault_is_damaged_the_entry_names_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def damaged(*_: object) -> None:
        raise StorageFailure("vault.db: it is damaged.")

    async with open_storage(tmp_path, MasterKey.load("ab" * 32, tmp_path)) as storage:
        journal = Journal(storage.audit_log, now=lambda: NOON)
        async with storage.vaults.open(ANN) as vault:
            monkeypatch.setattr(Vault, "keep_audit_details", damaged)
            await journal.of_person(ANN, vault, [MADE])
            feed = await storage.audit_log.feed(limit=9)
            rows = await storage.audit_log._database.rows("SELECT actor FROM audit_detail")
            with pytest.raises(StorageFailure, match="damaged"):
                await storage.audit_log.append(AuditEntry(NOON, ANN, "x", "ok"), vault)

    assert [(one.pseudonym, one.action) for one in feed] == [("—", MADE.action)]
    assert [row["actor"] for row in rows] == [SOMEBODY]
