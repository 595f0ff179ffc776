"""What a sync says of rooms that end: one goes on elsewhere, or everybody else has left it."""

from collections.abc import Collection, Iterator
from typing import Any

from bot.matrix.untrusted import member, text
from bot.room_events import Alone, Upgraded

LEFT = frozenset({"leave", "ban"})


def departures(
    room_id: str, events: list[Any], *, members: Collection[str], bot: str
) -> Iterator[Upgraded | Alone]:
    """What to look into in a joined room, from its state and timeline; the rest is asked later.

    A room in which nobody has been yet is not one that they left.
    """
    if any(_ends(event) for event in events):
        yield Upgraded(room_id)
    if any(_leaves(event, bot) for event in events) and set(members) == {bot}:
        yield Alone(room_id)


def _ends(event: object) -> bool:
    return text(event, "type") == "m.room.tombstone" and member(event, "state_key") == ""


def _leaves(event: object, bot: str) -> bool:
    if text(event, "type") != "m.room.member" or text(event, "state_key") in ("", bot):
        return False
    return text(event, "content", "membership") in LEFT
