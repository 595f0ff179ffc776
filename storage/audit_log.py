"""The audit log: append-only, gapless, its public half free of anybody's name."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime

from storage.audit_check import Verified
from storage.audit_entry import (
    BEGUN,
    AuditDetail,
    AuditEntry,
    keep,
    leaf_hash,
    minute,
    salted,
)
from storage.audit_feed import FeedItem, announce, bare, name_in_feed, unposted
from storage.audit_tree import AuditTree, Proof
from storage.checkpoints import HeadKey, SignedHead
from storage.clock import utc_now
from storage.database import Database, Transaction
from storage.errors import AuditTampered, DetailsNotKept, StorageFailure, VaultGone
from storage.inbox import begin, finish
from storage.incoming import Fields
from storage.rows import Row
from storage.unrecorded import besides
from storage.vault import Vault

BATCH = 200
NO_LIMIT = -1  # of SQLite's


class AuditLog:
    """The log and the feed of what the audit room has yet to be told."""

    def __init__(
        self, database: Database, key: HeadKey, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._database = database
        self._tree = AuditTree(database, key, now)
        self._now = now
        self._appending = asyncio.Lock()
        self._appended = asyncio.Event()

    async def append(self, entry: AuditEntry, vault: Vault | None = None) -> int:
        """Record one entry; its number."""
        seq, *_ = await self.record([entry], vault)
        return seq

    async def record(
        self,
        entries: Sequence[AuditEntry],
        vault: Vault | None = None,
        *,
        begins: tuple[str, str] | None = None,
        finishes: str | None = None,
    ) -> list[int]:
        """Record entries, all or none; their numbers.

        `vault` is that of the person whom they concern, if there is one. What else was changed in
        this opening of it, such as what was deleted along with something, gets entries of its own
        behind them. In the same transaction the inbox is told what `begins` because of which event,
        and the event is done which they `finishes`. The details go first: a crash in between leaves
        details that are published later (`settle`), never a public entry whose details nobody has.
        DetailsNotKept says that it was the vault which failed, and nothing is recorded.
        """
        async with self._appending:
            if vault is not None:
                details = await _kept(entries, vault)
            else:
                details = [salted(bare(entry)) for entry in entries]
            async with self._database.transaction() as transaction:
                if vault is None:
                    for detail in details:
                        await keep(transaction, detail)
                seqs = [
                    await _publish(transaction, detail, name_in_feed(detail.entry, vault))
                    for detail in details
                ]
                if begins is not None:
                    await begin(transaction, *begins)
                if finishes is not None:
                    await finish(transaction, finishes, self._now())
            if vault is not None:
                vault.published(details)
        self._appended.set()
        return seqs

    async def settle(self, vault: Vault, user_id: str, alive: Collection[str]) -> None:
        """Record what was changed in a vault and is not recorded, because something failed.

        `alive` are those openings of the vault that go on.
        """

        def made(action: str, target: str) -> AuditDetail:
            facts = {"recovered": True}
            return salted(AuditEntry(self._now(), user_id, action, "ok", target, facts))

        async with self._appending:
            details = await vault.left_unrecorded(alive, made)
            known = await self._public([detail.commitment for detail in details])
            due = [detail for detail in details if detail.commitment not in known]
            if due:
                async with self._database.transaction() as transaction:
                    for detail in due:
                        await _publish(transaction, detail, vault.pseudonym)
                self._appended.set()
            vault.published(details)

    async def own(self, details: Sequence[Fields], *, actor: str) -> list[Fields]:
        """Those rows of an export that the log vouches for, and that are this person's."""
        vouched: list[Fields] = []
        for start in range(0, len(details), BATCH):
            some = details[start : start + BATCH]
            public = await self._public([bytes.fromhex(row["commitment"]) for row in some])
            known = {commitment.hex() for commitment in public}
            vouched += [row for row in some if row["commitment"] in known and row["actor"] == actor]
        return vouched

    async def disclosed(self, vault: Vault) -> list[tuple[int, AuditDetail]]:
        """All that the log vouches for of a person's entries, oldest first, with what proves it."""
        found = [(public["seq"], one) async for public, one in self._vouched(vault, batch=1_000)]
        return found[::-1]

    async def feed(self, *, limit: int) -> list[FeedItem]:
        """What is not posted yet, oldest first."""
        return await unposted(self._database, limit)

    async def posted(self, seq: int) -> None:
        """Everything up to this number is in the audit room: the feed forgets it."""
        async with self._database.transaction() as transaction:
            await transaction.execute("DELETE FROM audit_feed WHERE seq <= ?", seq)

    async def wait(self) -> None:
        """Return as soon as something was appended since the last call. For one waiter."""
        await self._appended.wait()
        self._appended.clear()

    async def head(self) -> SignedHead:
        """The signed head of all entries so far; it is kept, and the same one is the same note."""
        return await self._tree.head()

    async def proof(self, seq: int) -> Proof:
        """What proves that an entry is in the log; LookupError if there is none of this number."""
        return await self._tree.proof(seq)

    async def verify(self, notes: Sequence[str] = (), vault: Vault | None = None) -> Verified:
        """Recompute every leaf and the tree, and compare it with every head that was signed.

        `notes` are heads that others have kept; of the entries in a `vault` the log has to say
        what the vault says. AuditTampered says what was found first.
        """
        if vault is None:
            return await self._tree.verify(notes)
        listed = await vault.audit_details(limit=NO_LIMIT, offset=0)
        details = {detail.commitment: detail for detail in listed}
        unsettled = await vault.unsettled()  # after them: they were marked when they were kept
        verified = await self._tree.verify(notes)
        # Found by their commitments, which the leaves hold that were just recomputed.
        public = await self._public([*details])
        missing = [one for commitment, one in details.items() if commitment not in public]
        for detail in missing:
            _ensure_not_due(detail, unsettled)
        own = [_agreed(row, details[commitment]) for commitment, row in public.items()]
        recomputed = sum(seq <= verified.entries for seq in own)
        return replace(verified, own=recomputed, unpublished=len(missing))

    async def _vouched(
        self, vault: Vault, *, batch: int = BATCH
    ) -> AsyncIterator[tuple[Row, AuditDetail]]:
        offset = 0
        while details := await vault.audit_details(limit=batch, offset=offset):
            public = await self._public([detail.commitment for detail in details])
            for detail in details:
                if detail.commitment in public:
                    yield public[detail.commitment], detail
            offset += len(details)

    async def _public(self, commitments: Sequence[bytes]) -> dict[bytes, Row]:
        rows = await self._database.rows(
            "SELECT seq, occurred_at, action, outcome, commitment FROM audit_entry "
            "WHERE commitment IN (SELECT unhex(value) FROM json_each(?))",
            json.dumps([commitment.hex() for commitment in commitments]),
        )
        return {row["commitment"]: row for row in rows}


async def _kept(entries: Sequence[AuditEntry], vault: Vault) -> list[AuditDetail]:
    """The private halves of entries, and of what went along with what they say; kept in a vault."""
    try:
        along = _along(entries, await vault.noted())
        details = [salted(entry) for entry in (*entries, *along)]
        await vault.keep_audit_details(details)
    except VaultGone:
        raise
    except StorageFailure as failure:
        raise DetailsNotKept(str(failure)) from failure
    return details


def _along(entries: Sequence[AuditEntry], noted: Collection[tuple[str, str]]) -> list[AuditEntry]:
    done = [entry for entry in entries if entry.outcome != BEGUN]
    if not done:
        return []  # what was changed goes on being noted
    found = besides(noted, {(str(entry.action), entry.target) for entry in done})
    at, actor = done[0].occurred_at, done[0].actor
    return [AuditEntry(at, actor, action, "ok", target) for action, target in found]


def _agreed(public: Row, detail: AuditDetail) -> int:
    """The number of an entry of which both halves say the same, as far as both say it."""
    entry = detail.entry
    private = (minute(entry.occurred_at), entry.action, entry.outcome)
    if (public["occurred_at"], public["action"], public["outcome"]) != private:
        raise AuditTampered(
            f"The audit log was changed: entry {public['seq']} is not what your own part says."
        )
    return int(public["seq"])


def _ensure_not_due(detail: AuditDetail, unsettled: Collection[bytes]) -> None:
    """Raise AuditTampered for a detail that has no entry and needs one.

    What was done with a message is recorded when the message is taken up again; all else is settled
    before its vault is used again.
    """
    entry = detail.entry
    if entry.action.startswith("message.") or detail.commitment in unsettled:
        return
    raise AuditTampered(
        f"The audit log was changed: your entry “{entry.action}” of {minute(entry.occurred_at)} "
        "is not in it any more."
    )


async def _publish(transaction: Transaction, detail: AuditDetail, pseudonym: str) -> int:
    entry, commitment, time = detail.entry, detail.commitment, minute(detail.entry.occurred_at)
    [row] = await transaction.rows("SELECT coalesce(max(seq), 0) + 1 AS next FROM audit_entry")
    seq = int(row["next"])
    leaf = leaf_hash(
        seq=seq,
        occurred_at=time,
        action=entry.action,
        outcome=entry.outcome,
        commitment=commitment,
    )
    await transaction.execute(
        "INSERT INTO audit_entry (seq, occurred_at, action, outcome, commitment, leaf_hash) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        *(seq, time, entry.action, entry.outcome, commitment, leaf),
    )
    if entry.outcome != BEGUN:  # the room is told how it ended
        await announce(transaction, seq, time, pseudonym, entry)
    return seq
