"""Messages whose key has not arrived: they wait, are tried again, and are spoken of once."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.matrix.untrusted import text
from bot.room_events import Undecryptable

GRACE = 10.0  # seconds; a key often comes a moment after its message, and then nobody need know
LIMIT = 1_000

Json = Mapping[str, Any]


@dataclass(slots=True)
class _Waiting:
    event: Json
    room_id: str
    sender: str
    since: float
    told: bool


class Waiting:
    """The encrypted events that can't be read yet, oldest first; bounded.

    Their ids are kept on disk by whoever takes `changes`, and come back by `recall`.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._events: dict[str, _Waiting] = {}
        self._begun: dict[str, str] = {}
        self._settled: dict[str, None] = {}  # in order
        self._crowded_out: list[Undecryptable] = []

    def __bool__(self) -> bool:
        return bool(self._events)

    @property
    def is_urgent(self) -> bool:
        """Whether somebody is about to be told."""
        return any(not one.told for one in self._events.values())

    def add(self, room_id: str, event: Json) -> None:
        """Let a new event wait; what nobody could ever answer, without an id, does not."""
        event_id = text(event, "event_id")
        if event_id and event_id not in self._events:
            self._begun[event_id] = room_id
            self._add(room_id, event, told=False)

    def recall(self, room_id: str, event: Json, *, told: bool) -> None:
        """Let an event wait on that waited before a restart."""
        if text(event, "event_id") not in self._events:
            self._add(room_id, event, told=told)

    def __iter__(self) -> Iterator[tuple[str, Json]]:
        for one in list(self._events.values()):
            yield one.room_id, one.event

    def remove(self, event_id: str) -> None:
        """It was read, or never will be."""
        self._events.pop(event_id, None)
        self._begun.pop(event_id, None)
        self._settled[event_id] = None

    def withdraw(self, room_id: str, event_id: str) -> None:
        """It was taken back in its room: a key that comes later must not bring it here."""
        one = self._events.get(event_id)
        if one is not None and one.room_id == room_id:
            self.remove(event_id)

    def overdue(self) -> list[Undecryptable]:
        """Those to speak of now; each is named once."""
        late = [
            one
            for one in self._events.values()
            if not one.told and self._clock() - one.since >= GRACE
        ]
        for one in late:
            one.told = True
        crowded_out, self._crowded_out = self._crowded_out, []
        return [*crowded_out, *map(_undecryptable, late)]

    def changes(self) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
        """(Event id, room id) of those that began to wait, and the ids of those that ceased."""
        begun, settled = tuple(self._begun.items()), tuple(self._settled)
        self._begun, self._settled = {}, {}
        return begun, settled

    def _add(self, room_id: str, event: Json, *, told: bool) -> None:
        event_id, sender = text(event, "event_id"), text(event, "sender")
        self._events[event_id] = _Waiting(event, room_id, sender, self._clock(), told)
        self._settled.pop(event_id, None)
        if len(self._events) > LIMIT:
            self._make_room()

    def _make_room(self) -> None:
        """Give up the oldest event of whoever has most: a flood must not wash away the others'."""
        [(loudest, _)] = Counter(one.sender for one in self._events.values()).most_common(1)
        found = ((key, one) for key, one in self._events.items() if one.sender == loudest)
        event_id, oldest = next(found)
        self.remove(event_id)
        if not oldest.told:
            self._crowded_out.append(_undecryptable(oldest))


def _undecryptable(waiting: _Waiting) -> Undecryptable:
    event = waiting.event
    return Undecryptable(
        event_id=text(event, "event_id"),
        room_id=waiting.room_id,
        sender=waiting.sender,
        session_id=text(event, "content", "session_id"),
    )
