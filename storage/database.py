"""One SQLite file, encrypted or not, with one locked writer and one reader that can't write."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib.resources.abc import Traversable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import aiosqlite
from sqlcipher3 import dbapi2

from storage.errors import StorageFailure, VaultGone, sqlite_failure
from storage.files import create_private, files_of
from storage.rows import Parameters, Row
from storage.schema import load_migrations, migrations_of, pending

TRUNCATE_ATTEMPTS = 3

# The key comes before these. secure_delete zeroes what is deleted, temp_store keeps sorting off
# the disk, and the small cache counts: every open vault has two connections.
PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA foreign_keys = ON",
    "PRAGMA cache_size = -2000",
)


class Transaction:
    """What may be done between BEGIN and COMMIT; never await the network in between."""

    def __init__(self, writer: aiosqlite.Connection, check: Callable[[], None]) -> None:
        self._writer = writer
        self._check = check

    async def execute(self, sql: str, *parameters: object) -> int:
        """Run a statement; how many rows it changed."""
        self._check()
        # Not closed: that would be one more trip to the thread, and the statement is done.
        cursor = await self._writer.execute(sql, Parameters(parameters))
        return cursor.rowcount

    async def insert(self, sql: str, *parameters: object) -> int:
        """Run an INSERT; the id of the row."""
        self._check()
        row = await self._writer.execute_insert(sql, Parameters(parameters))
        assert row is not None
        return int(row[0])

    async def many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Run a statement for each of the rows."""
        self._check()
        await self._writer.executemany(sql, [Parameters(row) for row in rows])

    async def rows(self, sql: str, *parameters: object) -> list[Row]:
        """Run a query, or a statement with RETURNING; all its rows."""
        self._check()
        return await _fetch(self._writer, sql, parameters)

    async def row(self, sql: str, *parameters: object) -> Row | None:
        """The first row, or None."""
        return next(iter(await self.rows(sql, *parameters)), None)


class Database:
    """One open file. Close it in a `finally`: an open connection keeps the process from ending."""

    def __init__(
        self, path: Path, writer: aiosqlite.Connection, reader: aiosqlite.Connection
    ) -> None:
        self.path = path
        self._writer, self._reader = writer, reader
        self._writing, self._reading = asyncio.Lock(), asyncio.Lock()
        self.before_commit: Callable[[Transaction], Awaitable[None]] | None = None
        self._fenced = False
        self._closed = False  # nothing more is let in
        self._ended = False  # the connections are closing, or closed

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        migrations: str | Traversable,
        key: bytes | None = None,
        busy_seconds: float = 5.0,
    ) -> Self:
        """Open or create the file and bring its schema up to date.

        `migrations` names one of our folders ("shared", "vault") or is a folder itself; `key` is
        the raw 256-bit key of an encrypted file. Usable in `async with await Database.open(…)`.
        """
        folder = migrations_of(migrations) if isinstance(migrations, str) else migrations
        create_private(path)
        with translated(path):
            writer = await _connection(path, key, busy_seconds, ())
            try:
                await _migrate(writer, folder, path.name)
                reader = await _connection(path, key, busy_seconds, ("PRAGMA query_only = ON",))
            except BaseException:
                await writer.close()
                raise
        return cls(path, writer, reader)

    async def rows(self, sql: str, *parameters: object) -> list[Row]:
        """All rows of a query, from the reader."""
        async with self._reading:
            self.ensure()
            with translated(self.path):
                return await _fetch(self._reader, sql, parameters)

    async def row(self, sql: str, *parameters: object) -> Row | None:
        """The first row of a query, or None."""
        return next(iter(await self.rows(sql, *parameters)), None)

    async def value(self, sql: str, *parameters: object) -> Any:
        """The first column of the first row, or None."""
        row = await self.row(sql, *parameters)
        return None if row is None else row[0]

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """One write transaction, committed at the end, rolled back on any exception.

        BEGIN stands inside the `try`: a cancelled await does not stop the statement, which
        aiosqlite has already queued. The rollback is queued behind it, even if cancelled again.
        """
        async with self._writing:
            self.ensure()
            with translated(self.path):
                try:
                    await _fetch(self._writer, "BEGIN IMMEDIATE")
                    transaction = Transaction(self._writer, self.ensure)
                    yield transaction
                    if self.before_commit is not None:
                        await self.before_commit(transaction)
                    self.ensure()
                    await _fetch(self._writer, "COMMIT")
                except BaseException:
                    # Closed underneath, which has rolled it back: aiosqlite says ValueError, and
                    # the driver ProgrammingError where that came while this was on its way.
                    with suppress(ValueError, dbapi2.ProgrammingError):
                        await self._writer.rollback()
                    raise

    async def wipe(self) -> None:
        """Take what was deleted out of every byte of the files.

        Zeroing deleted rows is not enough: a row that SQLite moved within a page before leaves a
        copy in the gap (7 of 80 random workloads). VACUUM writes every page anew.
        """
        await self._empty_log("VACUUM")

    async def truncate(self) -> None:
        """Empty the write-ahead log, so that it holds no older state of the file."""
        await self._empty_log()

    async def _empty_log(self, *before: str) -> None:
        # Another program that reads makes SQLite report "busy" and leave everything where it is,
        # without an error: hence the check, and the retry after SQLite's own waiting time.
        async with self._writing, self._reading:
            with translated(self.path):
                for statement in before:
                    self.ensure()
                    await _fetch(self._writer, statement)
                for _ in range(TRUNCATE_ATTEMPTS):
                    self.ensure()
                    [row] = await _fetch(self._writer, "PRAGMA wal_checkpoint(TRUNCATE)")
                    if row[0] == 0:
                        return
        raise StorageFailure(
            f"{self.path.name}: what was deleted could not yet be wiped from the disk, "
            "because another program is reading the file."
        )

    def files(self) -> tuple[Path, ...]:
        """Every file that SQLite may keep for this database."""
        return files_of(self.path)

    @asynccontextmanager
    async def still(self) -> AsyncIterator[None]:
        """Nobody writes meanwhile: whoever wants to, waits."""
        async with self._writing:
            yield

    def fence(self) -> None:
        """From now on nothing is read or written here; a transaction in flight rolls back."""
        self._fenced = self._closed = True

    async def close(self) -> None:
        """Close behind the statements in flight; a transaction in flight is rolled back by that.

        May be called twice, and cancelled: aiosqlite ends its thread all the same, without which
        the process would never end.
        """
        self._closed = True
        if self._ended:
            return
        self._ended = True
        try:
            await self._reader.close()
        finally:
            # The writer last: closing the last connection empties and removes the log.
            await self._writer.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def ensure(self) -> None:
        """Raise VaultGone behind the fence, StorageFailure once it is closed."""
        if self._fenced:
            raise VaultGone(f"{self.path.name} was destroyed.")
        if self._closed:
            raise StorageFailure(f"{self.path.name} is closed.")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn the driver's known exceptions into ours; a broken constraint stays what it is, a bug.

    The driver's text is dropped with `from None`: FTS5 quotes the query in it.
    """
    try:
        yield
    except (dbapi2.IntegrityError, dbapi2.ProgrammingError):
        raise
    except dbapi2.Error as error:
        name = str(getattr(error, "sqlite_errorname", None) or type(error).__name__)
        raise StorageFailure(f"{path.name}: {sqlite_failure(name)} ({name}).") from None


async def _connection(
    path: Path, key: bytes | None, busy_seconds: float, extra: Sequence[str]
) -> aiosqlite.Connection:
    failures: list[dbapi2.Error] = []

    # Nothing is bound to the function by partial(): aiosqlite logs its repr, and it holds the key.
    def connect() -> sqlite3.Connection:
        connection = dbapi2.connect(
            str(path), isolation_level=None, check_same_thread=False, timeout=busy_seconds
        )
        try:
            connection.row_factory = dbapi2.Row
            # SQLCipher writes to stderr by itself when a key is wrong.
            connection.execute("PRAGMA cipher_log_level = NONE")
            if key is not None:
                connection.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
            for pragma in (*PRAGMAS, *extra):
                connection.execute(pragma)
        except dbapi2.Error as error:
            # Raised here it would leave aiosqlite's thread running behind our back.
            failures.append(error)
        return cast(sqlite3.Connection, connection)

    # At DEBUG it logs statements, and errors that may quote what was searched for.
    logging.getLogger("aiosqlite").setLevel(logging.INFO)
    connection = await aiosqlite.Connection(connect, iter_chunk_size=64)
    if failures:
        await connection.close()
        raise failures[0]
    return connection


async def _migrate(writer: aiosqlite.Connection, folder: Traversable, name: str) -> None:
    [row] = await _fetch(writer, "PRAGMA user_version")
    for step in pending(load_migrations(folder), int(row[0]), name=name):
        try:
            # The script brings its own BEGIN IMMEDIATE, user_version and COMMIT.
            await writer.executescript(step.sql)
        except BaseException:
            await writer.rollback()
            raise
        [row] = await _fetch(writer, "PRAGMA user_version")
        assert row[0] == step.number, f"{step.number:04} does not set its user_version"


async def _fetch(
    connection: aiosqlite.Connection, sql: str, parameters: Sequence[object] = ()
) -> list[Row]:
    return list(await connection.execute_fetchall(sql, Parameters(parameters)))
