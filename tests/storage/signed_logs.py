"""Logs with signed heads, and what can be done to them."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlcipher3 import dbapi2

from storage import (
    AuditEntry,
    AuditTampered,
    MasterKey,
    Storage,
    open_storage,
    read_audit_heads,
    read_audit_key,
    verify_audit_log,
)
from storage.audit_entry import leaf_hash
from storage.checkpoints import HeadKey
from storage.merkle import root_of
from tests.storage.conftest import MASTER_SECRET

NOON = datetime(2026, 11, 23, 12, 0, 31, 5, tzinfo=UTC)


def entry(number: int = 0) -> AuditEntry:
    moment = NOON + timedelta(minutes=number)
    return AuditEntry(moment, "@alice:hs", "message.answered", "ok", "$event", {"ms": 40})


async def fill(storage: Storage, count: int, *, head_every: int = 0) -> None:
    for number in range(1, count + 1):
        await storage.audit_log.append(entry(number))
        if head_every and number % head_every == 0:
            await storage.audit_log.head()


async def filled(data: Path, key: MasterKey, count: int, *, head_every: int = 0) -> None:
    async with open_storage(data, key) as storage:
        await fill(storage, count, head_every=head_every)


def notes(data: Path) -> list[str]:
    """Every head that was signed, the smallest first."""
    return [head.note for head in read_audit_heads(data)]


@contextmanager
def defenceless(data: Path) -> Iterator[Any]:
    """The file as somebody has it who can write it and has read its schema."""
    with closing(dbapi2.connect(str(data / "shared.db"), isolation_level=None)) as file:
        file.execute("PRAGMA foreign_keys = OFF")
        file.execute("DROP TRIGGER audit_entry_update")
        file.execute("DROP TRIGGER audit_entry_delete")
        yield file


def rehash(file: Any) -> None:
    """Let every entry fit its hash again."""
    for seq, at, action, outcome, commitment in file.execute(
        "SELECT seq, occurred_at, action, outcome, commitment FROM audit_entry"
    ).fetchall():
        fits = leaf_hash(
            seq=seq, occurred_at=at, action=action, outcome=outcome, commitment=commitment
        )
        file.execute("UPDATE audit_entry SET leaf_hash = ? WHERE seq = ?", (fits, seq))


def sign_again(file: Any, key: HeadKey) -> None:
    """Replace every head that was kept by that of the entries that are there now."""
    leaves = [row[0] for row in file.execute("SELECT leaf_hash FROM audit_entry ORDER BY seq")]
    for [size] in file.execute("SELECT size FROM audit_head").fetchall():
        note = key.sign(size, root_of(leaves[:size])).note
        file.execute("UPDATE audit_head SET note = ? WHERE size = ?", (note, size))


async def found(data: Path, key: MasterKey, *outside: str) -> str:
    """What verifying says, which the command line says as well."""
    async with open_storage(data, key) as storage:
        with pytest.raises(AuditTampered) as caught:
            await storage.audit_log.verify(outside)
    with pytest.raises(AuditTampered) as again:
        verify_audit_log(data, read_audit_key(data, MASTER_SECRET).verifier_key, outside)
    assert str(again.value) == str(caught.value)
    return str(caught.value)
