"""The audit room: the configured one, the one made at an earlier start, or a new one."""

import logging
from typing import Protocol

from bot.config import Config
from bot.errors import ConfigError, HomeserverError, HomeserverUnavailableError
from bot.messages import Room
from storage import Storage

log = logging.getLogger(__name__)

STATE = "audit.room"  # under which the room that we made is kept


class Rooms(Protocol):
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


async def audit_room(config: Config, rooms: Rooms, storage: Storage) -> str:
    """The room's id, every operator invited; ConfigError where the configured one won't do."""
    if config.audit.room:
        return await _configured(config.audit.room, rooms)
    room_id = await storage.state(STATE)
    if room_id is None:
        room_id = await rooms.create_audit_room()
        await storage.set_state(STATE, room_id)
    await _invite_operators(config, rooms, room_id)
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
        room_id = await rooms.join(room)
    except HomeserverUnavailableError:
        raise
    except HomeserverError:
        raise ConfigError(
            f"audit.room: the bot can't join {room}. Invite it there, or leave the key empty "
            "and a room is made."
        ) from None
    if not (await rooms.room(room_id)).encrypted:
        raise ConfigError(
            "audit.room: that room is not encrypted, and the audit feed is for its members "
            "alone. Turn encryption on there, or leave the key empty and one is made."
        )
    return room_id
