"""A command that is obeyed: run in the sender's vault, answered where what it says belongs."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from bot import replies
from bot.access import PRIVATE
from bot.assistant import Assistant
from bot.chatting import Exchange, Record
from bot.command import Command, CommandContext, Confirmation, Line, Run
from bot.confirmations import Confirmations, Decision
from bot.consent import Consent
from bot.delivery import Address, Delivery, address
from bot.errors import UsageError
from bot.messages import Reply, RoomKind, RoomMessage, Where
from bot.private_talk import PrivateTalk
from bot.repertoire import Repertoire
from storage import Destroyed, Storage


class DirectRooms(Protocol):
    """Where the answer to something personal goes."""

    async def direct_room(self, user_id: str, *, besides: str) -> str:
        """The encrypted direct chat with exactly this person, never the room `besides`."""
        ...


class Orders:
    """Carries out commands; keeps the questions that wait for a yes."""

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
        delivery: Delivery,
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
        self._delivery = delivery
        self._audit_room = audit_room
        self._confirmations = Confirmations(now)

    def decided(self, message: RoomMessage) -> Decision | None:
        """What a message decides of what its sender was asked, if anything."""
        return self._confirmations.decided(message)

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
        await self._delivery.send(reply, to)
        if to.room_id != here.room_id:
            await self._delivery.send(Reply(replies.IN_DIRECT_CHAT), here)
        if exchange.vault is not None:
            await self._consent.settle(exchange.vault)

    async def _reply(
        self, exchange: Exchange, command: Command, line: Line, run: Run, to: Address
    ) -> Reply:
        try:
            result = await run(self._context(exchange, line))
        except UsageError as error:
            return Reply(str(error))
        if isinstance(result, Confirmation):
            sender = exchange.message.sender
            self._confirmations.ask(sender, to.room_id, command, result.proceed)
            return Reply(result.text)
        return result

    async def _destination(self, exchange: Exchange, command: Command, here: Address) -> Address:
        """The direct chat for what is personal, the place of the question for the rest."""
        if command.where is Where.HERE or exchange.room.kind is RoomKind.DIRECT:
            return here
        message = exchange.message
        return await self.direct(message.sender, message.event_id, message.body)

    def _context(self, exchange: Exchange, line: Line) -> CommandContext:
        vault = exchange.vault
        assert vault is not None, "nothing runs in an erased vault"

        async def erase() -> Destroyed:
            exchange.vault = None
            self._assistant.forget(exchange.message.sender)
            self._private.forget(exchange.message.sender)
            return await self._storage.vaults.destroy(exchange.message.sender)

        return self._repertoire.context(
            line,
            exchange.message,
            exchange.room,
            personal=vault,
            entries=lambda limit: self._storage.audit_log.details(vault, limit=limit),
            erase=erase,
        )
