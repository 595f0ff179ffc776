"""How much a row matters for a question: which words it holds, and what was said around it.

An answer stands beside the question that has its words: so a word counts for its neighbours too,
less with each step, and once a neighbourhood however often it was said there.
"""

import heapq
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

NEIGHBOURS = (1.0, 0.7, 0.5, 0.3, 0.2)  # what a word is worth 0, 1, 2 … turns away
LENGTH = 0.2  # how much a long row is held back
SESSION = 0.2  # what the best row of a session gives to all of it
SPEAKER = 1.6  # for the turns of the one who is meant


@dataclass(frozen=True, slots=True)
class Posting:
    """A word of the question: what it is worth, and in which rows it is."""

    weight: float
    rows: Sequence[int]


def rarity(occurrences: float, total: float) -> float:
    """The inverse document frequency of BM25, never negative."""
    return math.log(1 + max(total - occurrences, 0) / (occurrences + 0.5))


def sums(postings: Iterable[Posting]) -> dict[int, float]:
    """What the words in each row are worth together."""
    scores: defaultdict[int, float] = defaultdict(float)
    for posting in postings:
        for row in posting.rows:
            scores[row] += posting.weight
    return scores


def best(scores: Mapping[int, float], count: int) -> list[int]:
    """The rows with the highest scores, the newer first of two equal ones."""
    return heapq.nlargest(count, scores, key=lambda row: (scores[row], row))


def spread(
    postings: Iterable[Posting],
    neighbours: Mapping[int, Sequence[tuple[int, int]]],
    sizes: Mapping[int, int],
) -> dict[int, float]:
    """Scores of the candidates and of the rows around them.

    `neighbours` has, for each candidate, the rows of its session and how many steps away they
    are, itself included; `sizes` the length of each candidate.
    """
    shares = _shares(sizes)
    scores: defaultdict[int, float] = defaultdict(float)
    for posting in postings:
        nearest: defaultdict[int, float] = defaultdict(float)
        for row in filter(neighbours.__contains__, posting.rows):
            share = posting.weight * shares[row]
            for near, steps in neighbours[row]:
                nearest[near] = max(nearest[near], share * NEIGHBOURS[steps])
        for row, share in nearest.items():
            scores[row] += share
    return scores


def lift_sessions(
    scores: Mapping[int, float], own: Mapping[int, float], sessions: Mapping[int, int]
) -> dict[int, float]:
    """Scores with a share of what the best row of the same session is worth by itself."""
    tops: defaultdict[int, float] = defaultdict(float)
    for row in scores:
        tops[sessions[row]] = max(tops[sessions[row]], own.get(row, 0.0))
    return {row: score + SESSION * tops[sessions[row]] for row, score in scores.items()}


def lift_speaker(scores: Mapping[int, float], spoken: Collection[int]) -> dict[int, float]:
    """Scores in which the turns of the one who is meant count more."""
    return {row: score * SPEAKER if row in spoken else score for row, score in scores.items()}


def _shares(sizes: Mapping[int, int]) -> dict[int, float]:
    """What a word counts for in a row, by the row's length: BM25 for words that occur once."""
    mean = sum(sizes.values()) / max(len(sizes), 1) or 1.0
    return {row: 1 / (1 + LENGTH * (size / mean - 1)) for row, size in sizes.items()}
