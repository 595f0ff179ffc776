"""What a command is: a described value, the narrow context it runs in, and how a line is split."""

import re
from asyncio import Lock
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.audit_view import AuditView
from bot.config import Config
from bot.evidence import Observation
from bot.messages import Attachment, OwnIdentity, Reply, Room, RoomMessage, Sessions, Where
from bot.processing import Processing
from storage import Fields, Going, Named, Vault

_WORD = re.compile(r"([a-z]+)(?:\s+(.*))?", re.DOTALL)


WITHIN_FOR_WORDS = timedelta(minutes=10)  # is a Question answered, or not any more

Identify = Callable[[], Awaitable[OwnIdentity]]
LetGo = Callable[[Named, Going], Awaitable[None]]
Say = Callable[[str], Awaitable[None]]
FetchFile = Callable[[str, int], Awaitable[Attachment]]
UploadLimit = Callable[[], Awaitable[int | None]]
OwnDetails = Callable[[Sequence[Fields]], Awaitable[Sequence[Fields]]]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What can be seen at this moment of what !privacy says.

    `sessions` asks the homeserver which sessions of these people get keys.
    """

    gateway: Callable[[], Observation]
    sessions: Callable[[Collection[str]], Awaitable[Mapping[str, Sessions]]]
    last_backup: Callable[[], Awaitable[datetime | None]]


@dataclass(frozen=True, slots=True)
class CommandContext:
    """All that a command can reach: the asker's own vault, and what is said of the bot itself.

    `personal` is that vault, None while memory is paused: then only what belongs HERE is run.
    `own_log` is the asker's own side of the audit log, None where `personal` is. `erase` erases
    everything of the person who asked, and of nobody else: `vault` is dead after it, and its answer
    is the receipt.
    `let_go` has what is about to be forgotten leave the rooms and what is kept in RAM.
    `identity` asks the homeserver how it shows the bot to others. `say` tells how far something is
    that takes long, where the reply will stand; what is said next takes the place of it.
    `upload_limit` asks the homeserver how many bytes a file may have, None where it doesn't say.
    `attachment` is a file by its event id, at most so large, that the asker or the bot sent in this
    room; `own_details` are those audit details of an export that the log knows as the asker's.
    `turn` is held while a passphrase is worked with, which takes seconds and a gigabyte: whoever
    waits for it waits in no thread.
    """

    arguments: str
    message: RoomMessage
    room: Room
    personal: Vault | None
    prefix: str
    config: Config
    processing: Processing
    evidence: Evidence
    own_log: AuditView | None
    erase: Callable[[], Awaitable[Reply]]
    let_go: LetGo
    identity: Identify
    upload_limit: UploadLimit
    say: Say
    attachment: FetchFile
    own_details: OwnDetails
    turn: Lock
    commands: tuple["Command", ...]
    now: Callable[[], datetime]

    @property
    def vault(self) -> Vault:
        """The asker's own vault."""
        assert self.personal is not None, "a command that needs a vault belongs in a direct chat"
        return self.personal

    @property
    def audit(self) -> AuditView:
        """The asker's own side of the audit log."""
        assert self.own_log is not None, "a command that needs the log belongs in a direct chat"
        return self.own_log


@dataclass(frozen=True, slots=True)
class Confirmation:
    """An answer that asks "are you sure?"; `proceed` runs when the same person says yes in time."""

    text: str
    proceed: "Run"


@dataclass(frozen=True, slots=True)
class Question:
    """An answer that asks for words, such as a passphrase, which nobody else may get to see.

    The next message of the same person in that room is given to `answered` of the same command,
    also after a restart; `about` stands in `arguments` then. It is kept in the vault, the words
    that answer are kept nowhere.
    """

    text: str
    about: str = ""


Said = Reply | Confirmation | Question
Run = Callable[[CommandContext], Awaitable[Said]]
Answered = Callable[[CommandContext, str], Awaitable[Said]]


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its name, how it is typed (without the prefix), what it does and where.

    `where` is DIRECT for everything about personal data; the handler enforces it. `answered` takes
    the words that a Question of this command asked for.
    """

    name: str
    usage: tuple[str, ...]
    summary: str
    where: Where
    run: Run
    answered: Answered | None = None


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
