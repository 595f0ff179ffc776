"""What waits in one room, in its order: the first of it whole, the rest as ids to be fetched."""

from collections import deque
from dataclasses import dataclass

from bot.messages import RoomMessage
from bot.room_events import Backlog, Edit, RoomEvent, Unfinished

WHOLE = 32  # messages, and edits of some, of one room that wait with their text
WHOLE_EVERYWHERE = 256  # the same over all rooms; with texts at their worst some 50 MB
LONG = 24  # messages; where more of them wait, the room is told
SHORT = 4  # messages; once no more than these wait, a long queue is told of again


@dataclass(slots=True)
class Held:
    """How many messages wait with their text, in all rooms together."""

    count: int = 0


class RoomQueue:
    """First in, first out; what has grown long is said before anything else.

    A message whose text is not held is with the homeserver, and in the inbox like any other: it is
    fetched when its turn comes.
    """

    def __init__(self, held: Held) -> None:
        self._events: deque[tuple[RoomEvent, bool]] = deque()
        self._held = held
        self._whole = 0
        self._all = _Count()
        self._mentioning = _Count()  # in a room with others, the bot is meant by these alone

    def __bool__(self) -> bool:
        return bool(self._events)

    def append(self, event: RoomEvent) -> None:
        """Put an event behind the others; a message without its text where enough have theirs."""
        mentions = isinstance(event, RoomMessage) and event.mentions_bot
        if isinstance(event, RoomMessage | Edit | Unfinished):
            self._all.add(event)
            if mentions:
                self._mentioning.add(event)
        if isinstance(event, RoomMessage | Edit):
            event = self._held_or_not(event)
        self._events.append((event, mentions))

    def next(self) -> RoomEvent:
        """What is to be handled now, taken out; only of a queue with something in it."""
        for tally, mentioning in ((self._all, False), (self._mentioning, True)):
            if tally.untold and tally.newest is not None:
                tally.untold = False
                return Backlog(tally.newest, tally.waiting, mentioning=mentioning)
        event, mentions = self._events.popleft()
        if isinstance(event, RoomMessage | Edit):
            self._let_go(1)
        if isinstance(event, RoomMessage | Edit | Unfinished):
            self._all.remove()
            if mentions:
                self._mentioning.remove()
        return event

    def close(self) -> None:
        """Let go of what still waits; the inbox has it."""
        self._events.clear()
        self._let_go(self._whole)

    def _held_or_not(self, event: RoomMessage | Edit) -> RoomEvent:
        if self._whole >= WHOLE or self._held.count >= WHOLE_EVERYWHERE:
            message = event.message if isinstance(event, Edit) else event
            return Unfinished(event.event_id, event.room_id, recovered=message.recovered)
        self._let_go(-1)
        return event

    def _let_go(self, count: int) -> None:
        self._whole -= count
        self._held.count -= count


@dataclass(slots=True)
class _Count:
    """Messages that wait: how many; the newest where they are many; whether that is to be told."""

    waiting: int = 0
    newest: RoomMessage | None = None
    untold: bool = True

    def add(self, event: RoomMessage | Edit | Unfinished) -> None:
        self.waiting += 1
        if self.waiting > LONG and isinstance(event, RoomMessage):
            self.newest = event

    def remove(self) -> None:
        self.waiting -= 1
        if self.waiting <= SHORT:
            self.newest, self.untold = None, True
