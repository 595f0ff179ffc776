"""`!forget everything` at 0 bytes free: the key goes first, the files make room for the rest."""

import asyncio
import os
from pathlib import Path

import pytest

from storage import MasterKey, StorageFailure, open_storage
from storage.keyring import SLOT_BYTES
from tests.storage.conftest import MASTER_SECRET, everything_under, holding
from tests.storage.disks import fill, small_disk
from tests.storage.test_backup import largest_file
from tests.storage.test_forgetting import ANN, LEADS, accept_yes, confirmed, finish, live, traces
from tests.storage.test_forgetting_killed import ends_well, lived, trials_of


async def test_at_0_bytes_free_everything_is_forgotten_and_the_job_is_known(
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path / "disk", megabytes=8):
        data = tmp_path / "disk" / "data"
        async with open_storage(data, MasterKey.load(MASTER_SECRET, data)) as storage:
            await live(storage)
            await accept_yes(storage)
            slot = (data / "keyring").read_bytes()[:SLOT_BYTES]
            filler = fill(tmp_path / "disk")
            assert os.statvfs(data).f_bavail == 0
            with pytest.raises(StorageFailure, match="the disk is full"):
                await storage.set_state("x", "y" * 5000)

            erased = await confirmed(storage)

            assert (erased.turns, erased.withdrawals) == (8, 4)
            assert holding(slot, everything_under(data)) == []
            assert list((data / "vaults").iterdir()) == []
            filler.unlink()
            await finish(storage, erased)
            assert traces(data, *LEADS) == []


async def test_on_a_disk_that_stays_full_key_and_files_go_and_the_rest_when_there_is_room(
    data: Path, master_key: MasterKey
) -> None:
    async with open_storage(data, master_key) as storage:
        await live(storage)
        await accept_yes(storage)
        slot = (data / "keyring").read_bytes()[:SLOT_BYTES]

        with largest_file(4096), pytest.raises(StorageFailure):
            await confirmed(storage)

        assert holding(slot, everything_under(data)) == []
        assert list((data / "vaults").iterdir()) == []
        assert not await storage.vaults.exists(ANN)
        await finish(storage, await confirmed(storage))
        assert await storage.rooms.identity(ANN) is None
        assert traces(data, *LEADS) == []


async def test_killed_at_any_write_on_a_full_disk_what_is_known_is_finished(
    data: Path, tmp_path: Path
) -> None:
    await lived(data)
    slot = (data / "keyring").read_bytes()[:SLOT_BYTES]
    with small_disk(tmp_path / "disk", megabytes=80):
        place = tmp_path / "disk" / "trials"
        trials, steps = await asyncio.to_thread(trials_of, data, place, "full")
        begun = [await ends_well_at_last(one, slot, tmp_path / "disk") for one in trials]

    # The key goes though nothing could be planned; a file less, and there is a plan.
    assert steps[begun.index(True)] == "after the key"
    assert steps.index("before the file .db") < steps.index("after COMMIT")


async def ends_well_at_last(data: Path, slot: bytes, disk: Path) -> bool:
    """Start at 0 bytes free; where nothing is left that could make room, after somebody made it."""
    filler = fill(disk)
    try:
        return await ends_well(data, slot, room=filler.unlink)
    except StorageFailure as failure:
        assert "disk" in str(failure)
        assert holding(slot, [data / "keyring"]) == []
        filler.unlink()
        return await ends_well(data, slot)
