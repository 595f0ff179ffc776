"""The audit room as a view of the audit log: every entry once, in words, never content."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import groupby
from typing import Protocol

from bot import audit_words
from bot.errors import HomeserverError, HomeserverUnavailableError
from bot.messages import Outgoing
from storage import FeedItem, Storage

log = logging.getLogger(__name__)

PACE = 5.0  # seconds between two notices: the homeserver's limit is shared with the answers
REFUSED = 60  # times the pace, before a room that refused us is tried again
FOLD = 25  # entries in one notice at most
CURSOR = "audit_feed.promised"  # the last entry of the notice that is being sent

_ICON = {"ok": "✅", "denied": "⛔", "failed": "⚠️", "interrupted": "⏸️"}


class Outlet(Protocol):
    """The part of the homeserver that the feed needs."""

    async def send(self, outgoing: Outgoing) -> str:
        """Send one event, return its id."""
        ...


class AuditFeed:
    """Posts entries from where it left off, woken by each append.

    Which entries a notice holds is stored before it is sent and its transaction id follows from
    them, so that a crash in between repeats the same notice and the homeserver drops the repeat.
    """

    def __init__(
        self, storage: Storage, outlet: Outlet, room_id: str, *, pace: float = PACE
    ) -> None:
        self._storage = storage
        self._outlet = outlet
        self._room_id = room_id
        self._pace = pace

    async def run(self) -> None:
        """Post for ever; a room that refuses is tried again later."""
        while True:
            try:
                posted = await self.post()
            except HomeserverUnavailableError:
                raise
            except HomeserverError:  # not posted, not lost: the cursor stands where it stood
                log.error("the audit room can't be written to; see audit.room")
                await asyncio.sleep(self._pace * REFUSED)
                continue
            await asyncio.sleep(self._pace) if posted else await self._storage.audit_log.wait()

    async def post(self) -> bool:
        """Post the next notice; False when there was nothing to post."""
        items = await self._next()
        if not items:
            return False
        await self._storage.set_state(CURSOR, str(items[-1].seq))
        await self._outlet.send(notice(items, self._room_id))
        await self._storage.audit_log.posted(items[-1].seq)
        return True

    async def _next(self) -> Sequence[FeedItem]:
        promised = int(await self._storage.state(CURSOR) or 0)
        items = await self._storage.audit_log.feed(limit=FOLD)
        again = [one for one in items if one.seq <= promised]
        return again or items


def notice(items: Sequence[FeedItem], room_id: str) -> Outgoing:
    """One notice for one or more entries; equal ones in a row are folded into a line."""
    runs = [
        list(run)
        for _, run in groupby(items, key=lambda one: (one.pseudonym, one.action, one.outcome))
    ]
    seqs = f"{items[0].seq}-{items[-1].seq}"
    entries = [
        {
            "seq": one.seq,
            "occurred_at": one.occurred_at,
            "actor": one.pseudonym,
            "action": one.action,
            "outcome": one.outcome,
            "facts": dict(one.facts),
        }
        for one in items
    ]
    return Outgoing(
        room_id,
        "\n".join(f"- {line(run)}" if len(runs) > 1 else line(run) for run in runs),
        sha256(f"audit {room_id} {seqs}".encode()).hexdigest()[:32],
        fields={"org.confidant.audit": {"entries": entries}},
    )


def line(run: Sequence[FeedItem]) -> str:
    """A run of like entries in words."""
    first, last = run[0], run[-1]
    begun, ended = (datetime.fromisoformat(one.occurred_at) for one in (first, last))
    icon = _ICON.get(first.outcome, "•")
    head = f"{icon} {begun:%H:%M} **{first.action}** · {first.pseudonym}"
    if len(run) > 1:
        spent = ended - begun
        minutes = max(1, round(spent / timedelta(minutes=1)))
        return f"{head} · {len(run)} times in {minutes} min"
    plain = first.outcome == "ok" or first.action.endswith(first.outcome)
    outcome = [] if plain else [f"**{first.outcome}**"]
    return " · ".join([head, *outcome, *audit_words.facts(first.facts)])
