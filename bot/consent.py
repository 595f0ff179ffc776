"""Asking before something is remembered: one notice, and the reaction to it that decides."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from bot import approving, consent_words
from bot.access import allowed
from bot.approving import Decided
from bot.changes import Changes
from bot.config import Config
from bot.delivery import Address, Delivery
from bot.errors import HomeserverError, HomeserverUnavailableError
from bot.journal import Journal
from bot.messages import Action, Effect, Facts, Outcome, Reply, Room, RoomKind, RoomMessage
from bot.own_vault import ByTheClock, everybody, known_vault
from bot.owned import OfVault, while_kept
from bot.recall import usable
from bot.room_events import Reaction
from storage import WAITS, Memory, Notice, Storage, StorageFailure, Vault, VaultGone

log = logging.getLogger(__name__)

DECIDING = "memory approve"  # what the inbox calls a reaction that is being carried out


class Rooms(Protocol):
    """The homeserver, as far as it is asked who is in a room."""

    async def room(self, room_id: str) -> Room:
        """Members and encryption of a room."""
        ...


class Consent:
    """Asks in the room of the message, hears the person whom it is about, and nobody else.

    A reaction is not encrypted: whoever runs a homeserver can make one. So it decides about what
    one notice asks and about nothing else, and about nothing while the person's identity changed.
    """

    def __init__(
        self,
        *,
        config: Config,
        rooms: Rooms,
        storage: Storage,
        delivery: Delivery,
        journal: Journal,
        now: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._prefix = config.service.command_prefix
        self._rooms = rooms
        self._storage = storage
        self._delivery = delivery
        self._journal = journal
        self._now = now
        self._changes = Changes(storage)

    async def ask(self, message: RoomMessage, room: Room, vault: Vault, to: Address) -> None:
        """Ask about what a message proposed, if it did; under the same id after a crash."""
        found = await vault.pending.of_message(message.event_id)
        proposals = [one for one in found if usable(one, room)]
        if proposals:
            await self._ask(proposals, message, room, vault, to)
        await self.settle(vault)  # also what this answer erased, or others while it was written

    async def decide(self, reaction: Reaction) -> None:
        """Take a yes or a no to a notice from the one whom it asks; finish the event.

        What fails is left to the next start.
        """
        try:
            done = await self._may_decide(reaction) and await self._carried_out(reaction)
        except (HomeserverUnavailableError, VaultGone):
            raise
        except (HomeserverError, StorageFailure):
            return log.warning("a reaction is not carried out yet: it is left to the next start")
        if not done:
            await self._storage.inbox.finish(reaction.event_id)
        return None

    async def settle(self, vault: Vault) -> None:
        """Let no notice go on asking about what was decided in another way, or went.

        What stands there then holds nothing of what was asked, for whoever is in the room by now.
        What can't be said because the homeserver is away is said the next time.
        """
        for notice in await vault.pending.decided():
            try:
                await self._put(self._outcome(notice), notice.room_id, notice.event_id, None)
            except HomeserverUnavailableError:
                log.info("a notice that asked could not be edited yet")
            else:
                await vault.pending.settled(notice.event_id)

    async def expire(self) -> None:
        """Erase what nobody approved in time, of everybody; then say so where it was asked."""
        people = await everybody(self._storage)
        begun = Effect(Action.MEMORY_DELETED, Outcome.BEGUN, facts={"expired": True})
        await self._journal.of_the_bot(begun)
        for each in (self._expire, self._settle):
            for person in people:
                try:
                    await each(person)
                except StorageFailure:  # one damaged vault must not keep the others' back
                    log.warning("what was not approved in time could not be dealt with in a vault")

    async def _ask(
        self,
        proposals: Sequence[Memory],
        message: RoomMessage,
        room: Room,
        vault: Vault,
        to: Address,
    ) -> None:
        former = await approving.former(vault, proposals)
        texts = {number: one.text for number, one in former.items() if usable(one, room)}
        numbers = [one.memory_id for one in proposals]
        asking = to.about(f"consent {numbers}")
        text = consent_words.notice(proposals, texts, self._prefix)
        owner, said = OfVault(vault, to.room_id, self._storage.withdrawals), list[str]()
        async with while_kept(said, owner):
            said += await self._delivery.send(Reply(text, repeats=True), asking, owner=owner)
            source = message.event_id
            await vault.pending.noticed(numbers, said, to.room_id, source=source)

    async def _carried_out(self, reaction: Reaction) -> bool:
        """Whether the reaction decided something."""
        async with known_vault(reaction, self._storage) as vault:
            if vault is None:
                return False
            done = await self._decided(reaction, vault)
            await self.settle(vault)
            return done

    async def _may_decide(self, reaction: Reaction) -> bool:
        if not allowed(reaction.sender, self._config, self._storage.access):
            return False
        if self._storage.access.paused_since is not None:
            return False  # the notice goes on asking
        return not await self._changes.paused(reaction.sender)

    async def _decided(self, reaction: Reaction, vault: Vault) -> bool:
        """Do what a reaction decides; False where it decides nothing.

        The inbox is told before it begins. What a crash cut short is gone through once more: what
        was decided then has left the proposals, and is told and recorded all the same.
        """
        asked = [one for one in await vault.pending.asked_in(reaction.to) if _is_of(one, reaction)]
        waiting = [one for one in asked if one.status == "pending"]
        begun = await self._storage.inbox.begun(reaction.event_id) is not None
        if not waiting and not begun:
            return False
        room = await self._rooms.room(reaction.room_id)
        if reaction.sender not in room.members:
            return False
        begins = (reaction.event_id, DECIDING)
        facts: Facts = {"reaction": True, "room": str(room.kind)}
        done = Effect(Action.MESSAGE_ANSWERED, target=reaction.event_id, facts=facts)
        effects = [replace(done, outcome=Outcome.BEGUN)]
        await self._journal.of_person(reaction.sender, vault, effects, begins=begins)
        in_time = [one for one in waiting if self._now() - one.created_at < WAITS]
        if waiting and not in_time:
            decided = await approving.decide(vault, waiting, yes=False)
            await self._answer(reaction, room, vault, consent_words.EXPIRED)
        else:
            decided = await approving.decide(vault, in_time, yes=reaction.yes)
            decided = _with_before(decided, asked, yes=reaction.yes) if begun else decided
            await self._answer(reaction, room, vault, self._remembered(decided.remembered, room))
        effects = [*decided.effects, done]
        await self._journal.of_person(reaction.sender, vault, effects, finishes=reaction.event_id)
        return True

    async def _answer(self, reaction: Reaction, room: Room, vault: Vault, text: str) -> None:
        """Say in the place of the question what became of it, where that still is to be said."""
        notice = await vault.pending.notice(reaction.to)
        if notice is None:
            return
        text = text or self._outcome(notice)
        if await self._put(text, reaction.room_id, reaction.to, _audience(room)):
            await vault.pending.settled(reaction.to)

    def _remembered(self, memories: Sequence[Memory], room: Room) -> str:
        """What is remembered; by number alone where somebody may be who could not read the notice.

        Nothing where it is nothing, such as when another client was faster.
        """
        if room.kind is RoomKind.DIRECT:
            return consent_words.approved(memories, self._prefix)
        return consent_words.approved_by_number(memories, self._prefix)

    def _outcome(self, notice: Notice) -> str:
        return consent_words.OUTCOMES[notice.became].format(prefix=self._prefix)

    async def _expire(self, person: ByTheClock) -> None:
        async with known_vault(person, self._storage) as vault:
            if vault is None:
                return
            erased = await vault.pending.expire(self._now() - WAITS)
            if erased:
                facts = {"expired": True, "memories": len(erased)}
                effect = Effect(Action.MEMORY_DELETED, facts=facts)
                await self._journal.of_person(person.sender, vault, [effect])

    async def _settle(self, person: ByTheClock) -> None:
        async with known_vault(person, self._storage) as vault:
            if vault is not None:
                await self.settle(vault)

    async def _put(
        self, text: str, room_id: str, notice: str, audience: frozenset[str] | None
    ) -> bool:
        """Put what became of it in the place of the question; False where the room refuses it."""
        to = Address(room_id, notice, audience=audience).about("decided")
        try:
            await self._delivery.edit(Reply(text, repeats=True), to, notice)
        except HomeserverUnavailableError:
            raise
        except HomeserverError:
            log.info("a notice that asked could not be edited")
            return False
        return True


def _is_of(proposal: Memory, reaction: Reaction) -> bool:
    """Whether it was asked about in the room of the reaction, whatever event that names."""
    return proposal.source_room_id == reaction.room_id


def _audience(room: Room) -> frozenset[str] | None:
    return room.members if room.kind is RoomKind.DIRECT else None


def _with_before(decided: Decided, asked: Sequence[Memory], *, yes: bool) -> Decided:
    """After a crash: together with what was decided before it, and is recorded by now."""
    new = [one for one in asked if one.status == "active"] if yes else []
    return replace(decided, remembered=(*new, *decided.remembered))
