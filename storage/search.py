"""Search inside one person's vault: by words, and by meaning too where a model made vectors."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate, pairwise

from storage import ranking
from storage.clock import from_text, to_text, utc_now
from storage.database import Database
from storage.ranking import Place, Posting
from storage.remembered import Memory, memory_from
from storage.terms import any_of, parse, phrase
from storage.turns import Turn, turn_from
from storage.vectors import MOST, Asked, Vectors

CANDIDATES = 100  # rows whose surroundings are looked at; 300 find nothing more
ALIKE = 150  # turns that are taken into account for what they mean
FREQUENT = 500  # a word in more rows selects nothing; it decides among what rarer words select
SESSION_GAP = timedelta(hours=3)

LAST_ID = {
    "turn": "SELECT max(turn_id) FROM turn",
    "memory": "SELECT max(memory_id) FROM memory",
}

# One row an expression: the ids of the newest rows that match, at most so many.
POSTINGS = {
    "turn": """
        SELECT (SELECT group_concat(id) FROM (
            SELECT rowid AS id FROM turn_index WHERE turn_index MATCH term.value
            ORDER BY rowid DESC LIMIT ?1
        )) FROM json_each(?2) AS term ORDER BY term.id
    """,
    "memory": """
        SELECT (SELECT group_concat(id) FROM (
            SELECT rowid AS id FROM memory_index WHERE memory_index MATCH term.value
            ORDER BY rowid DESC LIMIT ?1
        )) FROM json_each(?2) AS term ORDER BY term.id
    """,
}

# The candidates and the turns before and after each in its room. Of a shared room nothing from the
# time when two people were alone in it.
SURROUNDINGS = """
    SELECT turn_id, room_id, said_at, role, octet_length(text) FROM turn
    WHERE turn_id IN (
        SELECT near.turn_id FROM turn AS hit JOIN turn AS near ON near.room_id = hit.room_id
        AND near.turn_id BETWEEN
            ifnull((SELECT turn_id FROM turn WHERE room_id = hit.room_id AND turn_id < hit.turn_id
                    ORDER BY turn_id DESC LIMIT 1 OFFSET ?3 - 1),
                   -9223372036854775808)
            AND ifnull((SELECT turn_id FROM turn WHERE room_id = hit.room_id
                        AND turn_id > hit.turn_id ORDER BY turn_id LIMIT 1 OFFSET ?3 - 1),
                       9223372036854775807)
        WHERE hit.turn_id IN (SELECT value FROM json_each(?1))
    ) AND (?2 IS NULL OR (room_id = ?2 AND room_kind = 'shared'))
    ORDER BY room_id, turn_id
"""

TURNS = """
    SELECT * FROM turn WHERE turn_id IN (SELECT value FROM json_each(?1))
    AND (?2 IS NULL OR (room_id = ?2 AND room_kind = 'shared'))
"""

MEMORIES = """
    SELECT * FROM memory_listed WHERE memory_id IN (SELECT value FROM json_each(?1))
    AND status = 'active' AND (valid_until IS NULL OR valid_until > ?2)
    AND (?3 IS NULL OR (source_room_id = ?3 AND room_kind = 'shared')
         OR memory_id IN (SELECT memory_id FROM memory_share WHERE room_id = ?3))
"""


@dataclass(frozen=True, slots=True)
class TurnHit:
    """An earlier turn, whose event id is where it can be read, and how well it fits."""

    turn: Turn
    score: float


@dataclass(frozen=True, slots=True)
class MemoryHit:
    """A memory and how well it fits."""

    memory: Memory
    score: float


class Search:
    """What of one vault has to do with a question.

    `room_id` is the shared room in which others will read the answer: then only what was said
    there while it was shared, or what its owner shared there, is found. Without it the person
    alone reads, and everything is.
    """

    def __init__(
        self,
        database: Database,
        now: Callable[[], datetime] = utc_now,
        *,
        vectors: Vectors | None = None,
    ) -> None:
        self._database = database
        self._now = now
        self._vectors = vectors or Vectors(database)

    async def turns(
        self,
        question: str,
        *,
        limit: int = 20,
        budget_chars: int | None = None,
        room_id: str | None = None,
        exclude: Collection[int] = (),
        names: Mapping[str, str] | None = None,
        vector: Asked | None = None,
    ) -> list[TurnHit]:
        """Earlier turns, the best first, without those in `exclude` (turn ids).

        With a budget, those whose text still fits. `names` says who is who in the question: the
        person's name is "user", the bot's "assistant". `vector` is the question as the embedding
        model has it: then meaning counts beside the words.
        """
        asked = parse(question, names or {})
        postings = await self._postings("turn", asked.terms, room_id)
        scores = await self._scores(postings, role=asked.role, room_id=room_id)
        if vector is not None:
            alike = await self._vectors.turns(vector, role=asked.role, room_id=room_id)
            scores = ranking.fused(scores, alike.best(ALIKE + len(exclude), among=scores))
        chosen = ranking.best({row: scores[row] for row in scores.keys() - set(exclude)}, limit)
        rows = await self._database.rows(TURNS, json.dumps(chosen), room_id)
        found = {turn.turn_id: TurnHit(turn, scores[turn.turn_id]) for turn in map(turn_from, rows)}
        return _within([found[row] for row in chosen if row in found], budget_chars)

    async def memories(
        self,
        question: str,
        *,
        limit: int = 20,
        room_id: str | None = None,
        vector: Asked | None = None,
    ) -> list[MemoryHit]:
        """Active memories, the best first."""
        scores = ranking.sums(await self._postings("memory", parse(question, {}).terms, None))
        if vector is not None:
            scores = ranking.fused(scores, (await self._vectors.memories(vector)).best(MOST))
        rows = await self._database.rows(
            MEMORIES, json.dumps(list(scores)), to_text(self._now()), room_id
        )
        hits = [MemoryHit(one, scores[one.memory_id]) for one in map(memory_from, rows)]
        hits.sort(key=lambda hit: (hit.score, hit.memory.memory_id), reverse=True)
        return hits[:limit]

    async def _scores(
        self, postings: Sequence[Posting], *, role: str | None, room_id: str | None
    ) -> dict[int, float]:
        """Scores of the turns that hold words of the question, and of those around them."""
        own = ranking.sums(postings)
        candidates = ranking.best(own, CANDIDATES)
        rows = await self._database.rows(
            SURROUNDINGS, json.dumps(candidates), room_id, ranking.REACH
        )
        return ranking.rank(
            postings,
            own={turn_id: own[turn_id] for turn_id in candidates},
            around=[Place(row[0], row[4], row[3] == role) for row in rows],
            sessions=_sessions([(row[1], from_text(row[2])) for row in rows]),
        )

    async def _postings(
        self, table: str, terms: Sequence[str], room_id: str | None
    ) -> list[Posting]:
        """Where each term is, the frequent ones only where a rarer one is too.

        This keeps the time the same in a vault of a hundred thousand turns.
        """
        total = int(await self._database.value(LAST_ID[table]) or 0)
        found = dict(
            zip(terms, await self._matches(table, terms, room_id, FREQUENT + 1), strict=True)
        )
        rare = [term for term, rows in found.items() if 0 < len(rows) <= FREQUENT]
        weights = {
            term: ranking.rarity(_occurrences(rows, total), total) for term, rows in found.items()
        }
        frequent = [term for term, rows in found.items() if len(rows) > FREQUENT]
        if rare and frequent:
            narrowed = [f"{any_of(rare)} AND {term}" for term in frequent]
            matches = await self._matches(table, narrowed, room_id, FREQUENT * len(rare))
            found.update(zip(frequent, matches, strict=True))
        return [Posting(weights[term], rows) for term, rows in found.items() if rows]

    async def _matches(
        self, table: str, terms: Sequence[str], room_id: str | None, limit: int
    ) -> list[list[int]]:
        """The ids of the newest rows that match each expression."""
        scoped = json.dumps([f"({term}){_in_room(room_id)}" for term in terms])
        rows = await self._database.rows(POSTINGS[table], limit, scoped)
        return [list(map(int, row[0].split(","))) if row[0] else [] for row in rows]


def _in_room(room_id: str | None) -> str:
    """The word that the index adds to what is said in a shared room, as a condition."""
    if room_id is None:
        return ""
    return f" AND {phrase('room' + room_id.encode('utf-8', 'replace').hex())}"


def _occurrences(rows: Sequence[int], total: int) -> float:
    """In how many rows a term is; of a frequent one, from how closely its newest rows stand."""
    if len(rows) <= FREQUENT:
        return len(rows)
    return total * len(rows) / (total - rows[-1] + 1)


def _sessions(places: Sequence[tuple[str, datetime]]) -> list[int]:
    """A number for the session of each: another room or a long silence begins a new one."""
    breaks = (
        room != room_before or abs(said_at - said_before) > SESSION_GAP
        for (room_before, said_before), (room, said_at) in pairwise(places)
    )
    return list(accumulate(breaks, initial=0))[: len(places)]


def _within(hits: Sequence[TurnHit], budget: int | None) -> list[TurnHit]:
    """The hits whose text still fits into the budget."""
    if budget is None:
        return list(hits)
    kept = []
    for hit in hits:
        if len(hit.turn.text) <= budget:
            budget -= len(hit.turn.text)
            kept.append(hit)
    return kept
