"""From what a person asks to the words that are looked up, each as an expression of FTS5's own.

What the person typed never reaches MATCH as it is: only letters and digits do, in quotes.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

MOST_TERMS = 24  # of a pasted page, the longest words: the rare ones, mostly

# Letters of scripts that are written without spaces, or with endings glued to words: Thai to
# Myanmar, Khmer, kana, Han, Hangul. migrations/vault/0002_search.sql indexes them in pairs.
UNSPACED = "\u0e00-\u109f\u1780-\u17ff\u3040-\u9fff\uac00-\ud7ff\uf900-\ufaff\uff66-\uff9f"
LETTER = re.compile(f"[{UNSPACED}]")
RUNS = re.compile(f"[{UNSPACED}]+|[^{UNSPACED}]+")


def _words_of(text: str) -> frozenset[str]:
    return frozenset(text.split())


STOP = _words_of(
    """
    a about above after again against all also am an and any are aren as at be because been
    before being below between both but by can cannot could couldn d did didn do does doesn
    doing don done down during each ever every few for from further get gets getting got had
    hadn has hasn have haven having he her here hers herself him himself his how i if in into is
    isn it its itself just let ll m may me might more most much must mustn my myself no nor not
    now of off on once one only or other our ours ourselves out over own please re s same shall
    she should shouldn since so some such t than that the their theirs them themselves then
    there these they this those through to too under until up upon us ve very was wasn we were
    weren what when where which while who whom whose why will with would wouldn yes yet you
    your yours yourself yourselves
    """
)

# Words about the asking, not about what is asked: "do you remember what kind of …".
ASKING = _words_of(
    """
    according answer ask asked asking asks conversation describe described discuss discussed
    kind kinds know mention mentioned mentions question recall remember remembered remind said
    say saying says sort sorts talk talked talking talks tell telling tells thing things told
    type types
    """
)

# Forms that the Porter stemmer does not bring together, and the family by its everyday names.
IRREGULAR = """
    arise arose arisen|beat beaten|become became|begin began begun|bend bent|bite bit bitten|
    bleed bled|blow blew blown|break broke broken|breed bred|bring brought|build built|burn burnt|
    buy bought|catch caught|choose chose chosen|come came|creep crept|deal dealt|dig dug|
    draw drew drawn|dream dreamt|drink drank drunk|drive drove driven|eat ate eaten|
    fall fell fallen|feed fed|feel felt|fight fought|find found|flee fled|fly flew flown|
    forbid forbade forbidden|forget forgot forgotten|forgive forgave forgiven|freeze froze frozen|
    give gave given|go went gone|grow grew grown|hang hung|hear heard|hide hid hidden|hold held|
    keep kept|kneel knelt|lay laid|lead led|lean leant|learn learnt|leave left|lend lent|lie lain|
    light lit|lose lost|make made|mean meant|meet met|pay paid|ride rode ridden|ring rang rung|
    rise rose risen|run ran|see saw seen|seek sought|sell sold|send sent|sew sewn|
    shake shook shaken|shine shone|shoot shot|show shown|shrink shrank shrunk|sing sang sung|
    sink sank sunk|sit sat|sleep slept|slide slid|speak spoke spoken|spell spelt|spend spent|
    spin spun|spring sprang sprung|stand stood|steal stole stolen|stick stuck|sting stung|
    strike struck|swear swore sworn|sweep swept|swim swam swum|swing swung|take took taken|
    teach taught|tear tore torn|think thought|throw threw thrown|understand understood|
    wake woke woken|wear wore worn|weave wove woven|weep wept|win won|
    write wrote written|child children kid|foot feet|goose geese|life lives|man men|mouse mice|
    person people|tooth teeth|wife wives|woman women|mother mom mum|father dad
"""


def families(text: str) -> dict[str, tuple[str, ...]]:
    """Each word of a list such as IRREGULAR with the words that mean the same, itself included."""
    groups = [tuple(line.split()) for line in text.split("|")]
    return {word: group for group in groups for word in group}


FAMILIES = families(IRREGULAR)

# Whose words a question is about, by the one it names first; "can you tell me" names nobody.
SPEAKER = re.compile(r"\b(?:(i|my|mine|myself)|(?:did|had|have) you|yours?)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Question:
    """What to look up, one MATCH expression a word, and whose words are asked for, if it shows."""

    terms: tuple[str, ...] = field(repr=False)
    role: str | None = None


def parse(question: str, names: Mapping[str, str]) -> Question:
    """The question's terms without names and empty words.

    `names` says which turns are whose: a name and its role. The words of a name are in half of all
    turns and select nothing; who is meant does.
    """
    roles = {word: role for name, role in names.items() for word in words(name.casefold())}
    said = [(word, word.casefold()) for word in words(question)]
    content = [low for word, low in said if low not in STOP or _month(word, question)]
    unnamed = [word for word in content if word not in roles] or content
    telling = [word for word in unnamed if word not in ASKING] or unnamed
    named = {roles[low] for _, low in said if low in roles}
    return Question(_expressions(telling), _role(question, named))


def words(text: str) -> list[str]:
    """The words as unicode61 sees them: letters, marks and digits."""
    kept = (letter if _in_word(letter) else " " for letter in unicodedata.normalize("NFC", text))
    return "".join(kept).split()


def phrase(word: str) -> str:
    """The word as an FTS5 string; `words` has left no quote in it."""
    return f'"{word}"'


def any_of(terms: Iterable[str]) -> str:
    """An expression that matches where one of the terms does."""
    return f"({' OR '.join(terms)})"


def _in_word(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "LNM"


def _month(word: str, question: str) -> bool:
    """Whether this is May the month: with a capital that does not begin the question."""
    return word == "May" and not question.lstrip().startswith(word)


def _role(question: str, named: Collection[str]) -> str | None:
    if named:
        return next(iter(named)) if len(named) == 1 else None
    speaker = SPEAKER.search(question)
    if speaker is None:
        return None
    return "user" if speaker[1] else "assistant"


def _expressions(terms: Iterable[str]) -> tuple[str, ...]:
    pieces = dict.fromkeys(piece for term in terms for piece in _pieces(term))
    longest = sorted(pieces, key=len, reverse=True)[:MOST_TERMS]
    return tuple(dict.fromkeys(map(_expression, longest)))


def _expression(piece: str) -> str:
    if len(piece) == 1 and _unspaced(piece):
        return phrase(piece) + "*"  # a single letter stands first in the pairs of the index
    return any_of(phrase(form) for form in FAMILIES.get(piece, (piece,)))


def _pieces(term: str) -> Iterator[str]:
    """A word as it is; of a run of an unspaced script, every two neighbours."""
    for run in RUNS.findall(term):
        if len(run) == 1:
            if _unspaced(run) or run.isdigit():
                yield run
        elif _unspaced(run):
            yield from (run[place : place + 2] for place in range(len(run) - 1))
        else:
            yield run


def _unspaced(run: str) -> bool:
    return LETTER.match(run) is not None
