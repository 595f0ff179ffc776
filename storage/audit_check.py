"""Recomputing the log: every leaf, the tree over them, and each head that was ever signed.

Entries come in batches, so that no more of a long log is in memory. Whoever has the file and the
master key can write another history and sign its heads; then only heads that others have kept, in
the audit room or in an export, tell.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
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

    `own` are those entries of which one person's vault says the same, where it was asked, and
    `unpublished` what it has noted and a crash kept out of the log. The first `covered` entries
    are those that a head vouches for; of the heads, `outside` came from there.
    """

    entries: int
    heads: int
    own: int = 0
    unpublished: int = 0
    covered: int = field(default=0, compare=False)
    outside: int = field(default=0, compare=False)


class AuditCheck:
    """One pass over the log, to its end. Everything raises AuditTampered.

    A changed entry comes first, for nothing explains it; then heads beside the log that don't fit,
    then those from outside, which a restored backup may have left behind.
    """

    def __init__(
        self, verifier_key: str, *, kept: Iterable[tuple[int, str]], notes: Iterable[str]
    ) -> None:
        """`kept` are the sizes and notes of the heads beside the log, `notes` those from outside.

        Raises AuditTampered for a note that the key didn't sign.
        """
        self._frontier = Frontier()
        self._restored: int | None = None
        self._kept = {_kept(size, note, verifier_key) for size, note in kept}
        self._outside = {_outside(note, verifier_key) for note in set(notes)}
        self._roots: dict[int, set[Checkpoint]] = {}
        for head in self._kept | self._outside:
            self._roots.setdefault(head.size, set()).add(head)
        self._misfits: list[tuple[bool, int, str]] = []
        self._compare()

    def take(self, rows: Iterable[Row | Sequence[Any]]) -> None:
        """The next entries, as ENTRIES gives them. Blocks for about ten microseconds each."""
        for row in rows:
            self._frontier.push(self._recomputed(row))
            if self._frontier.size in self._roots:
                self._compare()

    def done(self) -> Verified:
        """There are no more entries."""
        for some in (self._kept, self._outside):
            newest = max(some, key=lambda head: head.size, default=None)
            if newest is not None and newest.size > self._frontier.size:
                self._misfit(
                    newest,
                    "The newest entries of the audit log were cut off: a head was signed for "
                    f"{newest.size} entries, and there are {self._frontier.size}",
                )
        if self._misfits:
            raise AuditTampered(min(self._misfits)[-1])
        heads = self._kept | self._outside
        covered = max(self._roots, default=0)
        return Verified(
            self._frontier.size, len(heads), covered=covered, outside=len(self._outside)
        )

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
        size, root = self._frontier.size, self._frontier.root()
        for head in self._roots.get(size, set()):
            if head.root != root:
                self._misfit(
                    head,
                    f"The audit log was rewritten: its first {size} entries are not those that a "
                    "head was signed for",
                )

    def _misfit(self, head: Checkpoint, found: str) -> None:
        is_from_outside = head not in self._kept
        why = self._perhaps_restored(is_from_outside=is_from_outside)
        self._misfits.append((is_from_outside, head.size, f"{found}{why}."))

    def _perhaps_restored(self, *, is_from_outside: bool) -> str:
        if self._restored is None:
            return ", and no entry says that a backup was restored"
        if not is_from_outside:
            return "; that head came with the log, so no restored backup explains it"
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
