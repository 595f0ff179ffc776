"""What was said before its sender had everything erased, and comes only now, or once more."""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

from bot import replies
from bot.access import Chat, Intent, Once, Order
from bot.delivery import Delivery, address
from bot.errors import HomeserverError, HomeserverUnavailableError
from bot.journal import Journal
from bot.messages import Action, Effect, Outcome, Reply, Room, RoomMessage
from bot.room_events import Edit
from storage import Storage

log = logging.getLogger(__name__)

FORGOTTEN = "before forgetting"
Wanted = Callable[[RoomMessage, Room], Awaitable[Intent]]


class Rooms(Protocol):
    """The homeserver, as far as it is asked where to speak."""

    async def room(self, room_id: str) -> Room:
        """Members and encryption of a room."""
        ...


class Late:
    """Tells what comes too late, and finishes it as if it had never been said."""

    def __init__(
        self,
        *,
        me: str,
        rooms: Rooms,
        storage: Storage,
        delivery: Delivery,
        journal: Journal,
        once: Once,
        wanted: Wanted,
        audit_room: str,
        now: Callable[[], datetime],
    ) -> None:
        self._me = me
        self._rooms = rooms
        self._storage = storage
        self._delivery = delivery
        self._journal = journal
        self._once = once
        self._wanted = wanted  # what a message would be, had it come in time
        self._audit_room = audit_room
        self._now = now

    async def is_forgotten(self, event: RoomMessage | Edit) -> bool:
        """Whether its sender had everything forgotten since."""
        said = event.message if isinstance(event, Edit) else event
        return await self._storage.forgetting.is_before(said.sender, said.sent_at)

    async def deny(self, event: RoomMessage | Edit) -> None:
        """Finish it: no vault, no answer, nobody's name."""
        if isinstance(event, RoomMessage) and event.room_id != self._audit_room:
            await self._tell(event)
        denied = Effect(Action.MESSAGE_DENIED, Outcome.DENIED, facts={"reason": FORGOTTEN})
        await self._journal.of_somebody([denied], finishes=event.event_id)

    async def _tell(self, message: RoomMessage) -> None:
        """Say it where it would be answered, once a day: the time may be a clock's mistake."""
        try:
            room = await self._rooms.room(message.room_id)
            if room.members >= {message.sender, self._me} and await self._may_tell(message, room):
                facts = {"reason": FORGOTTEN}
                tells = Effect(Action.MESSAGE_DENIED, Outcome.BEGUN, facts=facts)
                await self._journal.of_somebody([tells])
                to = address(message, room).about("notice")
                await self._delivery.send(Reply(replies.CAME_LATE[room.kind]), to)
        except HomeserverUnavailableError:
            raise
        except HomeserverError:
            log.warning("it could not be said that a message came too late")

    async def _may_tell(self, message: RoomMessage, room: Room) -> bool:
        if await self._storage.forgetting.job(message.event_id) is not None:
            return False  # the yes itself, taken up again after a crash: the receipt answers it
        answered = isinstance(await self._wanted(message, room), Order | Chat)
        return answered and self._once.may(FORGOTTEN, message.sender, now=self._now())
