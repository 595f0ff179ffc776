"""How much a row matters for a question: which words it holds, and what was said around it.

An answer stands beside the question that has its words: so a word counts for its neighbours too,
less with each step, and once a neighbourhood however often it was said there.
"""

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

NEIGHBOURS = (1.0, 0.7, 0.5, 0.3, 0.2)  # what a word is worth 0, 1, 2 … turns away
REACH = len(NEIGHBOURS) - 1
LENGTH = 0.2  # how much a long row is held back
SESSION = 0.2  # what the best row of a session gives to all of it
SPEAKER = 1.6  # for the turns of the one who is meant
MEANING = 0.8  # the weight of what rows mean against the words they hold


@dataclass(frozen=True, slots=True)
class Posting:
    """A word of the question: what it is worth, and in which rows it is."""

    weight: float
    rows: Sequence[int]


class Place(NamedTuple):
    """A turn in the order in which things were said; whether the one who is meant said it."""

    row: int
    size: int
    meant: bool


def rarity(occurrences: float, total: float) -> float:
    """The inverse document frequency of BM25, in the form that is never negative."""
    return math.log(1 + (max(total - occurrences, 0) + 0.5) / (occurrences + 0.5))


def sums(postings: Iterable[Posting]) -> dict[int, float]:
    """What the words in each row are worth together."""
    scores: defaultdict[int, float] = defaultdict(float)
    for posting in postings:
        for row in posting.rows:
            scores[row] += posting.weight
    return scores


def best(scores: Mapping[int, float], count: int) -> list[int]:
    """The rows with the highest scores, the newer first of two equal ones."""
    top = heapq.nlargest(count, zip(scores.values(), scores.keys(), strict=True))
    return [row for _, row in top]


def fused(words: Mapping[int, float], meaning: Mapping[int, float]) -> dict[int, float]:
    """Scores by words and by meaning as one, each against the best of its kind."""
    scores = _shared(words, 1.0)
    for row, score in _shared(meaning, MEANING).items():
        scores[row] = scores.get(row, 0.0) + score
    return scores


def _shared(scores: Mapping[int, float], weight: float) -> dict[int, float]:
    top = max(scores.values(), default=0.0) or 1.0
    return {row: weight * score / top for row, score in scores.items()}


def rank(
    postings: Sequence[Posting],
    *,
    own: Mapping[int, float],
    around: Sequence[Place],
    sessions: Sequence[int],
) -> dict[int, float]:
    """Scores of the candidates and of the turns around them.

    `own` is what each candidate is worth by itself; `around` has them and their neighbours in
    order, and `sessions` a number for the session of each place.
    """
    places = {place.row: here for here, place in enumerate(around) if place.row in own}
    shares = _shares({here: around[here].size for here in places.values()})
    scores = [0.0] * len(around)
    for posting in postings:
        held = [places[row] for row in posting.rows if row in places]
        for here, share in _nearest(held, shares, sessions).items():
            scores[here] += posting.weight * share
    tops: defaultdict[int, float] = defaultdict(float)
    for row, here in places.items():
        tops[sessions[here]] = max(tops[sessions[here]], own[row])
    return {
        place.row: (score + SESSION * tops[session]) * (SPEAKER if place.meant else 1)
        for place, score, session in zip(around, scores, sessions, strict=True)
        if score
    }


def _nearest(
    held: Iterable[int], shares: Mapping[int, float], sessions: Sequence[int]
) -> dict[int, float]:
    """What a word counts for at each place, from the nearest of its session that holds it."""
    nearest: dict[int, float] = {}
    for here in held:
        share, session = shares[here], sessions[here]
        for there in range(max(here - REACH, 0), min(here + REACH + 1, len(sessions))):
            worth = share * NEIGHBOURS[abs(there - here)]
            if sessions[there] == session and worth > nearest.get(there, 0.0):
                nearest[there] = worth
    return nearest


def _shares(sizes: Mapping[int, int]) -> dict[int, float]:
    """What a word counts for in a row, by the row's length: BM25 for words that occur once."""
    mean = sum(sizes.values()) / max(len(sizes), 1) or 1.0
    return {row: 1 / (1 + LENGTH * (size / mean - 1)) for row, size in sizes.items()}
