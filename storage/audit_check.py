"""Recomputing the log: every leaf, the tree over them, and each head that was ever signed.

Entries come in batches, so that no more of a long log is in memory. Whoever has the file and the
master key can write another history and sign its heads; then only heads that others have kept, in
the audit room or in an export, tell.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from storage.audit_entry import leaf_hash
from storage.checkpoints import Checkpoint, UnfitHead, opened
from storage.errors import AuditTampered
from storage.merkle import Frontier
from storage.rows import Row

# Text as it is in the file: a changed byte need not be UTF-8 any more.
ENTRIES = """
    SELECT seq, CAST(occurred_at AS BLOB), CAST(action AS BLOB), CAST(outcome AS BLOB), commitment,
           leaf_hash
    FROM audit_entry WHERE seq >= ? ORDER BY seq LIMIT 10000
"""
FIRST = -(2**63)  # what was put in before entry 1 must be seen, too
HEADS = "SELECT size, note FROM audit_head ORDER BY size"
RESTORED = "backup.restored"


@dataclass(frozen=True, slots=True)
class Verified:
    """How much was found intact: entries, and different heads that they were compared with.

    `own` are those entries of which one person's vault says the same, where it was asked.
    """

    entries: int
    heads: int
    own: int = 0


class AuditCheck:
    """One pass over the log. Everything raises AuditTampered, which says what was found first."""

    def __init__(
        self, verifier_key: str, *, kept: Iterable[tuple[int, str]], notes: Iterable[str]
    ) -> None:
        """`kept` are the sizes and notes of the heads beside the log, `notes` those from outside.

        Raises AuditTampered for a note that the key didn't sign.
        """
        self._frontier = Frontier()
        self._restored: int | None = None
        self._heads = {_kept(size, note, verifier_key) for size, note in kept}
        self._heads |= {_outside(note, verifier_key) for note in set(notes)}
        self._roots: dict[int, set[bytes]] = {}
        for head in self._heads:
            self._roots.setdefault(head.size, set()).add(head.root)
        self._compare()

    def take(self, rows: Iterable[Row | Sequence[Any]]) -> None:
        """The next entries, as ENTRIES gives them. Blocks for about ten microseconds each."""
        for row in rows:
            self._frontier.push(self._recomputed(row))
            if self._frontier.size in self._roots:
                self._compare()

    def done(self) -> Verified:
        """There are no more entries."""
        size, newest = self._frontier.size, max(self._roots, default=0)
        if newest > size:
            raise AuditTampered(
                f"The newest entries of the audit log were cut off: a head was signed for {newest} "
                f"entries, and there are {size}{self._perhaps_restored()}."
            )
        return Verified(size, len(self._heads))

    def _recomputed(self, row: Row | Sequence[Any]) -> bytes:
        expected = self._frontier.size + 1
        seq, occurred_at, action, outcome, commitment, kept = row
        try:
            leaf = leaf_hash(
                seq=seq,
                occurred_at=occurred_at.decode(),
                action=action.decode(),
                outcome=outcome.decode(),
                commitment=commitment,
            )
        except UnicodeDecodeError:
            leaf = b""
        if seq != expected or kept != leaf:
            raise AuditTampered(
                f"The audit log was changed: entry {expected} is not what was recorded."
            )
        if action == RESTORED.encode():
            self._restored = seq
        return leaf

    def _compare(self) -> None:
        size = self._frontier.size
        if self._roots.get(size, set()) - {self._frontier.root()}:
            raise AuditTampered(
                f"The audit log was rewritten: its first {size} entries are not those that a head "
                f"was signed for{self._perhaps_restored()}."
            )

    def _perhaps_restored(self) -> str:
        if self._restored is None:
            return ", and no entry says that a backup was restored"
        return f"; restoring the backup that entry {self._restored} tells of may be the reason"


def _kept(size: int, note: str, verifier_key: str) -> Checkpoint:
    try:
        checkpoint = opened(note, verifier_key)
    except UnfitHead as error:
        raise AuditTampered(f"The head kept for {size} entries was changed: {error}") from None
    if checkpoint.size != size:
        raise AuditTampered(f"The head kept for {size} entries is that of {checkpoint.size}.")
    return checkpoint


def _outside(note: str, verifier_key: str) -> Checkpoint:
    try:
        return opened(note, verifier_key)
    except UnfitHead as error:
        raise AuditTampered(f"A head from outside proves nothing: {error}") from None
