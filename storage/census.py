"""How much is kept and how much waits, in numbers: nothing that was said, and nobody's name."""

import asyncio
import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from storage.audit_entry import minute
from storage.database import Database

_COUNTS = """
    SELECT (SELECT count(*) FROM inbox WHERE finished_at IS NULL) AS unfinished,
        (SELECT count(*) FROM waiting) AS waiting,
        (SELECT count(*) FROM audit_feed) AS unposted,
        (SELECT count(*) FROM withdrawal) AS withdrawals,
        (SELECT count(*) FROM withdrawal_search) AS searches,
        (SELECT count(*) FROM tenant) AS vaults,
        (SELECT coalesce(max(seq), 0) FROM audit_entry) AS audit_entries,
        (SELECT count(*) FROM audit_entry
            WHERE action = 'message.undecryptable' AND occurred_at >= ?) AS undecryptable
"""


@dataclass(frozen=True, slots=True)
class Census:
    """The data directory in numbers.

    `unfinished` events are not handled yet, `waiting` ones have no key yet, `unposted` entries are
    not in the audit room yet; `withdrawals` of messages are owed, `searches` of rooms for more of
    them. `undecryptable` is how many messages had no key, since a moment. `free` are the bytes
    left on the disk.
    """

    unfinished: int
    waiting: int
    unposted: int
    withdrawals: int
    searches: int
    vaults: int
    audit_entries: int
    undecryptable: int
    bytes: int
    free: int
    sqlite: str
    sqlcipher: str


async def take_census(shared: Database, *, since: datetime) -> Census:
    """Count; `since` is from when on undecryptable messages count."""
    row = await shared.row(_COUNTS, minute(since))
    assert row is not None
    numbers = {name: int(row[name]) for name in row.keys()}  # noqa: SIM118
    folder = shared.path.parent
    return Census(
        **numbers,
        bytes=await asyncio.to_thread(_size, folder),
        free=(await asyncio.to_thread(shutil.disk_usage, folder)).free,
        sqlite=str(await shared.value("SELECT sqlite_version()")),
        # "4.19.0 community"; nothing where it is plain SQLite.
        sqlcipher=str(await shared.value("PRAGMA cipher_version") or "").partition(" ")[0],
    )


def _size(folder: Path) -> int:
    """The bytes of all files; one that goes meanwhile counts for nothing."""
    size = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            size += path.stat().st_size if path.is_file() else 0
    return size
