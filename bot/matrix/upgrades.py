"""Where a room goes on, from what the homeserver says of both rooms at the moment of asking."""

import math
import re
from typing import Any

from bot.matrix import rooms
from bot.matrix.http import Http, RequestError, path
from bot.matrix.untrusted import items, mapping, member, number, text
from bot.messages import Successor

CREATORS_RULE = 12  # the room version from which on whoever made a room may do anything in it
STATE_DEFAULT = 50  # the level for state events where the room says nothing else
CREATED, LEVELS, TOMBSTONE = "m.room.create", "m.room.power_levels", "m.room.tombstone"

Event = dict[str, Any]


async def successor(http: Http, room_id: str) -> Successor | None:
    """The room that a room's tombstone names, if whoever wrote it may end the room."""
    tombstone = await _state_event(http, room_id, TOMBSTONE)
    replacement, sender = text(tombstone, "content", "replacement_room"), text(tombstone, "sender")
    if not sender or replacement == room_id or not re.fullmatch(r"![!-~]{1,254}", replacement):
        return None
    created = await _state_event(http, room_id, CREATED)
    levels = mapping(await _state_event(http, room_id, LEVELS), "content")
    if not may_end(sender, created=created, levels=levels):
        return None
    return Successor(replacement, via=sender.partition(":")[2])


async def predecessor(http: Http, room_id: str) -> str:
    """The room that this one says it continues, empty if none; RequestError if unreadable."""
    created = await _state_event(http, room_id, CREATED)
    return text(created, "content", "predecessor", "room_id")


def may_end(user_id: str, *, created: Event, levels: Event) -> bool:
    """Whether this person's power suffices for a tombstone."""
    needed = _level(levels, "events", TOMBSTONE, default=_level(levels, "state_default"))
    return _power(user_id, created, levels) >= needed


def _power(user_id: str, created: Event, levels: Event) -> float:
    maker, version = text(created, "sender"), text(created, "content", "room_version")
    makers = (maker, *items(created, "content", "additional_creators"))
    if re.fullmatch(r"\d{1,4}", version) and int(version) >= CREATORS_RULE and user_id in makers:
        return math.inf
    if not levels:
        return 100 if user_id == maker else 0
    return _level(levels, "users", user_id, default=number(levels, "users_default"))


def _level(levels: Event, *keys: str, default: int = STATE_DEFAULT) -> int:
    """A level that a room states, as a number."""
    found = member(levels, *keys)
    return found if isinstance(found, int) and not isinstance(found, bool) else default


async def _state_event(http: Http, room_id: str, kind: str) -> Event:
    """One state event, empty where the room has none.

    From a server that gives the content alone, nobody is known to have sent it.
    """
    target = path("rooms", room_id, "state", kind, "")
    try:
        event = await rooms.ask(http, target, query={"format": "event"})
    except RequestError as error:
        if error.status == 404 and error.errcode == "M_NOT_FOUND":
            return {}
        raise
    return event if "sender" in event and "content" in event else {"content": event}
