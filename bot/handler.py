"""The spine: who may, command or chat, act, send, record."""

import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from bot import replies
from bot.access import Chat, Ignore, Intent, Once, Pace, Refusal, Refuse, Run, allowed, intent
from bot.assistant import Assistant
from bot.command import Command
from bot.config import Config
from bot.delivery import Address, Delivery, address
from bot.errors import (
    AuditUnavailableError,
    BotError,
    GatewayError,
    HomeserverError,
    HomeserverUnavailableError,
)
from bot.exchange import Exchange, Exchanges
from bot.journal import Journal
from bot.messages import (
    Action,
    Effect,
    Invite,
    Outcome,
    Outgoing,
    Reply,
    Room,
    RoomEvent,
    RoomKind,
    RoomMessage,
    Undecryptable,
    Unfinished,
)
from storage import SYSTEM, Storage

log = logging.getLogger(__name__)

_NOTICE = {
    Refusal.UNLISTED: replies.NOT_ALLOWED,
    Refusal.UNENCRYPTED_ROOM: replies.UNENCRYPTED_ROOM,
    Refusal.UNENCRYPTED_MESSAGE: replies.UNENCRYPTED_MESSAGE,
    Refusal.TOO_LONG: replies.TOO_LONG,
    Refusal.TOO_FAST: replies.TOO_FAST,
}


_AGAIN = {Refusal.TOO_LONG: timedelta(0), Refusal.TOO_FAST: timedelta(minutes=1)}


Fetch = Callable[[str, str], Awaitable[RoomMessage | None]]
"""Room id and event id to the message, decrypted again; None where it can't be had any more."""


class Messenger(Protocol):
    """The homeserver, as far as the spine needs it; every answer is asked of it at that moment."""

    async def room(self, room_id: str) -> Room:
        """Members and encryption of a room."""
        ...

    async def send(self, outgoing: Outgoing) -> str:
        """Send one event, encrypted where the room is; return its id."""
        ...

    async def typing(self, room_id: str, *, active: bool) -> None:
        """Show or hide that the bot is typing."""
        ...

    async def join(self, room_id: str) -> None:
        """Accept an invite."""
        ...

    async def leave(self, room_id: str) -> None:
        """Leave a room, or reject an invite."""
        ...

    async def direct_room(self, user_id: str) -> str:
        """The encrypted direct chat with exactly this person, made if there is none."""
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
        assistant: Assistant,
        commands: Sequence[Command],
        audit_room: str,
        now: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._messenger = messenger
        self._fetch = fetch
        self._storage = storage
        self._assistant = assistant
        self._commands = tuple(commands)
        self._audit_room = audit_room
        self._now = now
        self._delivery = Delivery(messenger)
        self._journal = Journal(storage.audit_log, now=now)
        self._exchanges = Exchanges(
            config=config,
            rooms=messenger,
            storage=storage,
            assistant=assistant,
            commands=self._commands,
            delivery=self._delivery,
            journal=self._journal,
            now=now,
        )
        self._pace = Pace(config.limits.messages_per_minute)
        self._once = Once()

    async def handle(self, event: RoomEvent) -> None:
        """Handle one event to its end; raises only what means "later" or "stop"."""
        match event:
            case RoomMessage():
                await self._message(event)
                await self._storage.inbox.finish(event.event_id)
            case Unfinished():
                await self._resume(event)
            case Undecryptable():
                await self._undecryptable(event)
            case Invite():
                await self._invite(event)

    async def _message(self, message: RoomMessage) -> None:
        try:
            await self._obey(message)
        except (HomeserverUnavailableError, AuditUnavailableError):
            raise
        except BotError as error:
            log.warning("a message failed: %s", type(error).__name__)
            await self._failed(message, error, str(error), type(error).__name__)
        except Exception as error:  # the one place that catches bugs
            reference = secrets.token_hex(4)
            log.exception("bug %s", reference)
            await self._failed(message, error, replies.bug(reference), reference)

    async def _resume(self, event: Unfinished) -> None:
        """Answer what a crash left unanswered; no plaintext was kept for this."""
        message = await self._fetch(event.room_id, event.event_id)
        if message is not None:
            await self._message(message)
        else:
            lost = Effect(Action.MESSAGE_ANSWERED, Outcome.INTERRUPTED, event.event_id)
            await self._journal.record(lost, actor=SYSTEM)
        await self._storage.inbox.finish(event.event_id)

    async def _obey(self, message: RoomMessage) -> None:
        if message.room_id == self._audit_room:
            return
        room = await self._messenger.room(message.room_id)
        match await self._intent(message, room):
            case Ignore():
                self._assistant.overhear(message, room)
            case Refuse(why):
                await self._refuse(message, room, why)
            case Run() | Chat() as wanted:
                async with self._storage.vaults.open(message.sender) as vault:
                    exchange = Exchange(message, room, vault, self._now())
                    await self._exchanges.carry_out(exchange, wanted)
                self._assistant.overhear(message, room)

    async def _intent(self, message: RoomMessage, room: Room) -> Intent:
        addressed = message.mentions_bot
        if room.kind is RoomKind.SHARED and not addressed and message.reply_to:
            addressed = await self._messenger.sent_by_me(message.room_id, message.reply_to)
        wanted = intent(
            message, room, config=self._config, commands=self._commands, addressed=addressed
        )
        if isinstance(wanted, Run | Chat) and not self._pace.admits(message.sender, self._now()):
            return Refuse(Refusal.TOO_FAST)
        return wanted

    async def _refuse(self, message: RoomMessage, room: Room, why: Refusal) -> None:
        facts = {"reason": str(why), "room": str(room.kind)}
        denied = Effect(Action.MESSAGE_DENIED, Outcome.DENIED, message.event_id, facts)
        await self._record_about(message, denied)
        whom = room.room_id if why is Refusal.UNENCRYPTED_ROOM else message.sender
        if self._once.may(why, whom, now=self._now(), every=_AGAIN.get(why, timedelta(days=1))):
            await self._say(message, room, _NOTICE[why])

    async def _failed(self, message: RoomMessage, error: Exception, text: str, kind: str) -> None:
        try:
            await self._say(message, await self._messenger.room(message.room_id), text)
        except HomeserverUnavailableError:
            raise
        except HomeserverError:
            log.warning("an apology could not be sent")
        gateway = isinstance(error, GatewayError)
        action = Action.GATEWAY_FAILED if gateway else Action.MESSAGE_ANSWERED
        failed = Effect(action, Outcome.FAILED, message.event_id, {"error": kind})
        await self._record_about(message, failed)

    async def _say(self, message: RoomMessage, room: Room, text: str) -> None:
        await self._delivery.send(Reply(text), address(message, room).about("notice"))

    async def _record_about(self, message: RoomMessage, effect: Effect) -> None:
        """Record in the sender's vault if they have one; a stranger gets none for being refused."""
        if not await self._storage.vaults.exists(message.sender):
            await self._journal.record(effect, actor=message.sender)
            return
        async with self._storage.vaults.open(message.sender) as vault:
            await self._journal.record(effect, actor=message.sender, vault=vault)

    async def _undecryptable(self, event: Undecryptable) -> None:
        if not allowed(event.sender, self._config):
            return
        effect = Effect(Action.MESSAGE_UNDECRYPTABLE, Outcome.FAILED, event.event_id)
        await self._journal.record(effect, actor=event.sender)
        if self._once.may(event.room_id, event.session_id, now=self._now()):
            to = Address(event.room_id, event.event_id)
            await self._delivery.send(Reply(replies.UNDECRYPTABLE), to)

    async def _invite(self, invite: Invite) -> None:
        """Join where the inviter is listed; reject everywhere else."""
        welcome = allowed(invite.sender, self._config)
        action = Action.ROOM_JOINED if welcome else Action.ROOM_REFUSED
        outcome = Outcome.OK if welcome else Outcome.DENIED
        try:
            await (self._join if welcome else self._messenger.leave)(invite.room_id)
        except HomeserverUnavailableError:
            raise
        except HomeserverError:
            outcome = Outcome.FAILED
        await self._journal.record(Effect(action, outcome, invite.room_id), actor=invite.sender)

    async def _join(self, room_id: str) -> None:
        await self._messenger.join(room_id)
        room = await self._messenger.room(room_id)
        refused = self._config.privacy.encrypted_rooms_only and not room.encrypted
        if refused and self._once.may(Refusal.UNENCRYPTED_ROOM, room_id, now=self._now()):
            to = Address(room_id, f"joined {room_id}")
            await self._delivery.send(Reply(replies.UNENCRYPTED_ROOM), to)
