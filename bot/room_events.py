"""What happens in rooms, as the homeserver tells it: every kind of thing that the bot handles."""

from dataclasses import dataclass

from bot.messages import RoomMessage


@dataclass(frozen=True, slots=True)
class Invite:
    """Somebody asked the bot into a room."""

    room_id: str
    sender: str


@dataclass(frozen=True, slots=True)
class Undecryptable:
    """An encrypted event whose Megolm session the bot does not have (yet)."""

    event_id: str
    room_id: str
    sender: str
    session_id: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Events that were not read, only the newest `read`; the id, `gap READ …`, is our own."""

    event_id: str
    room_id: str
    read: int


@dataclass(frozen=True, slots=True)
class Upgraded:
    """The homeserver shows a tombstone in a room: it goes on elsewhere; where is asked later."""

    room_id: str


@dataclass(frozen=True, slots=True)
class Alone:
    """Everybody else seems to have left a room."""

    room_id: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """More waits in a room than is answered soon; the message is the newest of it.

    Counted are all messages of the room or, apart from that, only those `mentioning` the bot.
    """

    message: RoomMessage
    waiting: int
    mentioning: bool = False

    @property
    def room_id(self) -> str:
        """The room of the message."""
        return self.message.room_id


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A message that was accepted earlier and not finished; its text is with the homeserver.

    It is `recovered` when it was there before the bot started; else it has only waited its turn.
    """

    event_id: str
    room_id: str
    recovered: bool = True


@dataclass(frozen=True, slots=True)
class Accepted:
    """An operator compared emoji with the sender: their new identity is the one they have now."""

    room_id: str
    sender: str
    number: int  # of the comparison


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Said at the machine, not in a room: the sender may come with another identity."""

    sender: str


@dataclass(frozen=True, slots=True)
class Edit:
    """Somebody put other words in the place of what they said: `message` is what stands there now.

    Its event id is the edit's own; `replaces` is the event that it edits (Matrix spec, m.replace).
    """

    message: RoomMessage
    replaces: str

    @property
    def event_id(self) -> str:
        """The edit itself."""
        return self.message.event_id

    @property
    def room_id(self) -> str:
        """The room of both."""
        return self.message.room_id


@dataclass(frozen=True, slots=True)
class Redaction:
    """Somebody, perhaps a moderator, took a message back (Matrix spec, m.room.redaction)."""

    event_id: str
    room_id: str
    sender: str
    redacts: str


@dataclass(frozen=True, slots=True)
class Reaction:
    """A yes or a no to an event, never encrypted and so worth what the homeserver is worth."""

    event_id: str
    room_id: str
    sender: str
    to: str
    yes: bool


Kept = RoomMessage | Edit | Redaction | Reaction
"""What is read from an event that the homeserver has, and can be read there again."""

RoomEvent = Kept | Undecryptable | Invite | Unfinished | Gap | Upgraded | Alone | Backlog | Accepted


@dataclass(frozen=True, slots=True)
class Batch:
    """What one sync brought, in order in each room, and the sync token that comes after it.

    `waiting` holds (event id, room id) of encrypted events that begin to wait for their keys,
    `settled` the ids of those that wait no longer, whether they are among the events or not.
    """

    events: tuple[RoomEvent, ...]
    token: str
    waiting: tuple[tuple[str, str], ...] = ()
    settled: tuple[str, ...] = ()


def inbox_row(event: RoomEvent) -> str | None:
    """The id of the inbox row that an event has, if it has one."""
    return event.event_id if isinstance(event, Kept | Unfinished | Gap) else None
