"""What the model may save about a person: only what that person said, in their own words."""

import json
import re
from dataclasses import dataclass

from bot.completions import Tool, ToolCall
from bot.messages import Room, RoomMessage
from bot.quoting import own_words
from storage import Memory, Vault

TEXT_LIMIT = 300
PER_MESSAGE = 3  # memories; more at once is a model that copies instead of choosing

REMEMBER = Tool(
    name="remember",
    description=(
        "Save one lasting fact about the person, from what they said in their last message. "
        "Not for small talk, questions, guesses, secrets, or facts about anybody else. Answer the "
        "person in the same turn; do not mention saving, they are told by the system."
    ),
    parameters={
        "type": "object",
        "properties": {
            "text": {"type": "string", "description": "the fact, as one short sentence"},
            "quote": {
                "type": "string",
                "description": "the words of the person's last message that say so, verbatim",
            },
        },
        "required": ["text", "quote"],
        "additionalProperties": False,
    },
)

_SECRET = re.compile(
    r"\b(?:pass(?:word|phrase|code)|pin(?: code)?|api[ _-]?key|secret key|private key|token|cvv)\b"
    r"|(?:\d[ -]?){13,19}"  # card numbers
    r"|\b(?:sk|pk|ghp|xox[abp]|syt)[-_][A-Za-z0-9_-]{10,}"
    r"|-----BEGIN",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Fact:
    """What the model asked to save, and the person's words that it rests on."""

    text: str
    quote: str


def proposed(calls: tuple[ToolCall, ...], message: RoomMessage) -> list[Fact]:
    """The facts among a completion's tool calls that may be saved.

    A fact counts only when its quote stands verbatim in the message of the very person it is
    about, so that nothing is learned from other people, pages, memories or the model itself. Where
    its text says more than the quote, the quote is the fact. What the person quotes is not theirs.
    """
    said = own_words(message.body)
    facts = [_fact(call.arguments) for call in calls if call.name == REMEMBER.name]
    kept = [fact for fact in facts if fact and acceptable(fact, said)][:PER_MESSAGE]
    return [fact if rests_on_its_quote(fact) else Fact(fact.quote, fact.quote) for fact in kept]


def acceptable(fact: Fact, said: str) -> bool:
    """Whether a fact rests on what was said, is short enough, and holds no secret."""
    quote = _folded(fact.quote)
    grounded = len(quote.split()) >= 2 and quote in _folded(said)
    secret = _SECRET.search(fact.text) or _SECRET.search(fact.quote)
    short = 0 < len(fact.text) <= TEXT_LIMIT and len(fact.quote) <= TEXT_LIMIT
    return grounded and not secret and short


def rests_on_its_quote(fact: Fact) -> bool:
    """Whether every word of the text that carries meaning is in the quote, in some form of it."""
    quoted = _words(fact.quote)
    return all(any(_alike(word, one) for one in quoted) for word in _words(fact.text) - _FILLERS)


async def save(
    facts: list[Fact], message: RoomMessage, room: Room, vault: Vault
) -> tuple[Memory, ...]:
    """Save facts as memories with their provenance; those that were known already are left out."""
    saved = [
        await vault.memories.add(
            fact.text,
            origin="model",
            quote=fact.quote,
            room_kind=room.kind,
            source_event_id=message.event_id,
            source_room_id=message.room_id,
        )
        for fact in facts
    ]
    new = [one for one in saved if one.source_event_id == message.event_id]
    return tuple({one.memory_id: one for one in new}.values())


def _fact(arguments: str) -> Fact | None:
    try:
        given = json.loads(arguments)
    except (ValueError, RecursionError):
        return None
    if not isinstance(given, dict):
        return None
    text, quote = given.get("text"), given.get("quote")
    if not (isinstance(text, str) and isinstance(quote, str)):
        return None
    return Fact(" ".join(text.split()), " ".join(quote.split()))


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


def _alike(word: str, other: str) -> bool:
    """The same word, or another form of it: lives and live, working and work."""
    return word == other or (min(len(word), len(other)) >= 4 and word[:4] == other[:4])


# Words with which a fact is put from "I" into "the person"; they say nothing of their own.
_FILLERS = set(
    """
    a an and are as at be been by called for from had has have he her hers him his in is it its
    name named of on or person s she that the their theirs them they this to user was were who
    whose with you your yours
    """.split()  # noqa: SIM905  a list of fifty strings is harder to read
)
