"""A message belongs to the event in which it was read first, and nobody can tell whose."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import MasterKey, Reading, Readings, open_storage
from storage.database import Database
from tests.storage.conftest import everything_under, holding

KEY = bytes(32)
READINGS = st.builds(
    Reading,
    sender_key=st.sampled_from(["ann", "eve"]),
    session_id=st.sampled_from(["s1", "s2"]),
    index=st.sampled_from([0, 1, 2**32 - 1]),
    event_id=st.sampled_from(["$1", "$2", "$3"]),
)


@pytest.fixture
async def readings(tmp_path: Path) -> AsyncIterator[Readings]:
    async with await Database.open(tmp_path / "shared.db", migrations="shared") as database:
        yield Readings(database, KEY)


async def test_a_message_is_of_one_event_and_each_message_of_its_own(readings: Readings) -> None:
    await readings.keep([Reading("key", "session", 0, "$1"), Reading("key", "session", 1, "$2")])

    elsewhere = [
        await readings.belongs_elsewhere(Reading(*reading))
        for reading in (
            ("key", "session", 0, "$1"),
            ("key", "session", 0, "$2"),
            ("key", "session", 1, "$1"),
            ("key", "session", 2, "$1"),
            ("key", "other", 0, "$2"),
            ("other", "session", 0, "$2"),
        )
    ]

    assert elsewhere == [False, True, True, False, False, False]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(READINGS, max_size=4), max_size=6))
def test_the_first_event_of_a_message_stays_its_own_over_any_restarts(
    syncs: list[list[Reading]],
) -> None:
    async def run() -> None:
        first: dict[tuple[str, str, int], str] = {}
        with tempfile.TemporaryDirectory() as folder:
            for read in syncs:
                path = Path(folder) / "shared.db"
                async with await Database.open(path, migrations="shared") as database:
                    readings = Readings(database, KEY)
                    await readings.keep(read)
                    for one in read:
                        key = (one.sender_key, one.session_id, one.index)
                        owner = first.setdefault(key, one.event_id)
                        assert await readings.belongs_elsewhere(one) == (owner != one.event_id)

    asyncio.run(run())


async def test_nothing_of_a_reading_is_on_disk_and_no_digest_is_found_without_the_master_key(
    data: Path, master_key: MasterKey
) -> None:
    reading = Reading("curve25519 key", "id of a session", 7, "$an event of ann")
    async with open_storage(data, master_key) as storage:
        await storage.readings.keep([reading])
    async with await Database.open(data / "shared.db", migrations="shared") as database:
        [row] = await database.rows("SELECT session, event FROM reading")
        guessed = Readings(database, bytes(32))
        changed = Reading("curve25519 key", "id of a session", 7, "$another")
        found = await guessed.belongs_elsewhere(changed)

    for text in (reading.sender_key, reading.session_id, reading.event_id):
        assert holding(text.encode(), everything_under(data)) == []
    assert [len(row["session"]), len(row["event"])] == [16, 16]
    assert not found
