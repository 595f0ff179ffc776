"""Who can read a conversation, who answers for it and what is kept: derived, never asserted."""

from datetime import timedelta

from bot import replies
from bot.durations import in_words
from bot.messages import Room, RoomKind, RoomMessage
from bot.processing import Processing
from storage import Counts


def statement(
    processing: Processing,
    counts: Counts,
    message: RoomMessage,
    room: Room,
    *,
    retention: timedelta | None,
    private: bool,
    prefix: str,
) -> str:
    """What `!privacy` says, for the room in which it was asked."""
    return "\n\n".join(
        (
            _readers(message, room, prefix),
            _operator(processing),
            _model(processing),
            _kept(counts, retention, private=private, prefix=prefix),
            _rights(prefix),
        )
    )


def _readers(message: RoomMessage, room: Room, prefix: str) -> str:
    if not room.encrypted:
        state = "This room is **not encrypted**: its homeservers can read it."
    elif not message.encrypted:
        state = (
            "This room is encrypted, but your message came unencrypted: homeservers could read it."
        )
    else:
        state = (
            "This room is end-to-end encrypted: its homeservers see who writes and when, not what."
        )
    who = (
        "Two can read it: you and I."
        if room.kind is RoomKind.DIRECT
        else f"All {len(room.members)} members (those invited count) can read it. What you told me "
        f"in our direct chat I do not use here, except what you shared here with `{prefix}memory "
        "share`."
    )
    return (
        f"**Who can read this.** {state} {who} I am a program on my operator's server, and that "
        "server sees the text while I answer; the model's gateway sees each question with what I "
        "add from memory."
    )


def _operator(processing: Processing) -> str:
    operator = processing.operator or "has not given a name"
    jurisdiction = processing.jurisdiction or "not stated"
    return f"**Who runs it.** Operator: {operator}. Jurisdiction: {jurisdiction}."


def _model(processing: Processing) -> str:
    if processing.builtin:
        return (
            "**Who answers.** The demo model that is built into me: no text leaves this machine, "
            "nothing is kept by it and nothing is trained (proved: it runs inside my own process)."
        )
    training = {
        "never": "it is not used for training (promised, as my operator states)",
        "opt-out": "it may be used for training unless my operator opted out (not proved)",
        "unknown": "whether it is used for training is unknown",
    }[processing.training]
    memory = (
        ""
        if processing.memory_allowed
        else " Because of that, I send it nothing that I remember and nothing that others said: "
        "only your latest message."
    )
    return (
        f"**Who answers.** The model “{processing.model}” at {processing.gateway_host}. "
        f"Of what is sent there, {training}; kept there: {processing.retention} "
        f"(promised, as my operator states).{memory}"
    )


def _kept(counts: Counts, retention: timedelta | None, *, private: bool, prefix: str) -> str:
    span = "until you delete them" if retention is None else f"for {in_words(retention)}"
    here = (
        f" This room is **private** (`{prefix}private`): of what you say here nothing is kept."
        if private
        else ""
    )
    return (
        f"**What is kept about you.** {replies.holdings(counts)}, {counts.bytes / 1000:.0f} kB on "
        f"disk: messages {span} (`{prefix}retention`), memories until you delete them or their day "
        "is over. They lie in an encrypted file of your own with a key of its own; no other "
        "person's question can reach it. The audit log holds what was done, never what was said."
        f"{here} When you delete a message in the room, I delete my copy and what I learned from "
        "it alone; when you edit one, I keep the new words."
    )


def _rights(prefix: str) -> str:
    return (
        f"**What you can do.** See and change: `{prefix}memory`. Take it with you: "
        f"`{prefix}export`. See every action about you: `{prefix}audit`. Leave: "
        f"`{prefix}forget everything`, then leave the room."
    )
