"""Reading the public half of the audit log from outside, while the bot writes it.

For the command line, a process of its own: nothing is made, migrated or locked here, so that
looking needs no stopped bot and leaves no trace. Proofs, and heads that the audit room witnessed,
have their place beside `verify_audit_log`.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from storage.audit_entry import leaf_hash
from storage.errors import AuditTampered, StorageFailure

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

    def is_intact(self) -> bool:
        """Whether the entry is what its hash was made of."""
        return (
            self.leaf_hash
            == leaf_hash(
                seq=self.seq,
                occurred_at=self.occurred_at,
                action=self.action,
                outcome=self.outcome,
                commitment=bytes.fromhex(self.commitment),
            ).hex()
        )


def read_audit_log(path: Path) -> Iterator[PublicEntry]:
    """Every public entry of the log in a data directory, oldest first, as it stands."""
    file = path / "shared.db"
    if not file.exists():
        raise StorageFailure(f"There is no audit log in {path}.")
    seq = 0
    while entries := _batch(file, seq):
        yield from entries
        seq = entries[-1].seq


def verify_audit_log(path: Path) -> int:
    """Recompute every leaf hash; the number of entries, or AuditTampered naming the first."""
    seq = 0
    for seq, entry in enumerate(read_audit_log(path), start=1):
        if entry.seq != seq or not entry.is_intact():
            raise AuditTampered(f"The audit log was changed: entry {seq} is not what was recorded.")
    return seq


def _batch(file: Path, seq: int) -> list[PublicEntry]:
    # Read at once and closed again: whoever reads on keeps the bot from wiping what was deleted.
    # Without a log beside it nobody has the file open, and "immutable" keeps SQLite from making one
    # that belongs to whoever looks.
    live = file.with_name(f"{file.name}-wal").exists()
    uri = f"{file.absolute().as_uri()}?mode=ro{'' if live else '&immutable=1'}"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            return [PublicEntry(*row) for row in connection.execute(QUERY, (seq, BATCH))]
    except sqlite3.Error as error:
        raise StorageFailure(
            f"{file.name} can't be read: it is damaged, or may not be read by this user "
            f"({getattr(error, 'sqlite_errorname', type(error).__name__)})."
        ) from None
