"""What was changed in a vault is recorded once, whichever of its openings fails, and when."""

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from storage import AuditEntry, MasterKey, Storage, StorageFailure, Vault, open_storage, unrecorded
from storage.clock import utc_now
from storage.database import Database, Transaction

ANN = "@ann:hs"
CREATED = ("memory.created", "memory 1")


class BrokenError(Exception):
    """Something of whoever used the vault."""


def entry(action: str = "memory.created", target: str = "memory 1") -> AuditEntry:
    return AuditEntry(utc_now(), ANN, action, "ok", target)


async def change(vault: Vault) -> None:
    await vault.memories.add("likes tea", origin="person", room_kind="direct")


async def recorded(storage: Storage, action: str = "memory.created") -> list[bool]:
    """Of each entry about such an action, whether it was recorded belatedly."""
    async with storage.vaults.open(ANN) as vault:
        found = await storage.audit_log.disclosed(vault)
    return [
        bool(one.entry.facts.get("recovered")) for _, one in found if one.entry.action == action
    ]


@pytest.fixture(autouse=True)
async def made(storage: Storage) -> None:
    async with storage.vaults.open(ANN) as vault:
        await storage.audit_log.append(entry("vault.created", ""), vault)


async def test_what_one_opening_changed_is_not_taken_for_recorded_by_another(
    storage: Storage,
) -> None:
    with pytest.raises(BrokenError):
        async with storage.vaults.open(ANN) as first:
            await change(first)
            async with storage.vaults.open(ANN) as second:
                await storage.audit_log.append(entry("settings.changed", ""), second)
            raise BrokenError

    assert await recorded(storage) == [True]
    assert await recorded(storage) == [True], "once"


async def test_what_a_living_opening_changed_is_left_to_it(storage: Storage) -> None:
    async with storage.vaults.open(ANN) as first:
        await change(first)
        with pytest.raises(BrokenError):
            async with storage.vaults.open(ANN):
                raise BrokenError
        async with storage.vaults.open(ANN):
            pass  # settles what the second may have left
        await storage.audit_log.append(entry(), first)

    assert await recorded(storage) == [False]


@pytest.mark.parametrize("moment", ["before the look", "after the look"])
async def test_an_opening_that_fails_while_another_settles_loses_nothing(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    changed, may_fail = asyncio.Event(), asyncio.Event()

    async def failing() -> None:
        async with storage.vaults.open(ANN) as vault:
            await change(vault)
            changed.set()
            await may_fail.wait()
            raise BrokenError

    first, left = asyncio.create_task(failing()), unrecorded.left
    await changed.wait()

    async def slowly(transaction: Transaction, alive: Collection[str]) -> list[tuple[str, str]]:
        found = await left(transaction, alive)
        may_fail.set()
        await asyncio.wait([first])
        return found if moment == "after the look" else await left(transaction, alive)

    with pytest.raises(BrokenError):
        async with storage.vaults.open(ANN):
            raise BrokenError
    with monkeypatch.context() as patch:
        patch.setattr(unrecorded, "left", slowly)
        async with storage.vaults.open(ANN):
            pass

    assert first.done()
    assert await recorded(storage) == [True]


@contextmanager
def unwritable() -> Iterator[None]:
    """shared.db can't be written meanwhile; the vaults can."""
    transaction = Database.transaction

    def refused(self: Database) -> Any:
        if self.path.name == "shared.db":
            raise StorageFailure("shared.db: the disk is full.")
        return transaction(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "transaction", refused)
        yield


async def fail_to_publish(storage: Storage) -> None:
    async with storage.vaults.open(ANN) as vault:
        await change(vault)
        with unwritable():
            for one in (entry(), entry("export.created", "")):
                with pytest.raises(StorageFailure):
                    await storage.audit_log.append(one, vault)


async def test_what_could_not_be_published_is_not_given_up_for_what_comes_next(
    storage: Storage,
) -> None:
    await fail_to_publish(storage)
    with pytest.raises(BrokenError):
        async with storage.vaults.open(ANN) as vault:
            await storage.audit_log.append(entry("settings.changed", ""), vault)
            raise BrokenError

    assert await recorded(storage) == [False]
    assert await recorded(storage, "export.created") == [False]
    assert (await storage.audit_log.verify()).entries == 4


async def test_what_could_not_be_published_is_after_a_restart(
    tmp_path: Path, master_key: MasterKey
) -> None:
    async with open_storage(tmp_path / "other", master_key) as other:
        await fail_to_publish(other)
    async with open_storage(tmp_path / "other", master_key) as other:
        assert await recorded(other) == [False]
        assert await recorded(other, "export.created") == [False]


@contextmanager
def cancelling(statement: int) -> Iterator[None]:
    """Cancel whoever is at the statement of this number, while it waits for the database.

    By statements and not by time: the threads of the databases are faster or slower than the loop.
    """
    run: Any = aiosqlite.Connection._execute
    due = iter([False] * statement + [True])

    async def cancelled(self: aiosqlite.Connection, *call: Any, **options: Any) -> Any:
        task = asyncio.current_task()
        if next(due, False) and task is not None:
            task.cancel()
        return await run(self, *call, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aiosqlite.Connection, "_execute", cancelled)
        yield


async def test_cancelled_between_the_halves_nothing_is_lost_or_doubled(storage: Storage) -> None:
    cancelled = list[bool]()
    while not cancelled or cancelled[-1]:
        statement = len(cancelled)
        with pytest.raises(BrokenError):
            async with storage.vaults.open(ANN) as vault:
                one = entry("export.created", f"{statement}")
                with cancelling(statement):
                    task = asyncio.create_task(storage.audit_log.append(one, vault))
                    await asyncio.wait([task])
                cancelled.append(task.cancelled())
                await storage.audit_log.append(entry("settings.changed", ""), vault)
                raise BrokenError
    async with storage.vaults.open(ANN) as vault:
        held = (await vault.counts()).audit_entries
        found = await storage.audit_log.disclosed(vault)

    targets = {one.entry.target for _, one in found if one.entry.action == "export.created"}
    assert cancelled.index(False) > 10
    assert "0" not in targets, "nothing is recorded of what was not begun"
    assert len(targets) > 2, "some were cancelled between the halves"
    assert len(found) == held
    assert len({one.commitment for _, one in found}) == held


async def test_marks_go_once_what_they_mark_is_public(storage: Storage) -> None:
    async with storage.vaults.open(ANN) as vault:
        for number in range(5):
            await storage.audit_log.append(entry("export.created", f"{number}"), vault)
        database = vault._database
        left = await database.value("SELECT count(*) FROM unpublished")

    assert left == 1
