"""What a command is: a described value, the narrow context it runs in, and how a line is split."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.config import Config
from bot.messages import Reply, Room, RoomMessage, Where
from storage import AuditEntry, Destroyed, Vault

_WORD = re.compile(r"([a-z]+)(?:\s+(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CommandContext:
    """All that a command can reach: the asker's own vault, the configuration, its own words.

    `entries(n)` are the asker's own newest audit entries with their numbers in the log. `erase`
    destroys the vault of the person who asked, and nobody else's; `vault` is dead after it.
    """

    arguments: str
    message: RoomMessage
    room: Room
    vault: Vault
    config: Config
    entries: Callable[[int], Awaitable[Sequence[tuple[int, AuditEntry]]]]
    erase: Callable[[], Awaitable[Destroyed]]
    commands: tuple["Command", ...]
    now: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Question:
    """An answer that asks "are you sure?"; `proceed` runs when the same person says yes in time."""

    text: str
    proceed: "Run"


Run = Callable[[CommandContext], Awaitable[Reply | Question]]


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
