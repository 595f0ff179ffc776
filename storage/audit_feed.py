"""What the audit room is yet to be told: entries as others than their person may know them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from storage.audit_entry import AuditEntry, Fact, canonical
from storage.database import Database, Transaction
from storage.vault import Vault

SYSTEM = "system"  # the actor, and the name in the feed, when the bot acts by itself
NOBODY = "—"  # the name in the feed of somebody without a vault

OWN = frozenset({"answered_by", "provider", "prompt_tokens", "completion_tokens"})
"""Facts in the words of a server outside, which could put anything there, and would know a request
again by its numbers: for the person alone."""

UNNAMED = frozenset({"unlisted", "no operator"})
"""Reasons of refusals that an operator can bring about for an id: a name would tell whose it is.

So it would beside a changed identity, which operators compare with a person whom they know.
"""


@dataclass(frozen=True, slots=True)
class FeedItem:
    """One entry as the audit room is told it."""

    seq: int
    occurred_at: str  # to the minute
    pseudonym: str
    action: str
    outcome: str
    facts: Mapping[str, Fact]


def bare(entry: AuditEntry) -> AuditEntry:
    """The entry as others than the person may keep it."""
    return replace(entry, facts={k: v for k, v in entry.facts.items() if k not in OWN})


def name_in_feed(entry: AuditEntry, vault: Vault | None) -> str:
    """The pseudonym of the person whom an entry concerns, where it may be told."""
    named = entry.facts.get("reason") not in UNNAMED and "identity" not in entry.facts
    if vault is not None and named:
        return vault.pseudonym
    return SYSTEM if entry.actor == SYSTEM else NOBODY


async def announce(
    transaction: Transaction, seq: int, occurred_at: str, pseudonym: str, entry: AuditEntry
) -> None:
    """Let the audit room be told of an entry, in the transaction that publishes it."""
    await transaction.execute(
        "INSERT INTO audit_feed (seq, occurred_at, pseudonym, action, outcome, facts) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        *(seq, occurred_at, pseudonym, entry.action, entry.outcome),
        canonical(dict(bare(entry).facts)).decode(),
    )


async def unposted(database: Database, limit: int) -> list[FeedItem]:
    """What is not posted yet, oldest first."""
    rows = await database.rows("SELECT * FROM audit_feed ORDER BY seq LIMIT ?", limit)
    return [
        FeedItem(
            seq=row["seq"],
            occurred_at=row["occurred_at"],
            pseudonym=row["pseudonym"],
            action=row["action"],
            outcome=row["outcome"],
            facts=json.loads(row["facts"]),
        )
        for row in rows
    ]
