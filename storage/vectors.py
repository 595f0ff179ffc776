"""What texts mean, as vectors: kept in the vault beside the texts, compared by NumPy in one piece.

A vector is one signed byte a dimension, which loses nothing that a search would notice. An open
vault keeps a copy of its newest ones in memory; it asks for what came after them, and reads all of
them anew once one was deleted.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from storage import ranking
from storage.clock import from_text
from storage.database import Database
from storage.rows import Row
from storage.wiping import owe_wipe, wipe

MOST = 100_000  # vectors of one vault in memory, the newest: 38 MB where a model gives 384 numbers
BLOCK = 1_024  # rows at a time: few enough for one thread, since several would wait for each other
NEIGHBOURS = (1.0, 0.3, 0.2)  # what a turn's likeness is worth 0, 1, 2 turns away
SESSION_SECONDS = 3 * 3600

# The newest first: they are asked for soonest.
MISSING = """
    SELECT 'memory' AS kind, memory_id AS row_id, text FROM memory
    WHERE memory_id NOT IN (SELECT memory_id FROM memory_vector)
    AND status = 'active' AND trim(text) <> ''
    UNION ALL
    SELECT * FROM (
        SELECT 'turn', turn_id, text FROM turn WHERE turn_id > ?2 AND NOT EXISTS (
            SELECT 1 FROM turn_vector WHERE turn_vector.turn_id = turn.turn_id)
        AND trim(text) <> '' ORDER BY turn_id DESC LIMIT ?1)
    LIMIT ?1
"""

# Only while the text is still the one that the vector was made of.
KEEP = {
    "turn": """
        INSERT OR IGNORE INTO turn_vector (turn_id, model, vector)
        SELECT turn_id, ?1, ?2 FROM turn WHERE turn_id = ?3 AND text = ?4
    """,
    "memory": """
        INSERT OR IGNORE INTO memory_vector (memory_id, model, vector)
        SELECT memory_id, ?1, ?2 FROM memory WHERE memory_id = ?3 AND text = ?4
    """,
}

COPY = {
    "turn": """
        SELECT vector_id, turn_id AS row_id, vector, room_id, room_kind, role, said_at
        FROM turn_vector JOIN turn USING (turn_id)
        WHERE turn_vector.model = ?1 AND vector_id > ?2 ORDER BY vector_id DESC LIMIT ?3
    """,
    "memory": """
        SELECT vector_id, memory_id AS row_id, vector, '' AS room_id, '' AS room_kind, '' AS role,
               created_at AS said_at
        FROM memory_vector JOIN memory USING (memory_id)
        WHERE memory_vector.model = ?1 AND vector_id > ?2 ORDER BY vector_id DESC LIMIT ?3
    """,
}

Bytes = np.ndarray[Any, np.dtype[np.int8]]
Floats = np.ndarray[Any, np.dtype[np.float32]]
Numbers = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as a vector, and the model that made it."""

    model: str
    values: Sequence[float] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Unembedded:
    """A text of a vault ("turn" or "memory") that has no vector of the model yet."""

    kind: str
    row_id: int
    text: str = field(repr=False)


class Vectors:
    """The vectors of one vault."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = asyncio.Lock()
        self._copies: dict[str, Copy] = {}
        self._model: str | None = None  # the only one whose vectors are there
        self._complete = (-1, 0)  # after so many deletions, no turn up to this id lacked a vector

    async def only(self, model: str) -> None:
        """Delete what other models made: it can't be compared, and is made anew."""
        if self._model == model:
            return
        async with self._database.transaction() as transaction:
            gone = await transaction.execute("DELETE FROM turn_vector WHERE model <> ?", model)
            gone += await transaction.execute("DELETE FROM memory_vector WHERE model <> ?", model)
            if gone:
                await owe_wipe(transaction)
        if gone:
            await wipe(self._database)
        self._model = model

    async def missing(self, *, limit: int) -> list[Unembedded]:
        """Texts without a vector: active memories, then turns, the newest first."""
        deletions = await self._deletions()
        newest = int(await self._database.value("SELECT max(turn_id) FROM turn") or 0)
        known = self._complete[1] if self._complete[0] == deletions else 0
        rows = await self._database.rows(MISSING, limit, known)
        if len(rows) < limit and not any(row["kind"] == "turn" for row in rows):
            self._complete = deletions, newest
        return [Unembedded(row["kind"], row["row_id"], row["text"]) for row in rows]

    async def keep(
        self, model: str, texts: Sequence[Unembedded], vectors: Sequence[Sequence[float]]
    ) -> None:
        """Keep what a model made of texts, where they are still there as they were."""
        async with self._database.transaction() as transaction:
            for text, vector in zip(texts, vectors, strict=True):
                packed = _packed(vector).tobytes()
                await transaction.execute(KEEP[text.kind], model, packed, text.row_id, text.text)

    async def turns(self, asked: Asked, *, role: str | None, room_id: str | None) -> "Likeness":
        """How alike the turns are, those around them counted in; of a shared room only its own."""
        copy = await self._fresh("turn", asked.model)
        return await asyncio.to_thread(copy.turns, asked.values, role=role, room_id=room_id)

    async def memories(self, asked: Asked) -> "Likeness":
        """How alike the memories are."""
        copy = await self._fresh("memory", asked.model)
        return await asyncio.to_thread(copy.memories, asked.values)

    async def _fresh(self, kind: str, model: str) -> "Copy":
        async with self._lock:
            deletions = await self._deletions()
            copy = self._copies.get(kind)
            if copy is None or (copy.model, copy.deletions) != (model, deletions) or copy.full:
                copy = Copy(model, deletions)
            rows = await self._database.rows(COPY[kind], model, copy.last, MOST)
            if rows:
                copy = await asyncio.to_thread(copy.grown, rows[::-1])
            self._copies[kind] = copy
            return copy

    async def _deletions(self) -> int:
        return int(await self._database.value("SELECT deletions FROM vector_state"))


class Likeness:
    """What each row is worth for a question; never less than nothing."""

    def __init__(self, rows: Numbers, values: Floats) -> None:
        self._worth = rows, values

    def best(self, count: int, *, among: Iterable[int] = ()) -> dict[int, float]:
        """The best rows, and those in `among` that have a vector, with what they are worth."""
        rows, values = self._worth
        chosen = np.isin(rows, np.fromiter(among, np.int64))
        if len(rows) > count:
            chosen[np.argpartition(values, -count)[-count:]] = True
        else:
            chosen[:] = True
        return dict(zip(rows[chosen].tolist(), values[chosen].tolist(), strict=True))


class Copy:
    """Vectors in memory, in the order in which they were made; never changed, only followed."""

    def __init__(self, model: str, deletions: int) -> None:
        self.model = model
        self.deletions = deletions
        self.last = 0
        self._rooms: dict[tuple[str, str], int] = {}
        self._matrix: Bytes = np.zeros((0, 0), np.int8)  # the first rows of it are filled
        self._lengths: Floats = np.zeros(0, np.float32)
        self._rows: Numbers = np.zeros(0, np.int64)
        self._places: Numbers = np.zeros((0, 3), np.int64)  # room, second, whether the person
        self._order: Numbers = np.zeros(0, np.int64)  # as things were said, room by room
        self._sessions: Numbers = np.zeros(0, np.int64)  # in that order

    @property
    def full(self) -> bool:
        """Whether the oldest should make way, by reading the newest anew."""
        return len(self._rows) > 1.2 * MOST

    def grown(self, rows: Sequence[Row]) -> "Copy":
        """This copy with more vectors behind the others. Those of another length are left out."""
        copy = Copy(self.model, self.deletions)
        copy.last = rows[-1]["vector_id"]
        copy._rooms = dict(self._rooms)
        size = self._matrix.shape[1] or len(rows[-1]["vector"])
        alike = [row for row in rows if len(row["vector"]) == size]
        copy._matrix = self._with(alike, size)
        filled = copy._matrix[len(self._rows) : len(self._rows) + len(alike)].astype(np.float32)
        copy._lengths = np.append(self._lengths, np.linalg.norm(filled, axis=1))
        copy._rows = np.append(self._rows, np.array([row["row_id"] for row in alike], np.int64))
        places = np.array([copy._place(row) for row in alike], np.int64).reshape(-1, 3)
        copy._places = np.vstack([self._places, places])
        copy._arrange()
        return copy

    def turns(
        self, question: Sequence[float], *, role: str | None, room_id: str | None
    ) -> Likeness:
        """The likeness of each turn and of those around it, in what may be seen."""
        if len(question) != self._matrix.shape[1] or not len(self._rows):
            return Likeness(self._rows[:0], np.zeros(0, np.float32))
        order, sessions = self._order, self._sessions
        alike = self._alike(question)[order]
        if room_id is not None:
            seen = self._places[order, 0] == self._rooms.get((room_id, "shared"), -1)
            order, sessions, alike = order[seen], sessions[seen], alike[seen]
        worth = _with_session(_around(alike, sessions), sessions)
        if role is not None:
            meant = self._places[order, 2] == (role == "user")
            worth = worth * np.where(meant, np.float32(ranking.SPEAKER), np.float32(1))
        return Likeness(self._rows[order], worth)

    def memories(self, question: Sequence[float]) -> Likeness:
        """The likeness of each memory."""
        if len(question) != self._matrix.shape[1]:
            return Likeness(self._rows[:0], np.zeros(0, np.float32))
        return Likeness(self._rows, self._alike(question))

    def _with(self, rows: Sequence[Row], size: int) -> Bytes:
        """The matrix with room for more; copied only when it is full, to twice its size."""
        before, after = len(self._rows), len(self._rows) + len(rows)
        matrix = self._matrix
        if after > len(matrix):
            matrix = np.zeros((max(after, min(2 * before, 2 * MOST)), size), np.int8)
            matrix[:before] = self._matrix[:before] if before else 0
        packed = b"".join(row["vector"] for row in rows)
        matrix[before:after] = np.frombuffer(packed, np.int8).reshape(-1, size)
        return matrix

    def _place(self, row: Row) -> tuple[int, int, int]:
        room = self._rooms.setdefault((row["room_id"], row["room_kind"]), len(self._rooms))
        return room, int(from_text(row["said_at"]).timestamp()), row["role"] == "user"

    def _arrange(self) -> None:
        """The order of things said, and a number for each session: a long silence begins one."""
        rooms, seconds = self._places[:, 0], self._places[:, 1]
        self._order = np.lexsort((self._rows, rooms))
        silence = np.abs(np.diff(seconds[self._order])) > SESSION_SECONDS
        elsewhere = np.diff(rooms[self._order]) != 0
        self._sessions = np.append([0], np.cumsum(silence | elsewhere))[: len(self._order)]

    def _alike(self, question: Sequence[float]) -> Floats:
        asked = np.array(question, np.float32)
        asked = asked / (float(np.linalg.norm(asked)) or 1.0)
        worth = np.zeros(len(self._rows), np.float32)
        block = np.empty((BLOCK, len(asked)), np.float32)
        for begin in range(0, len(worth), BLOCK):
            end = min(begin + BLOCK, len(worth))
            np.copyto(block[: end - begin], self._matrix[begin:end])
            np.dot(block[: end - begin], asked, out=worth[begin:end])
        worth /= np.maximum(self._lengths, 1)
        return np.maximum(worth, np.float32(0))


def _packed(vector: Sequence[float]) -> Bytes:
    """A vector in signed bytes: its largest number is 127, its length is computed from them."""
    values = np.array(vector, np.float32)
    largest = float(np.abs(values).max(initial=0.0)) or 1.0
    packed: Bytes = np.rint(values / largest * 127).astype(np.int8)
    return packed


def _around(alike: Floats, sessions: Numbers) -> Floats:
    """Each likeness and a share of its neighbours' of the same session."""
    worth = alike.copy()
    for distance, share in enumerate(NEIGHBOURS[1:], start=1):
        same = sessions[distance:] == sessions[:-distance]
        worth[distance:] += np.float32(share) * alike[:-distance] * same
        worth[:-distance] += np.float32(share) * alike[distance:] * same
    return worth


def _with_session(worth: Floats, sessions: Numbers) -> Floats:
    if not len(worth):
        return worth
    begins = np.flatnonzero(np.append([True], np.diff(sessions) != 0))
    tops: Floats = np.maximum.reduceat(worth, begins).astype(np.float32)
    sizes = np.diff(np.append(begins, len(worth)))
    lifted: Floats = (worth + ranking.SESSION * np.repeat(tops, sizes)).astype(np.float32)
    return lifted
