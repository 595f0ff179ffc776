"""What a command is: a described value, the narrow context it runs in, and how a line is split."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.config import Config
from bot.messages import OwnIdentity, Reply, Room, RoomMessage, Where
from bot.processing import Processing
from storage import AuditEntry, Destroyed, Vault

_WORD = re.compile(r"([a-z]+)(?:\s+(.*))?", re.DOTALL)


Identify = Callable[[], Awaitable[OwnIdentity]]
Entries = Callable[[int], Awaitable[Sequence[tuple[int, AuditEntry]]]]


@dataclass(frozen=True, slots=True)
class CommandContext:
    """All that a command can reach: the asker's own vault, and what is said of the bot itself.

    `personal` is that vault, None while memory is paused: then only what belongs HERE is run.
    `entries(n)` are the asker's own newest audit entries with their numbers in the log. `erase`
    destroys the vault of the person who asked, and nobody else's; `vault` is dead after it.
    `identity` asks the homeserver how it shows the bot to others.
    """

    arguments: str
    message: RoomMessage
    room: Room
    personal: Vault | None
    prefix: str
    config: Config
    processing: Processing
    entries: Entries
    erase: Callable[[], Awaitable[Destroyed]]
    identity: Identify
    commands: tuple["Command", ...]
    now: Callable[[], datetime]

    @property
    def vault(self) -> Vault:
        """The asker's own vault."""
        assert self.personal is not None, "a command that needs a vault belongs in a direct chat"
        return self.personal


@dataclass(frozen=True, slots=True)
class Confirmation:
    """An answer that asks "are you sure?"; `proceed` runs when the same person says yes in time."""

    text: str
    proceed: "Run"


Run = Callable[[CommandContext], Awaitable[Reply | Confirmation]]


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its name, how it is typed (without the prefix), what it does and where.

    `where` is DIRECT for everything about personal data; the handler enforces it.
    """

    name: str
    usage: tuple[str, ...]
    summary: str
    where: Where
    run: Run


@dataclass(frozen=True, slots=True)
class Line:
    """A typed command line: the word after the prefix, in lower case, and what follows it."""

    name: str
    arguments: str


def split(body: str, *, prefix: str = "!") -> Line | None:
    """The command line in `body`, or None where it is ordinary talk ("!!!", "! really")."""
    text = body.strip()
    if not text.startswith(prefix):
        return None
    first, _, rest = text[len(prefix) :].partition("\n")
    match = _WORD.fullmatch(first.lower())
    if match is None:
        return None
    name = match[1]
    arguments = first[len(name) :] + ("\n" + rest if rest else "")
    return Line(name, arguments.strip())


def named(name: str, commands: Sequence[Command]) -> Command | None:
    """The command of exactly this name."""
    return next((one for one in commands if one.name == name), None)


def first_word(text: str) -> tuple[str, str]:
    """The first word and what follows it."""
    word, *rest = text.split(maxsplit=1) or [""]
    return word, rest[0] if rest else ""


def number(text: str) -> int | None:
    """A number that a person typed, `#7` and `7` alike; None for anything else."""
    digits = text.removeprefix("#")
    plain = digits.isascii() and digits.isdecimal() and len(digits) <= 15
    return int(digits) if plain else None
