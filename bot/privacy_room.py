"""Who can read a room: its encryption, the sessions of its members, and the bot's own."""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.messages import OwnIdentity, Room, RoomKind, RoomMessage, Sessions
from bot.replies import count

SHOWN = 25  # members that are listed by name


@dataclass(frozen=True, slots=True)
class Readers:
    """A room as it is read by its members; `sessions` and `own` are None if nobody tells them."""

    message: RoomMessage
    room: Room
    me: str
    sessions: Mapping[str, Sessions] | None
    own: OwnIdentity | None
    everybody: bool  # whether sessions that nobody has verified get keys, too
    gateway: bool  # whether a model's gateway reads along

    @property
    def people(self) -> list[str]:
        """The members but the bot, the asker first."""
        asker = self.message.sender
        return sorted(self.room.members - {self.me}, key=lambda one: (one != asker, one))


def overview(readers: Readers, prefix: str) -> str:
    """Who can read the room, in short."""
    return (
        f"**Who can read this room.** {_state(readers)} {_who(readers, prefix)} "
        f"{_total(readers)}`{prefix}privacy room` shows each.\n\n{_readable(readers)}"
    )


def page(readers: Readers, prefix: str) -> str:
    """`!privacy room`."""
    return "\n\n".join(
        (
            f"**Encryption.** {_state(readers)} {_who(readers, prefix)}",
            f"**Members and their sessions.** {_rule(readers)}\n\n{_members(readers)}",
            f"**My own session.** {_own(readers.own, prefix)}",
            _readable(readers),
        )
    )


def _readable(readers: Readers) -> str:
    gateway = " At the model's gateway." if readers.gateway else ""
    passed_on = "On the homeservers of this room." if not readers.room.encrypted else ""
    homeservers = "on homeservers, which only pass on what is encrypted, nor "
    return (
        "**Where your words can be read.** On the devices of the members of this room. On my "
        f"operator's server, while I answer: I am a member, too.{gateway} {passed_on}".rstrip()
        + f" **Not** {homeservers if readers.room.encrypted else ''}in any log of mine, in the "
        "audit log, in what is kept for all people together, or in files that I send: those are "
        "encrypted."
    )


def _state(readers: Readers) -> str:
    if not readers.room.encrypted:
        return "This room is **not encrypted**: its homeservers can read it."
    if not readers.message.encrypted:
        return (
            "This room is encrypted, but your message came unencrypted: homeservers could read it."
        )
    return "This room is end-to-end encrypted: its homeservers see who writes and when, not what."


def _who(readers: Readers, prefix: str) -> str:
    room = readers.room
    if room.kind is RoomKind.DIRECT:
        return "Two can read it: you and I."
    invited = f", of whom {len(room.invited)} have not joined yet" if room.invited else ""
    return (
        f"All {len(room.members)} members (those invited count{invited}) can read it. What you "
        "told me in our direct chat I do not use here, except what you shared here with "
        f"`{prefix}memory share`."
    )


def _total(readers: Readers) -> str:
    if readers.sessions is None or not readers.room.encrypted:
        return ""
    given = sum(one.given for one in readers.sessions.values())
    refused = sum(one.refused for one in readers.sessions.values())
    none = f"; {refused} can't" if refused else ""
    whose = "your" if readers.room.kind is RoomKind.DIRECT else "their"
    return f"Of {whose} sessions, {given} can read what I say{none}. "


def _rule(readers: Readers) -> str:
    if not readers.room.encrypted:
        return "Without encryption, every session of everybody reads everything."
    if readers.everybody:
        return "My operator lets every session read, whether its owner has verified it or not."
    return "Only a session that its owner has verified gets the keys to what I say."


def _members(readers: Readers) -> str:
    people = readers.people
    lines = [f"- {_member(one, readers)}" for one in people[:SHOWN]]
    more = len(people) - SHOWN
    return "\n".join(
        [*lines, f"- and {count(more, 'member', 'members')} more"][: len(lines) + (more > 0)]
    )


def _member(person: str, readers: Readers) -> str:
    you = " (you)" if person == readers.message.sender else ""
    invited = ", invited and not here yet" if person in readers.room.invited else ""
    named = f"`{person.replace('`', '')}`{you}{invited}"
    if not readers.room.encrypted:
        return named
    if readers.sessions is None:
        return f"{named}: I could not ask about sessions just now"
    found = readers.sessions.get(person, Sessions(0, 0))
    if not found.given:
        return f"{named}: no session can read what I say{_because(found)}"
    others = f", {found.refused} can't" if found.refused else ""
    can = count(found.given, "session can read", "sessions can read")
    return f"{named}: {can} what I say{others}"


def _because(found: Sessions) -> str:
    return f", because this person {found.reason}" if found.reason else ""


def _own(own: OwnIdentity | None, prefix: str) -> str:
    if own is None:
        return f"The homeserver did not say just now how it shows it. Try `{prefix}verify` later."
    if own.cross_signed:
        return (
            f"The homeserver shows my session `{own.device_id}` as signed by my identity. "
            f"`{prefix}verify` says how to check that I am not somebody else."
        )
    return (
        f"**The homeserver does not show my session `{own.device_id}` as signed by my identity.** "
        "Tell my operator, and tell me nothing private until it does."
    )
