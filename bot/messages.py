"""The values that travel through the bot: what came in, what goes out, what was done."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class RoomKind(StrEnum):
    """What a room is worth for privacy: two people alone, or more."""

    DIRECT = "direct"
    SHARED = "shared"


@dataclass(frozen=True, slots=True)
class Room:
    """A room as the homeserver describes it at the moment of asking.

    `members` holds the user ids of everybody joined or invited, the bot included: somebody who is
    only invited may join and read, so they count. `invited` are those of them who have not joined.
    """

    room_id: str
    members: frozenset[str]
    encrypted: bool
    invited: frozenset[str] = frozenset()

    @property
    def kind(self) -> RoomKind:
        """DIRECT when nobody but the bot and one other person can read."""
        return RoomKind.DIRECT if len(self.members) <= 2 else RoomKind.SHARED


@dataclass(frozen=True, slots=True)
class RoomRules:
    """Who may come into a room and read there (Matrix spec), as it stands at the moment of asking.

    `join_rule` is that of m.room.join_rules, `history_visibility` that of its namesake.
    """

    encrypted: bool
    join_rule: str
    history_visibility: str


class Standing(StrEnum):
    """What the device is worth that a message came from."""

    OWNED = "owned"  # signed by the identity that the sender is known by
    UNSIGNED = "unsigned"  # not verified by the sender, or added by somebody else
    CHANGED = "changed"  # of an identity that is not the one remembered for the sender


@dataclass(frozen=True, slots=True)
class Device:
    """One device of one person."""

    user_id: str
    device_id: str


@dataclass(frozen=True, slots=True)
class RoomMessage:
    """One text message from a room, decrypted and checked (Matrix spec, m.room.message).

    `sent_at` is the sender's claim (UTC). `body` has the reply fallback removed. `thread_id` is
    the thread's root event, `reply_to` the event answered to, both None where absent. `device_id`
    is the sender's device, empty where the message was not encrypted; `standing` what it is worth.
    A message is `recovered` when the inbox had it before: an answer may be half sent.
    """

    event_id: str
    room_id: str
    sender: str
    body: str = field(repr=False)
    sent_at: datetime
    encrypted: bool
    mentions_bot: bool = False
    thread_id: str | None = None
    reply_to: str | None = None
    device_id: str = ""
    standing: Standing = Standing.OWNED
    recovered: bool = False


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in memory, to be encrypted before it leaves; never on disk in plaintext."""

    filename: str
    content_type: str
    content: bytes = field(repr=False)


class Where(StrEnum):
    """In which room the answer to a command belongs."""

    HERE = "here"  # the room (and thread) of the question
    DIRECT = "direct"  # the asker's direct chat; a shared room gets one line that says so


class Action(StrEnum):
    """What an audit entry says was done; fixed, other programs read them."""

    MESSAGE_ANSWERED = "message.answered"
    MESSAGE_DENIED = "message.denied"
    MESSAGE_UNDECRYPTABLE = "message.undecryptable"
    MEMORY_CREATED = "memory.created"
    MEMORY_UPDATED = "memory.updated"
    MEMORY_DELETED = "memory.deleted"
    MEMORY_SHARED = "memory.shared"
    MEMORY_USED = "memory.used"
    EXPORT_CREATED = "export.created"
    IMPORT_APPLIED = "import.applied"
    FORGET_DONE = "forget.done"
    VAULT_CREATED = "vault.created"
    VAULT_DESTROYED = "vault.destroyed"
    SETTINGS_CHANGED = "settings.changed"
    ROOM_JOINED = "room.joined"
    ROOM_LEFT = "room.left"
    ROOM_REFUSED = "room.refused"
    GATEWAY_FAILED = "gateway.failed"
    ACCESS_CHANGED = "access.changed"
    IDENTITY_LOOKED_UP = "identity.looked_up"
    RETENTION_SWEPT = "retention.swept"
    BACKUP_CREATED = "backup.created"
    BACKUP_RESTORED = "backup.restored"
    BOT_STARTED = "bot.started"
    BOT_STOPPED = "bot.stopped"
    AUDIT_HEAD = "audit.head"


class Outcome(StrEnum):
    """How an audited action ended, or that it begins."""

    BEGUN = "begun"  # before anything is done; how it ended is an entry of its own
    OK = "ok"
    DENIED = "denied"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


Fact = str | int | float | bool | None
Facts = Mapping[str, Fact]
"""Counts, sizes, durations, model, gateway host, room kind: never text of a message or memory."""


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that a command or an answer did, for the audit log."""

    action: Action
    outcome: Outcome = Outcome.OK
    target: str = ""  # "memory 7", an event id, a room id: never content
    facts: Facts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the bot says: Markdown text, perhaps a file, and what was done to be able to say it.

    `generated` marks a model's answer (m.text); everything the bot says about itself is a notice.
    `fields` are extra event content, for machines, as in Outgoing.
    """

    text: str
    generated: bool = False
    repeats: bool = False  # what a model may have written, such as a memory
    attachment: Attachment | None = None
    effects: tuple[Effect, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Successor:
    """The room in which another goes on; `via` is a homeserver that is in it."""

    room_id: str
    via: str


def _always() -> None:
    """It is to be sent."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One event for a room: text, notice, edit or file.

    `transaction_id` makes a repeated send harmless: the homeserver answers it with the event that
    it already has. `live` says that an edit will follow (MSC4357). `mention` is the user id that
    is notified, alone. `fields` are extra event content, for machines; never text of a person.
    A model's answer is `generated`, a person's own words (the demo's user) are `spoken`; all the
    rest is a notice. In what a model wrote, or what `repeats` it, only hosts that stand in the
    `question` may be linked. Nobody outside the `audience` gets the key of an encrypted event;
    None is everybody who is in the room when it is sent. `also_for` is a device that gets no keys
    otherwise and is told why: it gets the key of this one event. `wanted` is asked when a file is
    uploaded, which takes its time, and raises where it is not to be sent any more.
    """

    room_id: str
    text: str = field(repr=False)
    transaction_id: str
    generated: bool = False
    spoken: bool = False
    repeats: bool = False
    question: str = field(default="", repr=False)
    audience: frozenset[str] | None = None
    also_for: Device | None = None
    reply_to: str | None = None
    thread_id: str | None = None
    mention: str | None = None
    replaces: str | None = None
    live: bool = False
    attachment: Attachment | None = None
    wanted: Callable[[], None] = field(default=_always, repr=False, compare=False)
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OwnIdentity:
    """Who the bot is to other people's clients; every key in unpadded base64.

    `fingerprint` is the Ed25519 key of its device, `master_key` that of its identity;
    `cross_signed` says whether the homeserver shows the device as signed by that identity.
    """

    user_id: str
    device_id: str
    fingerprint: str
    master_key: str
    cross_signed: bool


@dataclass(frozen=True, slots=True)
class Sessions:
    """How many of a person's sessions get the keys of a room, and how many get none.

    `reason` says why none gets any, as the end of a sentence about the person.
    """

    given: int
    refused: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the bot shows in a verification that this person began, for somebody to compare.

    `number` names it and can't be guessed. `room_id` is where it goes on, empty if between devices.
    """

    number: int
    user_id: str
    room_id: str
    emoji: tuple[str, ...]
    numbers: tuple[int, ...]


def in_groups(key: str) -> str:
    """A key as people compare it: in groups of four."""
    return " ".join(key[start : start + 4] for start in range(0, len(key), 4))
