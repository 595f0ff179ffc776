"""What is not obeyed: its sender is told why, once in a while, and the audit log every time."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from bot import replies
from bot.access import Once, Refusal
from bot.config import Config
from bot.delivery import Delivery, address
from bot.messages import Action, Effect, Outcome, Reply, Room, RoomMessage

_NOTICE = {
    Refusal.UNLISTED: replies.NOT_ALLOWED,
    Refusal.UNENCRYPTED_ROOM: replies.UNENCRYPTED_ROOM,
    Refusal.UNENCRYPTED_MESSAGE: replies.UNENCRYPTED_MESSAGE,
    Refusal.UNVERIFIED_SESSION: replies.UNVERIFIED_SESSION,
    Refusal.TOO_LONG: replies.TOO_LONG,
    Refusal.TOO_FAST: replies.TOO_FAST,
    Refusal.CHANGED_IDENTITY: replies.CHANGED_IDENTITY,
    Refusal.TOO_LATE: replies.CAME_TOO_LATE,
    Refusal.UNFIT_ROOM: replies.UNFIT_ROOM,
}
_AGAIN = {
    Refusal.TOO_LONG: timedelta(0),
    Refusal.TOO_FAST: timedelta(minutes=1),
    Refusal.TOO_LATE: timedelta(0),
    Refusal.UNFIT_ROOM: timedelta(0),
}


class Pauses(Protocol):
    """What tells whether the bot is paused."""

    @property
    def paused_since(self) -> datetime | None:
        """Since when nobody is to be answered."""
        ...


class Record(Protocol):
    """Writes what concerned somebody into their part of the audit log."""

    def __call__(
        self, message: RoomMessage, effect: Effect, *, finishes: str | None = None
    ) -> Awaitable[None]:
        """Record an effect, and finish the event that it ends."""
        ...


class Refusals:
    """Refuses; who gets no answer at all, such as no operator in the audit room, has no notice."""

    def __init__(
        self,
        *,
        config: Config,
        pauses: Pauses,
        delivery: Delivery,
        record: Record,
        once: Once,
        now: Callable[[], datetime],
    ) -> None:
        paused = replies.paused(config.service.command_prefix)
        self._notices = {**_NOTICE, Refusal.PAUSED: paused}
        self._pauses = pauses
        self._delivery = delivery
        self._record = record
        self._once = once
        self._now = now

    async def refuse(self, message: RoomMessage, room: Room, why: Refusal) -> None:
        """Say why if it is time to, record it, and finish the message."""
        whom = room.room_id if why is Refusal.UNENCRYPTED_ROOM else message.sender
        if why is Refusal.PAUSED:
            whom = f"{whom} {self._pauses.paused_since}"  # each pause is told
        every = _AGAIN.get(why, timedelta(days=1))
        facts = {"reason": str(why), "room": str(room.kind)}
        denied = Effect(Action.MESSAGE_DENIED, Outcome.DENIED, message.event_id, facts)
        notice = self._notices.get(why)
        if notice and self._once.may(why, whom, now=self._now(), every=every):
            await self._record(message, replace(denied, outcome=Outcome.BEGUN))
            await self._delivery.send(Reply(notice), address(message, room).about("notice"))
        await self._record(message, denied, finishes=message.event_id)
