"""Memories that change, expire and are said again: with their sources, and gone from the disk."""

from datetime import UTC, datetime, timedelta

import pytest

from storage.answers import Answers, KeptAnswer
from storage.database import Database
from storage.memories import Memories
from storage.remembered import Memory, Revision
from storage.revising import revise
from tests.storage.conftest import holding

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def memories(database: Database) -> Memories:
    return Memories(database, lambda: NOON)


async def learn(
    memories: Memories,
    text: str,
    *,
    event: str,
    room: str = "!direct",
    kind: str = "direct",
    until: datetime | None = None,
) -> Memory:
    return await memories.add(
        text,
        origin="model",
        room_kind=kind,
        quote=f"I say: {text}",
        source_event_id=event,
        source_room_id=room,
        valid_until=until,
    )


async def announced(database: Database, question: str, note: str) -> None:
    answer = KeptAnswer(
        question=question,
        room_id="!direct",
        room_kind="direct",
        thread_id=None,
        text="Noted.",
        note=note,
        said_at=NOON,
        model="m",
        gateway_host="h",
        prompt_tokens=1,
        completion_tokens=1,
    )
    await Answers(database).keep(answer)


async def test_another_message_that_says_the_same_becomes_a_further_source(
    memories: Memories, database: Database
) -> None:
    first = await learn(memories, "Likes tea", event="$1")

    again = [await learn(memories, "likes tea", event=event) for event in ("$2", "$1", "$2")]

    assert [one.memory_id for one in again] == [first.memory_id] * 3
    rows = await database.rows("SELECT * FROM memory_said")
    assert [tuple(row[name] for name in row.keys()) for row in rows] == [  # noqa: SIM118
        (1, "$2", "!direct", "I say: likes tea", "2026-11-23T12:00:00.000000+00:00")
    ]


async def test_a_shared_room_has_no_twin_in_a_direct_chat(memories: Memories) -> None:
    direct = await learn(memories, "Likes tea", event="$1")

    shared = await learn(memories, "Likes tea", event="$2", room="!shared", kind="shared")
    elsewhere = await learn(memories, "Likes tea", event="$3", room="!other", kind="shared")
    again = await learn(memories, "Likes tea", event="$4", room="!shared", kind="shared")

    assert [direct.memory_id, shared.memory_id, elsewhere.memory_id] == [1, 2, 3]
    assert again.memory_id == 2


async def test_what_is_shared_in_a_room_has_a_twin_there(memories: Memories) -> None:
    direct = await learn(memories, "Likes tea", event="$1")
    await memories.share(direct.memory_id, "!shared")

    again = await learn(memories, "Likes tea", event="$2", room="!shared", kind="shared")

    assert again.memory_id == direct.memory_id


async def test_a_change_keeps_the_former_text_with_what_it_rested_on(
    memories: Memories, database: Database
) -> None:
    await learn(memories, "Lives in Rome", event="$1")

    async with database.transaction() as transaction:
        assert await revise(
            transaction,
            1,
            "Lives in Oslo",
            changed_by="model",
            now=NOON + DAY,
            quote="I moved to Oslo",
            source_event_id="$2",
            source_room_id="!direct",
            valid_until=NOON + 9 * DAY,
        )
        assert not await revise(transaction, 9, "x", changed_by="model", now=NOON)

    assert await memories.revisions(1) == [
        Revision("Lives in Rome", "model", NOON + DAY, "I say: Lives in Rome", "$1", "!direct")
    ]
    memory = await memories.get(1)
    assert memory is not None
    assert (memory.text, memory.quote) == ("Lives in Oslo", "I moved to Oslo")
    assert (memory.source_event_id, memory.valid_until) == ("$2", NOON + 9 * DAY)


async def test_a_message_handled_again_does_not_bring_back_what_was_superseded_since(
    memories: Memories,
) -> None:
    await learn(memories, "Lives in Rome", event="$1")
    await memories.edit(1, "Lives in Oslo", changed_by="model", source_event_id="$2")

    again = await learn(memories, "Lives in Rome", event="$1")

    assert (again.memory_id, again.text) == (1, "Lives in Oslo")
    assert await memories.count() == 1


@pytest.mark.parametrize(
    ("room", "kind", "given", "expected"),
    [
        ("!shared", "shared", None, "shared"),
        ("!direct", "direct", None, "direct"),
        ("!direct", "direct", "direct", "direct"),
        ("!shared", "direct", "direct", "direct"),
    ],
)
async def test_a_change_made_in_another_room_is_not_used_in_the_shared_one(
    memories: Memories, room: str, kind: str, given: str | None, expected: str
) -> None:
    await learn(memories, "Lives in Rome", event="$1", room="!shared", kind="shared")

    edited = await memories.edit(
        1, "Lives in Oslo", changed_by="person", source_room_id=room, room_kind=given
    )

    assert edited is not None
    assert (edited.room_kind, edited.source_room_id) == (expected, room)


async def test_what_has_expired_is_neither_listed_nor_a_twin_and_then_gone_from_the_disk(
    memories: Memories, database: Database
) -> None:
    await learn(memories, "In Rome canary7711", event="$1", until=NOON)
    await learn(memories, "In Oslo", event="$2", until=NOON + DAY)
    await announced(database, "$1", "remembered: In Rome canary7711")

    assert [one.text for one in await memories.page(limit=9)] == ["In Oslo"]
    assert [one.text for one in await memories.active(limit=9)] == ["In Oslo"]
    assert await memories.count() == 1
    assert (await learn(memories, "In Rome canary7711", event="$3")).memory_id == 3
    await memories.delete([3])

    assert await memories.expire(NOON) == [1]
    assert await memories.expire(NOON) == []
    assert await memories.get(2) is not None
    assert holding(b"canary7711", database.files()) == []


@pytest.mark.parametrize("how", ["delete", "edit"])
async def test_the_note_that_announced_a_memory_goes_with_its_text(
    memories: Memories, database: Database, how: str
) -> None:
    await learn(memories, "Lives in Rome", event="$1")
    await announced(database, "$1", "remembered: notary5512")
    await announced(database, "$2", "remembered: something else")

    if how == "delete":
        await memories.delete([1])
    else:
        await memories.edit(1, "Lives in Oslo", changed_by="person")

    assert holding(b"notary5512", database.files()) == []
    notes = [row["note"] for row in await database.rows("SELECT note FROM turn ORDER BY turn_id")]
    assert notes == ["", "remembered: something else"]


async def test_the_note_of_every_message_that_taught_a_deleted_memory_is_blanked(
    memories: Memories, database: Database
) -> None:
    await learn(memories, "Likes tea", event="$1")
    await learn(memories, "likes tea", event="$2")
    await memories.edit(1, "Likes green tea", changed_by="model", source_event_id="$3")
    for event in ("$1", "$2", "$3"):
        await announced(database, event, "notary5513")

    await memories.delete([1])

    assert holding(b"notary5513", database.files()) == []


async def test_sharing_and_its_end(memories: Memories) -> None:
    await learn(memories, "Likes tea", event="$1")
    await learn(memories, "Lives in Rome", event="$2", room="!shared", kind="shared")

    assert await memories.share(1, "!shared")
    assert await memories.share(1, "!shared")
    assert not await memories.share(9, "!shared")
    shared = await memories.get(1)
    assert shared is not None
    assert shared.shared_in == ("!shared",)

    assert await memories.unshare(1, "!shared")
    assert not await memories.unshare(1, "!shared")
    assert await memories.unshare(2, "!shared")
    private = await memories.get(2)
    assert private is not None
    assert private.room_kind == "direct"


async def test_what_would_change_a_memory_goes_with_it(memories: Memories) -> None:
    await learn(memories, "Lives in Rome", event="$1")
    waiting = await memories.add(
        "Lives in Oslo", origin="model", room_kind="direct", status="pending", replaces=1
    )

    await memories.delete([1])

    assert waiting.replaces == 1
    assert await memories.get(waiting.memory_id) is None
