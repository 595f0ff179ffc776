"""A restored backup revives nobody who was forgotten, and is there as a whole or not at all."""

import asyncio
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from storage import (
    AuditEntry,
    MasterKey,
    Reading,
    Restored,
    Storage,
    StorageFailure,
    back_up,
    open_storage,
    restore,
    tenants,
)
from storage.clock import utc_now
from storage.keyring import SLOT_BYTES
from tests.storage.conftest import MASTER_SECRET, everything_under, holding
from tests.storage.test_backup import ALICE, BOB, NOON, make, tell, told
from tests.storage.test_forgetting import ANN, LEADS, ROOM, finish, live, traces
from tests.storage.test_forgetting import forget as forget_everything

# Restores in a copy of a data directory again and again, each time killed one step later, until a
# restore comes to its end. A step is what changes a folder.
CHILD = """
import asyncio, os, shutil, signal, sys
from pathlib import Path
from storage import restore

data, source, trials, secret = *map(Path, sys.argv[1:4]), sys.argv[4]
steps = 0

def on_step(event, arguments):
    global steps
    if event in {"os.rename", "os.remove", "os.rmdir"}:
        steps -= 1
        steps or os.kill(os.getpid(), signal.SIGKILL)

for trial in range(1, 99):
    shutil.copytree(data, trials / str(trial))
    child = os.fork()
    if not child:
        steps = trial
        sys.addaudithook(on_step)
        asyncio.run(restore(trials / str(trial), secret, source, replace=True))
        os._exit(0)
    if not os.waitpid(child, 0)[1]:
        break
"""


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    return tmp_path / "backup"


@pytest.fixture
def key(data: Path) -> MasterKey:
    return MasterKey.load(MASTER_SECRET, data)


def keys(keyring: Path) -> set[bytes]:
    """The wrapped keys in a keyring."""
    content = keyring.read_bytes()
    slots = {content[at : at + SLOT_BYTES] for at in range(0, len(content), SLOT_BYTES)}
    return slots - {bytes(SLOT_BYTES)}


async def forget(data: Path, key: MasterKey, user_id: str) -> bytes:
    """Forget a person; their wrapped key, which must not come back."""
    before = keys(data / "keyring")
    async with open_storage(data, key) as storage:
        await storage.vaults.destroy(user_id)
    [gone] = before - keys(data / "keyring")
    return gone


async def test_whoever_was_forgotten_since_stays_gone(
    data: Path, backup: Path, key: MasterKey
) -> None:
    await make(data, backup)
    gone = await forget(data, key, ALICE)

    for _ in range(2):
        restored = await restore(data, MASTER_SECRET, backup, replace=True)

        assert restored == Restored(NOON, 1, destroyed_again=1, all_forgotten_known=True)
        assert holding(gone, everything_under(data)) == []
        assert len(list((data / "vaults").iterdir())) == 1
        async with open_storage(data, key) as storage:
            assert not await storage.vaults.exists(ALICE)
            assert await told(storage, BOB) == ["has a dog"]


async def test_a_person_who_came_back_after_being_forgotten_starts_anew(
    data: Path, backup: Path, key: MasterKey
) -> None:
    await make(data, backup)
    await forget(data, key, ALICE)
    async with open_storage(data, key) as storage:
        await tell(storage, ALICE, "new life")
    later = backup.with_name("later")
    await back_up(data, MASTER_SECRET, later)

    await restore(data, MASTER_SECRET, backup, replace=True)
    async with open_storage(data, key) as storage:
        assert not await storage.vaults.exists(ALICE)
    await restore(data, MASTER_SECRET, later, replace=True)

    async with open_storage(data, key) as storage:
        assert await told(storage, ALICE) == ["new life"]


async def test_forgetting_that_was_cut_short_after_the_key_counts(
    data: Path, backup: Path, key: MasterKey
) -> None:
    await make(data, backup)
    keyring = data / "keyring"
    keyring.write_bytes(bytes(SLOT_BYTES) + keyring.read_bytes()[SLOT_BYTES:])

    restored = await restore(data, MASTER_SECRET, backup, replace=True)

    assert (restored.vaults, restored.destroyed_again) == (1, 1)
    async with open_storage(data, key) as storage:
        assert not await storage.vaults.exists(ALICE)


async def test_a_later_backup_knows_the_forgotten_when_the_living_data_is_lost(
    data: Path, backup: Path, key: MasterKey
) -> None:
    await make(data, backup)
    await forget(data, key, ALICE)
    later = backup.with_name("later")
    await back_up(data, MASTER_SECRET, later)
    shutil.rmtree(data)

    await restore(data, MASTER_SECRET, later)
    restored = await restore(data, MASTER_SECRET, backup, replace=True)

    assert (restored.destroyed_again, restored.all_forgotten_known) == (1, True)


async def test_data_that_did_not_go_on_from_the_backup_cannot_know_the_forgotten(
    data: Path, backup: Path, key: MasterKey
) -> None:
    await make(data, backup)
    await forget(data, key, ALICE)
    shutil.rmtree(data)
    async with open_storage(data, key) as storage:
        for _ in range(9):
            await tell(storage, BOB, "started afresh")

    restored = await restore(data, MASTER_SECRET, backup, replace=True)

    assert (restored.destroyed_again, restored.all_forgotten_known) == (0, False)
    async with open_storage(data, key) as storage:
        assert await storage.vaults.exists(ALICE)
        assert (await storage.audit_log.verify()).entries == 4


async def test_unreadable_living_data_is_not_replaced_because_it_knows_the_forgotten(
    data: Path, backup: Path
) -> None:
    await make(data, backup)
    (data / "shared.db").write_bytes(b"x" * 8192)

    with pytest.raises(StorageFailure, match=r"nobody can know who was forgotten.*move what is in"):
        await restore(data, MASTER_SECRET, backup, replace=True)

    assert (data / "session").exists()


async def test_a_keyring_that_was_cut_short_buries_nobody(
    data: Path, backup: Path, key: MasterKey
) -> None:
    await make(data, backup)
    (data / "keyring").write_bytes(b"")

    with pytest.raises(StorageFailure, match="keyring is missing or cut short"):
        await forget(data, key, ALICE)
    restored = await restore(data, MASTER_SECRET, backup, replace=True)

    assert restored.destroyed_again == 0
    async with open_storage(data, key) as storage:
        assert await told(storage, ALICE) == ["has a cat"]


async def test_nothing_old_is_answered_again(data: Path, backup: Path, key: MasterKey) -> None:
    async with open_storage(data, key) as storage:
        await storage.inbox.accept([("$done", "!r"), ("$open", "!r")], "token")
        await storage.inbox.finish("$done")
    await make(data, backup)

    await restore(data, MASTER_SECRET, backup, replace=True)

    async with open_storage(data, key) as storage:
        assert await storage.inbox.token() is None
        assert await storage.inbox.unfinished() == []
        assert await storage.inbox.accept([("$done", "!r"), ("$open", "!r")], "t") == []
        [*_, lost] = await storage.audit_log.feed(limit=9)
        assert (lost.action, lost.outcome) == ("message.answered", "interrupted")


async def test_the_log_goes_on_where_it_stood_and_the_room_is_told_nothing_twice(
    data: Path, backup: Path, key: MasterKey
) -> None:
    await make(data, backup)
    async with open_storage(data, key) as storage:
        await storage.audit_log.posted(2)
        await tell(storage, BOB, "since the backup")
        await storage.audit_log.append(AuditEntry(NOON, "system", "bot.stopped", "ok"))
        told_next = [item.seq for item in await storage.audit_log.feed(limit=9)]
        await storage.rooms.remember_encrypted("!since:hs")
        await storage.rooms.remember_identity("@since:hs", "key")

    await restore(data, MASTER_SECRET, backup, replace=True)

    async with open_storage(data, key) as storage:
        assert (await storage.audit_log.verify()).entries == 6
        *before, restored = await storage.audit_log.feed(limit=9)
        assert [item.seq for item in before] == told_next == [3, 4, 5]
        assert (restored.seq, restored.action) == (6, "backup.restored")
        assert restored.facts == {"made_at": "2026-11-23T12:00:00+00:00", "destroyed_again": 0}
        assert await storage.audit_log.append(AuditEntry(NOON, "s", "bot.started", "ok")) == 7
        assert await storage.rooms.ever_encrypted("!since:hs")
        assert await storage.rooms.identity("@since:hs") == "key"
        assert await told(storage, BOB) == ["has a dog"]


async def test_nobody_gets_a_name_that_the_audit_room_has_seen(
    data: Path, backup: Path, key: MasterKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def name(storage: Storage, user_id: str) -> str:
        async with storage.vaults.open(user_id) as vault:
            return vault.pseudonym

    monkeypatch.setattr(tenants, "ANIMALS", ("fox",))
    await make(data, backup)
    async with open_storage(data, key) as storage:
        seen = {await name(storage, one) for one in (ALICE, BOB, "@eve:hs")}
        await storage.vaults.destroy(ALICE)

    await restore(data, MASTER_SECRET, backup, replace=True)

    async with open_storage(data, key) as storage:
        later = [await name(storage, f"@{number}:hs") for number in range(87)]
    assert seen.isdisjoint(later)


async def test_only_what_is_ours_is_replaced(data: Path, backup: Path, key: MasterKey) -> None:
    await make(data, backup)
    async with open_storage(data, key) as storage:
        await tell(storage, "@since:hs", "came later")
    (data / "notes.txt").write_text("not ours", "utf-8")
    (data / "master.key").write_bytes(b"not in use, but who knows")

    await restore(data, MASTER_SECRET, backup, replace=True)

    names = [path.relative_to(data).as_posix() for path in everything_under(data)]
    assert sorted(name for name in names if not name.startswith("vaults/")) == [
        *("crypto/identity", "crypto/recovery", "keyring", "lock"),
        *("master.key", "notes.txt", "shared.db"),
    ]
    assert len(names) == 7 + 2


def add_salt(data: Path) -> None:
    data.mkdir()
    (data / "master.salt").write_bytes(b"of a passphrase")


async def state(storage: Storage) -> tuple[bool, list[str]]:
    return await storage.vaults.exists(ALICE), await told(storage, BOB)


async def test_the_keys_that_are_replaced_are_overwritten_in_place(
    data: Path, backup: Path, tmp_path: Path
) -> None:
    await make(data, backup)
    (tmp_path / "same file").hardlink_to(data / "keyring")

    await restore(data, MASTER_SECRET, backup, replace=True)

    assert keys(tmp_path / "same file") == set()
    assert len(keys(data / "keyring")) == 2


async def test_killed_at_any_step_it_is_all_or_nothing_and_the_next_start_finishes_it(
    data: Path, backup: Path, tmp_path: Path, key: MasterKey
) -> None:
    add_salt(data)
    await make(data, backup)
    gone = await forget(data, key, ALICE)
    async with open_storage(data, key) as storage:
        await tell(storage, BOB, "since the backup")
    trials = tmp_path / "trials"

    command = [sys.executable, "-c", CHILD, str(data), str(backup), str(trials), MASTER_SECRET]
    await asyncio.to_thread(subprocess.run, command, check=True)

    old, new = (False, ["since the backup", "has a dog"]), (False, ["has a dog"])
    found = []
    for trial in sorted(trials.iterdir(), key=lambda path: int(path.name)):
        async with open_storage(trial, key) as storage:
            found.append(await state(storage))
        assert holding(gone, everything_under(trial)) == []
        assert not [*trial.glob("restore.*")]
        assert (trial / "session").exists() == (found[-1] == old)
        assert (trial / "master.salt").read_bytes() == b"of a passphrase"
    begun = found.index(new)
    assert 0 < begun < len(found) - 10
    assert found == [old] * begun + [new] * (len(found) - begun)


async def test_what_was_handled_since_the_backup_is_not_new_to_what_was_restored(
    data: Path, backup: Path, key: MasterKey
) -> None:
    await make(data, backup)
    async with open_storage(data, key) as storage:
        await storage.readings.keep([Reading("key", "session", 0, "$kept")])
        await storage.inbox.accept([("$swept", "!a"), ("$kept", "!a")], "t")
        await storage.inbox.finish("$swept")
        await storage.inbox.sweep(utc_now() + timedelta(days=30))
        await storage.inbox.finish("$kept")

    await restore(data, MASTER_SECRET, backup, replace=True)

    async with open_storage(data, key) as storage:
        events = [("$swept", "!a"), ("$kept", "!a"), ("$new", "!a")]
        assert await storage.inbox.accept(events, "t") == ["$new"]
        assert await storage.readings.belongs_elsewhere(Reading("key", "session", 0, "$again"))


async def test_whoever_is_being_forgotten_is_not_revived_and_their_job_goes_on(
    data: Path, backup: Path, key: MasterKey
) -> None:
    """A crash has cut it short after the plan, and the operator restores instead of starting."""
    async with open_storage(data, key) as storage:
        await live(storage)
    await make(data, backup)
    async with open_storage(data, key) as storage:
        await live_on(storage)
        await begin_to_forget(storage)

    restored = await restore(data, MASTER_SECRET, backup, replace=True)

    assert (restored.destroyed_again, restored.all_forgotten_known) == (1, True)
    async with open_storage(data, key) as storage:
        assert not await storage.vaults.exists(ANN)
        assert await storage.forgetting.is_before(ANN, NOON)
        [erased] = await storage.forgetting.unfinished()
        assert (erased.user_id, erased.turns) == (ANN, 9)
        assert await storage.withdrawals.left() == 5
        await finish(storage, erased)
        assert traces(data, *LEADS) == []


async def test_a_job_that_is_done_since_is_not_done_again_and_leaves_no_trace_in_what_comes_back(
    data: Path, backup: Path, key: MasterKey
) -> None:
    async with open_storage(data, key) as storage:
        await live(storage)
        await storage.inbox.accept([], "t", waiting=[("$waits", ROOM)])
        erased = await forget_everything(storage)
    await make(data, backup)
    assert traces(backup, *LEADS)
    async with open_storage(data, key) as storage:
        await finish(storage, erased)

    await restore(data, MASTER_SECRET, backup, replace=True)

    async with open_storage(data, key) as storage:
        assert await storage.forgetting.unfinished() == []
        assert (await storage.withdrawals.left(), await storage.withdrawals.searches()) == (0, [])
        assert await storage.forgetting.is_before(ANN, NOON)
    assert traces(data, *LEADS) == []


async def test_the_rows_of_whoever_was_forgotten_since_do_not_come_back(
    data: Path, backup: Path, key: MasterKey
) -> None:
    async with open_storage(data, key) as storage:
        await live(storage)
        await storage.inbox.accept([], "t", waiting=[("$waits", ROOM)])
    await make(data, backup)
    assert traces(backup, *LEADS)
    async with open_storage(data, key) as storage:
        await finish(storage, await forget_everything(storage))

    await restore(data, MASTER_SECRET, backup, replace=True)

    async with open_storage(data, key) as storage:
        events = [("$said-ann-0", ROOM), ("$waits", ROOM)]
        assert await storage.inbox.accept(events, "t") == []
    assert traces(data, *LEADS) == []


async def test_what_was_to_be_withdrawn_in_other_data_comes_behind_what_the_backup_knows(
    data: Path, backup: Path, key: MasterKey
) -> None:
    async with open_storage(data, key) as storage:
        await storage.withdrawals.add([("$old", "!r")])
    await make(data, backup)
    shutil.rmtree(data)
    async with open_storage(data, key) as storage:
        await storage.withdrawals.add([("$other", "!q")])

    await restore(data, MASTER_SECRET, backup, replace=True)

    async with open_storage(data, key) as storage:
        waiting = await storage.withdrawals.next()
    assert [one.event_id for one in waiting] == ["$old", "$other"]


async def live_on(storage: Storage) -> None:
    """One answer more than the backup knows."""
    async with storage.vaults.open(ANN) as vault:
        await vault.turns.add(
            event_id="$sent-ann-9",
            room_id=ROOM,
            room_kind="direct",
            role="assistant",
            text="canary",
            said_at=NOON,
        )


async def begin_to_forget(storage: Storage) -> None:
    """It is planned, and the key can't be overwritten."""

    def broken(slot: int) -> None:
        raise StorageFailure("The keyring can't be written.")

    storage.vaults._keyring.erase = broken  # type: ignore[method-assign]
    with pytest.raises(StorageFailure):
        await forget_everything(storage)
