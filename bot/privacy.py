"""Who can read a conversation, who answers for it and what is kept: derived, never asserted."""

from urllib.parse import urlsplit

from bot import replies
from bot.config import BUILTIN, Config
from bot.durations import brief
from bot.messages import Room, RoomKind, RoomMessage
from storage import Counts


def gateway_host(config: Config) -> str:
    """The host that sees the prompts, for people and for the audit log."""
    if config.gateway.base_url == BUILTIN:
        return BUILTIN
    return urlsplit(config.gateway.base_url).hostname or config.gateway.base_url


def memory_allowed(config: Config) -> bool:
    """Whether memory may go into a prompt: only where nobody trains on it."""
    return config.privacy.gateway_training == "never"


def statement(config: Config, counts: Counts, message: RoomMessage, room: Room) -> str:
    """What `!privacy` says, for the room in which it was asked."""
    return "\n\n".join(
        (
            _readers(message, room),
            _operator(config),
            _model(config),
            _kept(config, counts),
            _rights(config.service.command_prefix),
        )
    )


def _readers(message: RoomMessage, room: Room) -> str:
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
        "in our direct chat I do not use here."
    )
    return (
        f"**Who can read this.** {state} {who} I am a program on my operator's server, and that "
        "server sees the text while I answer; the model's gateway sees each question with what I "
        "add from memory."
    )


def _operator(config: Config) -> str:
    operator = config.privacy.operator or "has not given a name"
    jurisdiction = config.privacy.jurisdiction or "not stated"
    return f"**Who runs it.** Operator: {operator}. Jurisdiction: {jurisdiction}."


def _model(config: Config) -> str:
    if config.gateway.base_url == BUILTIN:
        return (
            "**Who answers.** The demo model that is built into me: no text leaves this machine, "
            "nothing is kept by it and nothing is trained (proved: it runs inside my own process)."
        )
    training = {
        "never": "it is not used for training (promised, as my operator states)",
        "opt-out": "it may be used for training unless my operator opted out (not proved)",
        "unknown": "whether it is used for training is unknown",
    }[config.privacy.gateway_training]
    memory = (
        ""
        if memory_allowed(config)
        else " Because of that, I send it nothing that I remember: only your latest message."
    )
    return (
        f"**Who answers.** The model “{config.gateway.model}” at {gateway_host(config)}. "
        f"Of what is sent there, {training}; kept there: {config.privacy.gateway_retention} "
        f"(promised, as my operator states).{memory}"
    )


def _kept(config: Config, counts: Counts) -> str:
    retention = config.memory.retention
    until = "until you delete it"
    if retention is not None:
        until = f"messages for {brief(retention)}, the rest {until}"
    return (
        f"**What is kept about you.** {replies.holdings(counts)}, {counts.bytes / 1000:.0f} kB on "
        f"disk, {until}. They lie in an encrypted file of your own with a key of its own; no other "
        "person's question can reach it. The audit log holds what was done, never what was said."
    )


def _rights(prefix: str) -> str:
    return (
        f"**What you can do.** See and change: `{prefix}memory`. Take it with you: "
        f"`{prefix}export`. See every action about you: `{prefix}audit`. Leave: "
        f"`{prefix}forget everything`, then leave the room."
    )
