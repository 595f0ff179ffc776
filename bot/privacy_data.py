"""What is kept about a person, in numbers, until when, and what can be done about it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.durations import in_words
from bot.privacy_gateway import at
from bot.processing import Processing
from bot.replies import count
from storage import Counts


@dataclass(frozen=True, slots=True)
class Held:
    """What is kept, as far as !privacy tells; `private` is the room in which it was asked."""

    counts: Counts
    retention: timedelta | None
    private: bool
    last_backup: datetime | None


def overview(held: Held, prefix: str) -> str:
    """What is kept, in short."""
    counts, here = held.counts, ""
    if held.private:
        here = (
            f" This room is **private** (`{prefix}private`): of what you say here nothing is kept."
        )
    waiting = f", of which {counts.pending} wait for your yes" if counts.pending else ""
    return (
        f"**What I hold about you.** {count(counts.memories, 'memory', 'memories')}{waiting}, "
        f"{count(counts.turns, 'stored message', 'stored messages')} and "
        f"{count(counts.audit_entries, 'audit entry', 'audit entries')}: {_size(counts)} in an "
        f"encrypted file of your own. It keeps messages {_span(held)} (`{prefix}retention`), "
        f"memories until you delete them or their day is over.{here} `{prefix}privacy data` lists "
        "it all."
    )


def page(held: Held, stated: Processing, prefix: str) -> str:
    """`!privacy data`."""
    return "\n\n".join(
        (
            f"**What I hold about you.**\n\n{_numbers(held.counts)}",
            "**Where it lies.** In an encrypted file of your own, with a key of its own, on my "
            "operator's server. No other person's question can reach it. The audit log that all "
            "people share holds what was done and a seal, never what was said.",
            f"**For how long.** Messages {_span(held)} (`{prefix}retention 30d` shortens it). "
            f"Memories until you delete them or their day is over. {_private(held, prefix)}When "
            "you delete a message in the room, I delete my copy and what I learned from it alone; "
            "when you edit one, I keep the new words.",
            f"**Backups.** {backups(stated, held.last_backup)}",
            "**What I can't take back.** Your own messages on homeservers and devices, the keys "
            "to them on the members' devices, and what the model's gateway keeps "
            f"(`{prefix}privacy gateway`).",
            f"**What you can do.** See and change: `{prefix}memory`. Why an answer says what it "
            f"says: `{prefix}why`. Take it with you: `{prefix}export`. Erase: `{prefix}forget N` "
            f"or `{prefix}forget everything`. See every action about you: `{prefix}audit`.",
        )
    )


def backups(stated: Processing, last: datetime | None) -> str:
    """How long copies live on, and since when there are any."""
    made = "I have made none that I know of."
    if last is not None:
        made = f"The last one was made {at(last)}."
    kept = "How long they are kept is not stated."
    if stated.backup_retention:
        kept = f"They are kept: {stated.backup_retention}, as my operator states."
    return f"{made} {kept}"


def _numbers(counts: Counts) -> str:
    since = f", the oldest of {counts.oldest:%Y-%m-%d}" if counts.oldest else ""
    in_private = count(counts.private_rooms, "private room", "private rooms")
    kept = (
        f"{count(counts.memories - counts.pending, 'memory', 'memories')}",
        f"{counts.pending} more waiting for your yes",
        count(counts.revisions, "former text of memories", "former texts of memories"),
        f"{count(counts.turns, 'stored message', 'stored messages')}{since}",
        f"{count(counts.vectors, 'vector', 'vectors')}: numbers for what a text means",
        count(counts.audit_entries, "audit entry", "audit entries"),
        f"{counts.settings} settings and notes on how far something is, {in_private} among them",
        f"{_size(counts)} on disk in all",
    )
    return "\n".join(f"- {one}" for one in kept)


def _private(held: Held, prefix: str) -> str:
    if not held.private:
        return f"Of `{prefix}private` questions nothing. "
    return f"This room is **private** (`{prefix}private`): of what you say here nothing is kept. "


def _span(held: Held) -> str:
    span = held.retention
    return "until you delete them" if span is None else f"for {in_words(span)}"


def _size(counts: Counts) -> str:
    return f"{counts.bytes / 1000:.0f} kB"
