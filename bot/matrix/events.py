"""From the homeserver's JSON to what the bot understands: pure functions, no trust in types."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from bot.matrix.untrusted import items, mapping, number, text
from bot.messages import RoomMessage, Standing
from bot.room_events import Edit, Invite, Kept, Reaction, Redaction
from storage import Reading

LATEST = 4_102_444_800_000  # milliseconds; a claim to be from after 2099 is no date
REDACTION = "m.room.redaction"
DECISIONS = dict.fromkeys("✅✔☑👍", True) | dict.fromkeys("❌✖❎👎", False)
SPOKEN = frozenset({"m.text", "m.emote"})  # never m.notice: bots don't answer bots

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ClearEvent:
    """An event that can be read: decrypted and checked, or sent without encryption.

    `reading` is what tells a replay, where it was encrypted; `device_id` is the sender's device
    that encrypted it, empty where none did; `standing` what that device is worth.
    """

    event_id: str
    room_id: str
    sender: str
    type: str
    sent_at: datetime
    encrypted: bool
    content: Json = field(repr=False)
    reading: Reading | None = field(default=None, repr=False)
    device_id: str = ""
    standing: Standing = Standing.OWNED

    @property
    def relation(self) -> dict[str, Any]:
        """What it answers, edits or belongs to."""
        return mapping(self.content, "m.relates_to")


def sent_at(event: Json) -> datetime:
    """The sender's claim, within bounds."""
    claimed = number(event, "origin_server_ts")
    return datetime.fromtimestamp((claimed if 0 <= claimed < LATEST else 0) / 1000, UTC)


def clear_event(event: Json, room_id: str) -> ClearEvent | None:
    """An event that came without encryption; None if it has no proper id, sender or type."""
    kind, content = text(event, "type"), mapping(event, "content")
    if kind == REDACTION and not text(content, "redacts"):  # where it stands before room version 11
        content = {**content, "redacts": text(event, "redacts")}
    return _event(event, room_id, kind, content)


def decrypted_event(
    event: Json, room_id: str, payload: Json, *, device_id: str
) -> ClearEvent | None:
    """An encrypted event with the payload that was found in it, already checked."""
    content = mapping(payload, "content")
    # Relations stand outside the ciphertext: servers need them (Matrix spec, relationships).
    relation = mapping(event, "content", "m.relates_to")
    is_edit = text(content, "m.relates_to", "rel_type") == "m.replace"
    if relation and not is_edit:  # nobody outside makes a message of what was written as an edit
        content = {**content, "m.relates_to": relation}
    return _event(event, room_id, text(payload, "type"), content, device_id=device_id)


def _event(
    event: Json, room_id: str, kind: str, content: Json, *, device_id: str | None = None
) -> ClearEvent | None:
    event_id, sender = text(event, "event_id"), text(event, "sender")
    if not (event_id.startswith("$") and sender and kind):  # other ids in the inbox are our own
        return None
    return ClearEvent(
        event_id,
        room_id,
        sender,
        kind,
        sent_at(event),
        encrypted=device_id is not None,
        content=content,
        device_id=device_id or "",
    )


def kept(event: ClearEvent, *, bot: str, recovered: bool = False) -> Kept | None:
    """What a person said, or did to what was said; None for the bot's own events and all else."""
    if event.sender == bot:
        return None
    if event.type == REDACTION and not event.encrypted:
        return _redaction(event)
    if event.type == "m.reaction":
        return _reaction(event)
    if event.relation.get("rel_type") == "m.replace":
        return _edit(event, bot=bot, recovered=recovered)
    return room_message(event, bot=bot, recovered=recovered)


def room_message(event: ClearEvent, *, bot: str, recovered: bool = False) -> RoomMessage | None:
    """The message a person wrote, or None: notices, edits, own events and all else.

    An edit is a new event that repeats what was said (m.replace); obeying it would do everything
    twice.
    """
    relation, kind = event.relation, text(event.content, "msgtype")
    if event.type != "m.room.message" or event.sender == bot or kind not in SPOKEN:
        return None
    if text(relation, "rel_type") == "m.replace" or "m.new_content" in event.content:
        return None
    reply_to = _event_id(relation, "m.in_reply_to", "event_id")
    body = text(event.content, "body")
    if reply_to:
        body = without_fallback(body)
    if not body.strip():
        return None
    in_thread = text(relation, "rel_type") == "m.thread"
    return RoomMessage(
        event_id=event.event_id,
        room_id=event.room_id,
        sender=event.sender,
        body=body,
        sent_at=event.sent_at,
        encrypted=event.encrypted,
        mentions_bot=mentions(event.content, bot),
        thread_id=_event_id(relation, "event_id") if in_thread else None,
        reply_to=None if relation.get("is_falling_back") is True else reply_to,
        device_id=event.device_id,
        standing=event.standing,
        recovered=recovered,
    )


def _edit(event: ClearEvent, *, bot: str, recovered: bool) -> Edit | None:
    """The words that an edit puts in the place of others; without any it is nothing."""
    new = {**mapping(event.content, "m.new_content"), "m.relates_to": {}}
    message = room_message(replace(event, content=new), bot=bot, recovered=recovered)
    edited = _event_id(event.relation, "event_id")
    return Edit(message, edited) if message and edited else None


def _redaction(event: ClearEvent) -> Redaction | None:
    redacted = _event_id(event.content, "redacts")
    return Redaction(event.event_id, event.room_id, event.sender, redacted) if redacted else None


def _reaction(event: ClearEvent) -> Reaction | None:
    """A reaction that can decide something; a sign's variants (U+FE0F) and colours are one."""
    key, to = text(event.relation, "key")[:1], _event_id(event.relation, "event_id")
    if event.relation.get("rel_type") != "m.annotation" or key not in DECISIONS or not to:
        return None
    return Reaction(event.event_id, event.room_id, event.sender, to, yes=DECISIONS[key])


def _event_id(relation: Json, *keys: str) -> str | None:
    """An event id that a sender wrote, if it has the form of one."""
    return found if re.fullmatch(r"\$[!-~]{1,254}", found := text(relation, *keys)) else None


def without_fallback(body: str) -> str:
    """The body without the quote that older clients put before a reply."""
    lines = body.split("\n")
    if not re.match(r"> (\* )?<[^>\n]+>", lines[0]):
        return body
    quoted = next((i for i, line in enumerate(lines) if not line.startswith(">")), len(lines))
    return "\n".join(lines[quoted:]).removeprefix("\n")


def mentions(content: Json, user_id: str) -> bool:
    """Whether the sender means this user: by m.mentions, or by name where that is absent."""
    if "m.mentions" in content:
        return user_id in items(content, "m.mentions", "user_ids")
    said = text(content, "body") + "\n" + text(content, "formatted_body")
    names = (user_id, f"https://matrix.to/#/{quote(user_id)}")
    return any(re.search(rf"(?<![\w@]){re.escape(name)}(?![\w.:-]*\w)", said) for name in names)


def invite(room_id: str, state: list[Any], *, bot: str) -> Invite | None:
    """Who invited the bot, from the stripped state of an invite; None if it doesn't say."""
    for event in state:
        is_ours = text(event, "type") == "m.room.member" and text(event, "state_key") == bot
        if is_ours and text(event, "content", "membership") == "invite" and text(event, "sender"):
            return Invite(room_id, text(event, "sender"))
    return None
