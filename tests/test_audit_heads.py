"""Signed heads in the audit room: at each start, daily, every hundred entries, each once."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.audit_heads import EVERY, notice
from bot.errors import HomeserverError
from storage import MasterKey, Storage, open_storage
from tests.audit_feeding import (
    AUDIT,
    ROOM,
    Clock,
    RememberingOutlet,
    append,
    catch_up,
    feeding,
    note,
)

DAY = timedelta(days=1)


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    async with open_storage(tmp_path, MasterKey.load("ab" * 32, tmp_path)) as opened:
        yield opened


def test_a_head_is_for_people_and_for_machines() -> None:
    posted = notice(note(7), ROOM)

    assert posted.text.startswith("🌲 Head of the log: 7 entries, root ")
    assert posted.fields == {AUDIT: {"head": note(7)}}
    assert posted.transaction_id == notice(note(7), ROOM).transaction_id
    assert posted.transaction_id != notice(note(8), ROOM).transaction_id


async def test_a_head_is_posted_at_each_start_and_covers_its_own_entry(storage: Storage) -> None:
    outlet = RememberingOutlet()

    for _ in range(2):
        await append(storage)
        await catch_up(feeding(storage, outlet))

    assert outlet.heads() == [2, 4]
    assert await storage.audit_log.feed(limit=10) == []


async def test_a_head_causes_no_head_however_many_days_go_by(storage: Storage) -> None:
    outlet, clock = RememberingOutlet(), Clock()
    feed = feeding(storage, outlet, clock)
    await append(storage)
    await catch_up(feed)

    for _ in range(3):
        clock.pass_by(DAY)
        await catch_up(feed)

    assert outlet.heads() == [2]


async def test_a_head_is_posted_daily_where_something_happened(storage: Storage) -> None:
    outlet, clock = RememberingOutlet(), Clock()
    feed = feeding(storage, outlet, clock)
    await append(storage)
    await catch_up(feed)

    await append(storage)
    clock.pass_by(DAY / 2)
    await catch_up(feed)
    before = outlet.heads()
    clock.pass_by(DAY / 2)
    await catch_up(feed)

    assert (before, outlet.heads()) == ([2], [2, 4])


async def test_a_head_is_posted_every_hundred_entries(storage: Storage) -> None:
    outlet = RememberingOutlet()
    feed = feeding(storage, outlet)
    await catch_up(feed)

    for _ in range(3):
        await append(storage, EVERY - 1)
        await catch_up(feed)
        await append(storage)
        await catch_up(feed)

    assert outlet.heads() == [1, 102, 203, 304]


async def test_a_backlog_gets_one_head_for_all_of_it_and_not_one_a_hundred(
    storage: Storage,
) -> None:
    outlet = RememberingOutlet()
    await append(storage, 5 * EVERY)

    await catch_up(feeding(storage, outlet))

    assert len(outlet.seqs()) == 5 * EVERY
    assert outlet.heads() == [5 * EVERY + 1]


async def test_a_head_whose_answer_was_lost_is_repeated_as_it_was(storage: Storage) -> None:
    outlet = RememberingOutlet()
    outlet.break_down()

    with pytest.raises(HomeserverError):
        await feeding(storage, outlet).post()
    await append(storage, 3)
    outlet.mend()
    await catch_up(feeding(storage, outlet))

    assert outlet.heads() == [1, 5], "the one that was held up, then that of the start"
    assert outlet.seqs() == [2, 3, 4]


async def test_a_refused_head_is_posted_by_the_same_run_and_no_second_one_with_it(
    storage: Storage,
) -> None:
    outlet = RememberingOutlet()
    feed = feeding(storage, outlet)
    outlet.break_down()

    for _ in range(3):
        with pytest.raises(HomeserverError):
            await feed.post()
    outlet.mend()
    await catch_up(feed)

    assert outlet.heads() == [1]
    assert outlet.sends == 4
