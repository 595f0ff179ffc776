"""What comes in a file: an empty vault becomes the exported one; in any other nothing is lost.

The vaults are written row by row, with all that a living one holds and an import leaves out.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import NOT_RESTORED
from storage.clock import from_text
from storage.remembered import digest
from tests.storage.test_merging import NOW, an_empty_vault, brought_in
from tests.storage.vault_tables import EXCEPTIONS, TIMES, Generated, put, restored, vaults

Tables = Mapping[str, list[dict[str, Any]]]

some = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


def as_sets(tables: Tables) -> dict[str, set[tuple[Any, ...]]]:
    return {
        name: {tuple(sorted(row.items(), key=lambda one: one[0])) for row in rows}
        for name, rows in tables.items()
    }


def test_nothing_but_what_is_stated_stays_out_of_an_empty_vault() -> None:
    assert [*EXCEPTIONS] == [*NOT_RESTORED]


@some
@given(vaults(), st.none() | TIMES)
def test_an_export_brought_into_an_empty_vault_makes_the_exported_one(
    tables: Generated, since: str | None
) -> None:
    async def run() -> None:
        async with an_empty_vault() as first, an_empty_vault() as second:
            await put(first, tables)
            exported = await first.export()

            oldest = None if since is None else from_text(since)
            merged = await brought_in(second, exported, since=oldest)

            assert as_sets(exported) == as_sets(tables)
            assert await second.export() == restored(exported, NOW, since)
            assert merged.is_restored

    asyncio.run(run())


@some
@given(vaults(), vaults())
def test_in_a_vault_that_holds_something_nothing_is_lost_or_doubled_and_twice_is_once(
    here: Generated, tables: Generated
) -> None:
    async def run() -> None:
        async with an_empty_vault() as vault:
            await put(vault, here)
            before = await vault.export()

            await brought_in(vault, tables)
            once = await vault.export()
            again = await brought_in(vault, tables)

            assert await vault.export() == once
            assert not sum(again.added[table] for table in again.added if table != "usage")
            for name in before:
                if name != "usage":
                    assert as_sets(before)[name] <= as_sets(once)[name]
            assert once["notice"] == before["notice"]
            said = {row["digest"] for row in once["memory"]}
            said |= {digest(row["text"]).hex() for row in before["memory_revision"]}
            assert {row["digest"] for row in tables["memory"]} <= said
            events = [row["event_id"] for row in once["turn"]]
            known = {row["event_id"] for row in before["turn"]}
            came = {
                row["event_id"]
                for row in restored(tables, NOW)["turn"]
                if (row["answers_event_id"] or row["event_id"]) not in known
            }
            assert sorted(events) == sorted(known | came)

    asyncio.run(run())


@some
@given(vaults())
def test_a_file_that_is_not_proven_to_be_ones_own_adds_only_what_its_reader_alone_can_see(
    tables: Generated,
) -> None:
    async def run() -> None:
        async with an_empty_vault() as vault:
            await brought_in(vault, tables, is_own=False)
            once = await vault.export()
            await brought_in(vault, tables, is_own=False)

            assert await vault.export() == once
            assert {row["room_kind"] for row in once["turn"] + once["memory"]} <= {"direct"}
            assert {row["origin"] for row in once["memory"]} <= {"import"}
            assert not once["memory_share"]
            assert not once["setting"]
            digests = [row["digest"] for row in once["memory"]]
            assert len(digests) == len(set(digests))
            assert set(digests) == {row["digest"] for row in tables["memory"]}

    asyncio.run(run())
