"""A backup holds what can't be had again, and is restored whole or not at all."""

import json
import resource
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage import (
    AuditEntry,
    Manifest,
    MasterKey,
    MasterKeyError,
    Restored,
    Storage,
    StorageFailure,
    back_up,
    open_storage,
    restore,
)
from tests.spine import disclosed
from tests.storage.conftest import MASTER_SECRET, everything_under

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ALICE, BOB = "@alice:hs", "@bob:hs"


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    return tmp_path / "backup"


async def tell(storage: Storage, user_id: str, text: str) -> None:
    async with storage.vaults.open(user_id) as vault:
        await vault.memories.add(text, origin="person", room_kind="direct")
        await storage.audit_log.append(AuditEntry(NOON, user_id, "memory.created", "ok"), vault)


async def told(storage: Storage, user_id: str) -> list[str]:
    async with storage.vaults.open(user_id) as vault:
        return [memory.text for memory in await vault.memories.active(limit=10)]


async def make(data: Path, backup: Path, secret: str = MASTER_SECRET) -> Manifest:
    """A data directory of two people, with the files of the Matrix side, and a backup of it."""
    async with open_storage(data, MasterKey.load(secret, data)) as storage:
        await tell(storage, ALICE, "has a cat")
        await tell(storage, BOB, "has a dog")
    (data / "crypto").mkdir(mode=0o700)
    for name in ("session", "crypto/olm.db", "crypto/identity", "crypto/recovery"):
        (data / name).write_bytes(name.encode())
    return await back_up(data, secret, backup, now=lambda: NOON)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file with its bytes, but for the lock that looking takes."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in everything_under(folder)}
    return {name: content for name, content in files.items() if name != "lock"}


async def test_it_comes_back_in_an_empty_place_as_a_new_device_of_the_same_identity(
    data: Path, backup: Path, tmp_path: Path
) -> None:
    manifest = await make(data, backup)
    elsewhere = tmp_path / "elsewhere"

    restored = await restore(elsewhere, MASTER_SECRET, backup)

    assert manifest.vaults == 2
    assert restored == Restored(NOON, 2, destroyed_again=0, all_forgotten_known=False)
    assert (elsewhere / "crypto" / "identity").read_bytes() == b"crypto/identity"
    assert not (elsewhere / "session").exists()
    assert not (elsewhere / "crypto" / "olm.db").exists()
    async with open_storage(elsewhere, MasterKey.load(MASTER_SECRET, elsewhere)) as storage:
        assert await told(storage, ALICE) == ["has a cat"]
        assert await told(storage, BOB) == ["has a dog"]
        assert (await storage.audit_log.verify()).entries == 4
        async with storage.vaults.open(ALICE) as vault:
            [(seq, entry)] = (await disclosed(storage.audit_log, vault))[:9]
    assert (seq, entry.action) == (1, "memory.created")


@pytest.mark.parametrize("where", ["backup", "data"])
async def test_backup_and_restored_data_are_private_and_hold_what_they_should(
    data: Path, backup: Path, where: str
) -> None:
    await make(data, backup)
    await restore(data, MASTER_SECRET, backup, replace=True)
    folder = backup if where == "backup" else data

    files = everything_under(folder)
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]

    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}
    extra = {"manifest.json"} if where == "backup" else {"lock"}
    names = {path.relative_to(folder).as_posix() for path in files if path.parent.name != "vaults"}
    assert names == {"shared.db", "keyring", "crypto/identity", "crypto/recovery"} | extra
    assert len(list((folder / "vaults").iterdir())) == 2


async def test_a_backup_is_in_the_log_and_the_feed(data: Path, backup: Path) -> None:
    await make(data, backup)

    async with open_storage(data, MasterKey.load(MASTER_SECRET, data)) as storage:
        [*_, item] = await storage.audit_log.feed(limit=9)
    assert (item.pseudonym, item.action, item.outcome) == ("system", "backup.created", "ok")
    size = sum(path.stat().st_size for path in everything_under(backup))
    assert item.facts == {"vaults": 2, "bytes": pytest.approx(size, rel=0.1)}


async def test_when_it_was_made_stands_in_the_data_and_in_the_backup(
    data: Path, backup: Path, tmp_path: Path
) -> None:
    await make(data, backup)
    elsewhere = tmp_path / "elsewhere"
    await restore(elsewhere, MASTER_SECRET, backup)

    for folder, entries in ((data, 3), (elsewhere, 4)):
        async with open_storage(folder, MasterKey.load(MASTER_SECRET, folder)) as storage:
            assert await storage.state("backup.last") == "2026-11-23T12:00:00+00:00"
            assert (await storage.audit_log.verify()).entries == entries


async def test_while_a_bot_uses_the_data_there_is_neither_backup_nor_restore(
    data: Path, backup: Path, tmp_path: Path
) -> None:
    await make(data, backup)
    async with open_storage(data, MasterKey.load(MASTER_SECRET, data)):
        with pytest.raises(StorageFailure, match=r"Another instance.*stop it first"):
            await back_up(data, MASTER_SECRET, tmp_path / "another")
        with pytest.raises(StorageFailure, match=r"Another instance.*stop it first"):
            await restore(data, MASTER_SECRET, backup, replace=True)
    assert not (tmp_path / "another").exists()


@pytest.mark.parametrize(
    ("destination", "sentence"),
    [
        ("backup", "is there already"),
        ("left", "left.partial is there already"),
        ("data/backup", "inside the data directory"),
        ("missing/backup", "can't be written: .*missing.*No such file"),
    ],
)
async def test_a_backup_gets_a_folder_of_its_own(
    data: Path, backup: Path, tmp_path: Path, destination: str, sentence: str
) -> None:
    await make(data, backup)
    (tmp_path / "left.partial").mkdir()
    before = contents(tmp_path)

    with pytest.raises(StorageFailure, match=sentence):
        await back_up(data, MASTER_SECRET, tmp_path / destination)

    assert contents(tmp_path) == before


async def test_where_there_is_no_data_there_is_no_backup_and_none_is_made(
    data: Path, backup: Path, tmp_path: Path
) -> None:
    with pytest.raises(StorageFailure, match="nothing to back up"):
        await back_up(data, "", backup)

    assert contents(tmp_path) == {}


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may grow beyond that: what a full disk does, at a known place."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_what_cannot_be_finished_leaves_nothing_but_the_record_of_it(
    data: Path, backup: Path, tmp_path: Path
) -> None:
    def lasting() -> dict[str, bytes]:
        files = contents(tmp_path).items()
        return {name: content for name, content in files if "shared.db" not in name[:14]}

    await make(data, backup)
    before = lasting()

    with largest_file(70_000):
        with pytest.raises(StorageFailure, match="backup can't be written: File too large"):
            await back_up(data, MASTER_SECRET, tmp_path / "another")
        with pytest.raises(StorageFailure, match="backup can't be restored: File too large"):
            await restore(data, MASTER_SECRET, backup, replace=True)

    assert lasting() == before
    async with open_storage(data, MasterKey.load(MASTER_SECRET, data)) as storage:
        feed = await storage.audit_log.feed(limit=9)
        assert [one.outcome for one in feed if one.action == "backup.created"] == [
            *("ok", "ok", "failed"),
        ]
        assert await storage.state("backup.last") == "2026-11-23T12:00:00+00:00"


async def test_where_the_first_backup_fails_there_was_none_yet(
    data: Path, master_key: MasterKey, backup: Path
) -> None:
    async with open_storage(data, master_key) as storage:
        await tell(storage, ALICE, "has a cat")

    with largest_file(70_000), pytest.raises(StorageFailure, match="File too large"):
        await back_up(data, MASTER_SECRET, backup)

    async with open_storage(data, master_key) as storage:
        assert await storage.state("backup.last") is None
        feed = await storage.audit_log.feed(limit=9)
    made = [one.outcome for one in feed if one.action == "backup.created"]
    assert made == ["ok", "failed"]


async def test_a_bot_that_was_killed_is_backed_up_to_its_last_word(
    data: Path, backup: Path, tmp_path: Path
) -> None:
    code = f"""
import asyncio, os, signal, sys
from pathlib import Path
from storage import MasterKey, open_storage
from tests.spine import disclosed
async def main():
    data = Path(sys.argv[1])
    async with open_storage(data, MasterKey.load("{MASTER_SECRET}", data)) as storage:
        async with storage.vaults.open("{ALICE}") as vault:
            await vault.memories.add("last word", origin="person", room_kind="direct")
            os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    killed = subprocess.run([sys.executable, "-c", code, str(data)], check=False)  # noqa: ASYNC221
    assert killed.returncode == -signal.SIGKILL

    await back_up(data, MASTER_SECRET, backup)

    elsewhere = tmp_path / "elsewhere"
    await restore(elsewhere, MASTER_SECRET, backup)
    async with open_storage(elsewhere, MasterKey.load(MASTER_SECRET, elsewhere)) as storage:
        assert await told(storage, ALICE) == ["last word"]


def spoil(backup: Path, how: str) -> None:
    """Do to a backup what must be noticed."""
    manifest = backup / "manifest.json"
    kept = json.loads(manifest.read_text("utf-8"))
    [vault, *_] = (backup / "vaults").iterdir()
    match how:
        case "no manifest":
            manifest.unlink()
        case "not JSON":
            manifest.write_text("[]", "utf-8")
        case "newer":
            manifest.write_text(json.dumps(kept | {"format": 2}), "utf-8")
        case "file missing":
            vault.unlink()
        case "file changed":
            vault.write_bytes(vault.read_bytes()[:-1] + b"x")
        case "manifest changed":
            kept["files"].pop("crypto/identity")
            manifest.write_text(json.dumps(kept), "utf-8")


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("no manifest", "is no backup"),
        ("not JSON", "is no backup"),
        ("newer", "newer version"),
        ("file missing", "incomplete: .*vaults.* is missing"),
        ("file changed", "damaged: vaults/.* is not what was backed up"),
        ("manifest changed", "the manifest was changed"),
    ],
)
async def test_a_spoilt_backup_is_refused_and_what_is_there_stays(
    data: Path, backup: Path, how: str, sentence: str
) -> None:
    await make(data, backup)
    before = contents(data)
    spoil(backup, how)

    with pytest.raises(StorageFailure, match=sentence):
        await restore(data, MASTER_SECRET, backup, replace=True)

    assert contents(data) == before


async def test_living_data_is_not_overwritten_unasked_nor_with_another_master_key(
    data: Path, backup: Path
) -> None:
    await make(data, backup)
    before = contents(data)

    with pytest.raises(StorageFailure, match="holds data, and nothing was changed: --replace"):
        await restore(data, MASTER_SECRET, backup)
    with pytest.raises(MasterKeyError, match="not the one that this backup was made with"):
        await restore(data, "cd" * 32, backup, replace=True)

    assert contents(data) == before


async def test_a_passphrase_opens_its_backup_though_the_data_is_lost(
    data: Path, backup: Path
) -> None:
    await make(data, backup, "correct horse battery")
    shutil.rmtree(data)

    await restore(data, "correct horse battery", backup)

    async with open_storage(data, MasterKey.load("correct horse battery", data)) as storage:
        assert await told(storage, ALICE) == ["has a cat"]


async def test_a_master_key_of_the_data_directory_is_kept_there_and_nowhere_else(
    data: Path, backup: Path, tmp_path: Path
) -> None:
    await make(data, backup, "")
    key = (data / "master.key").read_bytes()
    elsewhere = tmp_path / "elsewhere"

    assert not (backup / "master.key").exists()
    with pytest.raises(MasterKeyError, match=r"master\.key is missing.*put it there"):
        await restore(elsewhere, "", backup)
    (elsewhere / "master.key").write_bytes(key)
    await restore(elsewhere, "", backup)
    await restore(data, "", backup, replace=True)

    for folder in (elsewhere, data):
        async with open_storage(folder, MasterKey.load("", folder)) as storage:
            assert await told(storage, ALICE) == ["has a cat"]
