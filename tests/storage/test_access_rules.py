"""What operators decided is kept as they said it last, and names nobody to who has the file."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from storage import AuditEntry, MasterKey, Storage, back_up, open_storage, restore
from tests.storage.conftest import MASTER_SECRET, everything_under, holding

ANN, BOB, EVE, WHOLE = "@ann:x.org", "@bob:x.org", "@eve:x.org", "@*:elsewhere.org"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def test_the_later_word_counts_and_can_be_taken_back(storage: Storage) -> None:
    rules = storage.access
    await rules.allow(ANN)
    await rules.block(WHOLE)
    await rules.block(ANN)

    assert (rules.allowed, rules.blocked) == ((), (WHOLE, ANN))
    await rules.lift(WHOLE)
    await rules.allow(ANN)
    assert (rules.allowed, rules.blocked) == ((ANN,), ())


async def test_rules_and_a_pause_are_there_after_a_restart(
    data: Path, master_key: MasterKey
) -> None:
    async with open_storage(data, master_key, now=lambda: NOON) as storage:
        await storage.access.allow(ANN)
        await storage.access.block(WHOLE)
        await storage.access.pause()
        in_clear = holding(ANN.encode(), everything_under(data))
    async with open_storage(data, master_key, now=lambda: NOON + timedelta(days=1)) as storage:
        rules = storage.access
        found = (rules.allowed, rules.blocked, rules.paused_since)
        await rules.pause()
        still = rules.paused_since
        await rules.lift(ANN)
        await rules.resume()
    async with open_storage(data, master_key) as storage:
        rules = storage.access

        assert (rules.allowed, rules.blocked, rules.paused_since) == ((), (WHOLE,), None)
    assert found == ((ANN,), (WHOLE,), NOON)
    assert still == NOON
    assert in_clear == []


async def test_a_restored_backup_forgets_no_block_and_no_lift(
    data: Path, master_key: MasterKey
) -> None:
    backup = data.with_name("backup")
    async with open_storage(data, master_key, now=lambda: NOON) as storage:
        await storage.audit_log.append(AuditEntry(NOON, "system", "bot.started", "ok"))
        await storage.access.allow(ANN)
        await storage.access.allow(BOB)
        await storage.access.block(WHOLE)
    await back_up(data, MASTER_SECRET, backup)
    async with open_storage(data, master_key, now=lambda: NOON + timedelta(days=1)) as storage:
        await storage.access.block(ANN)
        await storage.access.lift(BOB)
        await storage.access.block(EVE)

    await restore(data, MASTER_SECRET, backup, replace=True)

    async with open_storage(data, master_key) as storage:
        assert storage.access.allowed == ()
        assert {*storage.access.blocked} == {WHOLE, ANN, EVE}


async def test_of_the_rules_of_other_data_the_later_word_counts(
    data: Path, master_key: MasterKey
) -> None:
    backup = data.with_name("backup")
    async with open_storage(data, master_key, now=lambda: NOON) as storage:
        await storage.audit_log.append(AuditEntry(NOON, "system", "bot.started", "ok"))
        await storage.access.allow(ANN)
        await storage.access.block(BOB)
    await back_up(data, MASTER_SECRET, backup)
    shutil.rmtree(data)
    async with open_storage(data, master_key, now=lambda: NOON - timedelta(days=1)) as storage:
        await storage.access.allow(BOB)
    async with open_storage(data, master_key, now=lambda: NOON + timedelta(days=1)) as storage:
        await storage.access.block(ANN)

    await restore(data, MASTER_SECRET, backup, replace=True)

    async with open_storage(data, master_key) as storage:
        assert (storage.access.allowed, storage.access.blocked) == ((), (BOB, ANN))


async def test_a_census_counts_what_is_there_and_what_waits(
    data: Path, master_key: MasterKey
) -> None:
    async with open_storage(data, master_key, now=lambda: NOON) as storage:
        async with storage.vaults.open(ANN):
            pass
        await storage.inbox.accept([("$1", "!a"), ("$2", "!a")], "s", waiting=[("$3", "!a")])
        await storage.inbox.finish("$1")
        await storage.withdrawals.add([("$4", "!a"), ("$5", "!a")])
        for hours in (30, 3):
            await storage.audit_log.append(
                AuditEntry(
                    occurred_at=NOON - timedelta(hours=hours),
                    actor="system",
                    action="message.undecryptable",
                    outcome="failed",
                    target="",
                    facts={},
                )
            )
        census = await storage.census(since=NOON - timedelta(days=1))

    assert (census.vaults, census.unfinished, census.waiting) == (1, 1, 1)
    assert (census.withdrawals, census.searches) == (2, 0)
    assert (census.audit_entries, census.unposted, census.undecryptable) == (2, 2, 1)
    assert census.bytes > 100_000
    assert census.free > 0
    assert census.sqlite.startswith("3.")
    assert census.sqlcipher.startswith("4.")


async def test_the_last_day_of_somebody_is_that_of_their_own_words(storage: Storage) -> None:
    async with storage.vaults.open(ANN) as vault:
        assert await vault.last_said() is None
