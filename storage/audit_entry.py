"""One audit entry as bytes: its canonical JSON, its salted commitment and its leaf hash."""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from storage.clock import from_text, to_text
from storage.database import Transaction
from storage.merkle import leaf
from storage.rows import Row

FACT_CHARACTERS = 200
SALT_BYTES = 32
BEGUN = "begun"  # the outcome of an entry that says what is about to be done

_CANONICAL = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)

Fact = str | int | float | bool | None

KEEP = """
    INSERT INTO audit_detail (commitment, salt, occurred_at, actor, action, target, outcome, facts)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What was done, by whom, to what, and how it ended.

    `facts` are counts, sizes, durations, names of models and hosts: never text that somebody
    wrote. The values of the enumerations in `action` and `outcome` are fixed in the design.
    """

    occurred_at: datetime
    actor: str
    action: str
    outcome: str
    target: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditDetail:
    """The private half of an entry: everything, and the salt that hides it in the commitment."""

    entry: AuditEntry
    salt: bytes = field(repr=False)

    @property
    def fields(self) -> dict[str, Any]:
        """What the commitment is over, as plain values."""
        entry = self.entry
        return {
            "occurred_at": to_text(entry.occurred_at),
            "actor": entry.actor,
            "action": entry.action,
            "target": entry.target,
            "outcome": entry.outcome,
            "facts": dict(entry.facts),
        }

    @property
    def commitment(self) -> bytes:
        """What stands in the public log for this entry."""
        return hashlib.sha256(self.salt + canonical(self.fields)).digest()


def salted(entry: AuditEntry) -> AuditDetail:
    """The entry with checked facts and a salt of its own."""
    facts = {name: _checked(value) for name, value in entry.facts.items()}
    return AuditDetail(replace(entry, facts=facts), secrets.token_bytes(SALT_BYTES))


def _checked(value: object) -> Fact:
    if isinstance(value, str):
        return value[:FACT_CHARACTERS].encode("utf-8", "replace").decode()
    if value is None or isinstance(value, bool | int | float):
        return value
    raise TypeError(f"a fact can't be a {type(value).__name__}")


def canonical(value: Any) -> bytes:
    """JSON in the one form that is hashed: sorted keys, no spaces, UTF-8."""
    return _CANONICAL.encode(value).encode("utf-8", "replace")


def minute(moment: datetime) -> str:
    """The moment as the public log tells it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")


def public_half(
    *, seq: int, occurred_at: str, action: str, outcome: str, commitment: bytes
) -> dict[str, Any]:
    """What everybody may know of an entry, as plain values."""
    return {
        "seq": seq,
        "occurred_at": occurred_at,
        "action": action,
        "outcome": outcome,
        "commitment": commitment.hex(),
    }


def leaf_hash(*, seq: int, occurred_at: str, action: str, outcome: str, commitment: bytes) -> bytes:
    """The leaf of the public half in the Merkle tree (RFC 9162, section 2.1.1)."""
    return leaf(
        canonical(
            public_half(
                seq=seq,
                occurred_at=occurred_at,
                action=action,
                outcome=outcome,
                commitment=commitment,
            )
        )
    )


async def keep(transaction: Transaction, detail: AuditDetail) -> None:
    """Write the private half, into a vault or into shared.db."""
    entry = detail.entry
    await transaction.execute(
        KEEP,
        detail.commitment,
        detail.salt,
        to_text(entry.occurred_at),
        entry.actor,
        entry.action,
        entry.target,
        entry.outcome,
        canonical(dict(entry.facts)).decode(),
    )


def detail_from(row: Row | Mapping[str, Any]) -> AuditDetail:
    """The AuditDetail of a row of a table audit_detail."""
    entry = AuditEntry(
        occurred_at=from_text(row["occurred_at"]),
        actor=row["actor"],
        action=row["action"],
        outcome=row["outcome"],
        target=row["target"],
        facts=dict(json.loads(row["facts"])),
    )
    return AuditDetail(entry, row["salt"])
