"""`!forget everything`: the key first, resumable wherever it is cut, and nothing comes back."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from storage import MasterKey, Storage, StorageFailure, VaultGone, open_storage
from storage.keyring import BLANK, SLOT_BYTES
from tests.storage.conftest import MASTER_SECRET, everything_under, holding

USER = "@alice:hs"

# Destroys a vault and is killed at the named moment. The hooks stand in for a power cut.
CHILD = """
import asyncio, os, signal, sys
from pathlib import Path
from storage import MasterKey, open_storage
from storage.keyring import Keyring
from storage.tenants import Tenants

data, secret, user, moment = Path(sys.argv[1]), *sys.argv[2:]
die = lambda: os.kill(os.getpid(), signal.SIGKILL)
erase, remove, release = Keyring.erase, Tenants.remove, Keyring.release

def dying_erase(keyring, slot):
    moment == "before the key" and die()
    erase(keyring, slot)
    moment == "after the key" and die()

async def dying_remove(tenants, vault_id):
    moment == "after the files" and die()
    await remove(tenants, vault_id)
    moment == "after the row" and die()

def on_remove(event, arguments):
    if event == "os.remove" and str(arguments[0]).endswith(moment):
        die()

async def main():
    async with open_storage(data, MasterKey.load(secret, data)) as storage:
        async with storage.vaults.open(user) as vault:
            await vault.memories.add("canary", origin="person", room_kind="direct")
            Keyring.erase, Tenants.remove = dying_erase, dying_remove
            sys.addaudithook(on_remove)
            await storage.vaults.destroy(user)

asyncio.run(main())
"""


async def fill(storage: Storage, user_id: str = USER) -> None:
    async with storage.vaults.open(user_id) as vault:
        for number in range(5):
            await vault.memories.add(f"fact {number}", origin="person", room_kind="direct")


def slots_used(data: Path) -> int:
    content = (data / "keyring").read_bytes()
    slots = [content[at : at + SLOT_BYTES] for at in range(0, len(content), SLOT_BYTES)]
    return sum(slot != BLANK for slot in slots)


async def test_a_destroyed_vault_is_gone_and_its_owner_may_start_again(
    storage: Storage, data: Path
) -> None:
    await fill(storage)
    await fill(storage, "@bob:hs")
    async with storage.vaults.open(USER) as vault:
        pseudonym = vault.pseudonym

    destroyed = await storage.vaults.destroy(USER)

    assert (destroyed.memories, destroyed.turns) == (5, 0)
    assert destroyed.bytes > 4096
    assert not await storage.vaults.exists(USER)
    assert await storage.vaults.who(pseudonym) is None
    assert slots_used(data) == 1
    assert len({path.name[:32] for path in (data / "vaults").iterdir()}) == 1
    assert holding(pseudonym.encode(), everything_under(data)) == []
    async with storage.vaults.open(USER) as vault:
        assert vault.is_new
        assert await vault.memories.count() == 0
    async with storage.vaults.open("@bob:hs") as vault:
        assert await vault.memories.count() == 5


async def test_destroying_twice_or_nothing_is_harmless(storage: Storage) -> None:
    await fill(storage)
    await storage.vaults.destroy(USER)

    again = await storage.vaults.destroy(USER)

    assert (again.memories, again.turns, again.bytes) == (0, 0, 0)


async def test_whoever_still_holds_the_old_handle_writes_nothing_any_more(
    storage: Storage,
) -> None:
    async with storage.vaults.open(USER) as mine, storage.vaults.open(USER) as others:
        await storage.vaults.destroy(USER)

        for vault in (mine, others):
            with pytest.raises(VaultGone):
                await vault.memories.add("late", origin="person", room_kind="direct")
            with pytest.raises(VaultGone):
                await vault.search.memories("late")
        async with storage.vaults.open(USER) as fresh:
            await fresh.memories.add("new life", origin="person", room_kind="direct")
            assert await fresh.memories.count() == 1
    async with storage.vaults.open(USER) as fresh:
        assert await fresh.memories.count() == 1


async def test_work_in_flight_during_a_destruction_leaves_nothing(storage: Storage) -> None:
    async def busy(number: int) -> None:
        async with storage.vaults.open(USER) as vault:
            for part in range(10):
                text = f"{number} {part}"
                await vault.memories.add(text, origin="person", room_kind="direct")

    for ticks in (0, 5, 10, 20, 30, 50, 100, 150, 200):
        workers = [asyncio.create_task(busy(number)) for number in range(4)]
        for _ in range(ticks):
            await asyncio.sleep(0)
        await storage.vaults.destroy(USER)
        results = await asyncio.gather(*workers, return_exceptions=True)
        assert all(result is None or isinstance(result, StorageFailure) for result in results)
        await storage.vaults.destroy(USER)
        async with storage.vaults.open(USER) as vault:
            assert await vault.memories.count() == 0


async def test_two_who_destroy_at_once_both_succeed(storage: Storage) -> None:
    await fill(storage)

    results = await asyncio.gather(*(storage.vaults.destroy(USER) for _ in range(5)))

    assert sorted(result.memories for result in results) == [0, 0, 0, 0, 5]


async def test_a_vault_that_cannot_be_opened_is_destroyed_all_the_same(
    data: Path, master_key: MasterKey
) -> None:
    async with open_storage(data, master_key) as storage:
        await fill(storage)
    [file] = (data / "vaults").iterdir()
    file.write_bytes(os.urandom(8192))

    async with open_storage(data, master_key) as storage:
        destroyed = await storage.vaults.destroy(USER)

        assert (destroyed.memories, destroyed.bytes) == (0, 8192)
    assert slots_used(data) == 0
    assert list((data / "vaults").iterdir()) == []


async def test_a_cancelled_destruction_is_finished_by_the_next_visit(
    storage: Storage, data: Path
) -> None:
    for ticks in range(80):
        await fill(storage)
        task = asyncio.create_task(storage.vaults.destroy(USER))
        for _ in range(ticks):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        async with storage.vaults.open(USER) as vault:
            assert await vault.memories.count() in {0, 5}
        await storage.vaults.destroy(USER)
        assert not await storage.vaults.exists(USER)
    assert slots_used(data) == 0
    assert list((data / "vaults").iterdir()) == []


@pytest.mark.parametrize(
    "moment",
    [
        "before the key",
        "after the key",
        ".db",
        ".db-wal",
        ".db-shm",
        "after the files",
        "after the row",
    ],
)
async def test_killed_in_the_middle_it_is_finished_at_the_next_start(
    data: Path, master_key: MasterKey, moment: str
) -> None:
    command = [sys.executable, "-c", CHILD, str(data), MASTER_SECRET, USER, moment]
    killed = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()

    async with open_storage(data, master_key) as storage:
        survived = await storage.vaults.exists(USER)
        await fill(storage, "@bob:hs")

        assert survived == (moment == "before the key")
        assert slots_used(data) == 1 + survived
        assert len(list((data / "vaults").glob("*.db"))) == 1 + survived
        async with storage.vaults.open(USER) as vault:
            assert await vault.memories.count() == (1 if survived else 0)
