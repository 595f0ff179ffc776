"""Signed heads in the audit room: whoever is in it can show later what the log was then.

A head is due when the bot has started, when a day has gone by and when a hundred entries have come.
Its own entry is written before it is signed, so the head covers it: nothing is left over that would
call for another head. An entry written afterwards would, once a day for ever.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Protocol

from bot import audit_feed_words
from bot.journal import Journal
from bot.messages import Action, Effect, Outgoing
from storage import Storage, parsed

EVERY = 100  # entries
DAILY = timedelta(days=1)

_PROMISED = "audit_head.promised"  # the note that is being posted, or was
_POSTED = "audit_head.posted"  # how many entries the last one covers, and when it was posted


class Outlet(Protocol):
    """The part of the homeserver that the audit room's feed needs."""

    async def send(self, outgoing: Outgoing) -> str:
        """Send one event, return its id."""
        ...


class AuditHeads:
    """Posts heads, each once: the note is stored before it is sent, and its transaction id made
    of it, so that a crash in between repeats the same event.
    """

    def __init__(
        self,
        storage: Storage,
        journal: Journal,
        outlet: Outlet,
        room_id: str,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._storage = storage
        self._journal = journal
        self._outlet = outlet
        self._room_id = room_id
        self._now = now
        self._starting = True

    async def are_due(self, told: int) -> bool:
        """Whether to post one, when so many entries were told."""
        size, posted_at = await self._last()
        if self._starting or told >= size + EVERY or await self._held_up():
            return True
        old = posted_at is None or self._now() - posted_at >= DAILY
        return old and told > size

    async def post(self) -> None:
        """Post the one that a crash or a refusal held up, else a new one."""
        note = await self._held_up()
        if note is None:
            self._starting = False
            await self._journal.of_the_bot(Effect(Action.AUDIT_HEAD))
            note = (await self._storage.audit_log.head()).note
            await self._storage.set_state(_PROMISED, note)
        await self._outlet.send(notice(note, self._room_id))
        posted = f"{_size(note)} {self._now().isoformat()}"
        await self._storage.set_state(_POSTED, posted)

    async def _held_up(self) -> str | None:
        note = await self._storage.state(_PROMISED)
        size, _ = await self._last()
        return note if note is not None and _size(note) > size else None

    async def _last(self) -> tuple[int, datetime | None]:
        stored = await self._storage.state(_POSTED)
        if stored is None:
            return 0, None
        size, at = stored.split()
        return int(size), datetime.fromisoformat(at)


def notice(note: str, room_id: str) -> Outgoing:
    """The event that holds a head."""
    head = parsed(note).checkpoint
    return Outgoing(
        room_id,
        audit_feed_words.head(head.size, head.root, note),
        sha256(f"audit head {room_id} {note}".encode()).hexdigest()[:32],
        fields={"org.confidant.audit": {"head": note}},
    )


def _size(note: str) -> int:
    """How many entries a head covers."""
    return parsed(note).checkpoint.size
