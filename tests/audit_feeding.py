"""What the tests of the audit room's feed share: a log, a homeserver that remembers, a signer."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.audit_feed import AuditFeed
from bot.audit_heads import AuditHeads, Outlet
from bot.errors import HomeserverError
from bot.journal import Journal
from bot.messages import Outgoing
from storage import AuditEntry, FeedItem, Storage

AUDIT = "org.confidant.audit"
ROOM = "!audit"


class RememberingOutlet:
    """A homeserver that drops what it has seen under the same transaction id."""

    def __init__(self) -> None:
        self.events: dict[str, Outgoing] = {}
        self.sends = 0
        self.failure: Exception | None = None  # it takes the event, and its answer is lost

    async def send(self, outgoing: Outgoing) -> str:
        self.sends += 1
        self.events.setdefault(outgoing.transaction_id, outgoing)
        if self.failure is not None:
            raise self.failure
        return f"$e{len(self.events)}"

    def break_down(self) -> None:
        """Lose every answer from now on."""
        self.failure = HomeserverError("refused")

    def mend(self) -> None:
        """Answer again."""
        self.failure = None

    def seqs(self) -> list[int]:
        """The numbers of all entries that were posted, in order."""
        return [entry["seq"] for one in self._audits("entries") for entry in one]

    def heads(self) -> list[int]:
        """The sizes of all heads that were posted, in order."""
        return [int(note.splitlines()[1]) for note in self._audits("head")]

    def _audits(self, kind: str) -> list[Any]:
        found = [one.fields[AUDIT] for one in self.events.values()]
        return [one[kind] for one in found if kind in one]


def note(size: int) -> str:
    """A note in the C2SP format; the signature is none."""
    root = base64.b64encode(hashlib.sha256(str(size).encode()).digest()).decode()
    return f"confidant/audit\n{size}\n{root}\n\n— confidant/audit c2lnbmF0dXJl\n"


class Clock:
    """A time that a test moves."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, 12, 3, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def pass_by(self, time: timedelta) -> None:
        """Let time go by."""
        self.time += time


async def append(storage: Storage, count: int = 1, outcome: str = "ok") -> None:
    """Record that Ann was answered."""
    now = datetime(2026, 1, 1, 12, 3, tzinfo=UTC)
    entry = AuditEntry(occurred_at=now, actor="@ann:x", action="message.answered", outcome=outcome)
    async with storage.vaults.open("@ann:x") as vault:
        await storage.audit_log.record([entry] * count, vault)


def feeding(
    storage: Storage, outlet: Outlet, clock: Clock | None = None, *, pace: float = 5.0
) -> AuditFeed:
    """A feed with its heads, as after a restart."""
    now = clock or Clock()
    journal = Journal(storage.audit_log, now=now)
    heads = AuditHeads(storage, journal, outlet, ROOM, now=now)
    return AuditFeed(storage, outlet, heads, ROOM, pace=pace)


async def catch_up(feed: AuditFeed) -> None:
    """Post until there is nothing left."""
    while await feed.post():
        pass


def item(seq: int, action: str = "message.answered", outcome: str = "ok", **more: Any) -> FeedItem:
    """An entry of Ann's, at so many minutes past twelve."""
    facts, who = more.pop("facts", {}), more.pop("who", "fox-31")
    return FeedItem(seq, f"2026-01-01T12:{seq % 60:02}Z", who, action, outcome, facts)
