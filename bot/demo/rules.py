"""What the demo model says: a pure function of the messages that it was given."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TRY = (
    "Tell me a fact, such as “My cat is called Miso.”, and later ask “What is my cat called?”. "
    "`!help` lists what Confidant itself can do."
)
INTRODUCTION = (
    "Hello! I'm the demo model that is built into Confidant: a handful of rules instead of a real "
    f"AI, so that you can try everything offline. {TRY}"
)
BEYOND = f"That is beyond me: I'm only the built-in demo model, a handful of rules. {TRY}"
UNKNOWN = (
    "I don't know that. I'm only the built-in demo model: I can repeat what you told me, and I "
    "find nothing about it there."
)
NOTHING = f"I don't remember anything about you yet. {TRY}"

_MEMORIES = "What you remember about this person:"
_EARLIER = "Earlier messages that may matter:"
_MEMORY_LINE = re.compile(r"- \[(\d+)\] (.+)")
_EARLIER_LINE = re.compile(r"- (\d{4}-\d\d-\d\d), the person: (.+)")
_FENCE = re.compile(r"quoted-[0-9a-f]+")  # others' words follow: not the person's
_FENCED = re.compile(r"^(quoted-[0-9a-f]+)$.*?^\1$", re.MULTILINE | re.DOTALL)

_SENTENCE = re.compile(r"[^\n.!?]+(?:[.!?](?=\S)[^\n.!?]*)*[.!?]*")
_QUESTION = re.compile(
    r"\s*(?:what|who|whose|whom|where|when|which|why|how|do you|did i|do i|am i|is my|are my|have i"
    r"|can you|could you|tell me|remind me)\b|.*\?\s*$",
    re.IGNORECASE | re.DOTALL,
)
_GREETING = re.compile(
    r"\W*(?:hi|hiya|hello|hey|hallo|moin|good (?:morning|evening|day))\b(?:\W+\w+){0,4}\W*",
    re.IGNORECASE,
)
_THANKS = re.compile(r"\W*(?:thanks|thank you|thx|cheers)\b", re.IGNORECASE)
_ABOUT_ME = re.compile(r"\b(?:i|me|my|mine)\b", re.IGNORECASE)

# A fact begins a sentence, or follows "Hi," or "… and".
_FACT = re.compile(
    r"""(?:^|[,;:]\s+|\b(?:and|but)\s+)\s*(?:
      (?:please\s+)?remember\s+(?:that\s+|:\s*)?(?!me\b|when\b|how\b|wh)(?P<told>\S.*)
    | (?P<call>(?:please\s+)?call\s+me\s+(?P<name>\S.*))
    | (?P<fact>
        my\s+\S.*?(?:\s(?:is|are|was|were|has|have|likes?|loves?|hates?|lives?|works?|plays?)
          |['’]s\s+(?:called|named))\s+\S.*
      | i(?:\s+am|['’]m)\s+(?!(?:not\s+)?(?:sure|fine|ok|okay|good|well|sorry|back|here|done|ready
          |just|going|trying|looking|asking|wondering|confused|tired|bored|glad|happy|curious)\b)\S.*
      | i\s+(?:(?:really|also|always|usually|never|do\s+not|don['’]t)\s+)?
        (?:like|love|hate|dislike|prefer|enjoy|live|work|study|speak|own|play|drive|drink|eat
          |collect|was\s+born|grew\s+up|moved\s+to|have(?!\s+(?:to|an?\s+(?:question|problem|idea))\b))\b\s+\S.*
    ))""",
    re.IGNORECASE | re.VERBOSE,
)
_FORGET = re.compile(
    r"\s*(?:please\s+)?forget\s+(?:that\s+|about\s+)?(?P<what>\S.*)", re.IGNORECASE
)
_OF_MEMORY = 2  # comes before recent and earlier messages
_FACTS_AT_ONCE = 3
_FACT_LENGTH = 250
_SENTENCE_LENGTH = 400  # what is longer is a text, not a fact

_YOURS = {
    "i am": "you are",
    "i'm": "you are",
    "i’m": "you are",
    "i was": "you were",
    "i've": "you have",
    "i’ve": "you have",
    "i": "you",
    "me": "you",
    "my": "your",
    "mine": "yours",
    "myself": "yourself",
    "the user's": "your",
}
_MINE = re.compile(rf"\b(?:{'|'.join(sorted(_YOURS, key=len, reverse=True))})\b", re.IGNORECASE)

_EMPTY_WORDS = frozenset(
    re.findall(
        r"\w+",
        """a an the of in on at to for from with and or but if so as is are was were be been am do
        does did i me my mine you your yours we our it its this that these those what which who
        whom whose when where why how can could would should will tell remind remember know about
        please again there here not no yes hi hello have has had told said say s t m re ve ll d""",
    )
)
_WEAK = frozenset({"call", "nam", "lik", "liv", "work"})  # in too many facts to tell them apart
_SAME = {"lov": "lik", "enjoy": "lik", "prefer": "lik", "favourit": "lik", "job": "work"}
_ENDINGS = ("ing", "ies", "ied", "ed", "es", "s", "e", "y")


@dataclass(frozen=True, slots=True)
class Fact:
    """Something the person stated: as a sentence to them, and in their own words."""

    text: str
    quote: str

    name = "remember"

    def arguments(self) -> dict[str, str | int]:
        """Of the call that asks to have it remembered."""
        return {"text": self.text, "quote": self.quote, "category": "general", "about": "self"}


@dataclass(frozen=True, slots=True)
class Unwanted:
    """A memory that the person wants forgotten, and the words that say so."""

    number: int
    quote: str

    name = "forget_memory"

    def arguments(self) -> dict[str, str | int]:
        """Of the call that asks to have it forgotten."""
        return {"number": self.number, "quote": self.quote}


@dataclass(frozen=True, slots=True)
class Said:
    """An answer, and what the model asks to have remembered or forgotten."""

    text: str
    calls: tuple[Fact | Unwanted, ...] = ()

    def pieces(self) -> list[str]:
        """The text word by word."""
        return re.findall(r"\s*\S+\s*?(?=\s|$)|\s+$", self.text)


@dataclass(frozen=True, slots=True)
class _Known:
    """One thing that stands in the prompt; `place` orders what is equally good, newest last."""

    text: str
    answer: str
    place: tuple[int, int]


def reply_to(
    messages: Sequence[Mapping[str, Any]], *, remembers: bool, forgets: bool = False
) -> Said:
    """Answer the last message of the person; with the calls of those tools that are offered."""
    if messages and messages[-1].get("role") == "tool":
        return Said("Noted.")
    asked = max((at for at, one in enumerate(messages) if one.get("role") == "user"), default=None)
    if asked is None:
        return Said(INTRODUCTION)
    question = _text(messages[asked])
    unwanted = _unwanted(question, _known(messages[:asked])) if forgets else None
    if unwanted:
        return Said("All right.", (unwanted,))
    facts = stated(question)
    parts = [_acknowledged(facts, remembers=remembers)] if facts else []
    if not facts or any(_QUESTION.match(one) for one in _sentences(question)):
        parts.append(_answer(question, _known(messages[:asked])))
    return Said(" ".join(parts), facts if remembers else ())


def _unwanted(question: str, known: Sequence[_Known]) -> Unwanted | None:
    """The memory that is to be forgotten, if the message names one."""
    asked = _FORGET.match(question)
    memories = [one for one in known if one.place[0] == _OF_MEMORY]
    best = _best(_stems(asked["what"]), memories) if asked else None
    return Unwanted(best.place[1], question.strip()) if best else None


def stated(message: str) -> tuple[Fact, ...]:
    """The facts about the person in a message; each quote stands in it word for word."""
    sentences = (one for one in _sentences(message) if not _QUESTION.match(one))
    return tuple(fact for one in sentences if (fact := _fact(one)))[:_FACTS_AT_ONCE]


def _fact(sentence: str) -> Fact | None:
    found = _FACT.search(sentence[:_SENTENCE_LENGTH])
    if found is None:
        return None
    quote = (found["told"] or found["call"] or found["fact"]).rstrip(" .!?,;:\t\r")
    name = (found["name"] or "").rstrip(" .!?,;:\t\r")
    text = f"The name you go by is {name}." if name else _to_you(quote)
    return Fact(text, quote) if quote and len(text) <= _FACT_LENGTH else None


def _to_you(text: str) -> str:
    """A person's sentence turned towards them, whole."""
    turned = _MINE.sub(lambda found: _YOURS.get(found[0].lower(), found[0]), " ".join(text.split()))
    end = "" if turned.endswith((".", "!", "?")) else "."
    return turned[:1].upper() + turned[1:] + end


def _acknowledged(facts: Sequence[Fact], *, remembers: bool) -> str:
    if not remembers:
        return "Noted."
    told = " ".join(fact.text for fact in facts)
    return f"Good to know: {told[:1].lower()}{told[1:]}"


def _answer(question: str, known: Sequence[_Known]) -> str:
    if not question.strip() or _GREETING.fullmatch(question):
        return INTRODUCTION
    if _THANKS.match(question):
        return "You're welcome."
    if not any(_QUESTION.match(one) for one in _sentences(question)):
        return BEYOND
    asked = _stems(question)
    if asked:
        best = _best(asked, known)
        return best.answer if best else UNKNOWN
    return _everything(known) if _ABOUT_ME.search(question) else INTRODUCTION


def _best(asked: frozenset[str], known: Sequence[_Known]) -> _Known | None:
    """What shares the most words with the question; the shorter, then the newer of equals."""
    telling = asked - _WEAK or asked

    def rank(one: _Known) -> tuple[int, int, int, tuple[int, int]]:
        stems = _stems(one.text)
        return len(stems & telling), len(stems & asked), -len(stems), one.place

    best = max(known, key=rank, default=None)
    return best if best and rank(best)[0] else None


def _everything(known: Sequence[_Known]) -> str:
    if not known:
        return NOTHING
    newest = sorted(known, key=lambda one: one.place, reverse=True)[:10]
    lines = dict.fromkeys(_to_you(one.text) for one in newest)
    return "From what I remember:\n" + "\n".join(f"- {line}" for line in lines)


def _known(messages: Sequence[Mapping[str, Any]]) -> list[_Known]:
    """Memories before recent messages before earlier ones, as they stand in the prompt."""
    known: list[_Known] = []
    for at, message in enumerate(messages):
        if message.get("role") == "system":
            known += _from_system(_text(message))
        elif message.get("role") == "user":
            known += _told(_FENCED.sub("", _text(message)), "You told me", (1, at))
    return known


def _from_system(text: str) -> Iterator[_Known]:
    section = ""
    for line in text.splitlines():
        if line in (_MEMORIES, _EARLIER):
            section = line
        elif _FENCE.search(line):
            section = ""
        elif section == _MEMORIES and (found := _MEMORY_LINE.fullmatch(line)):
            answer = f"From what I remember: {_to_you(found[2])}"
            yield _Known(found[2], answer, (_OF_MEMORY, int(found[1][:9])))
        elif section == _EARLIER and (found := _EARLIER_LINE.fullmatch(line)):
            yield from _told(
                found[2], f"You told me on {found[1]}", (0, int(found[1].replace("-", "")))
            )


def _told(message: str, when: str, place: tuple[int, int]) -> Iterator[_Known]:
    for sentence in _sentences(message):
        if not _QUESTION.match(sentence):
            said = sentence.strip()
            end = "" if said.endswith((".", "!")) else "."
            yield _Known(said, f"{when}: {said}{end}", place)


def _sentences(text: str) -> list[str]:
    return [found[0] for found in _SENTENCE.finditer(text) if found[0].strip()]


def _stems(text: str) -> frozenset[str]:
    words = re.findall(r"[^\W_]+", text.casefold())
    return frozenset(_stem(word) for word in words if word not in _EMPTY_WORDS)


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending)
            break
    return _SAME.get(word, word)


def _text(message: Mapping[str, Any]) -> str:
    """The text of a message: a string, a list of parts, or nothing."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(part.get("text", "")) for part in parts if isinstance(part, Mapping))
