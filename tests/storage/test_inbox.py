"""The inbox: what makes an event count once, whatever is redelivered or cut short."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import Inbox, StillWaiting
from storage.database import Database

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
KEY = bytes(32)
EVENTS = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("xy")), max_size=6)


def back(days: int) -> Callable[[], datetime]:
    """A clock that is so many days behind."""
    return lambda: NOON - timedelta(days=days)


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[Database]:
    async with await Database.open(tmp_path / "shared.db", migrations="shared") as database:
        yield database


@pytest.fixture
def inbox(shared: Database) -> Inbox:
    return Inbox(shared, lambda: NOON, key=KEY)


async def test_a_redelivered_event_is_accepted_once(inbox: Inbox) -> None:
    first = await inbox.accept([("$1", "!a"), ("$2", "!b"), ("$1", "!a")], "t1")
    second = await inbox.accept([("$2", "!b"), ("$3", "!a")], "t2")

    assert (first, second) == (["$1", "$2"], ["$3"])
    assert await inbox.token() == "t2"
    assert await inbox.unfinished() == [("$1", "!a"), ("$2", "!b"), ("$3", "!a")]


async def test_a_finished_event_is_not_taken_up_again(inbox: Inbox) -> None:
    await inbox.accept([("$1", "!a"), ("$2", "!a")], "t")

    await inbox.finish("$1")
    await inbox.finish("$1")
    await inbox.finish("$never seen")

    assert await inbox.unfinished() == [("$2", "!a")]
    assert await inbox.accept([("$1", "!a")], "t") == []
    assert [await inbox.seen(event) for event in ("$1", "$2", "$3")] == [True, True, False]


async def test_a_fresh_inbox_has_no_token(inbox: Inbox) -> None:
    assert await inbox.token() is None
    assert await inbox.accept([], "t") == []
    assert await inbox.token() == "t"


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(EVENTS, st.lists(st.sampled_from("abcdef"), max_size=3)), max_size=6))
def test_any_redelivery_accepts_each_event_once_and_keeps_the_order(
    syncs: list[tuple[list[tuple[str, str]], list[str]]],
) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "shared.db"
            accepted: list[str] = []
            finished: set[str] = set()
            for number, (events, done) in enumerate(syncs):
                # A restart between any two syncs.
                async with await Database.open(path, migrations="shared") as database:
                    inbox = Inbox(database, key=KEY)
                    accepted += await inbox.accept(events, str(number))
                    assert await inbox.accept(events, str(number)) == []
                    for event in done:
                        await inbox.finish(event)
                    finished |= set(done) & set(accepted)
                    unfinished = [event for event, _ in await inbox.unfinished()]
                    assert unfinished == [e for e in accepted if e not in finished]
                    assert await inbox.token() == str(number)
            assert len(accepted) == len(set(accepted))

    asyncio.run(run())


async def test_a_cancelled_acceptance_is_all_or_nothing(inbox: Inbox) -> None:
    for number in range(40):
        events = [(f"${number}-{part}", "!a") for part in range(3)]
        task = asyncio.create_task(inbox.accept(events, str(number)))
        for _ in range(number):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        seen = {await inbox.seen(event) for event, _ in events}
        assert seen == {await inbox.token() == str(number)}


async def test_what_was_swept_is_never_accepted_again(shared: Database, inbox: Inbox) -> None:
    await inbox.accept([("$done", "!a"), ("$open", "!a")], "t")
    await inbox.finish("$done")

    await inbox.sweep(NOON + timedelta(days=30))

    assert await shared.rows("SELECT 1 FROM inbox WHERE event_id = '$done'") == []
    restarted = Inbox(shared, back(-9999), key=KEY)
    for after in (inbox, restarted):
        assert await after.accept([("$done", "!a"), ("$done", "!b"), ("$open", "!a")], "t") == []
    assert await restarted.accept([("$done", "!a"), ("$new", "!a")], "t") == ["$new"]


async def test_of_what_was_swept_only_a_digest_under_the_key_remains(
    shared: Database, inbox: Inbox
) -> None:
    await inbox.accept([("$done", "!a")], "t")
    await inbox.finish("$done")
    await inbox.sweep(NOON + timedelta(days=30))

    [row] = await shared.rows("SELECT event FROM handled")
    known = [await Inbox(shared, key=key).seen("$done") for key in (KEY, bytes([1]) * 32)]

    assert len(row["event"]) == 16
    assert known == [True, False]


async def test_sweeping_drops_what_was_finished_long_ago_and_nothing_else(
    shared: Database,
) -> None:
    for days, event in ((40, "$old"), (10, "$new")):
        inbox = Inbox(shared, back(days), key=KEY)
        await inbox.accept([(event, "!a"), (f"{event} open", "!a")], "t")
        await inbox.finish(event)

    swept = await inbox.sweep(NOON - timedelta(days=30))

    assert swept == 1
    rows = await shared.rows("SELECT event_id FROM inbox WHERE finished_at IS NOT NULL")
    assert [row["event_id"] for row in rows] == ["$new"]
    assert await inbox.unfinished() == [("$old open", "!a"), ("$new open", "!a")]


async def test_a_waiting_event_comes_and_goes_in_the_transaction_of_the_token(
    inbox: Inbox,
) -> None:
    await inbox.accept([], "t1", waiting=[("$1", "!a"), ("$2", "!b"), ("$1", "!a")])
    began = await inbox.waiting()
    await inbox.tell("$2")

    await inbox.accept([("$1", "!a")], "t2", settled=["$1", "$never seen"])

    assert began == [StillWaiting("$1", "!a", told=False), StillWaiting("$2", "!b", told=False)]
    assert await inbox.waiting() == [StillWaiting("$2", "!b", told=True)]
    assert await inbox.unfinished() == [("$1", "!a")]


async def test_a_cancelled_acceptance_lets_nothing_wait_or_settle_without_its_token(
    inbox: Inbox,
) -> None:
    for number in range(40):
        await inbox.accept([], "before", waiting=[(f"${number}", "!a")])
        task = asyncio.create_task(
            inbox.accept(
                [(f"${number}", "!a")],
                str(number),
                waiting=[(f"${number} next", "!a")],
                settled=[f"${number}"],
            )
        )
        for _ in range(number):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        done = await inbox.token() == str(number)
        waiting = {one.event_id for one in await inbox.waiting()}
        assert (f"${number}" not in waiting) == (f"${number} next" in waiting) == done
        assert await inbox.seen(f"${number}") == done


async def test_what_waited_too_long_is_given_up_and_counted(shared: Database) -> None:
    for days, event in ((40, "$old"), (10, "$new")):
        inbox = Inbox(shared, back(days), key=KEY)
        await inbox.accept([], "t", waiting=[(event, "!a")])

    given_up = await inbox.give_up(NOON - timedelta(days=30))

    assert given_up == 1
    assert [one.event_id for one in await inbox.waiting()] == ["$new"]
