"""Proposals wait, are approved or rejected, and leave nothing behind where they are not kept."""

from datetime import UTC, datetime, timedelta

import pytest

from storage.database import Database
from storage.memories import Memories
from storage.pending import WAITS, Notice, Pending
from storage.remembered import Memory
from storage.tracing import Traces
from storage.turns import Turns
from tests.storage.conftest import holding

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class Time:
    """A time that a test moves."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def memories(database: Database, time: Time) -> Memories:
    return Memories(database, time)


@pytest.fixture
def pending(database: Database, time: Time) -> Pending:
    return Pending(database, time)


@pytest.fixture(autouse=True)
async def said(database: Database) -> None:
    """The message that proposes."""
    await Turns(database).add(
        event_id="$said",
        room_id="!ann",
        room_kind="direct",
        role="user",
        text="I said it",
        said_at=NOON,
    )


async def propose(
    memories: Memories,
    text: str,
    *,
    source: str = "$said",
    replaces: int | None = None,
    room: str = "!ann",
    room_kind: str = "direct",
    valid_until: datetime | None = None,
) -> Memory:
    return await memories.add(
        text,
        origin="model",
        quote=f"quote of {text}",
        status="pending",
        room_kind=room_kind,
        source_event_id=source,
        source_room_id=room,
        replaces=replaces,
        valid_until=valid_until,
    )


async def test_what_waits_is_listed_oldest_first_and_is_no_memory_yet(
    memories: Memories, pending: Pending
) -> None:
    first = await propose(memories, "likes tea")
    second = await propose(memories, "plays the oboe", source="$later")

    assert [one.memory_id for one in await pending.all()] == [first.memory_id, second.memory_id]
    assert await memories.count() == 0
    assert await memories.active(limit=10) == []


async def test_what_a_message_proposed_is_asked_about_once(
    memories: Memories, pending: Pending
) -> None:
    one = await propose(memories, "likes tea")
    two = await propose(memories, "plays the oboe")
    await propose(memories, "has a cat", source="$other")

    asked = [one.memory_id for one in await pending.of_message("$said")]
    await pending.noticed(asked, ["$notice"], "!ann", source="$said")

    assert asked == [one.memory_id, two.memory_id]
    assert await pending.of_message("$said") == []
    assert [one.memory_id for one in await pending.asked_in("$notice")] == asked
    assert await pending.asked_in("$another") == []


async def test_an_approved_proposal_is_a_memory(
    memories: Memories, pending: Pending, time: Time
) -> None:
    proposed = await propose(memories, "likes tea")
    time.now += timedelta(days=1)

    approved = await pending.approve(proposed.memory_id)

    assert approved is not None
    assert (approved.memory_id, approved.status) == (proposed.memory_id, "active")
    assert approved.updated_at == time.now
    assert await pending.all() == []
    assert await pending.approve(proposed.memory_id) is None, "there is nothing to approve twice"


async def test_an_approved_update_changes_the_memory_and_disappears(
    memories: Memories, pending: Pending
) -> None:
    old = await memories.add("lives in Oslo", origin="person", room_kind="direct")
    june = NOON + timedelta(days=200)
    update = await propose(memories, "lives in Rome", replaces=old.memory_id, valid_until=june)

    approved = await pending.approve(update.memory_id)

    assert approved is not None
    assert (approved.memory_id, approved.text) == (old.memory_id, "lives in Rome")
    assert (approved.quote, approved.source_event_id) == ("quote of lives in Rome", "$said")
    assert approved.valid_until == june
    assert [one.text for one in await memories.revisions(old.memory_id)] == ["lives in Oslo"]
    assert await memories.get(update.memory_id) is None


async def test_what_is_known_already_gets_a_further_source(
    database: Database, memories: Memories, pending: Pending
) -> None:
    proposed = await propose(memories, "likes tea")
    known = await memories.add("Likes  tea", origin="person", room_kind="direct")

    approved = await pending.approve(proposed.memory_id)

    assert approved is not None
    assert approved.memory_id == known.memory_id
    assert await memories.count() == 1
    [said] = await Traces(database).said(known.memory_id)
    assert (said.event_id, said.quote) == ("$said", "quote of likes tea")


async def test_approving_in_a_shared_room_finds_no_twin_in_a_direct_chat(
    memories: Memories, pending: Pending
) -> None:
    known = await memories.add("likes tea", origin="person", room_kind="direct")
    proposed = await propose(memories, "likes tea", room="!all", room_kind="shared")

    approved = await pending.approve(proposed.memory_id)

    assert approved is not None
    assert approved.memory_id == proposed.memory_id != known.memory_id


async def test_a_rejected_text_is_nowhere_in_the_files(
    database: Database, memories: Memories, pending: Pending
) -> None:
    kept = await memories.add("kept", origin="person", room_kind="direct")
    proposed = await propose(memories, "canary")

    rejected = await pending.reject([proposed.memory_id, kept.memory_id, 99])

    assert rejected == [proposed.memory_id], "only what waits can be rejected"
    assert holding(b"canary", database.files()) == []
    assert holding(b"kept", database.files())


async def test_what_nobody_answers_is_erased_after_a_week(
    database: Database, memories: Memories, pending: Pending, time: Time
) -> None:
    old = await propose(memories, "canary")
    await pending.noticed([old.memory_id], ["$notice"], "!ann", source="$said")
    time.now += WAITS
    new = await propose(memories, "likes tea", source="$later")

    assert [one.memory_id for one in await pending.all()] == [new.memory_id]
    assert await pending.approve(old.memory_id) is None, "its time is over before it is swept"
    assert await pending.decided() == []
    assert await pending.expire(time.now - WAITS) == [old.memory_id]
    assert await pending.decided() == [Notice("$notice", "!ann", "expired")]
    assert await pending.expire(time.now - WAITS) == []
    assert holding(b"canary", database.files()) == []
    assert [one.memory_id for one in await pending.all()] == [new.memory_id]


async def test_a_proposal_goes_with_the_memory_that_it_would_change(
    memories: Memories, pending: Pending
) -> None:
    old = await memories.add("lives in Oslo", origin="person", room_kind="direct")
    await propose(memories, "lives in Rome", replaces=old.memory_id)

    await memories.delete([old.memory_id])

    assert await pending.all() == []


async def test_a_notice_is_open_until_all_is_decided_and_that_was_said(
    memories: Memories, pending: Pending
) -> None:
    one, two = await propose(memories, "likes tea"), await propose(memories, "plays the oboe")
    await pending.noticed([one.memory_id, two.memory_id], ["$notice"], "!ann", source="$said")

    await pending.approve(one.memory_id)
    assert await pending.decided() == []
    await pending.reject([two.memory_id])
    assert await pending.decided() == [Notice("$notice", "!ann", "approved")]
    await pending.settled("$notice")

    assert await pending.decided() == []
    assert await pending.notice("$notice") is None


async def test_what_was_decided_while_the_notice_was_on_its_way_leaves_none_open(
    memories: Memories, pending: Pending
) -> None:
    one, two = await propose(memories, "likes tea"), await propose(memories, "plays the oboe")
    await pending.approve(one.memory_id)
    await pending.reject([two.memory_id])

    await pending.noticed([one.memory_id], ["$first"], "!ann", source="$said")
    await pending.noticed([two.memory_id], ["$second"], "!ann", source="$said")

    became = [(one.event_id, one.became) for one in await pending.decided()]
    assert became == [("$first", "approved"), ("$second", "rejected")]
