"""What a person deletes or edits is in no byte of any file, whatever was done before.

A vault is encrypted; here it has no key, so that its files can be searched.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from storage.database import Database
from storage.memories import Memories
from storage.taking_back import TakingBack
from storage.turns import Turns
from tests.storage.conftest import holding
from tests.storage.test_answers import use

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
# The first seven leave remains when pages are not written anew (7 of 80 did).
SEEDS = (9, 13, 16, 17, 44, 74, 75, *range(8))


@dataclass
class Life:
    """A person's random doings, remembering which words must be gone and which must be there."""

    rng: random.Random
    database: Database
    memories: Memories
    turns: Turns
    taking_back: TakingBack
    kept: dict[str | int, set[str]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=count)

    def words(self) -> tuple[str, set[str]]:
        """A text, and the words of it that no other text has."""
        words = [self.rng.randbytes(8).hex() for _ in range(self.rng.randrange(1, 60))]
        return " ".join(words), set(words)

    def some(self, kind: type) -> list[str | int]:
        """A few of the events (str) or memories (int) that are there."""
        there = [name for name in self.kept if isinstance(name, kind)]
        return self.rng.sample(there, min(len(there), self.rng.randrange(4)))

    async def say(self) -> None:
        text, words = self.words()
        event_id = f"${next(self.numbers)}"
        await self.turns.add(
            event_id=event_id,
            room_id="!r",
            room_kind=self.rng.choice(["direct", "shared"]),
            role="user",
            text=text,
            said_at=NOON,
        )
        self.kept[event_id] = words

    async def learn(self) -> None:
        text, words = self.words()
        quote, quoted = self.words()
        memory = await self.memories.add(text, origin="model", room_kind="direct", quote=quote)
        await use(self.database, f"$answer{memory.memory_id}", memories=(memory.memory_id,))
        self.kept[memory.memory_id] = words | quoted

    async def learn_from(self) -> None:
        """What is learned from a message goes with it, and stays with what else says it."""
        for event_id in self.some(str):
            text, words = self.words()
            quote, quoted = self.words()
            await self.memories.add(
                text,
                origin="model",
                room_kind="direct",
                quote=quote,
                source_event_id=str(event_id),
                source_room_id="!r",
            )
            self.kept[event_id] |= words | quoted

    async def redact(self) -> None:
        for event_id in self.some(str):
            await self.taking_back.messages([str(event_id)])
            self.gone |= self.kept.pop(event_id)

    async def edit_memory(self) -> None:
        for memory_id in self.some(int):
            assert isinstance(memory_id, int)
            text, words = self.words()
            await self.memories.edit(memory_id, text, changed_by="person")
            self.kept[memory_id] |= words

    async def edit_message(self) -> None:
        for event_id in self.some(str):
            text, words = self.words()
            await self.taking_back.words(str(event_id), text, lambda quote: False)
            self.gone |= self.kept[event_id]
            self.kept[event_id] = words

    async def forget(self) -> None:
        memories, events = self.some(int), self.some(str)
        await self.memories.delete([number for number in memories if isinstance(number, int)])
        await self.turns.delete([str(event_id) for event_id in events])
        for name in [*memories, *events]:
            self.gone |= self.kept.pop(name)


async def live(rng: random.Random, path: Path) -> None:
    async with await Database.open(path, migrations="vault") as database:
        life = Life(rng, database, Memories(database), Turns(database), TakingBack(database))
        doings = [life.say, life.learn, life.edit_memory, life.edit_message, life.forget]
        doings += [life.learn_from, life.redact]
        for _ in range(rng.randrange(20, 150)):
            await rng.choices(doings, weights=[8, 8, 2, 2, 1, 2, 1])[0]()
        await life.forget()

        content = b"".join(path.read_bytes() for path in database.files())
        # Half a word, because the index stores a word without what it shares with the one before.
        assert [word for word in life.gone if word[-8:].encode() in content] == []
        assert [ws for ws in life.kept.values() if any(w.encode() not in content for w in ws)] == []


async def test_random_lives_leave_no_byte_of_what_was_deleted_or_edited(tmp_path: Path) -> None:
    for seed in SEEDS:
        await live(random.Random(seed), tmp_path / f"{seed}.db")


async def test_without_the_truncate_the_log_would_still_hold_it(database: Database) -> None:
    turns = Turns(database)
    await turns.add(
        event_id="$1", room_id="!r", room_kind="direct", role="user", text="canary", said_at=NOON
    )

    async with database.transaction() as transaction:
        await transaction.execute("DELETE FROM turn")

    assert holding(b"canary", database.files())
