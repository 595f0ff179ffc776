"""The audit room: everything once, nothing twice, no content."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.audit_feed import AuditFeed, line, notice
from bot.errors import HomeserverError
from bot.messages import Outgoing
from storage import AuditEntry, FeedItem, MasterKey, Storage, open_storage


class RememberingOutlet:
    """A homeserver that drops what it has seen under the same transaction id."""

    def __init__(self) -> None:
        self.events: dict[str, Outgoing] = {}
        self.sends = 0
        self.broken = False
        self.tried_thrice = asyncio.Event()
        self.took = asyncio.Event()

    async def send(self, outgoing: Outgoing) -> str:
        self.sends += 1
        if self.sends == 3:
            self.tried_thrice.set()
        self.events.setdefault(outgoing.transaction_id, outgoing)
        if self.broken:  # it took the event, but its answer was lost
            raise HomeserverError("refused")
        self.took.set()
        return f"$e{len(self.events)}"

    def seqs(self) -> list[int]:
        return [
            entry["seq"]
            for one in self.events.values()
            for entry in one.fields["org.confidant.audit"]["entries"]
        ]


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    async with open_storage(tmp_path, MasterKey.load("ab" * 32, tmp_path)) as opened:
        yield opened


async def append(storage: Storage, action: str = "message.answered") -> None:
    now = datetime(2026, 1, 1, 12, 3, tzinfo=UTC)
    entry = AuditEntry(occurred_at=now, actor="@ann:x", action=action, outcome="ok")
    async with storage.vaults.open("@ann:x") as vault:
        await storage.audit_log.append(entry, vault)


async def test_every_entry_is_posted_once_across_restarts(storage: Storage) -> None:
    outlet = RememberingOutlet()

    for number in range(6):
        await append(storage)
        await append(storage)
        feed = AuditFeed(storage, outlet, "!audit")  # as after a restart
        while await feed.post():
            pass
        assert outlet.seqs() == list(range(1, 2 * number + 3))


async def test_a_notice_whose_answer_was_lost_is_repeated_as_it_was(storage: Storage) -> None:
    outlet = RememberingOutlet()
    await append(storage)
    outlet.broken = True

    with pytest.raises(HomeserverError):
        await AuditFeed(storage, outlet, "!audit").post()
    await append(storage)
    outlet.broken = False
    feed = AuditFeed(storage, outlet, "!audit")
    while await feed.post():
        pass

    assert outlet.seqs() == [1, 2]
    assert outlet.sends == 3


async def test_the_feed_is_woken_by_an_entry_and_tries_again_where_it_is_refused(
    storage: Storage,
) -> None:
    outlet = RememberingOutlet()
    outlet.broken = True
    feed = AuditFeed(storage, outlet, "!audit", pace=0.00001)

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(feed.run())
        await append(storage)
        async with asyncio.timeout(10):
            await outlet.tried_thrice.wait()
            outlet.broken = False
            await outlet.took.wait()
        running.cancel()

    assert outlet.seqs() == [1]


async def test_nobody_is_named_but_by_a_pseudonym(storage: Storage) -> None:
    await append(storage)
    items = await storage.audit_log.feed(limit=10)

    posted = notice(items, "!audit")

    assert "@ann:x" not in f"{posted.text}{posted.fields}"
    assert items[0].pseudonym in posted.text


def test_like_entries_in_a_row_are_one_line_and_a_failure_stands_out() -> None:
    run = [
        FeedItem(n, f"2026-01-01T12:0{n}:00+00:00", "fox-31", "message.answered", "ok", {})
        for n in range(1, 4)
    ]
    failed = FeedItem(
        4, "2026-01-01T12:04:00+00:00", "fox-31", "gateway.failed", "failed", {"n": 1}
    )

    posted = notice([*run, failed], "!audit")

    assert posted.text.splitlines() == [
        "- ✅ 12:01 **message.answered** · fox-31 · 3 times in 2 min",
        "- ⚠️ 12:04 **gateway.failed** · fox-31 · n 1",
    ]
    assert line(run[:1]) == "✅ 12:01 **message.answered** · fox-31"
