"""A message that is obeyed: its command or its answer, carried out, sent and recorded once."""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from bot import replies
from bot.access import Chat, Order
from bot.asking_words import INTERRUPTED as ANSWER_INTERRUPTED
from bot.assistant import Assistant
from bot.changes import Changes
from bot.chatting import Chats, Exchange
from bot.command import Command, Line, Run
from bot.confirmations import ANSWER, Decision
from bot.delivery import Delivery, address
from bot.errors import BotError
from bot.greeting import Greeting
from bot.journal import Journal
from bot.messages import (
    Action,
    Effect,
    Fact,
    Facts,
    Outcome,
    Reply,
    Room,
    RoomMessage,
    Standing,
)
from bot.orders import Orders
from bot.own_vault import known_vault, own_vault
from bot.pausing import RESUMED, Pausing
from bot.preferences import is_private
from bot.private_talk import PrivateTalk
from bot.repertoire import Repertoire
from bot.room_events import Accepted, Forgotten, Invite, Undecryptable
from bot.unkept import INTERRUPTED
from storage import Storage, StorageFailure, Vault, VaultGone

log = logging.getLogger(__name__)

OfSomebody = RoomMessage | Undecryptable | Invite | Accepted | Forgotten


class Exchanges:
    """Carries out what people ask.

    What begins is recorded before anything is done. Of what must not be done twice, the inbox is
    told as well; what a crash cut short after that is not done again, and its person is told so.
    An answer is kept before it is sent,
    so that the same one is sent again. One transaction records it all and finishes the message.
    Whoever is not known by the identity that they show goes to `pausing`, and no vault is opened.
    """

    def __init__(
        self,
        *,
        storage: Storage,
        assistant: Assistant,
        chats: Chats,
        orders: Orders,
        private: PrivateTalk,
        repertoire: Repertoire,
        delivery: Delivery,
        greeting: Greeting,
        journal: Journal,
        pausing: Pausing,
        now: Callable[[], datetime],
    ) -> None:
        self._storage = storage
        self._assistant = assistant
        self._chats = chats
        self._orders = orders
        self._private = private
        self._repertoire = repertoire
        self._delivery = delivery
        self._greeting = greeting
        self._journal = journal
        self._pausing = pausing
        self._now = now
        self._changes = Changes(storage)

    async def overhear(self, message: RoomMessage, room: Room) -> None:
        """Let what is said in a shared room be context there, in RAM; the answer to a question not.

        The room was a direct chat when that was asked.
        """
        if await self._answer(message, Chat()) is None:
            await self._ensure_not_forgotten(message)
            self._assistant.overhear(message, room)

    async def carry_out(self, message: RoomMessage, room: Room, wanted: Order | Chat) -> None:
        """Run the command or answer, in the sender's vault; send and record it."""
        begun = await self._storage.inbox.begun(message.event_id) if message.recovered else None
        if begun is not None:
            return await self._interrupted(message, room, begun)
        if message.standing is Standing.CHANGED:
            answer = await self._answer(message, wanted)
            if answer is not None:  # it may be a passphrase: refused like its command
                wanted = Order(Line(answer.command.name, ""), answer.command)
                message = replace(message, body="")
            return await self._without_memory(message, room, wanted)
        await self._resumed(message, {"identity": "known"})
        if not await self._storage.vaults.exists(message.sender):
            await self._journal.of_somebody([Effect(Action.VAULT_CREATED, Outcome.BEGUN)])
        async with own_vault(message, self._storage) as vault:
            exchange = Exchange(message, room, vault, self._now())
            await self._begin(message, room, wanted, vault)
            await self._greeting.greet(message, room, vault)
            return await self._carry_out(exchange, wanted, vault)

    async def record(
        self, message: OfSomebody, effect: Effect, *, finishes: str | None = None
    ) -> None:
        """Record in the sender's vault if they have one; nobody gets one for being refused."""
        await record(message, effect, self._storage, self._journal, finishes=finishes)

    async def resume(self, event: Accepted) -> None:
        """Tell somebody that their new identity was accepted, where only they read; record it.

        That it begins was recorded before the identity was accepted. It is recorded last, for all
        of this is done again after an outage of the homeserver.
        """
        accepted: Facts = {"identity": "accepted"}
        to = await self._orders.direct(event.sender, f"accepted {event.number}")
        await self._delivery.send(Reply(RESUMED), to)
        if not await self._resumed(event, accepted):  # not a message in between; or seen by one
            await self.record(event, Effect(Action.ACCESS_CHANGED, facts=accepted))

    async def _resumed(self, event: RoomMessage | Accepted, facts: Facts) -> bool:
        """Record that memory works again, if it paused."""
        ended = Effect(Action.ACCESS_CHANGED, facts={**facts, "memory": "resumed"})
        return await self._changes.ended(event.sender, lambda: self.record(event, ended))

    async def _without_memory(self, message: RoomMessage, room: Room, wanted: Order | Chat) -> None:
        """Answer somebody whose identity changed; of their vault only the audit log is used."""
        await self._ensure_not_forgotten(message)
        changed = Effect(Action.ACCESS_CHANGED, facts={"identity": "changed"})
        await self._changes.began(message.sender, lambda: self.record(message, changed))
        await self.record(message, _beginning(message, room, wanted))
        done = await self._pausing.carry_out(message, room, wanted)
        await self.record(message, done, finishes=message.event_id)

    async def _begin(
        self, message: RoomMessage, room: Room, wanted: Order | Chat, vault: Vault
    ) -> None:
        """Record that a message is about to be carried out; nothing was done for it before.

        The same transaction tells the inbox of a command: that is not run again after a crash.
        """
        effects = [Effect(Action.VAULT_CREATED)] if vault.is_new else []
        effects.append(_beginning(message, room, wanted))
        command = wanted.command if isinstance(wanted, Order) else None
        begins = (message.event_id, command.name) if command else None
        await self._journal.of_person(message.sender, vault, effects, begins=begins)

    async def _carry_out(self, exchange: Exchange, wanted: Order | Chat, vault: Vault) -> None:
        decision = await self._orders.decided(exchange.message, wanted, vault)
        if decision is not None:
            if decision.begins:
                await self._storage.inbox.begin(exchange.message.event_id, decision.begins)
            exchange.message = replace(exchange.message, body="")  # it may be a passphrase
            line = Line(decision.command.name, decision.about)
            await self._order(exchange, decision.command, line, decision.run)
        elif isinstance(wanted, Chat):
            if self._storage.access.paused_since is not None:  # its question ended meanwhile
                raise BotError(replies.paused(self._repertoire.prefix))
            await self._chat(exchange, wanted, vault)
        elif wanted.command is None:
            here = address(exchange.message, exchange.room)
            await self._delivery.send(self._repertoire.unknown(wanted.line), here)
            await self._done(exchange, {"command": "unknown"})
        else:
            await self._order(exchange, wanted.command, wanted.line, wanted.command.run)

    async def _answer(self, message: RoomMessage, wanted: Order | Chat) -> Decision | None:
        """What answers a question where it is not carried out; a damaged vault has asked none."""
        with suppress(StorageFailure):
            async with known_vault(message, self._storage) as vault:
                if vault is not None:
                    return await self._orders.decided(message, wanted, vault)
        return None

    async def is_awaited(self, message: RoomMessage, wanted: Chat) -> bool:
        """Whether talk answers a question of the bot, and so never gets to the model."""
        with suppress(StorageFailure):
            async with known_vault(message, self._storage) as vault:
                if vault is not None:
                    return await self._orders.is_awaited(message, wanted, vault)
        return False

    async def _ensure_not_forgotten(self, message: RoomMessage) -> None:
        """Raise VaultGone, as an own vault does, where all was erased since this was looked at."""
        if await self._storage.forgetting.is_before(message.sender, message.sent_at):
            raise VaultGone("It was said before everything was forgotten.")

    async def _interrupted(self, message: RoomMessage, room: Room, begun: str) -> None:
        """Say that a crash came in between; the same transaction id, so not after a reply."""
        text = replies.interrupted(begun, self._repertoire.prefix)
        cut = Effect(
            Action.MESSAGE_ANSWERED, Outcome.INTERRUPTED, message.event_id, {"command": begun}
        )
        text = {**INTERRUPTED, ANSWER: ANSWER_INTERRUPTED}.get(begun, text)
        here = address(replace(message, body=""), room)  # it may be a passphrase
        await self._delivery.send(Reply(text), here)
        await self.record(message, cut, finishes=message.event_id)

    async def _order(self, exchange: Exchange, command: Command, line: Line, run: Run) -> None:
        await self._orders.carry_out(exchange, command, line, run, record=self._record)
        await self._done(exchange, {"command": command.name})

    async def _chat(self, exchange: Exchange, wanted: Chat, vault: Vault) -> None:
        to, question = address(exchange.message, exchange.room), wanted.private
        private = await is_private(vault, exchange.room.room_id)
        if question or private:
            talk = self._private.answer
            facts = await talk(exchange, vault, to, question=question, goes_on=private)
        else:
            facts = await self._chats.answer(exchange, vault, to, record=self._record)
        await self._done(exchange, facts)

    async def _done(self, exchange: Exchange, facts: dict[str, Fact]) -> None:
        """Record that the message was answered and finish it, in one transaction."""
        message = exchange.message
        facts |= {"room": str(exchange.room.kind), "ms": exchange.took(self._now())}
        answered = Effect(Action.MESSAGE_ANSWERED, Outcome.OK, message.event_id, facts)
        await self._record(exchange, [answered], finishes=message.event_id)

    async def _record(
        self, exchange: Exchange, effects: Sequence[Effect], *, finishes: str | None = None
    ) -> None:
        if exchange.vault is None:
            return await self._journal.of_somebody(effects, finishes=finishes)
        return await self._journal.of_person(
            exchange.message.sender, exchange.vault, effects, finishes=finishes
        )


def _beginning(message: RoomMessage, room: Room, wanted: Order | Chat) -> Effect:
    facts: dict[str, Fact] = {"room": str(room.kind)}
    if isinstance(wanted, Chat):
        facts["chat"] = True
    else:
        facts["command"] = wanted.command.name if wanted.command else "unknown"
    return Effect(Action.MESSAGE_ANSWERED, Outcome.BEGUN, message.event_id, facts)


async def record(
    message: OfSomebody,
    effect: Effect,
    storage: Storage,
    journal: Journal,
    *,
    finishes: str | None = None,
) -> None:
    """The same as `Exchanges.record`, also while no bot runs."""
    try:
        async with known_vault(message, storage) as vault:
            if vault is not None:
                return await journal.of_person(message.sender, vault, [effect], finishes=finishes)
    except StorageFailure:  # one damaged vault must not stop the bot for everybody
        log.exception("a vault could not be opened")
    return await journal.of_somebody([effect], finishes=finishes)
