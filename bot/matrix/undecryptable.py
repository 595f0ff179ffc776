"""Messages whose key has not arrived: kept in memory, tried again, spoken of once."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.matrix.untrusted import text
from bot.messages import Undecryptable

GRACE = 10.0  # seconds; a key often comes a moment after its message, and then nobody need know
LIMIT = 1_000


@dataclass(slots=True)
class _Waiting:
    event: Mapping[str, Any]
    room_id: str
    since: float
    told: bool = False


class Waiting:
    """The encrypted events that can't be read yet, oldest first; bounded."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._events: dict[str, _Waiting] = {}

    def __bool__(self) -> bool:
        return bool(self._events)

    @property
    def is_urgent(self) -> bool:
        """Whether somebody is about to be told."""
        return any(not one.told for one in self._events.values())

    def add(self, room_id: str, event: Mapping[str, Any]) -> None:
        """Keep an event; the oldest makes room where there are too many."""
        while len(self._events) >= LIMIT:
            del self._events[next(iter(self._events))]
        waiting = _Waiting(event, room_id, self._clock())
        self._events.setdefault(text(event, "event_id"), waiting)

    def __iter__(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for one in list(self._events.values()):
            yield one.room_id, one.event

    def remove(self, event: Mapping[str, Any]) -> None:
        """It was read, or never will be."""
        self._events.pop(text(event, "event_id"), None)

    def overdue(self) -> list[Undecryptable]:
        """Those to speak of now; each is named once."""
        late = [
            one
            for one in self._events.values()
            if not one.told and self._clock() - one.since >= GRACE
        ]
        for one in late:
            one.told = True
        return [_undecryptable(one) for one in late]


def _undecryptable(waiting: _Waiting) -> Undecryptable:
    event = waiting.event
    return Undecryptable(
        event_id=text(event, "event_id"),
        room_id=waiting.room_id,
        sender=text(event, "sender"),
        session_id=text(event, "content", "session_id"),
    )
