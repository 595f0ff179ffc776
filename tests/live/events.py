"""What clients receive and send: events, and the messages that they add up to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.greeting import HELLO

LIVE = "org.matrix.msc4357.live"  # this message is still being written: an edit follows


@dataclass(frozen=True, slots=True)
class Event:
    """What a client made of one event: clear or decrypted or not, and how far it trusts it."""

    event_id: str
    room_id: str
    sender: str
    type: str
    state_key: str | None
    content: Mapping[str, Any]
    encrypted: bool
    decrypted: bool
    shield: str | None  # none, grey or red, as a client shows it; None for what isn't decrypted
    reason: str | None  # why it could not be decrypted

    @property
    def relation(self) -> Mapping[str, Any]:
        """Its m.relates_to, empty where absent."""
        return self.content.get("m.relates_to") or {}

    @property
    def replaces(self) -> str | None:
        """The event that this one edits."""
        is_edit = self.relation.get("rel_type") == "m.replace"
        return str(self.relation["event_id"]) if is_edit else None

    @property
    def readable(self) -> bool:
        """Whether its text is known."""
        return self.decrypted or not self.encrypted


@dataclass(frozen=True, slots=True)
class Message:
    """A finished message: its first event and, after edits, its last content."""

    event: Event
    content: Mapping[str, Any] = field(repr=False)
    edits: int

    @property
    def event_id(self) -> str:
        """The id of the first event; edits keep it."""
        return self.event.event_id

    @property
    def text(self) -> str:
        """The plain body as it stands now."""
        return str(self.content["body"])

    @property
    def kind(self) -> str:
        """m.text, m.notice or m.file."""
        return str(self.content["msgtype"])

    @property
    def reply_to(self) -> str | None:
        """The event that it answers."""
        answered = self.event.relation.get("m.in_reply_to", {}).get("event_id")
        return str(answered) if answered else None

    @property
    def thread_id(self) -> str | None:
        """The root of its thread."""
        in_thread = self.event.relation.get("rel_type") == "m.thread"
        return str(self.event.relation["event_id"]) if in_thread else None


def first_events(events: Sequence[Event], room_id: str, sender: str) -> Iterator[Event]:
    """The events that begin that person's messages in that room: no edits, nothing unreadable.

    The bot's greeting is left out: it comes once, besides the answer that a test is about.
    """
    for event in events:
        is_message = event.type == "m.room.message" and "msgtype" in event.content
        by_them = (event.room_id, event.sender) == (room_id, sender)
        whole = event.readable and event.replaces is None
        if is_message and by_them and whole and not is_greeting(str(event.content.get("body"))):
            yield event


def is_greeting(text: str) -> bool:
    """Whether this is what the bot says once to each person before its first answer."""
    return text.removeprefix("**").startswith(HELLO)


def folded(events: Sequence[Event], first: Event) -> Message | None:
    """The message with its edits applied, or None while it is being written."""
    edits = [
        event
        for event in events
        if event.replaces == first.event_id and event.sender == first.sender and event.readable
    ]
    content = edits[-1].content["m.new_content"] if edits else first.content
    unfinished = LIVE in content or (edits and LIVE in edits[-1].content)
    return None if unfinished else Message(first, content, len(edits))


def text_content(
    text: str,
    *,
    reply_to: str | None = None,
    thread_id: str | None = None,
    mentions: Sequence[str] = (),
) -> dict[str, Any]:
    """The content of a text message, perhaps a reply or in a thread."""
    relation: dict[str, Any] = {}
    if thread_id:
        relation |= {"rel_type": "m.thread", "event_id": thread_id, "is_falling_back": False}
    if reply_to:
        relation |= {"m.in_reply_to": {"event_id": reply_to}}
    content = {"msgtype": "m.text", "body": text, "m.mentions": {"user_ids": list(mentions)}}
    return content | ({"m.relates_to": relation} if relation else {})


def edit_content(event_id: str, text: str) -> dict[str, Any]:
    """The content of an edit that replaces the text of a message."""
    new = {"msgtype": "m.text", "body": text, "m.mentions": {}}
    relation = {"rel_type": "m.replace", "event_id": event_id}
    return {**new, "body": f"* {text}", "m.new_content": new, "m.relates_to": relation}
