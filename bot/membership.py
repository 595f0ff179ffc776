"""Into which rooms the bot goes and out of which: invites, upgrades, rooms that all others left."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bot import membership_words, replies
from bot.access import Once, Refusal, Rules, allowed
from bot.config import Config
from bot.delivery import Address, Delivery
from bot.errors import HomeserverError, HomeserverUnavailableError
from bot.journal import Journal
from bot.messages import Action, Effect, Outcome, Reply, Room, Successor
from bot.pacing import Pacing
from bot.room_events import Alone, Invite, Upgraded

log = logging.getLogger(__name__)

ROOMS = 1_000
"""Rooms in all: with each the first sync after a start grows, and so does what is held in RAM."""

ROOMS_WITH_ONE = 30
"""Rooms shared with one inviter: more than a person talks in, too few for one to fill the bot."""

JOINING = 1.0  # seconds from one join to the next: each fetches a room's state and its keys
REJECTING = 0.2  # the same for a rejection, which costs everybody less

Record = Callable[[Invite, Effect], Awaitable[None]]
"""Writes what concerned an inviter into their part of the audit log."""


class Why(StrEnum):
    """Why the bot does not go into a room, or goes out of it; in the audit log under `reason`."""

    UNLISTED = "unlisted"
    TOO_MANY = "too many rooms"
    TOO_MANY_WITH_ONE = "too many rooms with the inviter"
    NOT_JOINABLE = "not joinable"
    ALONE = "alone"
    UPGRADE = "upgrade"
    NO_PREDECESSOR = "names another predecessor"
    UNENCRYPTED = "not encrypted as before"


_SAID = {
    Why.UNLISTED: membership_words.UNLISTED,
    Why.TOO_MANY: membership_words.TOO_MANY,
    Why.TOO_MANY_WITH_ONE: membership_words.too_many_with_you(ROOMS_WITH_ONE),
    Why.NOT_JOINABLE: membership_words.NOT_JOINABLE,
}


class Rooms(Protocol):
    """The homeserver, as far as going in and out needs it; asked at that moment, but for one."""

    async def room(self, room_id: str) -> Room:
        """Members and encryption of a room."""
        ...

    async def joined(self) -> frozenset[str]:
        """The rooms that the bot is in."""
        ...

    def known_members(self, room_id: str) -> frozenset[str]:
        """Who was in a room at the last sync; empty for one that no sync has shown yet."""
        ...

    async def join(self, room: str, *, via: str = "") -> str:
        """Accept an invite, or join, through that homeserver; HomeserverError where refused."""
        ...

    async def leave(self, room_id: str, *, reason: str = "") -> None:
        """Leave a room, or reject an invite, with a sentence for whoever sent it."""
        ...

    async def successor(self, room_id: str) -> Successor | None:
        """Where a room goes on, if somebody said so who may."""
        ...

    async def predecessor(self, room_id: str) -> str:
        """The room that this one says it continues; HomeserverError where it can't be read."""
        ...


class Membership:
    """Decides and carries out, one after the other, at a pace that leaves the homeserver alone."""

    def __init__(
        self,
        *,
        config: Config,
        rules: Rules,
        rooms: Rooms,
        record: Record,
        journal: Journal,
        delivery: Delivery,
        once: Once,
        pacing: Pacing,
        audit_room: str,
        now: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._rules = rules
        self._rooms = rooms
        self._record = record
        self._journal = journal
        self._delivery = delivery
        self._once = once
        self._pacing = pacing
        self._audit_room = audit_room
        self._now = now
        self._me = config.homeserver.user_id
        self._invited_by: dict[str, str] = {}  # rooms joined since the start

    async def handle(self, event: Invite | Upgraded | Alone) -> None:
        """Go in or out; raises only where the homeserver is away."""
        try:
            match event:
                case Invite():
                    await self._invited(event)
                case Upgraded():
                    await self._upgraded(event.room_id)
                case Alone():
                    await self._deserted(event.room_id)
        except HomeserverUnavailableError:
            raise
        except HomeserverError:
            log.warning("a room refused the bot while it went in or out")

    async def _invited(self, invite: Invite) -> None:
        """Join where the inviter is listed and there is room; reject everywhere else."""
        if not allowed(invite.sender, self._config, self._rules):
            return await self._reject(invite, Why.UNLISTED)
        joined = await self._rooms.joined()
        if invite.room_id in joined:
            return None
        too_many = self._too_many(invite, joined)
        if too_many is not None:
            return await self._reject(invite, too_many)
        await self._pacing.turn(JOINING)
        joins = Effect(Action.ROOM_JOINED, target=invite.room_id)
        await self._record(invite, replace(joins, outcome=Outcome.BEGUN))
        if not await _done(self._rooms.join(invite.room_id)):
            await self._record(invite, replace(joins, outcome=Outcome.FAILED))
            return await self._reject(invite, Why.NOT_JOINABLE)
        self._invited_by[invite.room_id] = invite.sender
        await self._record(invite, joins)
        await self._welcome(invite.room_id)
        return await self._leave_predecessor(invite.room_id)

    def _too_many(self, invite: Invite, joined: frozenset[str]) -> Why | None:
        if len(joined) >= ROOMS:
            return Why.TOO_MANY
        self._invited_by = {room: who for room, who in self._invited_by.items() if room in joined}
        shared = [room_id for room_id in joined if self._is_shared(room_id, invite.sender)]
        return Why.TOO_MANY_WITH_ONE if len(shared) >= ROOMS_WITH_ONE else None

    def _is_shared(self, room_id: str, user_id: str) -> bool:
        """Whether somebody is in a room; what was joined just now no sync has shown yet."""
        members = self._rooms.known_members(room_id)
        return user_id in members if members else self._invited_by.get(room_id) == user_id

    async def _reject(self, invite: Invite, why: Why) -> None:
        await self._pacing.turn(REJECTING)
        facts = {"reason": str(why)}
        refused = Effect(Action.ROOM_REFUSED, Outcome.DENIED, invite.room_id, facts)
        await self._record(invite, replace(refused, outcome=Outcome.BEGUN))
        if not await _done(self._rooms.leave(invite.room_id, reason=_SAID[why])):
            log.warning("an invite could not be rejected")
        await self._record(invite, refused)

    async def _welcome(self, room_id: str) -> None:
        """In a room without encryption, say at once what is needed."""
        room = await self._rooms.room(room_id)
        readable = not room.encrypted and self._config.privacy.encrypted_rooms_only
        if readable and self._once.may(Refusal.UNENCRYPTED_ROOM, room_id, now=self._now()):
            to = Address(room_id, f"joined {room_id}")
            await self._delivery.send(Reply(replies.UNENCRYPTED_ROOM), to)

    async def _leave_predecessor(self, room_id: str) -> None:
        """Where an invite was needed to follow an upgrade, end now what it could not end."""
        before = await self._rooms.predecessor(room_id)
        if before and before in await self._rooms.joined():
            await self._upgraded(before)

    async def _upgraded(self, old: str) -> None:
        """Go where a room goes on, if both rooms say so, and out of the old one.

        Where joining needs an invite, that invite is handled as any other.
        """
        if old == self._audit_room:
            return log.warning("%s", membership_words.AUDIT_ROOM_UPGRADED)
        joined = await self._rooms.joined()
        successor = await self._rooms.successor(old) if old in joined else None
        if successor is None:
            return None
        goes_in = successor.room_id not in joined
        if goes_in and not await self._follow(old, successor):
            return None
        why = await self._unfit(old, successor.room_id)
        if why is None:
            return await self._leave(old, Why.UPGRADE)
        return await self._leave(successor.room_id, why) if goes_in else None

    async def _follow(self, old: str, successor: Successor) -> bool:
        """Join the room that a tombstone names, unless it can be seen before that it is wrong."""
        why = await self._seen_unfit(old, successor.room_id)
        if why is not None:
            facts = {"reason": str(why)}
            refused = Effect(Action.ROOM_REFUSED, Outcome.DENIED, successor.room_id, facts)
            await self._journal.of_the_bot(refused)
            return False
        await self._pacing.turn(JOINING)
        facts = {"reason": str(Why.UPGRADE)}
        joined = Effect(Action.ROOM_JOINED, target=successor.room_id, facts=facts)
        await self._journal.of_the_bot(replace(joined, outcome=Outcome.BEGUN))
        if not await _done(self._rooms.join(successor.room_id, via=successor.via)):
            log.info("an upgraded room can't be joined without an invite")
            await self._journal.of_the_bot(replace(joined, outcome=Outcome.FAILED))
            return False
        await self._journal.of_the_bot(joined)
        return True

    async def _seen_unfit(self, old: str, new: str) -> Why | None:
        """The same from outside; most rooms can be read from inside only."""
        try:
            return await self._unfit(old, new)
        except HomeserverUnavailableError:
            raise
        except HomeserverError:
            return None

    async def _unfit(self, old: str, new: str) -> Why | None:
        """Why a room is not the other one's successor."""
        if await self._rooms.predecessor(new) != old:
            return Why.NO_PREDECESSOR
        was_encrypted = (await self._rooms.room(old)).encrypted
        if was_encrypted and not (await self._rooms.room(new)).encrypted:
            return Why.UNENCRYPTED
        return None

    async def _deserted(self, room_id: str) -> None:
        """Leave a room in which nobody else is, nor is expected."""
        if room_id == self._audit_room or room_id not in await self._rooms.joined():
            return
        if (await self._rooms.room(room_id)).members == {self._me}:
            await self._leave(room_id, Why.ALONE)

    async def _leave(self, room_id: str, why: Why) -> None:
        left = Effect(Action.ROOM_LEFT, target=room_id, facts={"reason": str(why)})
        await self._journal.of_the_bot(replace(left, outcome=Outcome.BEGUN))
        await self._rooms.leave(room_id)
        await self._journal.of_the_bot(left)


async def _done(doing: Awaitable[object]) -> bool:
    """Whether the homeserver did it, or refused; being away is neither."""
    try:
        await doing
    except HomeserverUnavailableError:
        raise
    except HomeserverError:
        return False
    return True
