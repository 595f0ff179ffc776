"""The tree over the leaves of the log: its signed heads, and what proves that an entry is in it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.audit_check import ENTRIES, FIRST, HEADS, AuditCheck, Verified
from storage.checkpoints import HeadKey, SignedHead, UnfitHead, opened
from storage.clock import to_text
from storage.database import Database
from storage.merkle import Frontier, inclusion
from storage.rows import Row

LEAVES = "SELECT leaf_hash FROM audit_entry WHERE seq > ? ORDER BY seq LIMIT ?"
NEWEST = "SELECT note FROM audit_head WHERE size >= ? ORDER BY size DESC LIMIT 1"
BATCH = 10_000


@dataclass(frozen=True, slots=True)
class Proof:
    """That an entry is in the log: the way from its leaf to a signed root.

    The leaf's place in the tree is `seq` - 1.
    """

    seq: int
    head: SignedHead
    path: tuple[bytes, ...]


class AuditTree:
    """What is known of the tree. Entries are taken in when a head is asked for, none before it is
    committed, so that appending costs nothing here and a rollback leaves nothing."""

    def __init__(self, database: Database, key: HeadKey, now: Callable[[], datetime]) -> None:
        self._database = database
        self._key = key
        self._now = now
        self._frontier = Frontier()
        self._catching_up = asyncio.Lock()

    async def head(self) -> SignedHead:
        """The head of all entries so far, signed and kept."""
        async with self._catching_up:
            await self._catch_up()
            head = self._key.sign(self._frontier.size, self._frontier.root())
        async with self._database.transaction() as transaction:
            await transaction.execute(
                "INSERT OR IGNORE INTO audit_head (size, note, signed_at) VALUES (?, ?, ?)",
                *(head.checkpoint.size, head.note, to_text(self._now())),
            )
        return head

    async def proof(self, seq: int) -> Proof:
        """What proves that an entry is in the log; LookupError if there is none of this number.

        It leads to the newest head that was kept, so that asking for proofs makes no more of them.
        """
        row = await self._database.row("SELECT 1 FROM audit_entry WHERE seq = ?", seq)
        if row is None:
            raise LookupError(f"there is no entry {seq}")
        head = await self._kept(seq) or await self.head()
        leaves = _leaves(await self._database.rows(LEAVES, 0, head.checkpoint.size))
        path = await asyncio.to_thread(inclusion, leaves, seq - 1)
        return Proof(seq, head, path)

    async def verify(self, notes: Sequence[str]) -> Verified:
        """Recompute everything, beside the loop."""
        kept = [(row["size"], row["note"]) for row in await self._database.rows(HEADS)]
        key = self._key.verifier_key
        check = await asyncio.to_thread(AuditCheck, key, kept=kept, notes=notes)
        start = FIRST
        while rows := await self._database.rows(ENTRIES, start):
            await asyncio.to_thread(check.take, rows)
            start = rows[-1][0] + 1
        return check.done()

    async def _catch_up(self) -> None:
        while rows := await self._database.rows(LEAVES, self._frontier.size, BATCH):
            # A copy: cancelled here, the thread goes on, and must not grow the tree twice.
            self._frontier = await asyncio.to_thread(_grown, self._frontier, _leaves(rows))

    async def _kept(self, size: int) -> SignedHead | None:
        """The newest head of at least so many entries; None also where that was changed."""
        note = await self._database.value(NEWEST, size)
        try:
            checkpoint = opened(str(note or ""), self._key.verifier_key)
        except UnfitHead:
            return None
        return SignedHead(checkpoint, str(note)) if checkpoint.size >= size else None


def _leaves(rows: Sequence[Row]) -> list[bytes]:
    return [row[0] for row in rows]


def _grown(frontier: Frontier, leaves: Sequence[bytes]) -> Frontier:
    grown = frontier.copy()
    for leaf in leaves:
        grown.push(leaf)
    return grown
