"""Who may do what: deciding what a message is, as pure functions over values."""

import re
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Protocol

from bot.command import Command, Line, named, split
from bot.config import Config
from bot.messages import Room, RoomKind, RoomMessage, Standing

INPUT_LIMIT = 16 * 1024  # bytes of one message (SEC-02)
CATCHING_UP = timedelta(minutes=10)  # after a start
PRIVATE = "private"  # the one command behind which a question may stand
PRUNED_FROM = 1_000  # things that were said once


class Refusal(StrEnum):
    """Why a message is not obeyed; goes into the audit log."""

    UNLISTED = "unlisted"
    UNENCRYPTED_ROOM = "unencrypted room"
    UNENCRYPTED_MESSAGE = "unencrypted message"
    UNVERIFIED_SESSION = "unverified session"
    TOO_LONG = "too long"
    TOO_FAST = "too fast"
    PAUSED = "paused"
    NO_OPERATOR = "no operator"
    TOO_LATE = "too late"
    UNFIT_ROOM = "unfit room"
    CHANGED_IDENTITY = "changed identity"


@dataclass(frozen=True, slots=True)
class Ignore:
    """Not for the bot: leaves no trace."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """For the bot, and not obeyed."""

    why: Refusal


@dataclass(frozen=True, slots=True)
class Order:
    """A command; `command` is None when the name is nobody's."""

    line: Line
    command: Command | None


@dataclass(frozen=True, slots=True)
class Chat:
    """Something to answer; `private` is the question that was asked with `!private`."""

    private: str = field(default="", repr=False)


Intent = Ignore | Refuse | Order | Chat


class Rules(Protocol):
    """Whom operators let in and shut out while the bot runs, as patterns of Matrix ids."""

    @property
    def allowed(self) -> Collection[str]:
        """Those that were let in."""
        ...

    @property
    def blocked(self) -> Collection[str]:
        """Those that were shut out."""
        ...


def allowed(user_id: str, config: Config, rules: Rules) -> bool:
    """Whether this person is listed and not shut out; an operator can't be."""
    if operates(user_id, config):
        return True
    listed = covered(user_id, (*config.access.users, *rules.allowed))
    return listed and not covered(user_id, rules.blocked)


def operates(user_id: str, config: Config) -> bool:
    """Whether this person is an operator."""
    return covered(user_id, config.access.operators)


def covered(user_id: str, patterns: Collection[str]) -> bool:
    """Whether one of the patterns is of this person."""
    return any(_pattern(one).fullmatch(user_id) for one in patterns)


@lru_cache(maxsize=1024)
def _pattern(glob: str) -> re.Pattern[str]:
    """A glob such as `@*:example.org` for whole user ids; a star in the name crosses no colon."""
    name, colon, server = glob.partition(":")
    return re.compile(_wild(name, "[^:]*") + colon + _wild(server, ".*"), re.DOTALL)


def _wild(glob: str, star: str) -> str:
    return star.join(re.escape(part) for part in glob.split("*"))


def intent(
    message: RoomMessage,
    room: Room,
    *,
    config: Config,
    rules: Rules,
    commands: Sequence[Command],
    addressed: bool,
) -> Intent:
    """What a message is; `addressed` says that it mentions the bot or answers it."""
    line = split(message.body, prefix=config.service.command_prefix)
    command = named(line.name, commands) if line else None
    shared = room.kind is RoomKind.SHARED
    if shared and not addressed and command is None:
        return Ignore()
    refusal = _refusal(message, room, config, rules)
    if refusal is not None:
        return Refuse(refusal)
    if line is not None and command is not None and is_private_question(line):
        return Chat(private=line.arguments)
    if line is not None and (command is not None or not shared):
        return Order(line, command)
    return Chat()


def operator_intent(message: RoomMessage, room: Room, *, config: Config, rules: Rules) -> Intent:
    """What a message in the audit room is: an operator's command, or nothing to the bot.

    More is asked of it than of others: always encryption, and an identity that is known, for
    whoever runs a homeserver could vouch for themselves. The bot's own account may hold a device
    that somebody added.
    """
    line = split(message.body, prefix=config.service.command_prefix)
    if line is None or message.sender == config.homeserver.user_id:
        return Ignore()
    if not operates(message.sender, config):
        return Refuse(Refusal.NO_OPERATOR)
    if not room.encrypted:
        return Refuse(Refusal.UNENCRYPTED_ROOM)
    refusal = _refusal(message, room, config, rules)
    if refusal is None and message.standing is Standing.CHANGED:
        refusal = Refusal.CHANGED_IDENTITY
    return Order(line, None) if refusal is None else Refuse(refusal)


def is_private_question(line: Line) -> bool:
    """Whether a command line is talk in truth: `!private` with more than a switch behind it.

    A switch with a word too many ("on please"), or a command, is no question: to answer it would
    leave the person believing that something was switched or run.
    """
    if line.name != PRIVATE or not line.arguments:
        return False
    words = line.arguments.casefold().split()
    switch = (
        words[0].strip(".,!") in ("on", "off") and len(words) <= 3 and not words[-1].endswith("?")
    )
    return not switch and re.match(r"\W{1,3}[a-z]+$", words[0]) is None


def _refusal(message: RoomMessage, room: Room, config: Config, rules: Rules) -> Refusal | None:
    if not allowed(message.sender, config, rules):
        return Refusal.UNLISTED
    if room.encrypted and not message.encrypted:
        return Refusal.UNENCRYPTED_MESSAGE
    if config.privacy.encrypted_rooms_only and not room.encrypted:
        return Refusal.UNENCRYPTED_ROOM
    if message.standing is Standing.UNSIGNED:
        return Refusal.UNVERIFIED_SESSION
    if len(message.body.encode()) > INPUT_LIMIT:
        return Refusal.TOO_LONG
    return None


class Pace:
    """How many messages each person sent in the last minute.

    What was sent before `since` came while the bot was away, all at once, and is not counted.
    """

    def __init__(self, per_minute: int, *, since: datetime) -> None:
        self._per_minute = per_minute
        self._since = since
        self._sent: dict[str, deque[datetime]] = {}

    def admits(self, message: RoomMessage, now: datetime) -> bool:
        """Count a message and say whether it is within the limit."""
        if message.recovered or self._came_meanwhile(message, now):
            return True
        times = self._sent.setdefault(message.sender, deque())
        while times and now - times[0] > timedelta(minutes=1):
            times.popleft()
        if len(times) >= self._per_minute:
            return False
        times.append(now)
        return True

    def _came_meanwhile(self, message: RoomMessage, now: datetime) -> bool:
        """The time of a message is its sender's claim, so it is believed only for a while."""
        return message.sent_at < self._since and now < self._since + CATCHING_UP


class Once:
    """Things that are said to the same person or room only once in a while."""

    def __init__(self) -> None:
        self._until: dict[tuple[str, ...], datetime] = {}
        self._enough = PRUNED_FROM

    def may(self, *key: str, now: datetime, every: timedelta = timedelta(days=1)) -> bool:
        """Whether this may be said now; asking counts as having said it."""
        if now < self._until.get(key, now):
            return False
        self._until[key] = now + every
        if len(self._until) > self._enough:
            self._until = {one: until for one, until in self._until.items() if now < until}
            self._enough = max(PRUNED_FROM, 2 * len(self._until))
        return True


class Few:
    """Things of somebody's making: each once a day, and only so many of one person's in an hour."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._said: dict[str, dict[tuple[str, ...], datetime]] = {}

    def may(self, who: str, *key: str, now: datetime) -> bool:
        """Whether this one may be now; asking counts, if it may."""
        said = self._said.get(who, {})
        said = {one: at for one, at in said.items() if now - at < timedelta(days=1)}
        recent = sum(now - at < timedelta(hours=1) for at in said.values())
        if key in said or recent >= self._most:
            return False
        self._said[who] = {**said, key: now}
        return True
