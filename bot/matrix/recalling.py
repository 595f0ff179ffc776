"""After a restart, what waited before it is fetched again: ids were kept, and no events."""

from collections import deque
from collections.abc import Iterable
from typing import Any

from bot.matrix.guard import Guard
from bot.matrix.http import Http, RequestError, TokenRevokedError, is_gone, path
from bot.matrix.undecryptable import Waiting
from bot.matrix.untrusted import text
from storage import StillWaiting

AT_ONCE = 50  # fetched before a sync, so that a thousand don't hold up what is new


class Recalling:
    """Brings events back to those that wait, oldest first."""

    def __init__(self, http: Http, guard: Guard, waiting: Waiting) -> None:
        self._http = http
        self._guard = guard
        self._waiting = waiting
        self._left: deque[StillWaiting] = deque()
        self._answered = True

    @property
    def is_eager(self) -> bool:
        """Whether there is more to fetch from a homeserver that answers."""
        return self._answered and bool(self._left)

    def expect(self, waiting: Iterable[StillWaiting]) -> None:
        """Note which events waited."""
        self._left.extend(waiting)

    async def go_on(self) -> bool:
        """Fetch some of them; whether any came.

        What the homeserver says is gone has ceased to wait. One that it fails at, in whatever way,
        goes behind the others, and must not hold up the sync.
        """
        came = False
        for one in list(self._left)[:AT_ONCE]:
            try:
                event = await fetched(self._http, one.room_id, one.event_id, patience=0.0)
            except TokenRevokedError:
                raise
            except RequestError:
                self._left.rotate(-1)
                self._answered = False
                return came
            self._left.popleft()
            self._answered = True
            came |= self._take(one, event)
        return came

    def _take(self, one: StillWaiting, event: Any) -> bool:
        if text(event, "event_id") == one.event_id:
            self._waiting.recall(one.room_id, event, told=one.told)
            return True
        self._guard.drops["waiting event that is gone"] += 1
        self._waiting.remove(one.event_id)
        return False


async def fetched(http: Http, room_id: str, event_id: str, *, patience: float | None = None) -> Any:
    """An event by its id; None where the homeserver says that it is gone, or shows another.

    In the place of the one that is asked for it could show an old command, to have it done again.
    RequestError where it doesn't say so after as much patience as any request gets, or after what
    is given here, in seconds.
    """
    try:
        target = path("rooms", room_id, "event", event_id)
        event = await http.call("GET", target, patience=patience)
    except RequestError as error:
        if is_gone(error):
            return None
        raise
    return event if text(event, "event_id") == event_id else None
