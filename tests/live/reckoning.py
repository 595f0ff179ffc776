"""What became of every question: the bot's messages, as they stand in the end, compared with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.live.events import LIVE, Event, is_greeting


@dataclass(frozen=True, slots=True)
class Reckoning:
    """What became of the questions of one room or of all."""

    asked: int = 0
    lost: int = 0
    doubled: int = 0
    reordered: int = 0
    unread: int = 0  # events of the bot that the person's client couldn't read: should be none
    besides: tuple[str, ...] = ()  # finished messages of the bot that answer no question

    def __add__(self, other: "Reckoning") -> "Reckoning":
        return Reckoning(
            self.asked + other.asked,
            self.lost + other.lost,
            self.doubled + other.doubled,
            self.reordered + other.reordered,
            self.unread + other.unread,
            self.besides + other.besides,
        )


@dataclass(frozen=True, slots=True)
class Sent:
    """An event of the bot as the homeserver holds it; `replaces` is set for an edit."""

    event_id: str
    room_id: str
    replaces: str | None


def reckon(questions: Sequence[str], said: Sequence[str | None]) -> Reckoning:
    """Compare a room's questions with the bot's messages there, in the homeserver's order.

    None is a message that the person's client couldn't read or that was never finished.
    """
    expected = {reply(one): place for place, one in enumerate(questions)}
    places = [expected[text] for text in said if text in expected]
    first = list(dict.fromkeys(places))
    return Reckoning(
        asked=len(questions),
        lost=len(expected) - len(first),
        doubled=len(places) - len(first),
        reordered=sum(place < max(first[:index]) for index, place in enumerate(first) if index),
        unread=sum(text is None for text in said),
        besides=tuple(
            text
            for text in said
            if text is not None and text not in expected and not is_greeting(text)
        ),
    )


def said(sent: Sequence[Sent], read: Mapping[str, Event], room_id: str) -> list[str | None]:
    """The bot's messages in a room as they stand in the end, in the order of their first events."""
    texts: dict[str, str | None] = {}
    for one in sent:
        if one.room_id == room_id:
            texts[one.replaces or one.event_id] = _text(read.get(one.event_id))
    return list(texts.values())


def _text(event: Event | None) -> str | None:
    """What an event says, None while it can't be read or its message is still being written."""
    if event is None or LIVE in event.content:
        return None
    return str(event.content.get("m.new_content", event.content)["body"])


def question(number: int, room: int) -> str:
    """What is asked once and nowhere else."""
    return f"Question {number} of room {room}?"


def reply(asked: str) -> str:
    """The one right answer to a question."""
    return f"You asked: {asked} That is all there is to say about it."
