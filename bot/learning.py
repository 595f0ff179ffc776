"""What the model may save about a person: only what that person said, in their own words."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any

from bot.plain import plain
from bot.sensitive import Category, is_about_others, is_secret, topic
from bot.wishes import asks_to_forget, asks_to_remember

TEXT_LIMIT = 300
PER_MESSAGE = 3  # memories; more at once is a model that copies instead of choosing
CLAUSE = 600  # characters before a quote that are looked at for whose it is
LONGEST = timedelta(days=5 * 366)  # a memory that holds longer than that holds until deleted


@dataclass(frozen=True, slots=True)
class Fact:
    """What the model asked to save, the person's words that it rests on, and what it says of it."""

    text: str = field(repr=False)
    quote: str = field(repr=False)
    category: str = Category.GENERAL
    about_others: bool = False
    until: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """A fact that may be saved."""

    text: str = field(repr=False)
    quote: str = field(repr=False)
    valid_until: datetime | None = None


class Refusal(StrEnum):
    """Why something is not saved."""

    GARBLED = "garbled"
    NOT_SAID = "not said"
    LENGTH = "length"
    SECRET = "secret"  # noqa: S105 - not one
    SENSITIVE = "sensitive"
    OTHERS = "others"
    UNASKED = "unasked"
    OVER = "over"
    UNKNOWN = "unknown"
    TOO_MANY = "too many"


def fact_from(given: object) -> Fact | None:
    """The fact in a call's arguments, or in an object of an extraction; None where it is none."""
    if not isinstance(given, dict):
        return None
    text, quote = given.get("text"), given.get("quote")
    if not (isinstance(text, str) and isinstance(quote, str)):
        return None
    return Fact(
        " ".join(text.split()),
        " ".join(quote.split()),
        category=str(given.get("category") or Category.GENERAL).casefold(),
        about_others=str(given.get("about") or "").casefold()
        in {"other", "others", "someone else"},
        until=str(given.get("until") or ""),
    )


def arguments_of(arguments: str) -> Mapping[str, Any] | None:
    """The arguments of a call, or None where they are not what was asked for."""
    try:
        given = json.loads(arguments)
    except (ValueError, RecursionError):
        return None
    return given if isinstance(given, dict) else None


def judged(
    fact: Fact, said: str, *, now: datetime, only_asked: bool = False, before: str = ""
) -> Kept | Refusal:
    """What of a fact may be saved, given the person's own words; or why nothing.

    A fact counts only when its quote stands verbatim in the message of the very person it is
    about, so that nothing is learned from other people, pages, memories or the model itself. Where
    its text says more than the quote, and what the memory that it changes said `before`, the quote
    is the fact. `only_asked` saves what the person asks to have remembered and nothing else.
    """
    if not acceptable(fact, said):
        return _unacceptable(fact, said)
    asked = asked_for(fact.quote, said)
    if not asked and (only_asked or is_no_statement(fact.quote, said)):
        return Refusal.UNASKED
    if not asked and (refusal := _delicate(fact, said)):
        return refusal
    until = valid_until(fact.until, said, now=now)
    if until is not None and until <= now:
        return Refusal.OVER
    kept = fact if _rests(fact, before) else replace(fact, text=fact.quote)
    return Kept(kept.text, kept.quote, until)


def acceptable(fact: Fact, said: str) -> bool:
    """Whether a fact rests on what was said, is short enough, and holds no secret."""
    if not _short(fact):  # first: what follows would take seconds for a book
        return False
    secret = is_secret(fact.text) or is_secret(fact.quote) or is_secret(_clause(fact.quote, said))
    return is_quote(fact.quote, said) and not secret


def is_quote(quote: str, said: str) -> bool:
    """Whether somebody said these words, two at least."""
    folded = _folded(quote)
    return _is_enough(folded) and _stands(folded, _folded(said)) is not None


def _is_enough(folded: str) -> bool:
    return len(folded.split()) >= 2 or len(_UNSPACED.findall(folded)) >= 4


def asked_for(quote: str, said: str) -> bool:
    """Whether the person asks that this be remembered, where they say it or right beside it."""
    sentences = [one for one in re.split(r"(?<=[.!?])\s+|\n", said) if one.strip()]
    folded = _folded(quote)
    stands = (n for n, one in enumerate(sentences) if _stands(folded, _folded(one)) is not None)
    at = next(stands, None) if _is_enough(folded) else None
    if at is None:
        return asks_to_remember(said)
    beside = [one for one in sentences[max(0, at - 1) : at + 2] if _is_bare(one)]
    return any(asks_to_remember(one) for one in (sentences[at], *beside))


def _is_bare(sentence: str) -> bool:
    """Whether a sentence is short and says nothing of its own, as "please remember that" does."""
    return len(sentence.split()) <= 6 and not _FIRST_PERSON.search(plain(sentence))


def is_no_statement(quote: str, said: str) -> bool:
    """Whether the words are asked, or said only to have them forgotten."""
    at, folded = _stands(_folded(quote), _folded(said)), _folded(said)
    rest = "" if at is None else folded[at + len(_folded(quote)) :]
    return (
        rest.lstrip().startswith("?") or quote.endswith("?") or asks_to_forget(_clause(quote, said))
    )


def valid_until(until: str, said: str, *, now: datetime) -> datetime | None:
    """The end of the last day on which a fact holds, if the person's words name a time."""
    try:
        day = date.fromisoformat(until.strip()[:10])
    except ValueError:
        return None
    if not _TIMES.search(plain(said)):
        return None
    end = datetime.combine(day, time(), UTC) + timedelta(days=1)
    return end if end <= now + LONGEST else None


def _unacceptable(fact: Fact, said: str) -> Refusal:
    if not _short(fact):
        return Refusal.LENGTH
    return Refusal.SECRET if is_quote(fact.quote, said) else Refusal.NOT_SAID


def _delicate(fact: Fact, said: str) -> Refusal | None:
    clause = _clause(fact.quote, said)
    topics = {topic(one) for one in (fact.text, fact.quote, clause)} - {Category.GENERAL}
    if topics or fact.category in _SENSITIVE:
        return Refusal.SENSITIVE
    others = is_about_others(clause)
    return Refusal.OTHERS if others or (fact.about_others and not _tied(clause)) else None


def _tied(clause: str) -> bool:
    """Whether a clause names somebody by what they are to the person, and says no more."""
    return re.search(r"\b(?:my|mein\w*|mon|ma|mes|mi|mis)\b", plain(clause)) is not None


def _clause(quote: str, said: str) -> str:
    """The quote from the beginning of its clause on: whose diabetes it is stands before it."""
    plainly = " ".join(said.split())
    at = _stands(_folded(quote), _folded(said))
    if at is None or len(plainly) != len(_folded(said)):
        return quote
    least = max(0, at - CLAUSE)
    begin = max((one.end() for one in _BREAK.finditer(plainly, least, at)), default=least)
    return plainly[begin : at + len(_folded(quote))]


def _stands(quote: str, said: str) -> int | None:
    """Where the quote stands among what was said, as whole words where words have spaces."""
    if not quote or quote not in said:  # first: what follows is slow
        return None
    edges = ("", "") if _UNSPACED.search(quote) else (r"(?<!\w)", r"(?!\w)")
    found = re.search(f"{edges[0]}{re.escape(quote)}{edges[1]}", said)
    return found.start() if found else None


def _short(fact: Fact) -> bool:
    return 0 < len(fact.text) <= TEXT_LIMIT and len(fact.quote) <= TEXT_LIMIT


def _rests(fact: Fact, before: str) -> bool:
    quoted = _words(fact.quote)
    known = quoted | _words(before)
    meant = _words(fact.text) - FILLERS
    grounded = all(any(alike(word, one) for one in known) for word in meant)
    return grounded and (not before or any(alike(word, one) for word in meant for one in quoted))


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", plain(text)))


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def alike(word: str, other: str) -> bool:
    """The same word, or another form of it: lives and live, working and work."""
    return word == other or (min(len(word), len(other)) >= 4 and word[:4] == other[:4])


_SENSITIVE = frozenset(
    {
        Category.HEALTH,
        Category.SEX,
        Category.RELIGION,
        Category.POLITICS,
        Category.ETHNICITY,
        Category.CRIME,
        Category.CREDENTIALS,
    }
)

_UNSPACED = re.compile("[\u0e00-\u109f\u1780-\u17ff\u3040-\u9fff\uac00-\ud7ff]")

_FIRST_PERSON = re.compile(r"\b(?:i|i'm|my|ich|meine?|je|j'|mon|ma|mes|yo|mi|mis|soy|tengo)\b")

_BREAK = re.compile(
    r"[.!?;:]\s|,\s(?!(?:that|dass|que|dat|che|что)\b)|\s(?:and|but|while|und|aber|während|et|mais|y|pero)\s(?=\S)",
    re.IGNORECASE,
)

_TIMES = re.compile(
    r"\b(?:until|till|til|through|by|for|during|today|tonight|tomorrow|this|next|end of|expires?"
    r"|bis|fur|wahrend|heute|morgen|diese[nrs]?|nachste[nrs]?|kommende[nrs]?|ende"
    r"|jusqu\w*|d'ici|pendant|aujourd|demain|prochaine?s?|cette|fin"
    r"|hasta|durante|hoy|manana|proxim\w+|est[ae]|finales"
    r"|fino|entro|ate|tot|do)\b|\d{4}-\d\d|\b\d{1,2}[./]\s?\d{1,2}\b|\b20\d\d\b"
)

# Words with which a fact is put from "I" into "the person"; they say nothing of their own.
FILLERS = frozenset(
    """
    a an and are as at be been by called for from had has have he her hers him his in is it its
    name named of on or person s she that the their theirs them they this to user user's was were
    who whose with you your yours
    """.split()  # noqa: SIM905  a list of fifty strings is harder to read
)
