"""A command that is obeyed: run in the sender's vault, answered where what it says belongs."""

from collections.abc import Callable, Set
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from bot import replies
from bot.access import PRIVATE, Chat, Order
from bot.assistant import Assistant
from bot.audit_view import AuditLooks
from bot.chatting import Exchange, Record
from bot.command import Command, CommandContext, Confirmation, Line, Run
from bot.confirmations import Confirmations, Decision, Questions
from bot.consent import Consent
from bot.delivery import Address, Delivery, address
from bot.errors import HomeserverError, HomeserverUnavailableError, UsageError
from bot.messages import Attachment, Outcome, Reply, RoomKind, RoomMessage, Where
from bot.owned import Owner, owner_of
from bot.private_talk import PrivateTalk
from bot.progress import Progress
from bot.receipts import Receipts
from bot.repertoire import Repertoire
from storage import EVERYWHERE, Erased, Going, Named, Storage, Vault

AHEAD = timedelta(minutes=5)  # that a homeserver's clock may be before ours


class DirectRooms(Protocol):
    """Where the answer to something personal goes."""

    async def direct_room(self, user_id: str, *, besides: str) -> str:
        """The encrypted direct chat with exactly this person, never the room `besides`."""
        ...

    async def attachment(
        self, room_id: str, event_id: str, *, senders: Set[str], limit: int
    ) -> Attachment:
        """The encrypted file that one of these people sent; AttachmentError says why it is none."""
        ...


class Orders:
    """Carries out commands; keeps the questions that wait for a yes, or for words."""

    def __init__(
        self,
        *,
        me: str,
        rooms: DirectRooms,
        storage: Storage,
        assistant: Assistant,
        consent: Consent,
        private: PrivateTalk,
        repertoire: Repertoire,
        receipts: Receipts,
        delivery: Delivery,
        audit: AuditLooks,
        audit_room: str,
        now: Callable[[], datetime],
    ) -> None:
        self._me = me
        self._rooms = rooms
        self._storage = storage
        self._assistant = assistant
        self._consent = consent
        self._private = private
        self._repertoire = repertoire
        self._receipts = receipts
        self._delivery = delivery
        self._audit = audit
        self._audit_room = audit_room
        self._now = now
        self._confirmations = Confirmations(now)
        self._questions = Questions(repertoire.commands, repertoire.prefix, now)

    async def decided(
        self, message: RoomMessage, wanted: Order | Chat, vault: Vault
    ) -> Decision | None:
        """What a message decides of what its sender was asked, if anything.

        What only looks like a command may be words that were asked for, such as a passphrase.
        """
        ordered = bool(wanted.command if isinstance(wanted, Order) else wanted.private)
        answer = await self._questions.decided(vault, message, ordered=ordered)
        return self._confirmations.decided(message) or answer

    async def is_awaited(self, message: RoomMessage, wanted: Chat, vault: Vault) -> bool:
        """Whether talk decides something of what its sender was asked; it is not decided yet."""
        if self._confirmations.is_awaited(message):
            return True
        return not wanted.private and await self._questions.is_awaited(vault, message)

    async def direct(self, person: str, transaction: str, question: str = "") -> Address:
        """The direct chat with somebody, as the place of a reply."""
        room_id = await self._rooms.direct_room(person, besides=self._audit_room)
        pair = frozenset({self._me, person})
        return Address(room_id, transaction, question=question, audience=pair)

    async def carry_out(
        self, exchange: Exchange, command: Command, line: Line, run: Run, *, record: Record
    ) -> None:
        """Run a command, record what it did, then answer."""
        here = address(exchange.message, exchange.room)
        to = await self._destination(exchange, command, here)
        reply = await self._reply(exchange, command, line, run, to)
        await record(exchange, reply.effects)
        if command.name == PRIVATE and reply.effects:  # it began, or ended
            self._private.forget(exchange.message.sender, exchange.room.room_id)
        sent = await self._sent(exchange, reply, to, record)
        if to.room_id != here.room_id:
            await self._delivery.send(Reply(replies.IN_DIRECT_CHAT), here)
        if exchange.erased is not None:
            await self._receipts.given(exchange.erased, sent[0])
        if exchange.vault is not None:
            await self._consent.settle(exchange.vault)

    async def _sent(
        self, exchange: Exchange, reply: Reply, to: Address, record: Record
    ) -> list[str]:
        """Send a reply; where it is refused, what can't be given keeps nothing else from going on.

        Without its file nothing was done, and that is recorded.
        """
        owner, said = self._owner(exchange, to), list[str]()
        try:
            return await self._delivery.send(reply, to, owner=owner, said=said)
        except HomeserverUnavailableError:
            raise
        except HomeserverError:
            if reply.attachment is not None and not said:
                failed = [replace(one, outcome=Outcome.FAILED) for one in reply.effects]
                await record(exchange, failed)
            if exchange.erased is not None:
                await self._receipts.given(exchange.erased, "")
            raise

    def _owner(self, exchange: Exchange, to: Address) -> Owner:
        return owner_of(exchange.vault, to.room_id, self._storage.withdrawals)

    async def _reply(
        self, exchange: Exchange, command: Command, line: Line, run: Run, to: Address
    ) -> Reply:
        try:
            result = await run(self._context(exchange, line, to))
        except UsageError as error:
            return Reply(str(error))
        if isinstance(result, Reply):
            return result
        message, vault = exchange.message, exchange.vault
        if isinstance(result, Confirmation):
            self._confirmations.ask(to.room_id, command, result.proceed, message)
        else:
            assert vault is not None, "nothing is asked about an erased vault"
            await self._questions.ask(vault, to.room_id, command, result, message)
        return Reply(result.text)

    async def _destination(self, exchange: Exchange, command: Command, here: Address) -> Address:
        """The direct chat for what is personal, the place of the question for the rest."""
        if command.where is Where.HERE or exchange.room.kind is RoomKind.DIRECT:
            return here
        message = exchange.message
        return await self.direct(message.sender, message.event_id, message.body)

    def _context(self, exchange: Exchange, line: Line, to: Address) -> CommandContext:
        vault = exchange.vault
        assert vault is not None, "nothing runs in an erased vault"

        async def erase() -> Reply:
            exchange.erased = await self._erase(exchange)
            return await self._receipts.reply(exchange.erased)

        async def let_go(named: Named, going: Going) -> None:
            self._drop(exchange.message.sender, named)
            await self._storage.inbox.let_go(going.heard)
            await self._storage.withdrawals.add(going.standing)

        message = exchange.message

        async def attachment(event_id: str, limit: int) -> Attachment:
            senders = {message.sender, self._me}
            room_id = message.room_id
            return await self._rooms.attachment(room_id, event_id, senders=senders, limit=limit)

        return self._repertoire.context(
            line,
            message,
            exchange.room,
            personal=vault,
            attachment=attachment,
            own_details=lambda rows: self._storage.audit_log.own(rows, actor=message.sender),
            own_log=self._audit.of(message.sender, vault),
            erase=erase,
            let_go=let_go,
            say=Progress(self._delivery, to, self._owner(exchange, to)).say,
        )

    async def _erase(self, exchange: Exchange) -> Erased:
        """Erase everything of a person; what they say after their yes is new.

        The homeserver is asked nothing before: it may be slow, or refuse. Nor does a time that it
        claims shut anybody out for long.
        """
        message, exchange.vault = exchange.message, None
        here = exchange.room.kind is RoomKind.DIRECT
        erased = await self._storage.forgetting.forget(
            message.sender,
            room_id=message.room_id,
            event_id=message.event_id,
            until=min(message.sent_at, self._now() + AHEAD),
            direct_rooms=[message.room_id] if here else [],
        )
        self._assistant.forget(message.sender)
        self._private.forget(message.sender)
        return erased

    def _drop(self, person: str, named: Named) -> None:
        """Drop from RAM what somebody names to be forgotten; of a time or a room, all they said."""
        windows = self._assistant.windows
        if not named.everything_in:
            return windows.forget(person, event_ids=named.event_ids)
        room_id = "" if named.everything_in == EVERYWHERE else named.everything_in
        windows.forget(person, room_id)
        return self._private.forget(person, room_id)
