"""Memories: no twins, what they said before, what used them, and gone when deleted."""

import asyncio
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.database import Database
from storage.memories import Memories
from storage.remembered import Memory
from storage.turns import Turns
from tests.storage.conftest import holding
from tests.storage.test_answers import use

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def memories(database: Database) -> Memories:
    return Memories(database, lambda: NOON)


async def add(
    memories: Memories,
    text: str,
    *,
    quote: str = "",
    source_event_id: str | None = None,
    status: str = "active",
) -> Memory:
    return await memories.add(
        text,
        origin="person",
        room_kind="direct",
        quote=quote,
        source_event_id=source_event_id,
        status=status,
    )


async def test_a_memory_keeps_where_it_came_from(memories: Memories) -> None:
    added = await memories.add(
        "Likes tea",
        origin="model",
        room_kind="shared",
        quote="I like tea",
        source_event_id="$e",
        source_room_id="!r",
        status="pending",
    )

    assert added == await memories.get(1)
    assert added == Memory(
        memory_id=1,
        text="Likes tea",
        quote="I like tea",
        origin="model",
        status="pending",
        source_event_id="$e",
        source_room_id="!r",
        room_kind="shared",
        pinned=False,
        created_at=NOON,
        updated_at=NOON,
        uses=0,
        shared_in=(),
    )
    assert "tea" not in repr(added)


async def test_the_same_text_in_other_letters_and_spaces_is_no_twin(memories: Memories) -> None:
    first = await add(memories, "Lives in Gießen")
    second = await add(memories, "  lives\tin GIESSEN \n")

    assert second == first
    assert await memories.count() == 1


async def test_a_pending_twin_of_an_active_memory_is_not_kept(memories: Memories) -> None:
    first = await add(memories, "Likes tea")

    assert await add(memories, "likes tea", status="pending") == first


async def test_a_message_handled_again_teaches_nothing_twice(
    memories: Memories, database: Database
) -> None:
    first = await add(memories, "Likes tea", source_event_id="$e", status="pending")
    async with database.transaction() as transaction:
        await transaction.execute("UPDATE memory SET status = 'superseded'")

    again = await add(memories, "Likes tea", source_event_id="$e")
    later = await add(memories, "Likes tea", source_event_id="$f")

    assert again.memory_id == first.memory_id
    assert later.memory_id != first.memory_id


@settings(deadline=None, max_examples=25)
@given(st.lists(st.sampled_from(["a b", "A  B", "ab", "a\nb ", "ß", "SS", "c"]), max_size=15))
def test_active_memories_never_say_the_same(texts: list[str]) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x.db"
            async with await Database.open(path, migrations="vault") as database:
                memories = Memories(database)
                for text in texts:
                    await add(memories, text)
                said = [" ".join(m.text.casefold().split()) for m in await memories.page(limit=99)]
                assert len(said) == len(set(said)) == await memories.count()
                assert set(said) == {" ".join(text.casefold().split()) for text in texts}

    asyncio.run(run())


async def test_added_at_the_same_time_the_same_text_is_one_memory(memories: Memories) -> None:
    added = await asyncio.gather(*(add(memories, "Likes tea") for _ in range(20)))

    assert {memory.memory_id for memory in added} == {1}


async def test_pages_are_newest_first_and_the_prompt_sees_pinned_ones_first(
    memories: Memories,
) -> None:
    for number in range(1, 8):
        await add(memories, f"fact {number}")
    await add(memories, "waiting", status="pending")
    await memories.pin(2, pinned=True)

    page = await memories.page(limit=3, offset=2)
    prompt = await memories.active(limit=3)

    assert [memory.memory_id for memory in page] == [5, 4, 3]
    assert [(memory.memory_id, memory.pinned) for memory in prompt] == [
        (2, True),
        (7, False),
        (6, False),
    ]
    assert await memories.count() == 7


async def test_pinning_says_whether_there_was_such_a_memory(memories: Memories) -> None:
    await add(memories, "a")

    assert await memories.pin(1, pinned=True)
    assert await memories.pin(1, pinned=False)
    assert not await memories.pin(2, pinned=True)


async def test_an_edit_keeps_what_it_said_before(memories: Memories) -> None:
    await add(memories, "Lives in Rome")

    edited = await memories.edit(1, "Lives in Oslo", changed_by="person")
    await memories.edit(1, "Lives in Bergen", changed_by="model")
    revisions = await memories.revisions(1)

    assert edited is not None
    assert edited.text == "Lives in Oslo"
    assert [(revision.text, revision.changed_by) for revision in revisions] == [
        ("Lives in Rome", "person"),
        ("Lives in Oslo", "model"),
    ]
    assert await memories.edit(9, "x", changed_by="person") is None
    assert (await add(memories, "lives in bergen")).memory_id == 1
    assert (await add(memories, "Lives in Rome")).memory_id == 2


async def test_a_memory_lists_the_rooms_it_is_shared_in(
    memories: Memories, database: Database
) -> None:
    await add(memories, "a")
    async with database.transaction() as transaction:
        for room in ("!b", "!a"):
            await transaction.execute("INSERT INTO memory_share VALUES (1, ?, ?)", room, room)

    [memory] = await memories.page(limit=1)

    assert memory.shared_in == ("!a", "!b")


async def test_deleting_takes_everything_that_hangs_on_it_off_the_disk(
    memories: Memories, database: Database
) -> None:
    turns = Turns(database)
    for number in range(1, 40):
        await add(memories, f"canary8d41 fact {number}", quote=f"quotary8d41 {number}")
        await memories.edit(number, f"canary8d41 changed {number} " * 20, changed_by="model")
    await add(memories, "stays")
    await use(database, "$useary8d41", memories=(3, 40))
    await turns.add(
        event_id="$1", room_id="!r", room_kind="direct", role="user", text="stays", said_at=NOON
    )

    deleted = await memories.delete([*range(1, 40), 3, 99])

    assert deleted == list(range(1, 40))
    assert [memory.text for memory in await memories.page(limit=9)] == ["stays"]
    assert [memory.memory_id for memory in await memories.used_by("$useary8d41")] == [40]
    for table in ("memory_revision", "memory_share"):
        assert await database.value(f"SELECT count(*) FROM {table}") == 0
    for canary in (b"canary8d41", b"quotary8d41"):
        assert holding(canary, database.files()) == []


async def test_deleting_takes_with_it_what_the_memory_had_replaced(
    memories: Memories, database: Database
) -> None:
    for number in range(1, 5):
        await add(memories, f"fact {number}")
    async with database.transaction() as transaction:
        for old, new in ((1, 2), (2, 3)):
            await transaction.execute(
                "UPDATE memory SET status = 'superseded', superseded_by = ? WHERE memory_id = ?",
                new,
                old,
            )

    assert await memories.delete([3]) == [3]
    assert [await memories.get(number) is None for number in (1, 2, 3, 4)] == [True] * 3 + [False]


async def test_a_number_is_never_given_twice(memories: Memories) -> None:
    await add(memories, "a")
    await memories.delete([1])

    assert (await add(memories, "b")).memory_id == 2


async def test_deleting_nothing_is_fine(memories: Memories) -> None:
    assert await memories.delete([]) == []
    assert await memories.delete([5]) == []
