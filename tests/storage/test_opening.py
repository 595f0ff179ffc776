"""The data directory: private, used by one, opened with its own key only, closed at the end."""

import asyncio
import logging
import signal
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage import AuditEntry, MasterKey, MasterKeyError, StorageFailure, open_storage
from tests.storage.conftest import MASTER_SECRET, everything_under, holding

NOON = datetime(2026, 11, 23, tzinfo=UTC)


async def open_and_close(data: Path, master_key: MasterKey) -> None:
    async with open_storage(data, master_key) as storage, storage.vaults.open("@a:hs"):
        pass


@pytest.fixture
def laid_open(data: Path) -> Path:
    """A data directory that anybody may read."""
    data.mkdir(mode=0o755)
    return data


async def test_everything_is_private_also_where_it_was_not(
    laid_open: Path, master_key: MasterKey
) -> None:
    data = laid_open
    async with open_storage(data, master_key) as storage, storage.vaults.open("@a:hs") as vault:
        await vault.set_setting("a", "b")
        await storage.set_state("a", "b")

        files = everything_under(data)

        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
        assert {path.name for path in files if path.parent == data} == {
            "lock",
            "keyring",
            "shared.db",
            "shared.db-wal",
            "shared.db-shm",
        }
        for folder in (data, data / "vaults"):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_a_second_instance_is_refused_until_the_first_is_done(
    data: Path, master_key: MasterKey
) -> None:
    code = (
        "import asyncio, sys; from pathlib import Path; from storage import *\n"
        "async def main():\n"
        "    try:\n"
        f"        async with open_storage(Path({str(data)!r}), MasterKey.load({'ab' * 32!r},"
        f" Path({str(data)!r}))): print('opened')\n"
        "    except StorageFailure as failure: print(failure)\n"
        "asyncio.run(main())\n"
    )

    async def second() -> str:
        run = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", code], capture_output=True, check=True, text=True
        )
        return str(run.stdout)

    async with open_storage(data, master_key):
        while_open = await second()
        with pytest.raises(StorageFailure, match="Another instance"):
            await open_and_close(data, master_key)
    after = await second()

    assert while_open.startswith("Another instance of Confidant is using")
    assert after == "opened\n"


async def test_state_is_kept_across_a_restart(data: Path, master_key: MasterKey) -> None:
    async with open_storage(data, master_key) as storage:
        assert await storage.state("audit room") is None
        await storage.set_state("audit room", "!a")
        await storage.set_state("audit room", "!b")

    async with open_storage(data, master_key) as storage:
        assert await storage.state("audit room") == "!b"
        await storage.clear_state("audit room")
        assert await storage.state("audit room") is None


async def test_a_person_is_stood_for_by_the_same_hash_which_only_the_master_key_gives(
    tmp_path: Path, data: Path, master_key: MasterKey
) -> None:
    async with open_storage(data, master_key) as storage:
        ann, bob = storage.person("@ann:x.org"), storage.person("@bob:x.org")
    async with open_storage(data, master_key) as storage:
        again = storage.person("@ann:x.org")
    async with open_storage(tmp_path / "other", MasterKey(bytes(32))) as storage:
        elsewhere = storage.person("@ann:x.org")

    assert ann == again
    assert len({ann, bob, elsewhere}) == 3


async def test_another_master_key_is_refused_and_nothing_is_lost(
    data: Path, master_key: MasterKey
) -> None:
    await open_and_close(data, master_key)
    before = {path.name for path in everything_under(data)}

    with pytest.raises(MasterKeyError, match="not the one that this data was made with"):
        await open_and_close(data, MasterKey(bytes(32)))

    assert {path.name for path in everything_under(data)} == before
    async with open_storage(data, master_key) as storage:
        assert await storage.vaults.exists("@a:hs")


@pytest.mark.parametrize("name", ["shared.db", "keyring"])
async def test_a_missing_part_is_refused_instead_of_sweeping_the_rest(
    data: Path, master_key: MasterKey, name: str
) -> None:
    await open_and_close(data, master_key)
    content = (data / name).read_bytes()
    (data / name).unlink()

    for _ in range(2):
        with pytest.raises(StorageFailure, match=f"{name}.*missing"):
            await open_and_close(data, master_key)

    (data / name).write_bytes(content)
    async with open_storage(data, master_key) as storage:
        assert await storage.vaults.exists("@a:hs")


async def test_what_a_crash_left_over_is_removed_at_the_next_start(
    data: Path, master_key: MasterKey
) -> None:
    from storage.keyring import Keyring

    await open_and_close(data, master_key)
    keyring = Keyring.open(data / "keyring", master_key)
    slot, _ = keyring.allocate("nobody's")
    keyring.close()
    for suffix in (".db", ".db-wal", ".db-shm"):
        (data / "vaults" / f"{'0' * 32}{suffix}").write_bytes(b"x")

    async with open_storage(data, master_key) as storage:
        assert len(list((data / "vaults").iterdir())) == 1
        assert await storage.vaults.exists("@a:hs")
    keyring = Keyring.open(data / "keyring", master_key)
    assert keyring.blank(slot)
    keyring.close()


async def test_a_data_directory_that_cannot_be_used_is_a_sentence(
    tmp_path: Path, master_key: MasterKey
) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StorageFailure, match="can't be used"):
        await open_and_close(tmp_path / "file" / "data", master_key)


async def test_what_was_told_is_in_no_file_and_no_log_at_debug(
    data: Path, master_key: MasterKey, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with open_storage(data, master_key) as storage:
        async with storage.vaults.open("@canary8d41:hs") as vault:
            for number in range(50):
                text = f"canary8d41 {number} " * 50
                await vault.memories.add(text, origin="person", room_kind="direct", quote=text)
                await vault.turns.add(
                    event_id=f"$canary8d41 {number}",
                    room_id="!r",
                    room_kind="direct",
                    role="user",
                    text=text,
                    said_at=NOON,
                )
            await vault.memories.edit(1, "canary8d41 changed", changed_by="person")
            await vault.memories.delete([2, 3])
            await vault.search.turns("canary8d41 7")
            await vault.set_setting("canary8d41", "canary8d41")
            entry = AuditEntry(NOON, "@canary8d41:hs", "memory.created", "ok", "$canary8d41")
            await storage.audit_log.append(entry, vault)

            while_open = holding(b"canary8d41", everything_under(data))
        await storage.vaults.destroy("@canary8d41:hs")
    after = holding(b"canary8d41", everything_under(data))

    assert (while_open, after) == ([], [])
    assert "canary8d41" not in caplog.text
    assert MASTER_SECRET not in caplog.text


@pytest.mark.parametrize("ending", ["raise LookupError", "os.kill(os.getpid(), signal.SIGINT)"])
def test_the_process_ends_however_the_main_task_ends(data: Path, ending: str) -> None:
    code = f"""
import asyncio, os, signal, sys
from pathlib import Path
from storage import MasterKey, open_storage

async def hold(storage, entered):
    async with storage.vaults.open("@a:hs") as vault, vault._database.transaction():
        entered.set()
        await asyncio.Event().wait()

async def main():
    data = Path(sys.argv[1])
    async with open_storage(data, MasterKey.load("{MASTER_SECRET}", data)) as storage:
        entered = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(hold(storage, entered))
            await entered.wait()
            {ending}
            await asyncio.Event().wait()

asyncio.run(main())
"""
    run = subprocess.run(
        [sys.executable, "-c", code, str(data)], capture_output=True, timeout=30, check=False
    )

    assert run.returncode in {1, -signal.SIGINT, 130}
    assert b"worker_thread" not in run.stderr
    assert (
        run.stderr.strip().endswith((b"LookupError", b"KeyboardInterrupt"))
        or b"+----" in run.stderr
    )
