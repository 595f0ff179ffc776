"""The audit room: the configured one, the one made at an earlier start, or a new one."""

import logging
from typing import Protocol

from bot.config import Config
from bot.errors import ConfigError, HomeserverError, HomeserverUnavailableError
from bot.messages import Outgoing, Room, RoomRules
from storage import Storage

log = logging.getLogger(__name__)

STATE = "audit.room"  # under which the room that we made is kept

BY_INVITE = frozenset({"invite", "knock"})  # who knocks waits for somebody inside to let them in
FOR_MEMBERS = frozenset({"shared", "invited", "joined"})
ANOTHER = (
    "The bot made that room, and nobody else may change its settings: make an encrypted, "
    "invite-only one, invite the bot, and name it in audit.room."
)


class Rules(Protocol):
    """What tells who may come into a room and read there."""

    async def rules(self, room_id: str) -> RoomRules:
        """As it stands now; raises HomeserverError."""
        ...


class Rooms(Rules, Protocol):
    """The part of the homeserver that is needed here."""

    async def room(self, room_id: str) -> Room:
        """Members and encryption of a room."""
        ...

    async def join(self, room: str) -> str:
        """Join by id or alias; return the room's id."""
        ...

    async def create_audit_room(self) -> str:
        """A new encrypted room with nobody in it yet."""
        ...

    async def invite(self, room_id: str, user_id: str) -> None:
        """Ask somebody in."""
        ...


class Way(Rules, Protocol):
    """What sends, and tells whether it may."""

    async def send(self, outgoing: Outgoing) -> str:
        """Send one event, return its id."""
        ...


class FitRoom:
    """The way into the audit room, closed for as long as others than its members could read.

    In its `own` room nobody but the bot may change the settings.
    """

    def __init__(self, way: Way, *, own: bool) -> None:
        self._way = way
        self._own = own

    async def send(self, outgoing: Outgoing) -> str:
        """Send one event, return its id; ConfigError where the room won't do any more."""
        check(await self._way.rules(outgoing.room_id), own=self._own)
        return await self._way.send(outgoing)


async def audit_room(config: Config, rooms: Rooms, storage: Storage) -> str:
    """The room's id, every operator invited; ConfigError where the room won't do."""
    if config.audit.room:
        room_id = await _configured(config.audit.room, rooms)
        check(await rooms.rules(room_id))
        return room_id
    room_id = await _own(rooms, storage)
    await _invite_operators(config, rooms, room_id)
    return room_id


def check(rules: RoomRules, *, own: bool = False) -> None:
    """ConfigError with a line for each thing that lets others than invited members read.

    In its `own` room nobody but the bot may change the settings.
    """
    if found := _mistakes(rules):
        lines = (f"audit.room: {what}. {ANOTHER if own else remedy}" for what, remedy in found)
        raise ConfigError("\n".join(lines))


def _mistakes(rules: RoomRules) -> list[tuple[str, str]]:
    """What is wrong, and what can be done about it in a room that somebody else made."""
    found = []
    if not rules.encrypted:
        found.append(
            (
                "that room is not encrypted, so its homeserver reads along",
                "Turn encryption on there, or leave the key empty and an encrypted room is made.",
            )
        )
    if rules.join_rule not in BY_INVITE:
        found.append(
            (
                "people come into that room without an invitation (its join rule is "
                f"“{rules.join_rule}”)",
                "Make it invite-only in its settings, or name another room.",
            )
        )
    if rules.history_visibility not in FOR_MEMBERS:
        found.append(
            (
                "people who are not in that room read its history (its history visibility is "
                f"“{rules.history_visibility}”)",
                "Let members only read it, or name another room.",
            )
        )
    return found


async def _own(rooms: Rooms, storage: Storage) -> str:
    """The room that we made; what became of it since is looked at like somebody else's.

    ConfigError where it won't do, or the bot was put out of it.
    """
    room_id = await storage.state(STATE)
    if room_id is None:
        room_id = await rooms.create_audit_room()
        await storage.set_state(STATE, room_id)
    try:
        check(await rooms.rules(room_id), own=True)
    except HomeserverUnavailableError:
        raise
    except HomeserverError:
        raise ConfigError(
            f"audit.room: the bot can't look into {room_id}, the room that it made: it was put out "
            "of it, or the room is gone. Make an encrypted, invite-only room, invite the bot, and "
            "name it in audit.room."
        ) from None
    return room_id


async def _invite_operators(config: Config, rooms: Rooms, room_id: str) -> None:
    """Ask those in who are not; one who can't be invited must not keep the bot from running."""
    members = (await rooms.room(room_id)).members
    operators = {one for one in config.access.operators if "*" not in one}
    for operator in sorted(operators - members):
        try:
            await rooms.invite(room_id, operator)
        except HomeserverUnavailableError:
            raise
        except HomeserverError:
            log.warning("%s could not be invited to the audit room: see access.operators", operator)


async def _configured(room: str, rooms: Rooms) -> str:
    try:
        return await rooms.join(room)
    except HomeserverUnavailableError:
        raise
    except HomeserverError:
        raise ConfigError(
            f"audit.room: the bot can't join {room}. Invite it there, or leave the key empty "
            "and a room is made."
        ) from None
