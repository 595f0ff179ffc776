"""Which events of a room's timeline are new to the bot, none of them missing."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from bot.matrix import rooms
from bot.matrix.http import Http, RequestError, UnavailableError, path
from bot.matrix.untrusted import items, member, text

PAGE = 100
LONGEST_GAP = 5_000  # events of one room fetched after an absence; what is older is counted
MOST_PAGES = LONGEST_GAP // PAGE + 10  # a page may be short or empty, but not each of them


async def missed(
    http: Http, room_id: str, *, since: str, until: str, got_on: Callable[[], None]
) -> tuple[list[Any], bool]:
    """What happened between two sync tokens, oldest first, and whether that is all of it.

    A sync carries only the newest events of a room and calls the rest a gap ("limited"). `got_on`
    hears of each page that came: there may be many. What the homeserver refuses or fails to show
    ends it early, so that no room holds up the others.
    """
    found: deque[Any] = deque()
    target, position = path("rooms", room_id, "messages"), until
    for _ in range(MOST_PAGES):
        query = {"dir": "b", "from": position, "to": since, "limit": str(PAGE)}
        try:
            answer = await rooms.ask(http, target, query=query)
        except UnavailableError:
            raise
        except RequestError:
            break
        got_on()
        found.extendleft(items(answer, "chunk"))
        position, before = text(answer, "end"), position
        if position in ("", before):
            return list(found), True
        if len(found) >= LONGEST_GAP:
            break
    return list(found), False


def without_doubles(events: Iterable[Any]) -> list[Any]:
    """Each event once, where it came first."""
    found: dict[str, Any] = {}
    for event in events:
        found.setdefault(text(event, "event_id"), event)
    return list(found.values())


def since_joining(events: Sequence[Any], user_id: str) -> list[Any]:
    """Without what was said in a room before this user was asked in.

    What is said between the invite and the joining is meant for the bot too: a person who opens a
    direct chat writes at once.
    """
    start = 0
    previous: Any = None
    for index, event in enumerate(events):
        if text(event, "type") != "m.room.member" or member(event, "state_key") != user_id:
            continue
        if _membership(event) == "join" and _membership_before(event) != "join":
            invited = previous is not None and _membership(events[previous]) == "invite"
            start = previous if invited else index
        previous = index
    return list(events[start:])


def _membership(event: object) -> str:
    return text(event, "content", "membership")


def _membership_before(event: object) -> str:
    """Servers tell it; without it, a join may be a mere change of name."""
    return text(event, "unsigned", "prev_content", "membership") or "leave"
