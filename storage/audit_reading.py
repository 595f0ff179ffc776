"""Reading the public half of the audit log from outside, while the bot writes it.

For the command line, a process of its own: nothing is made, migrated or locked here, so that
looking needs no stopped bot and leaves no trace.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.audit_check import ENTRIES, FIRST, HEADS, AuditCheck, Verified
from storage.checkpoints import HeadKey
from storage.errors import StorageFailure
from storage.opening import AUDIT_HEAD, KEY_CHECK, check_key
from storage.sealing import MasterKey

BATCH = 10_000
QUERY = (
    "SELECT seq, occurred_at, action, outcome, lower(hex(commitment)), lower(hex(leaf_hash)) "
    "FROM audit_entry WHERE seq > ? ORDER BY seq LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class PublicEntry:
    """The public half of an entry: of nobody by name. Hashes are hexadecimal."""

    seq: int
    occurred_at: str  # to the minute
    action: str
    outcome: str
    commitment: str
    leaf_hash: str


@dataclass(frozen=True, slots=True)
class KeptHead:
    """A head that was signed for so many entries."""

    size: int
    note: str


def read_audit_log(path: Path) -> Iterator[PublicEntry]:
    """Every public entry of the log in a data directory, oldest first, as it stands."""
    file, seq = _shared(path), 0
    while entries := [PublicEntry(*row) for row in _rows(file, QUERY, seq, BATCH)]:
        yield from entries
        seq = entries[-1].seq


def read_audit_heads(path: Path) -> list[KeptHead]:
    """Every head that was signed, the smallest first, as it stands."""
    file = _shared(path)
    if not _rows(file, "SELECT 1 FROM sqlite_master WHERE name = 'audit_head'"):
        return []  # the bot has not run since it learned to sign
    return [KeptHead(*row) for row in _rows(file, HEADS)]


def read_audit_key(path: Path, secret: str) -> HeadKey:
    """The key of the log's heads, of the configured master key as for MasterKey.load."""
    checks = _rows(_shared(path), "SELECT value FROM state WHERE name = ?", KEY_CHECK)
    master_key = MasterKey.load(secret, path)
    for [sealed] in checks:
        check_key(master_key, sealed)
    return HeadKey(master_key.derive(AUDIT_HEAD))


def verify_audit_log(path: Path, verifier_key: str, notes: Sequence[str] = ()) -> Verified:
    """What AuditLog.verify does."""
    file, start = _shared(path), FIRST
    kept = [(head.size, head.note) for head in read_audit_heads(path)]
    check = AuditCheck(verifier_key, kept=kept, notes=notes)
    while rows := _rows(file, ENTRIES, start):
        check.take(rows)
        start = rows[-1][0] + 1
    return check.done()


def _shared(path: Path) -> Path:
    file = path / "shared.db"
    if not file.exists():
        raise StorageFailure(f"There is no audit log in {path}.")
    return file


def _rows(file: Path, sql: str, *parameters: object) -> list[Sequence[Any]]:
    # Read at once and closed again: whoever reads on keeps the bot from wiping what was deleted.
    # Without a log beside it nobody has the file open, and "immutable" keeps SQLite from making one
    # that belongs to whoever looks.
    live = file.with_name(f"{file.name}-wal").exists()
    uri = f"{file.absolute().as_uri()}?mode=ro{'' if live else '&immutable=1'}"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            return connection.execute(sql, parameters).fetchall()
    except sqlite3.Error as error:
        raise StorageFailure(
            f"{file.name} can't be read: it is damaged, or may not be read by this user "
            f"({getattr(error, 'sqlite_errorname', type(error).__name__)})."
        ) from None
