"""The tools that the model may call while it answers; what each may do is checked here."""

import secrets
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from bot import learning_words
from bot.completions import Tool, ToolCall
from bot.embedding import Embedding
from bot.learning import (
    FILLERS,
    PER_MESSAGE,
    Fact,
    Kept,
    Refusal,
    alike,
    arguments_of,
    fact_from,
    is_quote,
    judged,
)
from bot.plain import words
from bot.preferences import Mode
from bot.prompt import found_earlier
from bot.quoting import own_words
from bot.recall import earlier_turns
from bot.saving import Learned, Outcome, Place
from bot.sensitive import Category
from bot.wishes import asks_to_forget, asks_to_remember
from storage import Memory, Turn

SEARCHES = 3  # in one answer
SEARCH_TOKENS = 1000  # of what one search may bring
SEARCH_HITS = 12

_TEXT = {"type": "string", "description": "the fact, as one short sentence"}
_QUOTE = {
    "type": "string",
    "description": "the words of the person's last message that say so, verbatim",
}
_UNTIL = {
    "type": "string",
    "description": "the last day on which it holds (YYYY-MM-DD), only if the person names a time",
}
_NUMBER = {"type": "integer", "description": "the memory's number, which stands in brackets"}


def _tool(name: str, description: str, needed: dict[str, Any], **more: dict[str, Any]) -> Tool:
    return Tool(
        name,
        description,
        {
            "type": "object",
            "properties": {**needed, **more},
            "required": list(needed),
            "additionalProperties": False,
        },
    )


REMEMBER = _tool(
    "remember",
    "Save one lasting fact about the person, from what they said in their last message. Not for "
    "small talk, questions, guesses, secrets, or facts about anybody else. What is sensitive only "
    "if they ask for it. Answer the person in the same turn; do not mention saving, they are told "
    "by the system.",
    {
        "text": _TEXT,
        "quote": _QUOTE,
        "category": {"type": "string", "enum": [str(one) for one in Category]},
        "about": {"type": "string", "enum": ["self", "other"], "description": "whom it is about"},
    },
    until=_UNTIL,
)
UPDATE = _tool(
    "update_memory",
    "Change what a memory says, because the person's last message says that it is different now.",
    {"number": _NUMBER, "text": _TEXT, "quote": _QUOTE},
    until=_UNTIL,
)
FORGET = _tool(
    "forget_memory",
    "Delete a memory for ever, only because the person's last message asks for that.",
    {
        "number": _NUMBER,
        "quote": {"type": "string", "description": "the words that ask for it, verbatim"},
    },
)
SEARCH = _tool(
    "search_history",
    "Search what the person and you said to each other earlier, when what stands above is not "
    "enough. May be called again with other words.",
    {"query": {"type": "string", "description": "words that may stand in those messages"}},
)


class Toolbox:
    """The tools of one answer. What is to be saved or forgotten is done when it is finished."""

    def __init__(
        self,
        place: Place,
        mode: Mode,
        *,
        budget_tokens: int,
        now: Callable[[], datetime],
        embedding: Embedding,
        shown: Iterable[int] = (),
    ) -> None:
        """`shown` are the turns that the model sees already."""
        self.place = place
        self.mode = mode
        self.said = own_words(place.message.body)
        self.asked = asks_to_remember(self.said)
        self.found: list[Turn] = []
        self._budget_tokens = budget_tokens
        self._now = now
        self._embedding = embedding
        self._shown = set(shown)
        self._changes: list[tuple[int | None, Kept]] = []
        self._to_forget: list[int] = []
        self._refusals: list[Refusal] = []
        self._searches = 0

    def tools(self) -> tuple[Tool, ...]:
        """Those that may be called: by the person's mode, and by what they ask."""
        if self.mode is Mode.OFF:
            return ()
        saving = (REMEMBER, UPDATE) if self.saves() else ()
        forgetting = (FORGET,) if self._may_forget() else ()
        return (*saving, *forgetting, SEARCH)

    def saves(self) -> bool:
        """Whether anything that this message says may be saved."""
        return (self.mode is Mode.MANUAL and self.asked) or self.mode in (Mode.AUTO, Mode.ASK)

    async def use(self, call: ToolCall) -> str:
        """Do what a call asks for, as far as it may; the result, for the model."""
        given = arguments_of(call.arguments)
        if call.name not in {one.name for one in self.tools()} or given is None:
            return learning_words.NO_SUCH_TOOL
        match call.name:
            case REMEMBER.name:
                return self.remember(fact_from(given))
            case UPDATE.name:
                return await self._update(given.get("number"), fact_from(given))
            case FORGET.name:
                return await self._forget(given.get("number"), given.get("quote"))
            case _:
                return await self._search(given.get("query"))

    def remember(self, fact: Fact | None) -> str:
        """Take a fact to be saved, if it may be."""
        return self._take(None, fact, before="")

    async def settle(self) -> Learned:
        """Save and forget what is to be; every part may be done again after a crash.

        What is alike is looked for and then written: of one person, for one answer after the other.
        Of a message that was forgotten meanwhile nothing is saved.
        """
        async with self.place.vault.memories.settling:
            await self.place.vault.turns.ensure(self.place.message.event_id)
            outcomes = [await self._settled(number, kept) for number, kept in self._changes]
            forgotten = await self._forgotten()
        maybe = self._maybe_forgotten_before() and not forgotten
        learned = [one for one in outcomes if one]
        return Learned(learned, forgotten, self._refusals, maybe_forgotten=maybe)

    async def _settled(self, number: int | None, kept: Kept) -> Outcome | None:
        if self.mode is Mode.ASK:
            return await self.place.propose(kept, replaces=number)
        if number is None:
            return await self.place.save(kept)
        known = await self.place.usable(number)
        return await self.place.change(known, kept) if known else None

    async def _forgotten(self) -> list[int]:
        if not (self._to_forget or self._maybe_forgotten_before()):
            return []
        return await self.place.vault.memories.delete(self._to_forget)

    def _maybe_forgotten_before(self) -> bool:
        """Whether a crash may have come after the deletion that this message asks for."""
        asked = self.mode is not Mode.OFF and asks_to_forget(self.said)
        return self.place.message.recovered and asked

    async def _update(self, number: object, fact: Fact | None) -> str:
        known = await self.place.usable(number)
        if known is None:
            return self._refused(Refusal.UNKNOWN)
        if known.pinned and not self.asked:
            return learning_words.PINNED
        return self._take(known.memory_id, fact, before=known.text)

    def _take(self, number: int | None, fact: Fact | None, *, before: str) -> str:
        if fact is None:
            return self._refused(Refusal.GARBLED)
        only_asked = self.mode is Mode.MANUAL
        kept = judged(fact, self.said, now=self._now(), only_asked=only_asked, before=before)
        if isinstance(kept, Refusal):
            return self._refused(kept)
        if (number, kept) not in self._changes:
            if len(self._changes) >= PER_MESSAGE:
                return self._refused(Refusal.TOO_MANY)
            self._changes.append((number, kept))
        return learning_words.PROPOSED if self.mode is Mode.ASK else learning_words.TAKEN

    async def _forget(self, number: object, quote: object) -> str:
        known = await self.place.usable(number)
        if known is None:
            return learning_words.refused(Refusal.UNKNOWN)
        if known.pinned:
            return learning_words.PINNED
        asked = asks_to_forget(self.said) and self._names(known)
        if not (asked and isinstance(quote, str) and is_quote(quote, self.said)):
            return learning_words.NOT_ASKED_TO_FORGET
        if len(self._to_forget) >= PER_MESSAGE:
            return learning_words.refused(Refusal.TOO_MANY)
        self._to_forget.append(known.memory_id)
        return learning_words.WILL_BE_FORGOTTEN

    def _names(self, known: Memory) -> bool:
        """Whether the person's words mean this memory: by its number, or by a word that it has."""
        said = set(words(self.said)) - FILLERS
        meant = {one for one in words(known.text) if len(one) > 2} - FILLERS
        shared = any(alike(one, other) for one in meant for other in said)
        return shared or str(known.memory_id) in said

    def _may_forget(self) -> bool:
        return self.mode is not Mode.MANUAL or asks_to_forget(self.said)

    async def _search(self, query: object) -> str:
        self._searches += 1
        if not isinstance(query, str) or not query.strip() or self._searches > SEARCHES:
            return learning_words.NO_SEARCH
        vault, own = self.place.vault, await self.place.vault.turns.get(self.place.message.event_id)
        turns = await earlier_turns(
            query,
            self.place.room,
            vault,
            await self._embedding.of_question(query, vault),
            limit=SEARCH_HITS,
            tokens=min(self._budget_tokens, SEARCH_TOKENS),
            exclude=[*self._shown, *([own.turn_id] if own else [])],
        )
        self._shown |= {one.turn_id for one in turns}
        self.found += turns
        return found_earlier(turns, f"quoted-{secrets.token_hex(8)}")

    def _refused(self, refusal: Refusal) -> str:
        self._refusals.append(refusal)
        return learning_words.refused(refusal)
