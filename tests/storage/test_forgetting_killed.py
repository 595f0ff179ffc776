"""`!forget everything`, killed before or after any of its writes, is finished at the next start."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from storage import MasterKey, Storage, open_storage
from storage.keyring import SLOT_BYTES
from tests.storage.conftest import MASTER_SECRET, holding
from tests.storage.test_forgetting import (
    ANN,
    BOB,
    LEADS,
    ROOM,
    confirmed,
    finish,
    forget,
    live,
    traces,
)

# Forgets, in copies of a data directory, each time killed one step later, until it comes to its
# end. A step is a write: what begins, ends or follows a transaction, a key, a file. What was next
# stands beside the copy.
CHILD = """
import asyncio, os, shutil, signal, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
import storage.database
from storage import MasterKey, open_storage
from storage.keyring import Keyring
from tests.storage.disks import fill
from tests.storage.test_forgetting import ANN, accept_yes, confirmed, finish

data, trials, secret, full = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4:]
steps, label = 0, None

def step(what):
    global steps
    steps -= 1
    if not steps:
        os.write(label, what.encode())
        os.kill(os.getpid(), signal.SIGKILL)

fetch, write = storage.database._fetch, Keyring._write

async def stepping_fetch(connection, sql, parameters=()):
    writes = sql.startswith(("BEGIN", "COMMIT", "VACUUM", "PRAGMA wal_checkpoint"))
    writes and step(f"before {sql}")
    rows = await fetch(connection, sql, parameters)
    writes and step(f"after {sql}")
    return rows

def stepping_write(keyring, slot, content):
    step("before the key")
    write(keyring, slot, content)
    step("after the key")

def on_remove(event, arguments):
    event == "os.remove" and step(f"before the file {Path(arguments[0]).suffix}")

async def main(data):
    async with open_storage(data, MasterKey.load(secret, data)) as storage_:
        await accept_yes(storage_)
        async with storage_.vaults.open(ANN):
            pass  # as whoever answers them has
        filler = fill(trials.parent) if full else None
        storage.database._fetch, Keyring._write = stepping_fetch, stepping_write
        sys.addaudithook(on_remove)
        erased = await confirmed(storage_)
        filler and filler.unlink()
        await finish(storage_, erased)
    os._exit(0)

for trial in range(1, 400):
    shutil.copytree(data, trials / str(trial))
    said, says = os.pipe()
    child = os.fork()
    if not child:
        steps, label = trial, says
        asyncio.run(main(trials / str(trial)))
    os.close(says)
    next_step = os.read(said, 100).decode()
    (trials.parent / "filler").unlink(missing_ok=True)
    (trials / f"{trial}.next").write_text(next_step)
    if not os.waitpid(child, 0)[1]:
        break
"""

# The same, killed by somebody else after a random part of the time that the whole takes.
AT_ANY_MOMENT = """
import asyncio, os, random, shutil, signal, sys, time
from pathlib import Path
from storage import MasterKey, open_storage
from tests.storage.test_forgetting import finish, forget

data, trials, secret = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]

async def main(data, ready):
    async with open_storage(data, MasterKey.load(secret, data)) as storage:
        os.write(ready, b"x")
        await finish(storage, await forget(storage))
    os._exit(0)

def trial(name, seconds):
    shutil.copytree(data, trials / name)
    waits, ready = os.pipe()
    child = os.fork()
    if not child:
        asyncio.run(main(trials / name, ready))
    os.read(waits, 1)
    began = time.monotonic()
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return time.monotonic() - began

whole = trial("whole", None)
shutil.rmtree(trials / "whole")
for number in range(30):
    trial(str(number), random.uniform(0, whole))
"""


async def lived(data: Path) -> None:
    """Two people have talked with the bot."""
    async with open_storage(data, MasterKey.load(MASTER_SECRET, data)) as storage:
        await live(storage)
        await live(storage, BOB, "!bob:hs")


async def ends_well(data: Path, slot: bytes, *, room: Callable[[], None] = lambda: None) -> bool:
    """Start again and do what is still to be done: whether it had begun.

    On a disk that was full while it started `room` is made afterwards.
    """
    async with open_storage(data, MasterKey.load(MASTER_SECRET, data)) as storage:
        begun = not await storage.vaults.exists(ANN)
        room()
        if begun:
            assert len(list((data / "vaults").glob("*.db"))) == 1
            assert holding(slot, [data / "keyring"]) == []
            assert await storage.rooms.identity(ANN) is None
            known = await storage.forgetting.unfinished()
            if not known and ("$yes", ROOM) in await storage.inbox.unfinished():
                # Killed on a full disk before there was a plan: their yes is there again.
                known = [await confirmed(storage)]
            for erased in known:
                await finish(storage, erased)
        else:
            async with storage.vaults.open(ANN) as vault:
                assert await vault.turns.count() == 8
            await finish(storage, await forget(storage))
        await rest(storage)
        assert traces(data, *LEADS) == []
        async with storage.vaults.open(BOB) as vault:
            assert await vault.turns.count() == 8
    return begun


async def rest(storage: Storage) -> None:
    """What was interrupted before its inbox row was finished is told, and then finished."""
    for event_id, _ in await storage.inbox.unfinished():
        await storage.inbox.finish(event_id)
    for search in await storage.withdrawals.searches():
        await storage.withdrawals.found(search.room_id, ["$listed"])
    for erased in await storage.forgetting.unsearched():
        await storage.forgetting.searched(erased, [ROOM])
    while batch := await storage.withdrawals.next():
        for one in batch:
            await storage.withdrawals.done(one.event_id)
    await storage.forgetting.sweep(datetime.now(UTC) - timedelta(days=30))


def trials_of(data: Path, folder: Path, *more: str) -> tuple[list[Path], list[str]]:
    """Copies of the data, each killed one step later, and the step before which each was."""
    folder.mkdir()
    command = [sys.executable, "-c", CHILD, str(data), str(folder), MASTER_SECRET, *more]
    subprocess.run(command, check=True)
    made = [one for one in folder.iterdir() if one.is_dir()]
    made.sort(key=lambda one: int(one.name))
    return made, [one.with_suffix(".next").read_text("utf-8") for one in made[:-1]]


async def test_killed_before_or_after_any_write_the_next_start_finishes_it(
    data: Path, tmp_path: Path
) -> None:
    await lived(data)
    slot = (data / "keyring").read_bytes()[:SLOT_BYTES]

    trials, steps = await asyncio.to_thread(trials_of, data, tmp_path / "trials")

    begun = [await ends_well(one, slot) for one in trials]
    planned = begun.index(True)
    assert begun == [False] * planned + [True] * (len(begun) - planned)
    # Once the plan is committed there is no way back, and that is before the key.
    assert steps[planned] == "after COMMIT"
    assert steps[planned + 1 : planned + 6] == [
        *("before the key", "after the key"),
        *("before the file .db", "before the file .db-wal", "before the file .db-shm"),
    ]
    # Purge, tombstone and wipe; the receipt; the listing and five withdrawals; the last wipe.
    assert steps[planned + 6 :].count("before COMMIT") > 9
    assert steps[planned + 6 :].count("before VACUUM") == 2


async def test_killed_at_any_moment_the_next_start_finishes_it(data: Path, tmp_path: Path) -> None:
    await lived(data)
    slot = (data / "keyring").read_bytes()[:SLOT_BYTES]
    trials = tmp_path / "trials"
    trials.mkdir()

    command = [sys.executable, "-c", AT_ANY_MOMENT, str(data), str(trials), MASTER_SECRET]
    await asyncio.to_thread(subprocess.run, command, check=True)

    begun = [await ends_well(one, slot) for one in trials.iterdir()]
    assert len(begun) == 30
    assert True in begun
