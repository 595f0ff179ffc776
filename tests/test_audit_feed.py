"""The audit room: everything once, nothing twice, no content."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.audit_feed import FOLD, fitting, notice
from bot.errors import (
    ConfigError,
    HomeserverError,
    HomeserverUnavailableError,
)
from bot.matrix.content import ROOM_FOR_CONTENT, message
from bot.messages import Action
from storage import MasterKey, Storage, open_storage
from tests.audit_feeding import (
    AUDIT,
    ROOM,
    RememberingOutlet,
    append,
    catch_up,
    feeding,
    item,
)


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    async with open_storage(tmp_path, MasterKey.load("ab" * 32, tmp_path)) as opened:
        yield opened


async def test_every_entry_is_posted_once_across_restarts(storage: Storage) -> None:
    outlet = RememberingOutlet()

    for _ in range(6):
        await append(storage, 2)
        await catch_up(feeding(storage, outlet))

    # Each start has a head, whose own entry is the third of its round.
    assert outlet.seqs() == [seq for seq in range(1, 19) if seq % 3]
    assert outlet.heads() == [3, 6, 9, 12, 15, 18]


async def test_a_notice_whose_answer_was_lost_is_repeated_as_it_was(storage: Storage) -> None:
    outlet = RememberingOutlet()
    feed = feeding(storage, outlet)
    await catch_up(feed)
    await append(storage)
    outlet.break_down()

    with pytest.raises(HomeserverError):
        await feed.post()
    await append(storage)
    outlet.mend()
    await catch_up(feeding(storage, outlet))

    assert outlet.seqs() == [2, 3]
    entries = [one.fields[AUDIT].get("entries", []) for one in outlet.events.values()]
    assert [len(one) for one in entries] == [0, 1, 0, 1]
    assert outlet.sends == 5


@pytest.mark.parametrize(
    "failure",
    [HomeserverError("no"), HomeserverUnavailableError("later"), ConfigError("audit.room: public")],
)
async def test_the_feed_is_woken_by_an_entry_and_tries_again_whatever_kept_it(
    storage: Storage, failure: Exception
) -> None:
    outlet = RememberingOutlet()
    feed = feeding(storage, outlet, pace=0.00001)
    await catch_up(feed)
    outlet.failure = failure

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(feed.run())
        await append(storage)
        async with asyncio.timeout(10):
            while outlet.sends < 4:  # noqa: ASYNC110 (the feed's own pace is what is tested)
                await asyncio.sleep(0)
            outlet.mend()
            while await storage.audit_log.feed(limit=1):
                pass
        running.cancel()

    assert outlet.seqs() == [2]


async def test_a_burst_is_one_notice_of_one_line(storage: Storage) -> None:
    outlet = RememberingOutlet()
    await append(storage, FOLD)

    await catch_up(feeding(storage, outlet))

    _, posted = outlet.events.values()
    assert len(posted.text.splitlines()) == 1
    assert f"{FOLD} messages answered for" in posted.text
    assert outlet.seqs() == list(range(1, FOLD + 1))


async def test_what_is_about_to_be_done_is_not_told_and_holds_nothing_up(
    storage: Storage,
) -> None:
    outlet = RememberingOutlet()
    feed = feeding(storage, outlet)
    await catch_up(feed)

    await append(storage, outcome="begun")
    await catch_up(feed)
    assert outlet.sends == 1, "the head"
    await append(storage, outcome="begun")
    await append(storage)
    await catch_up(feed)

    assert outlet.seqs() == [4]
    assert "begun" not in str([one.text for one in outlet.events.values()])


async def test_nobody_is_named_but_by_a_pseudonym(storage: Storage) -> None:
    await append(storage)
    items = await storage.audit_log.feed(limit=10)

    posted = notice(items, ROOM)

    assert "@ann:x" not in f"{posted.text}{posted.fields}"
    assert items[0].pseudonym in posted.text


def test_a_notice_of_the_longest_entries_fits_an_event_with_its_text() -> None:
    facts = {f"fact {number}": "🦊" * 200 for number in range(3)}
    entries = [item(seq, Action.SETTINGS_CHANGED, facts={**facts, "n": seq}) for seq in range(100)]

    some = fitting(entries)
    content = message(notice(some, ROOM))

    assert 1 <= len(some) < 100
    assert len(json.dumps(content)) <= ROOM_FOR_CONTENT


def test_one_entry_that_is_too_long_is_posted_by_itself() -> None:
    long = [item(seq, facts={"fact": "x" * 20_000}) for seq in (1, 2)]

    assert fitting(long) == long[:1]
