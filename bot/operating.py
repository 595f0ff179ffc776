"""Operators' commands: carried out for them alone, in the audit room, each on the record first."""

import difflib
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Protocol

from bot import operator_words
from bot.access import Intent, Order, Pace, Refusal, Refuse, operator_intent
from bot.audit_room import Rules, check
from bot.command import Line, split
from bot.commands import COMMANDS
from bot.commands.operators import OPERATOR_COMMANDS
from bot.config import Config
from bot.delivery import Delivery, address
from bot.errors import BotError, ConfigError, UsageError
from bot.journal import Journal
from bot.messages import Action, Effect, Facts, Outcome, Reply, Room, RoomMessage
from bot.operator_command import Compared, Holding, OperatorCommand, OperatorContext, People
from bot.own_vault import ByTheClock, behind, everybody, known_vault, own_vault
from bot.refusing import Refusals
from bot.status import Health
from storage import Storage, StorageFailure, VaultGone

log = logging.getLogger(__name__)

LATEST = timedelta(minutes=5)  # after which an order may undo what was ordered since


class Rooms(Rules, Protocol):
    """The homeserver, as far as it is asked who is in a room, and who else could be."""

    async def room(self, room_id: str) -> Room:
        """Members and encryption of a room."""
        ...


class Operating:
    """Hears what is said in the audit room, and carries out what an operator orders there.

    That it begins is recorded before anything is done. After a crash a command is carried out
    again: each of them leaves the same behind when done twice, and a verification that a crash
    ended waits for no answer. What an operator does stands in the operator's own part of the audit
    log.
    """

    def __init__(
        self,
        *,
        config: Config,
        rooms: Rooms,
        storage: Storage,
        delivery: Delivery,
        journal: Journal,
        refusals: Refusals,
        pace: Pace,
        health: Health,
        compared: Compared,
        now: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._rooms = rooms
        self._storage = storage
        self._delivery = delivery
        self._journal = journal
        self._refusals = refusals
        self._pace = pace
        self._health = health
        self._compared = compared
        self._now = now

    async def handle(self, message: RoomMessage) -> None:
        """Take a message in the audit room to its end; who isn't an operator gets no answer."""
        config, rules = self._config, self._storage.access
        if split(message.body, prefix=self._prefix) is None:
            return await self._storage.inbox.finish(message.event_id)
        room = await self._rooms.room(message.room_id)
        if not room.members >= {message.sender, config.homeserver.user_id}:  # one is gone since
            return await self._storage.inbox.finish(message.event_id)
        wanted = operator_intent(message, room, config=config, rules=rules)
        if isinstance(wanted, Order):
            wanted = await self._unless_not_now(message, wanted)
        match wanted:
            case Order(line):
                return await self._carry_out(message, room, line)
            case Refuse(why):
                return await self._refusals.refuse(message, room, why)
        return await self._storage.inbox.finish(message.event_id)

    async def _unless_not_now(self, message: RoomMessage, order: Order) -> Intent:
        """The order, or why it is refused at this moment.

        One that had begun when a crash came is not late: it may be in force already, and while the
        bot was down nothing was ordered since.
        """
        if not self._pace.admits(message, self._now()):
            return Refuse(Refusal.TOO_FAST)
        late = self._now() - message.sent_at > LATEST
        if late and await self._storage.inbox.begun(message.event_id) is None:
            return Refuse(Refusal.TOO_LATE)
        try:
            check(await self._rooms.rules(message.room_id))
        except ConfigError:
            return Refuse(Refusal.UNFIT_ROOM)
        return order

    async def _carry_out(self, message: RoomMessage, room: Room, line: Line) -> None:
        """Record that a command begins, run it, answer it, record and finish it."""
        begun = self._now()
        command = next((one for one in OPERATOR_COMMANDS if one.name == line.name), None)
        name = "unknown" if command is None else command.name
        facts: Facts = {"command": name, "room": "audit"}
        again = await self._begin(message, name, facts)
        if command is None:
            reply: Reply | None = Reply(self._unknown(line))
        else:
            reply = await self._reply(command, self._context(message, line, again=again))
        if reply is not None:
            await self._delivery.send(reply, address(message, room))
        ms = round((self._now() - begun).total_seconds() * 1000)
        answered = Effect(
            Action.MESSAGE_ANSWERED, target=message.event_id, facts={**facts, "ms": ms}
        )
        await self._record(message, answered, finishes=message.event_id)

    async def _begin(self, message: RoomMessage, name: str, facts: Facts) -> bool:
        """Record that a command begins; whether it had begun before, and a crash cut it short."""
        if not await self._storage.vaults.exists(message.sender):
            await self._journal.of_somebody([Effect(Action.VAULT_CREATED, Outcome.BEGUN)])
        again = await self._storage.inbox.begun(message.event_id) is not None
        begins = Effect(Action.MESSAGE_ANSWERED, Outcome.BEGUN, message.event_id, facts)
        await self._record(message, begins, begins=(message.event_id, name))
        return again

    async def _reply(self, command: OperatorCommand, context: OperatorContext) -> Reply | None:
        try:
            return await command.run(context)
        except UsageError as error:
            return Reply(str(error))

    def _unknown(self, line: Line) -> str:
        if any(line.name == one.name for one in COMMANDS):
            return operator_words.personal(line.name, self._prefix)
        names = [one.name for one in OPERATOR_COMMANDS]
        near = next(iter(difflib.get_close_matches(line.name, names, n=1)), None)
        return operator_words.unknown(line.name, near, self._prefix)

    def _context(self, message: RoomMessage, line: Line, *, again: bool) -> OperatorContext:
        async def look_up(pseudonym: str) -> str | None:
            return await self._look_up(message, pseudonym)

        async def record(effect: Effect) -> None:
            await self._record(message, effect)

        return OperatorContext(
            arguments=line.arguments,
            prefix=self._prefix,
            config=self._config,
            access=self._storage.access,
            commands=OPERATOR_COMMANDS,
            status=self._health.status,
            people=self._people,
            look_up=look_up,
            compared=self._compared,
            record=record,
            again=again,
        )

    async def _people(self, first: int, how_many: int) -> People:
        """Count what each of some has; a vault is opened for its numbers alone."""
        people = await everybody(self._storage)
        there = [await self._holding(one) for one in people[first : first + how_many]]
        return People(there, len(people))

    async def _holding(self, person: ByTheClock) -> Holding | None:
        with suppress(StorageFailure):  # VaultGone is one, too
            async with known_vault(person, self._storage) as vault:
                if vault is not None:
                    counts, last = await vault.counts(), await vault.last_said()
                    return Holding(vault.pseudonym, counts.memories, counts.turns, last)
        return None

    async def _look_up(self, message: RoomMessage, pseudonym: str) -> str | None:
        """Who it is, once it stands where that person reads it; else nobody is told."""
        person = await behind(pseudonym, self._storage)
        if person is None:
            return None
        looked_up = Effect(Action.IDENTITY_LOOKED_UP, facts={"by": "an operator"})
        try:
            async with known_vault(person, self._storage) as vault:
                if vault is None:
                    return None
                await self._journal.of_another(message.sender, vault, looked_up)
        except VaultGone:
            return None
        except StorageFailure:
            raise BotError(operator_words.NOT_RECORDED) from None
        return person.sender

    async def _record(
        self,
        message: RoomMessage,
        effect: Effect,
        *,
        begins: tuple[str, str] | None = None,
        finishes: str | None = None,
    ) -> None:
        """Record with the operator, who has a vault from their first command on."""
        try:
            async with own_vault(message, self._storage) as vault:
                made: Sequence[Effect] = [Effect(Action.VAULT_CREATED)] if vault.is_new else []
                effects = [*made, effect]
                return await self._journal.of_person(
                    message.sender, vault, effects, begins=begins, finishes=finishes
                )
        except VaultGone:
            raise
        except StorageFailure:  # a damaged vault must not keep its operator from the bot
            log.error("a vault could not be opened for an operator's command")
        return await self._journal.of_somebody([effect], begins=begins, finishes=finishes)

    @property
    def _prefix(self) -> str:
        return self._config.service.command_prefix
