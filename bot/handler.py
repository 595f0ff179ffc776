"""The spine: who may, command or chat, act, send, record."""

import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from bot import replies
from bot.access import (
    Chat,
    Ignore,
    Intent,
    Once,
    Order,
    Pace,
    Refusal,
    Refuse,
    intent,
)
from bot.amending import Amendments
from bot.command import Command
from bot.config import Config
from bot.delivery import Delivery, address
from bot.errors import (
    AuditUnavailableError,
    BotError,
    GatewayError,
    HomeserverError,
    HomeserverHiddenError,
    HomeserverUnavailableError,
)
from bot.exchange import Exchanges
from bot.journal import Journal
from bot.late import Late
from bot.membership import Membership
from bot.messages import (
    Action,
    Effect,
    Outcome,
    Reply,
    Room,
    RoomKind,
    RoomMessage,
)
from bot.operating import Operating
from bot.refusing import Refusals
from bot.room_events import (
    Accepted,
    Alone,
    Backlog,
    Edit,
    Gap,
    Invite,
    Kept,
    Reaction,
    Redaction,
    RoomEvent,
    Undecryptable,
    Unfinished,
    Upgraded,
    inbox_row,
)
from bot.unheard import Unheard
from storage import Storage, VaultGone

log = logging.getLogger(__name__)

STOPS = (HomeserverUnavailableError, AuditUnavailableError)  # "not now" and "not at all"

Fetch = Callable[[str, str], Awaitable[Kept | None]]
"""Room id and event id to what was said or done there, decrypted again; None where it is gone.

HomeserverError where it is not said to be gone, and could not be had for a minute, or for ten.
"""


class Messenger(Protocol):
    """The homeserver, as far as the handler needs it: it is asked at that moment."""

    async def room(self, room_id: str) -> Room:
        """Members and encryption of a room."""
        ...

    async def sent_by_me(self, room_id: str, event_id: str) -> bool:
        """Whether an event is the bot's own."""
        ...


class Handler:
    """Takes each event from the dispatcher to its reply, its audit entry and its finished row."""

    def __init__(
        self,
        *,
        config: Config,
        messenger: Messenger,
        fetch: Fetch,
        storage: Storage,
        exchanges: Exchanges,
        delivery: Delivery,
        journal: Journal,
        membership: Membership,
        amendments: Amendments,
        operating: Operating,
        refusals: Refusals,
        pace: Pace,
        once: Once,
        commands: Sequence[Command],
        audit_room: str,
        now: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._messenger = messenger
        self._fetch = fetch
        self._storage = storage
        self._exchanges = exchanges
        self._delivery = delivery
        self._journal = journal
        self._membership = membership
        self._amendments = amendments
        self._operating = operating
        self._refusals = refusals
        self._commands = tuple(commands)
        self._audit_room = audit_room
        self._me = config.homeserver.user_id
        self._now = now
        self._pace = pace
        self._once = once
        self._late = Late(
            me=self._me,
            rooms=messenger,
            storage=storage,
            delivery=delivery,
            journal=journal,
            once=once,
            wanted=self._wanted,
            audit_room=audit_room,
            now=now,
        )
        self._unheard = Unheard(
            config=config,
            rooms=messenger,
            delivery=delivery,
            storage=storage,
            journal=journal,
            record=exchanges.record,
            audit_room=audit_room,
            now=now,
        )

    async def handle(self, event: RoomEvent) -> None:
        """Handle one event to its end; raises only what means that the bot must stop."""
        try:
            match event:
                case RoomMessage() | Edit() if await self._late.is_forgotten(event):
                    await self._late.deny(event)
                case RoomMessage():
                    await self._message(event)
                case Unfinished():
                    await self._resume(event)
                case Gap():
                    await self._unheard.skipped(event)
                case Undecryptable():
                    await self._unheard.undecryptable(event)
                case Invite() | Upgraded() | Alone():
                    await self._membership.handle(event)
                case Edit() | Redaction() | Reaction():
                    await self._amendments.handle(event)
                case Backlog():
                    await self._backlog(event)
                case Accepted():
                    await self._exchanges.resume(event)
        except STOPS:
            raise
        except VaultGone:
            gone = Effect(Action.MESSAGE_ANSWERED, Outcome.INTERRUPTED)
            await self._journal.of_somebody([gone], finishes=inbox_row(event))
        except Exception as error:  # the one place that catches bugs
            await self._failed(event, error)

    async def _resume(self, event: Unfinished) -> None:
        """Answer what a crash left unanswered or what had to wait; no plaintext was kept for it.

        What can't be fetched, though it isn't gone, fails once its room is told, or waits for the
        next start.
        """
        found = await self._fetch(event.room_id, event.event_id)
        if isinstance(found, RoomMessage):
            await self.handle(replace(found, recovered=event.recovered))
        elif isinstance(found, Edit):
            message = replace(found.message, recovered=event.recovered)
            await self.handle(replace(found, message=message))
        elif found is not None:
            await self.handle(found)
        else:
            lost = Effect(Action.MESSAGE_ANSWERED, Outcome.INTERRUPTED)
            await self._journal.of_somebody([lost], finishes=event.event_id)

    async def _message(self, message: RoomMessage) -> None:
        if message.room_id == self._audit_room:
            return await self._operating.handle(message)
        room = await self._messenger.room(message.room_id)
        if not room.members >= {message.sender, self._me}:  # one is gone since; who would hear?
            return await self._storage.inbox.finish(message.event_id)
        match await self._intent(message, room):
            case Ignore():
                await self._storage.inbox.finish(message.event_id)
                await self._exchanges.overhear(message, room)
            case Refuse(why):
                await self._refusals.refuse(message, room, why)
            case Order() | Chat() as wanted:
                await self._exchanges.carry_out(message, room, wanted)
        return None

    async def _backlog(self, backlog: Backlog) -> None:
        """Say that it takes a while, where those who wait are obeyed; it costs nobody a turn."""
        message = backlog.message
        if self._is_paused:
            return
        room = await self._messenger.room(message.room_id)
        if backlog.mentioning is not (room.kind is RoomKind.SHARED) or (
            message.room_id == self._audit_room or message.sender not in room.members
        ):
            return
        if isinstance(self._meant(message, room, addressed=True), Order | Chat):
            facts = {"backlog": backlog.waiting}
            tells = Effect(Action.MESSAGE_ANSWERED, Outcome.BEGUN, facts=facts)
            await self._journal.of_somebody([tells])
            to = address(message, room).about("backlog")
            await self._delivery.send(Reply(replies.backlog(backlog.waiting)), to)

    async def _wanted(self, message: RoomMessage, room: Room) -> Intent:
        addressed = message.mentions_bot
        if room.kind is RoomKind.SHARED and not addressed and message.reply_to:
            addressed = await self._messenger.sent_by_me(message.room_id, message.reply_to)
        return self._meant(message, room, addressed=addressed)

    async def _intent(self, message: RoomMessage, room: Room) -> Intent:
        wanted = await self._wanted(message, room)
        if not isinstance(wanted, Order | Chat):
            return wanted
        if self._is_paused and isinstance(wanted, Chat):
            decides = await self._exchanges.is_awaited(message, wanted)  # about their own data
            if not decides:
                return Refuse(Refusal.PAUSED)
        if not self._pace.admits(message, self._now()):
            return Refuse(Refusal.TOO_FAST)
        return wanted

    @property
    def _is_paused(self) -> bool:
        return self._storage.access.paused_since is not None

    def _meant(self, message: RoomMessage, room: Room, *, addressed: bool) -> Intent:
        config, rules = self._config, self._storage.access
        commands = self._commands
        return intent(
            message, room, config=config, rules=rules, commands=commands, addressed=addressed
        )

    async def _failed(self, event: RoomEvent, error: Exception) -> None:
        """Tell the person, in the error's own words if they are meant for them; record, go on."""
        if isinstance(error, BotError):
            text, kind = str(error), type(error).__name__
            log.warning("an event failed: %s", kind)
        else:
            kind = secrets.token_hex(4)
            text = replies.bug(kind)
            log.error("bug %s", kind, exc_info=error)
        action = Action.MESSAGE_ANSWERED
        if isinstance(error, GatewayError):
            action = Action.GATEWAY_FAILED
        if isinstance(event, Backlog):
            return None  # a courtesy; those who wait come next, and their answers say what is wrong
        about = event.event_id if isinstance(event, RoomMessage) else ""
        failed = Effect(action, Outcome.FAILED, about, {"error": kind})
        if isinstance(event, Unfinished) and not await self._unheard.told_of(event, error):
            return log.warning("a message could not be fetched: it is left to the next start")
        said = event.message if isinstance(event, Edit) else event
        if not isinstance(said, RoomMessage):
            return await self._journal.of_somebody([failed], finishes=inbox_row(event))
        if not isinstance(error, HomeserverHiddenError):  # an apology would be hidden as well
            await self._exchanges.record(said, replace(failed, outcome=Outcome.BEGUN))
            await self._apologise(said, text)
        return await self._exchanges.record(said, failed, finishes=said.event_id)

    async def _apologise(self, message: RoomMessage, text: str) -> None:
        try:
            await self._say(message, await self._messenger.room(message.room_id), text)
        except HomeserverUnavailableError:
            raise
        except HomeserverError:
            log.warning("an apology could not be sent")

    async def _say(self, message: RoomMessage, room: Room, text: str) -> None:
        await self._delivery.send(Reply(text), address(message, room).about("notice"))
