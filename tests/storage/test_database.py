"""One writer, one reader, transactions that cancellation can't break, and files that stay clean."""

import asyncio
import logging
import os
import random
import stat
import threading
from pathlib import Path

import pytest
from sqlcipher3 import dbapi2

from storage import StorageFailure
from storage.database import Database
from storage.schema import load_migrations, migrations_of
from tests.storage.conftest import holding

KEY = bytes(range(32))
SETTING = "INSERT INTO setting (name, value) VALUES (?, ?)"


async def names(database: Database) -> list[str]:
    return [row["name"] for row in await database.rows("SELECT name FROM setting ORDER BY name")]


async def test_what_a_transaction_wrote_is_read_after_it(database: Database) -> None:
    async with database.transaction() as transaction:
        written = await transaction.execute(SETTING, "a", "1")

    row = await database.row("SELECT * FROM setting")

    assert written == 1
    assert row is not None
    assert (row["name"], row[1], row.keys()) == ("a", "1", ["name", "value"])


async def test_an_exception_rolls_everything_back(database: Database) -> None:
    with pytest.raises(LookupError):
        async with database.transaction() as transaction:
            await transaction.execute(SETTING, "a", "1")
            raise LookupError

    assert await names(database) == []


async def test_a_broken_constraint_is_a_bug_and_rolls_back(database: Database) -> None:
    with pytest.raises(dbapi2.IntegrityError):
        async with database.transaction() as transaction:
            await transaction.execute(SETTING, "a", "1")
            await transaction.execute(SETTING, "a", "2")

    assert await names(database) == []


async def test_transactions_of_many_tasks_do_not_mix(database: Database) -> None:
    async def write(number: int) -> None:
        async with database.transaction() as transaction:
            await transaction.execute(SETTING, f"{number:03}", "first")
            await asyncio.sleep(0)
            if number % 2:
                raise LookupError
            await transaction.execute(SETTING, f"{number:03}b", "second")

    results = await asyncio.gather(*(write(n) for n in range(40)), return_exceptions=True)

    assert sum(isinstance(result, LookupError) for result in results) == 20
    assert await names(database) == [
        name for n in range(0, 40, 2) for name in (f"{n:03}", f"{n:03}b")
    ]


async def test_200_random_cancellations_do_not_poison_the_writer(database: Database) -> None:
    rng = random.Random(7)

    async def write(number: int) -> None:
        async with database.transaction() as transaction:
            for part in range(3):
                await transaction.execute(SETTING, f"{number:03}-{part}", "x")

    for number in range(200):
        task = asyncio.create_task(write(number))
        for _ in range(rng.randrange(40)):
            await asyncio.sleep(0)
        if rng.random() < 0.3:
            await database.rows("SELECT 1")  # lets the thread get on
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with database.transaction() as transaction:
        await transaction.execute(SETTING, "after", "x")

    written = await names(database)
    assert "after" in written
    for number in range(200):
        assert sum(name.startswith(f"{number:03}-") for name in written) in {0, 3}


async def test_the_reader_cannot_write(database: Database) -> None:
    with pytest.raises(StorageFailure, match="can't be written"):
        await database.rows("DELETE FROM setting RETURNING name")


async def test_every_migration_sets_its_version(tmp_path: Path) -> None:
    for kind in ("shared", "vault"):
        async with await Database.open(tmp_path / f"{kind}.db", migrations=kind) as database:
            version = await database.value("PRAGMA user_version")

            assert version == len(load_migrations(migrations_of(kind)))
            assert await database.value("PRAGMA foreign_key_check") is None
            assert await database.value("PRAGMA integrity_check") == "ok"


async def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "steps"
    folder.mkdir()
    first = "BEGIN IMMEDIATE; CREATE TABLE a (x); PRAGMA user_version = 1; COMMIT;"
    broken = "BEGIN IMMEDIATE; CREATE TABLE b (x); CREATE TABLE a (x); PRAGMA user_version = 2;"
    (folder / "0001_a.sql").write_text(first)
    async with await Database.open(tmp_path / "x.db", migrations=folder):
        pass
    (folder / "0002_b.sql").write_text(broken)

    with pytest.raises(StorageFailure):
        await Database.open(tmp_path / "x.db", migrations=folder)

    (folder / "0002_b.sql").unlink()
    async with await Database.open(tmp_path / "x.db", migrations=folder) as database:
        assert await database.value("PRAGMA user_version") == 1
        assert await database.rows("SELECT 1 FROM sqlite_schema WHERE name = 'b'") == []


async def test_a_file_of_a_newer_version_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    connection = dbapi2.connect(str(path))
    connection.execute("PRAGMA user_version = 99")
    connection.close()

    with pytest.raises(StorageFailure, match=r"newer version of Confidant .*upgrade") as caught:
        await Database.open(path, migrations="vault")

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", [bytes(32), None])
async def test_a_wrong_key_is_one_sentence_and_nothing_on_stderr(
    tmp_path: Path, key: bytes | None, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "vault.db"
    async with await Database.open(path, migrations="vault", key=KEY):
        pass

    with pytest.raises(StorageFailure, match="its key is not this one"):
        await Database.open(path, migrations="vault", key=key)

    assert capfd.readouterr() == ("", "")


async def test_files_are_private_and_an_encrypted_one_shows_nothing(tmp_path: Path) -> None:
    path = tmp_path / "vault.db"
    async with await Database.open(path, migrations="vault", key=KEY) as database:
        async with database.transaction() as transaction:
            await transaction.execute(SETTING, "a", "canary-8d41")

        files = database.files()

        assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600] * 3
        assert holding(b"canary", files) == []
        assert holding(b"SQLite format", files) == []


async def test_after_deleting_and_truncating_random_rows_leave_no_byte(tmp_path: Path) -> None:
    for seed in range(20):
        rng = random.Random(seed)
        path = tmp_path / f"{seed}.db"
        async with await Database.open(path, migrations="vault") as database:
            for number in range(rng.randrange(20, 120)):
                text = f"canary-8d41 {rng.randbytes(rng.randrange(1500)).hex()}"
                async with database.transaction() as transaction:
                    await transaction.execute(SETTING, f"canary-8d41 {number}", text)
                if rng.random() < 0.3:
                    async with database.transaction() as transaction:
                        await transaction.execute(
                            "UPDATE setting SET value = ? WHERE name = ?",
                            text[: rng.randrange(len(text))],
                            f"canary-8d41 {rng.randrange(number + 1)}",
                        )
            present = holding(b"canary-8d41", database.files())
            async with database.transaction() as transaction:
                await transaction.execute("DELETE FROM setting")
            await database.truncate()

            assert present
            assert holding(b"canary-8d41", database.files()) == []


class Reader:
    """Another program that reads the file and doesn't finish."""

    def __init__(self, path: Path) -> None:
        self._connection = dbapi2.connect(str(path), check_same_thread=False, isolation_level=None)
        self._connection.execute("BEGIN")
        self._connection.execute("SELECT count(*) FROM setting").fetchone()

    def close(self) -> None:
        self._connection.close()


async def test_a_truncate_that_a_reader_prevents_is_a_failure(tmp_path: Path) -> None:
    opened = await Database.open(tmp_path / "x.db", migrations="vault", busy_seconds=0.01)
    async with opened as database:
        reader = Reader(database.path)
        async with database.transaction() as transaction:
            await transaction.execute(SETTING, "canary-8d41", "")

        with pytest.raises(StorageFailure, match="could not yet be wiped"):
            await database.truncate()

        reader.close()
        await database.truncate()
        assert database.files()[1].stat().st_size == 0


async def test_a_truncate_waits_for_a_reader_that_finishes(database: Database) -> None:
    reader = Reader(database.path)
    async with database.transaction() as transaction:
        await transaction.execute(SETTING, "a", "")
    timer = threading.Timer(0.2, reader.close)
    timer.start()

    await database.truncate()

    timer.join()
    assert database.files()[1].stat().st_size == 0


async def test_logs_at_debug_hold_neither_values_nor_keys(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with await Database.open(tmp_path / "v.db", migrations="vault", key=KEY) as database:
        caplog.set_level(logging.DEBUG, "aiosqlite")
        async with database.transaction() as transaction:
            await transaction.execute(SETTING, "a", "canary-8d41")
            await transaction.insert(SETTING, "b", "canary-8d41")
        await database.rows("SELECT * FROM setting WHERE value = ?", "canary-8d41")

    assert "INSERT INTO setting" in caplog.text
    assert "canary" not in caplog.text
    assert KEY.hex() not in caplog.text


async def test_a_fence_rolls_back_what_is_in_flight_and_lets_nothing_through(
    database: Database,
) -> None:
    with pytest.raises(StorageFailure, match="destroyed"):
        async with database.transaction() as transaction:
            await transaction.execute(SETTING, "a", "")
            database.fence()
    with pytest.raises(StorageFailure, match="destroyed"):
        await database.rows("SELECT 1")
    with pytest.raises(StorageFailure, match="destroyed"):
        await database.truncate()
    path = database.path
    await database.close()
    await database.close()

    async with await Database.open(path, migrations="vault") as again:
        assert await names(again) == []


async def test_closing_while_cancelled_ends_the_threads_and_rolls_back(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    database = await Database.open(tmp_path / "x.db", migrations="vault")
    entered = asyncio.Event()

    async def hold() -> None:
        async with database.transaction() as transaction:
            await transaction.execute(SETTING, "a", "")
            entered.set()
            await asyncio.Event().wait()

    holder = asyncio.create_task(hold())
    await entered.wait()
    closer = asyncio.create_task(database.close())
    await asyncio.sleep(0)
    closer.cancel()
    holder.cancel()
    results = await asyncio.gather(closer, holder, return_exceptions=True)

    assert all(isinstance(result, asyncio.CancelledError) for result in results)
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive()
    async with await Database.open(database.path, migrations="vault") as again:
        assert await names(again) == []


async def test_half_characters_are_stored_as_question_marks(database: Database) -> None:
    async with database.transaction() as transaction:
        await transaction.execute(SETTING, "a", "x\ud800y\0z")

    assert await database.value("SELECT value FROM setting") == "x?y\0z"


async def test_a_path_that_cannot_be_opened_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StorageFailure, match=r"x\.db can't be opened"):
        await Database.open(tmp_path / "absent" / "x.db", migrations="vault")


async def test_a_damaged_file_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(os.urandom(8192))

    with pytest.raises(StorageFailure, match="damaged"):
        await Database.open(path, migrations="vault", key=KEY)
