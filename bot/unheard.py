"""What the bot could not hear is told and recorded: gaps, messages without a key or not given."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from bot import replies
from bot.access import allowed
from bot.config import Config
from bot.delivery import Address, Delivery
from bot.errors import HomeserverError, HomeserverHiddenError, HomeserverUnavailableError
from bot.journal import Journal
from bot.messages import Action, Effect, Facts, Outcome, Reply, Room
from bot.room_events import Gap, Undecryptable, Unfinished
from bot.unreadable import LONGEST_ID, Unreadable
from storage import Storage

Record = Callable[[Undecryptable, Effect], Awaitable[None]]


class Rooms(Protocol):
    """The homeserver, as far as it is asked where to speak."""

    async def room(self, room_id: str) -> Room:
        """Members and encryption of a room."""
        ...


class Unheard:
    """Speaks where somebody may have asked something, and nowhere else."""

    def __init__(
        self,
        *,
        config: Config,
        rooms: Rooms,
        delivery: Delivery,
        storage: Storage,
        journal: Journal,
        record: Record,
        audit_room: str,
        now: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._rooms = rooms
        self._delivery = delivery
        self._storage = storage
        self._journal = journal
        self._record = record
        self._audit_room = audit_room
        self._now = now
        self._unreadable = Unreadable()

    async def told_of(self, event: Unfinished, error: Exception) -> bool:
        """Say which message can't be fetched; False where that is hidden or refused as well."""
        if not isinstance(error, HomeserverError):
            return True  # a bug, and the same after the next start
        if isinstance(error, HomeserverHiddenError):
            return False
        to = Address(event.room_id, event.event_id, reply_to=event.event_id).about("notice")
        try:
            if self._may_speak_in(await self._rooms.room(event.room_id)):
                await self._journal.of_somebody([Effect(Action.MESSAGE_ANSWERED, Outcome.BEGUN)])
                await self._delivery.send(Reply(replies.NOT_FETCHED), to)
        except HomeserverUnavailableError:
            raise
        except HomeserverError:
            return False
        return True

    async def skipped(self, gap: Gap) -> None:
        """Say what was skipped where somebody may have asked something; record it."""
        room = await self._rooms.room(gap.room_id)
        facts: Facts = {"reason": "gap", "read": gap.read, "room": str(room.kind)}
        skipped = Effect(Action.MESSAGE_DENIED, Outcome.DENIED, facts=facts)
        if self._may_speak_in(room):
            await self._journal.of_somebody([replace(skipped, outcome=Outcome.BEGUN)])
            to = Address(gap.room_id, gap.event_id)
            await self._delivery.send(Reply(replies.skipped(gap.read)), to)
        await self._journal.of_somebody([skipped], finishes=gap.event_id)

    async def undecryptable(self, event: Undecryptable) -> None:
        """Record that a message has no key yet, then say so to its sender; it waits on."""
        if not self._is_allowed(event.sender) or len(event.session_id) > LONGEST_ID:
            return
        tells = self._unreadable.may_be_told(event, self._now())
        effect = self._unreadable.effect(event, self._now(), told=tells)
        if effect is not None:
            await self._record(event, effect)
        if tells:
            room = await self._rooms.room(event.room_id)
            if event.sender in room.members and self._may_speak_in(room):
                to = Address(event.room_id, event.event_id).about("undecryptable")
                await self._delivery.send(Reply(replies.UNDECRYPTABLE), to)
        await self._storage.inbox.tell(event.event_id)

    def _is_allowed(self, user_id: str) -> bool:
        return allowed(user_id, self._config, self._storage.access)

    def _may_speak_in(self, room: Room) -> bool:
        """Whether somebody is there whom the bot answers, in a room that it reads."""
        readable = room.encrypted or not self._config.privacy.encrypted_rooms_only
        others = room.members - {self._config.homeserver.user_id}
        listed = any(self._is_allowed(one) for one in others)
        return listed and readable and room.room_id != self._audit_room
