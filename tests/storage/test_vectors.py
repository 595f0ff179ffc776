"""Search by meaning: only what may be found, never what is gone, and nothing left of it on disk."""

from datetime import UTC, datetime, timedelta

import pytest

from storage import Storage, vectors
from storage.database import Database
from storage.memories import Memories
from storage.search import Search
from storage.taking_back import TakingBack
from storage.turns import Turns
from storage.vectors import Asked, Unembedded, Vectors
from tests.storage.conftest import holding

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOME, CLUB = "!home:hs", "!club:hs"
PETS, MONEY, FOOD = [1.0, 0.1, 0.0], [0.0, 1.0, 0.1], [0.1, 0.0, 1.0]


class Diary:
    """A vault whose texts have the vectors that a test gives them; turns are hours apart."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.turns, self.memories = Turns(database), Memories(database)
        self.vectors, self.taking_back = Vectors(database), TakingBack(database)
        self.search = Search(database, vectors=self.vectors)
        self.said = 0

    async def say(
        self,
        text: str,
        vector: list[float],
        *,
        room: str = HOME,
        kind: str = "direct",
        model: str = "m",
    ) -> int:
        self.said += 1
        turn_id = await self.turns.add(
            event_id=f"${self.said}",
            room_id=room,
            room_kind=kind,
            role="user",
            text=text,
            said_at=NOON + timedelta(hours=5 * self.said),
        )
        await self.vectors.keep(model, [Unembedded("turn", turn_id, text)], [vector])
        return turn_id

    async def learn(self, text: str, vector: list[float], *, room: str | None = None) -> int:
        memory = await self.memories.add(
            text, origin="person", room_kind="shared" if room else "direct", source_room_id=room
        )
        await self.vectors.keep("m", [Unembedded("memory", memory.memory_id, text)], [vector])
        return memory.memory_id

    async def find(
        self, vector: list[float], *, room: str | None = None, exclude: tuple[int, ...] = ()
    ) -> list[str]:
        """Turns that mean something like this, by no word at all."""
        hits = await self.search.turns(
            "?", room_id=room, exclude=exclude, vector=Asked("m", vector), limit=1
        )
        return [hit.turn.text for hit in hits]

    async def recall(self, vector: list[float], *, room: str | None = None) -> list[str]:
        hits = await self.search.memories("?", room_id=room, vector=Asked("m", vector), limit=1)
        return [hit.memory.text for hit in hits]


@pytest.fixture
def diary(database: Database) -> Diary:
    return Diary(database)


async def test_a_turn_and_a_memory_are_found_by_what_they_mean(diary: Diary) -> None:
    for text, vector in (("the puppy", PETS), ("my mortgage", MONEY), ("pancakes", FOOD)):
        await diary.say(text, vector)
        await diary.learn(f"fond of {text}", vector)

    assert await diary.find(MONEY) == ["my mortgage"]
    assert await diary.recall(FOOD) == ["fond of pancakes"]


async def test_words_still_count_beside_the_meaning(diary: Diary) -> None:
    await diary.say("the puppy Rex", PETS)
    await diary.say("the puppy Waldi", PETS)
    await diary.say("the puppy Bello", PETS)

    hits = await diary.search.turns("Waldi?", vector=Asked("m", PETS), limit=1)

    assert [hit.turn.text for hit in hits] == ["the puppy Waldi"]


async def test_without_a_vector_the_search_is_the_one_by_words(diary: Diary) -> None:
    await diary.say("the puppy", PETS)
    await diary.say("my mortgage", MONEY)

    assert await diary.search.turns("dog?") == []
    assert [hit.turn.text for hit in await diary.search.turns("a puppy?")] == ["the puppy"]


async def test_a_shared_room_finds_by_meaning_only_what_was_said_there(diary: Diary) -> None:
    await diary.say("said between two", PETS)
    await diary.say("between two, before it was shared", PETS, room=CLUB)
    await diary.say("said elsewhere", PETS, room="!other:hs", kind="shared")
    await diary.learn("learned between two", PETS)

    assert await diary.find(PETS, room=CLUB) == []
    assert await diary.recall(PETS, room=CLUB) == []

    less_alike = [1.0, 0.3, 0.0]  # so that what may not be seen would come first
    await diary.say("said there", less_alike, room=CLUB, kind="shared")
    await diary.learn("learned there", less_alike, room=CLUB)

    assert await diary.find(PETS, room=CLUB) == ["said there"]
    assert await diary.recall(PETS, room=CLUB) == ["learned there"]


async def test_excluded_turns_make_room_for_others(diary: Diary) -> None:
    first = await diary.say("the puppy", PETS)
    await diary.say("my mortgage", MONEY)

    assert await diary.find(PETS, exclude=(first,)) == ["my mortgage"]


async def test_what_is_said_deleted_or_edited_after_a_search_counts_in_the_next(
    diary: Diary,
) -> None:
    await diary.say("the puppy", PETS)
    await diary.say("my mortgage", MONEY)
    assert await diary.find(PETS) == ["the puppy"]

    await diary.say("a kitten", [1.0, 0.0, 0.0])
    assert await diary.find([1.0, 0.0, 0.0]) == ["a kitten"]

    await diary.turns.delete(["$3"])
    assert await diary.find([1.0, 0.0, 0.0]) == ["the puppy"]

    await diary.taking_back.words("$1", "no animal any more", lambda quote: False)
    assert await diary.find([1.0, 0.0, 0.0]) == ["my mortgage"]


async def test_a_memory_that_changed_or_went_is_not_found_by_what_it_meant(diary: Diary) -> None:
    edited, deleted = await diary.learn("has a dog", PETS), await diary.learn("has debts", MONEY)
    assert await diary.recall(PETS) == ["has a dog"]

    await diary.memories.edit(edited, "has a car", changed_by="person")
    await diary.memories.delete([deleted])

    assert await diary.recall(PETS) == []
    assert await diary.recall(MONEY) == []


async def test_another_models_vectors_are_not_compared_and_then_deleted(diary: Diary) -> None:
    await diary.say("of another model", PETS, model="other")
    await diary.say("my mortgage", MONEY)

    assert await diary.find(PETS) == ["my mortgage"]

    await diary.vectors.only("m")
    assert [one.text for one in await diary.vectors.missing(limit=9)] == ["of another model"]


async def test_a_question_of_another_length_finds_by_words_alone(diary: Diary) -> None:
    await diary.say("the puppy", PETS)

    hits = await diary.search.turns("puppy", vector=Asked("m", [1.0, 2.0]))

    assert [hit.turn.text for hit in hits] == ["the puppy"]


async def test_a_vector_is_not_kept_for_a_text_that_changed_meanwhile(diary: Diary) -> None:
    turn_id = await diary.say("the puppy", PETS)
    await diary.taking_back.words("$1", "the truth", lambda quote: False)

    await diary.vectors.keep("m", [Unembedded("turn", turn_id, "the puppy")], [PETS])

    assert [one.text for one in await diary.vectors.missing(limit=9)] == ["the truth"]


async def test_what_lacks_a_vector_is_listed_newest_first_until_it_has_one(diary: Diary) -> None:
    for number in range(5):
        await diary.turns.add(
            event_id=f"${number}",
            room_id=HOME,
            room_kind="direct",
            role="user",
            text=f"number {number}",
            said_at=NOON,
        )
    await diary.memories.add("a memory", origin="person", room_kind="direct")

    listed = await diary.vectors.missing(limit=3)
    assert [one.text for one in listed] == ["a memory", "number 4", "number 3"]
    await diary.vectors.keep("m", listed, [PETS] * 3)
    rest = await diary.vectors.missing(limit=9)
    await diary.vectors.keep("m", rest, [PETS] * 3)
    assert await diary.vectors.missing(limit=9) == []

    await diary.taking_back.words("$2", "another number", lambda quote: False)
    assert [one.text for one in await diary.vectors.missing(limit=9)] == ["another number"]


async def test_only_the_newest_are_held_in_memory(
    diary: Diary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "MOST", 5)
    for number in range(20):
        await diary.say(f"number {number}", PETS if number in (0, 19) else MONEY)
        await diary.find(PETS)

    copy = await diary.vectors._fresh("turn", "m")

    assert len(copy._rows) <= 6
    assert await diary.find(PETS) == ["number 19"]


async def test_a_deleted_or_edited_text_leaves_no_byte_of_its_vector(diary: Diary) -> None:
    marks = [[(7 * place + 13 * one) % 120 + 1.0 for place in range(96)] for one in range(4)]
    marks = [[*mark[:-1], 127.0] for mark in marks]  # 127 is kept as it is, and so are the others
    await diary.say("deleted", marks[0])
    await diary.say("edited", marks[1])
    deleted, edited = await diary.learn("old", marks[2]), await diary.learn("former", marks[3])
    needles = [bytes(map(int, mark)) for mark in marks]
    await diary.database.truncate()
    assert all(holding(needle, diary.database.files()) for needle in needles)

    await diary.turns.delete(["$1"])
    await diary.taking_back.words("$2", "anew", lambda quote: False)
    await diary.memories.edit(edited, "latter", changed_by="person")
    await diary.memories.delete([deleted])

    assert not any(holding(needle, diary.database.files()) for needle in needles)


async def test_vectors_are_left_out_of_an_export(storage: Storage) -> None:
    async with storage.vaults.open("@ann:hs") as vault:
        turn_id = await vault.turns.add(
            event_id="$1", room_id=HOME, room_kind="direct", role="user", text="hey", said_at=NOON
        )
        await vault.vectors.keep("m", [Unembedded("turn", turn_id, "hey")], [PETS])

        assert not [table for table in await vault.export() if "vector" in table]
