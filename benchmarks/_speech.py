"""What is said in a made-up vault, and a plain SQLite file that holds the same."""

import random
import sqlite3
from bisect import bisect
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
WORDS = 20_000
DIMENSIONS = 384

BARE = """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE turn (turn_id INTEGER PRIMARY KEY, role TEXT, text TEXT, said_at TEXT);
    CREATE VIRTUAL TABLE line USING fts5 (
        text, content = 'turn', content_rowid = 'turn_id', tokenize = 'porter unicode61'
    );
"""
OR_QUERY = """
    SELECT turn.* FROM line JOIN turn ON turn_id = line.rowid
    WHERE line MATCH ? ORDER BY bm25(line) LIMIT 20
"""


class Speech:
    """Sentences of made-up words, each as likely as its rank allows; the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        syllables = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
        words: set[str] = set()
        while len(words) < WORDS:
            words.add("".join(self._rng.choices(syllables, k=self._rng.randrange(2, 5))))
        self._words = sorted(words, key=lambda word: (len(word), word))
        self._until = list(accumulate(1 / (rank + 2.7) for rank in range(WORDS)))

    def sentence(self) -> str:
        """A message, of twelve words or so."""
        return " ".join(self._word() for _ in range(1 + int(self._rng.expovariate(1 / 12))))

    def question(self, texts: Sequence[str]) -> str:
        """A few words of something that was said, between words that anybody says."""
        said = self._rng.choice(texts).split()
        asked = [*self._rng.sample(said, min(len(said), 4)), self._word(), self._word()]
        self._rng.shuffle(asked)
        return " ".join(asked)

    def vector(self) -> list[float]:
        """A direction at random."""
        return [self._rng.gauss(0, 1) for _ in range(DIMENSIONS)]

    def _word(self) -> str:
        return self._words[bisect(self._until, self._rng.random() * self._until[-1])]


class Bare:
    """Plain SQLite with the same messages."""

    def __init__(self, path: Path, texts: Sequence[str]) -> None:
        self._path = path
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.executescript(BARE)
        self.connection.execute("BEGIN")
        for number, text in enumerate(texts):
            self._add(number, text)
        self.connection.execute("COMMIT")

    async def recall(self, question: str) -> None:
        match = " OR ".join(f'"{word}"' for word in dict.fromkeys(question.split()))
        self.connection.execute(OR_QUERY, (match,)).fetchall()

    async def insert(self, number: int, text: str) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        self._add(number, text)
        self.connection.execute("COMMIT")

    async def reopen(self, _: int) -> None:
        connection = sqlite3.connect(self._path)
        connection.execute("SELECT * FROM turn ORDER BY turn_id DESC LIMIT 1").fetchall()
        connection.close()

    async def export(self, _: int) -> None:
        self.connection.execute("SELECT * FROM turn").fetchall()

    async def forget(self, number: int) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.execute(
            "INSERT INTO line (line, rowid, text) SELECT 'delete', turn_id, text FROM turn "
            "WHERE turn_id BETWEEN ?1 * 5 + 1 AND ?1 * 5 + 5",
            (number,),
        )
        self.connection.execute(
            "DELETE FROM turn WHERE turn_id BETWEEN ?1 * 5 + 1 AND ?1 * 5 + 5", (number,)
        )
        self.connection.execute("COMMIT")

    def _add(self, number: int, text: str) -> None:
        values = (role(number), text, said_at(number).isoformat())
        row = self.connection.execute(
            "INSERT INTO turn (role, text, said_at) VALUES (?, ?, ?)", values
        )
        self.connection.execute(
            "INSERT INTO line (rowid, text) VALUES (?, ?)", (row.lastrowid, text)
        )


def role(number: int) -> str:
    return "assistant" if number % 2 else "user"


def said_at(number: int) -> datetime:
    """Twenty messages at a time, every second day."""
    return NOON + timedelta(days=2 * (number // 20), minutes=number % 20)
