"""The words in which the cases of `tests/memory_cases.py` are written: what happens, what is so."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.spine import ANN

HOME = "!ann"  # Ann's direct chat; "!all" and "!club" are rooms that she shares


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call of the model."""

    name: str
    arguments: Mapping[str, object]


def keep(text: str, quote: str = "", **more: object) -> Call:
    """The model wants to remember something; the quote is the text if not given."""
    given = {"category": "general", "about": "self", **more}
    return Call("remember", {"text": text, "quote": quote or text, **given})


def change(number: int, text: str, quote: str = "", **more: object) -> Call:
    """The model wants a memory to say something else."""
    return Call("update_memory", {"number": number, "text": text, "quote": quote or text, **more})


def drop(number: int, quote: str) -> Call:
    """The model wants a memory to go."""
    return Call("forget_memory", {"number": number, "quote": quote})


def look(query: str) -> Call:
    """The model wants to search what was said."""
    return Call("search_history", {"query": query})


@dataclass(frozen=True, slots=True)
class Say:
    """Somebody talks to the bot; the model calls tools and answers. `name` is for later steps."""

    text: str
    calls: tuple[Call, ...] = ()
    by: str = ANN
    room: str = HOME
    name: str = ""
    answer: str = "Fine."


@dataclass(frozen=True, slots=True)
class Overhear:
    """Somebody says something in a shared room, not to the bot."""

    text: str
    by: str
    room: str = "!all"


@dataclass(frozen=True, slots=True)
class Type:
    """Somebody types a command."""

    line: str
    by: str = ANN
    room: str = HOME


@dataclass(frozen=True, slots=True)
class Add:
    """So many memories are added by hand, none of which matters."""

    count: int


@dataclass(frozen=True, slots=True)
class Chat:
    """So many messages about nothing that matters."""

    count: int
    room: str = HOME


@dataclass(frozen=True, slots=True)
class Edit:
    """What was said under this name reads differently now."""

    name: str
    text: str
    answer: str = "Fine."


@dataclass(frozen=True, slots=True)
class Redact:
    """What was said under this name is taken back by who said it."""

    name: str


@dataclass(frozen=True, slots=True)
class React:
    """Somebody says yes or no to the question whether something may be remembered."""

    yes: bool
    by: str = ANN


@dataclass(frozen=True, slots=True)
class Later:
    """Time passes, and what is done daily is done."""

    days: int


@dataclass(frozen=True, slots=True)
class Joins:
    """Somebody comes into a room."""

    room: str
    who: str


@dataclass(frozen=True, slots=True)
class Remembered:
    """Which memories the last question was put with."""

    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """All that the model was told with the last question, tool results among it, but for that."""

    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answered:
    """What the bot said to the last step, in this room if one is named."""

    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    room: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """What `!memory` shows to a person."""

    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    by: str = ANN


@dataclass(frozen=True, slots=True)
class Offered:
    """Which tools the model might have called at the last question."""

    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Nowhere:
    """What stands in no table of the person's vault."""

    texts: tuple[str, ...]
    by: str = ANN


Step = (
    Say | Overhear | Type | Add | Chat | Edit | Redact | React | Later | Joins
    | Remembered | Told | Answered | Listed | Offered | Nowhere
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """One story: what happens, and what is so meanwhile."""

    group: str
    name: str
    steps: tuple[Step, ...] = field(repr=False)


def case(group: str, name: str, *steps: Step) -> Case:
    """A story in one call."""
    return Case(group, name, steps)
