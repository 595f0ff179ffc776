"""Random changes to an audit log, as by somebody who can write its file and has read its schema."""

import random
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from storage.audit_entry import leaf_hash

COLUMNS = ("occurred_at", "action", "outcome", "commitment", "leaf_hash")
TEXTS = {
    "occurred_at": ("2026-11-23T12:01Z", "2026-11-24T12:00Z"),
    "action": ("message.denied", "memory.deleted"),
    "outcome": ("failed", "denied"),
}
KEPT = ("audit_entry_update", "audit_entry_delete")
Change = Callable[[sqlite3.Connection, random.Random, int], None]


def defenceless(file: Path) -> sqlite3.Connection:
    """The file without what keeps it append-only."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA foreign_keys = OFF")
    for trigger in KEPT:
        connection.execute(f"DROP TRIGGER {trigger}")
    return connection


def tampered(connection: sqlite3.Connection, chance: random.Random) -> str:
    """Change something, and say what. In half of the cases every entry fits its hash afterwards."""
    [size] = connection.execute("SELECT count(*) FROM audit_entry").fetchone()
    change, rehashed = chance.choice(CHANGES), chance.random() < 0.5
    before = _rows(connection)
    connection.execute("BEGIN")
    change(connection, chance, size)
    if rehashed:
        _rehash(connection)
    if _rows(connection) == before:  # such as a hash that was changed and made to fit again
        connection.execute("ROLLBACK")
        return tampered(connection, chance)
    connection.execute("COMMIT")
    return f"{change.__name__.strip('_')}{', rehashed' if rehashed else ''}"


def _bit(connection: sqlite3.Connection, chance: random.Random, size: int) -> None:
    seq, column = chance.randint(1, size), chance.choice(COLUMNS)
    query = f"SELECT CAST({column} AS BLOB) FROM audit_entry WHERE seq = ?"
    content = bytearray(connection.execute(query, (seq,)).fetchone()[0])
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    kind = "TEXT" if column in TEXTS else "BLOB"
    update = f"UPDATE audit_entry SET {column} = CAST(? AS {kind}) WHERE seq = ?"
    connection.execute(update, (bytes(content), seq))


def _field(connection: sqlite3.Connection, chance: random.Random, size: int) -> None:
    column = chance.choice(list(TEXTS))
    update = f"UPDATE audit_entry SET {column} = ? WHERE seq = ?"
    connection.execute(update, (chance.choice(TEXTS[column]), chance.randint(1, size)))


def _row(connection: sqlite3.Connection, chance: random.Random, size: int) -> None:
    seq = chance.randint(1, size)
    connection.execute("DELETE FROM audit_entry WHERE seq = ?", (seq,))
    _put(connection, chance, seq)


def _exchanged(connection: sqlite3.Connection, chance: random.Random, size: int) -> None:
    one, other = chance.sample(range(1, size + 1), 2)
    for old, new in ((one, -1), (other, one), (-1, other)):
        connection.execute("UPDATE audit_entry SET seq = ? WHERE seq = ?", (new, old))


def _taken_out(connection: sqlite3.Connection, chance: random.Random, size: int) -> None:
    first = chance.randint(1, size)
    last = min(size, first + chance.randrange(3))
    connection.execute("DELETE FROM audit_entry WHERE seq BETWEEN ? AND ?", (first, last))
    if chance.random() < 0.5:  # and closed the gap
        _moved(connection, last + 1, first - last - 1)


def _put_in(connection: sqlite3.Connection, chance: random.Random, size: int) -> None:
    seq = chance.choice([0, chance.randint(1, size)])
    if seq:
        _moved(connection, seq, 1)
    _put(connection, chance, seq)


def _put_in_again(connection: sqlite3.Connection, chance: random.Random, size: int) -> None:
    one, place = chance.sample(range(1, size + 1), 2)
    connection.execute("UPDATE audit_entry SET seq = -1 WHERE seq = ?", (one,))
    _moved(connection, one + 1, -1)
    _moved(connection, place, 1)
    connection.execute("UPDATE audit_entry SET seq = ? WHERE seq = -1", (place,))


def _cut_off(connection: sqlite3.Connection, chance: random.Random, size: int) -> None:
    connection.execute("DELETE FROM audit_entry WHERE seq > ?", (chance.randrange(size),))


CHANGES: Sequence[Change] = (
    *(_bit, _field, _row, _exchanged),
    *(_taken_out, _put_in, _put_in_again, _cut_off),
)


def _put(connection: sqlite3.Connection, chance: random.Random, seq: int) -> None:
    values = (seq, "2026-11-23T12:00Z", "message.answered", "ok")
    blobs = (chance.randbytes(32), chance.randbytes(32))
    connection.execute("INSERT INTO audit_entry VALUES (?, ?, ?, ?, ?, ?)", (*values, *blobs))


def _moved(connection: sqlite3.Connection, start: int, by: int) -> None:
    """In two steps, by way of numbers that nobody has."""
    far = 1_000_000
    connection.execute("UPDATE audit_entry SET seq = seq + ? WHERE seq >= ?", (far, start))
    connection.execute("UPDATE audit_entry SET seq = seq - ? WHERE seq >= ?", (far - by, far))


def _rehash(connection: sqlite3.Connection) -> None:
    for seq, *texts, commitment, _ in _rows(connection):
        at, action, outcome = (text.decode("utf-8", "replace") for text in texts)
        leaf = leaf_hash(
            seq=seq, occurred_at=at, action=action, outcome=outcome, commitment=commitment
        )
        connection.execute("UPDATE audit_entry SET leaf_hash = ? WHERE seq = ?", (leaf, seq))


def _rows(connection: sqlite3.Connection) -> list[tuple[int, bytes, bytes, bytes, bytes, bytes]]:
    return connection.execute(
        "SELECT seq, CAST(occurred_at AS BLOB), CAST(action AS BLOB), CAST(outcome AS BLOB), "
        "commitment, leaf_hash FROM audit_entry ORDER BY seq"
    ).fetchall()
