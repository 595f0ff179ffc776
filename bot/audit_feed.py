"""The audit room as a view of the audit log: every entry once, in words, never content."""

import asyncio
import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any

from bot import audit_feed_words
from bot.audit_heads import AuditHeads, Outlet
from bot.errors import ConfigError, HomeserverError, HomeserverUnavailableError
from bot.messages import Action, Outcome, Outgoing
from storage import FeedItem, Storage

log = logging.getLogger(__name__)

PACE = 5.0  # seconds between two notices: the homeserver's limit is shared with the answers
REFUSED = 60  # times the pace, before a room that refused us is tried again
FOLD = 100  # entries in one notice at most
BYTES = 16_000  # of their fields, so that the event with its text is not refused as too large
IDLE = 600.0  # seconds without an entry after which a head may be due
CURSOR = "audit_feed.promised"  # the last entry of the notice that is being sent


class AuditFeed:
    """Posts entries from where it left off, woken by each append, and heads when they are due.

    Which entries a notice holds is stored before it is sent and its transaction id follows from
    them, so that a crash in between repeats the same notice and the homeserver drops the repeat.
    """

    def __init__(
        self,
        storage: Storage,
        outlet: Outlet,
        heads: AuditHeads,
        room_id: str,
        *,
        pace: float = PACE,
    ) -> None:
        self._storage = storage
        self._outlet = outlet
        self._heads = heads
        self._room_id = room_id
        self._pace = pace

    async def run(self) -> None:
        """Post for ever; what the room or the homeserver does not take is tried again later."""
        while True:
            try:
                posted = await self.post()
            except ConfigError as error:  # not posted, not lost: the cursor stands where it stood
                log.error("nothing is posted in the audit room. %s", error)
                await asyncio.sleep(self._pace * REFUSED)
            except HomeserverUnavailableError:  # if it stays so, the sync says it
                log.warning("the audit room is out of reach, trying again")
                await asyncio.sleep(self._pace * REFUSED)
            except HomeserverError:
                log.error("the audit room can't be written to; see audit.room")
                await asyncio.sleep(self._pace * REFUSED)
            else:
                await (asyncio.sleep(self._pace) if posted else self._wait())

    async def post(self) -> bool:
        """Post the next notice or head; False when there was nothing to post."""
        told = int(await self._storage.state(CURSOR) or 0)
        if await self._heads.are_due(told):
            await self._heads.post()
            return True
        items = await self._next()
        if not items:
            return False
        await self._tell(items)
        return True

    async def _tell(self, items: Sequence[FeedItem]) -> None:
        last = items[-1].seq
        await self._storage.set_state(CURSOR, str(last))
        if any(is_told(one) for one in items):
            await self._outlet.send(notice(items, self._room_id))
        await self._storage.audit_log.posted(last)

    async def _next(self) -> Sequence[FeedItem]:
        promised = int(await self._storage.state(CURSOR) or 0)
        items = await self._storage.audit_log.feed(limit=FOLD)
        again = [one for one in items if one.seq <= promised]
        return again or fitting(items)

    async def _wait(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(IDLE):
                await self._storage.audit_log.wait()


def is_told(one: FeedItem) -> bool:
    """Whether an entry has a place in a notice: a head is a notice itself."""
    return (one.action, one.outcome) != (Action.AUDIT_HEAD, Outcome.OK)


def fitting(items: Sequence[FeedItem]) -> Sequence[FeedItem]:
    """As many of the first as one event has room for, one at least."""
    size = 0
    for index, one in enumerate(items):
        size += len(json.dumps(fields(one)))
        if index and size > BYTES:
            return items[:index]
    return items


def notice(items: Sequence[FeedItem], room_id: str) -> Outgoing:
    """One notice for one or more entries, in words and in fields."""
    told = [one for one in items if is_told(one)]
    seqs = f"{items[0].seq}-{items[-1].seq}"
    return Outgoing(
        room_id,
        audit_feed_words.lines(told),
        sha256(f"audit {room_id} {seqs}".encode()).hexdigest()[:32],
        fields={"org.confidant.audit": {"entries": [fields(one) for one in told]}},
    )


def fields(one: FeedItem) -> dict[str, Any]:
    """An entry for machines."""
    return {
        "seq": one.seq,
        "occurred_at": one.occurred_at,
        "actor": one.pseudonym,
        "action": one.action,
        "outcome": one.outcome,
        "facts": dict(one.facts),
    }
