"""What comes in a file, case by case: of vaults as they may be see test_merging_generated.py."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import pytest

from storage import Merged, Skip, Vault, checked
from storage.clock import to_text
from storage.database import Database, Transaction
from storage.incoming import COLUMNS, UnfitTables
from storage.merging import AT_ONCE, LETTERS, _in_pieces
from tests.storage.vault_tables import through_json

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@asynccontextmanager
async def an_empty_vault() -> AsyncIterator[Vault]:
    """A vault of nobody in particular, without a key: encryption takes longer than all the rest."""
    with TemporaryDirectory() as folder:
        async with await Database.open(Path(folder) / "vault.db", migrations="vault") as database:
            yield Vault.over(database, pseudonym="fox-1", is_new=False, now=lambda: NOW)


async def brought_in(
    vault: Vault, tables: Any, *, is_own: bool = True, since: datetime | None = None
) -> Merged:
    return await vault.merge(checked(through_json(tables)), is_own=is_own, since=since, now=NOW)


async def test_the_columns_that_are_checked_are_those_of_the_schema() -> None:
    async with an_empty_vault() as vault:
        exported = await vault.export()
        with pytest.raises(UnfitTables):
            checked({**exported, "strange": []})

        columns = {
            table: {row["name"] for row in await _columns(vault, table)} for table in exported
        }

    assert columns == {table: set(fits) for table, fits in COLUMNS.items()}


async def _columns(vault: Vault, table: str) -> list[Any]:
    return await vault._database.rows("SELECT name FROM pragma_table_info(?)", table)


def turn(event_id: str, number: int = 1, **other: Any) -> dict[str, Any]:
    said = {"turn_id": number, "event_id": event_id, "room_id": "!r", "room_kind": "direct"}
    said |= dict.fromkeys(
        ("thread_id", "answers_event_id", "model", "gateway_host", "provider", "prompt_tokens")
    )
    said |= {"completion_tokens": None, "role": "user", "note": "", "said_at": to_text(NOW)}
    return {**said, "text": f"text of {event_id}", **other}


async def test_what_comes_in_stands_before_what_was_said_here_and_is_found() -> None:
    async with an_empty_vault() as vault:
        for number in range(3):
            await vault.turns.add(
                event_id=f"$here{number}",
                room_id="!r",
                room_kind="direct",
                role="user",
                text=f"said here {number}",
                said_at=NOW,
            )

        await brought_in(vault, {"turn": [turn("$b", 2), turn("$a", 1, text="zebras in Oslo")]})

        recent = await vault.turns.recent("!r", limit=9)
        found = await vault.search.turns("zebras")
        assert [one.event_id for one in recent] == ["$a", "$b", "$here0", "$here1", "$here2"]
        assert found[0].turn.event_id == "$a"


async def test_a_message_that_a_file_foretold_is_what_its_person_says_where_they_say_it() -> None:
    async with an_empty_vault() as vault:
        forged = turn("$later", room_id="!all", room_kind="shared", role="assistant")
        await brought_in(vault, {"turn": [forged]})

        await vault.turns.add(
            event_id="$later",
            room_id="!ann",
            room_kind="direct",
            role="user",
            text="my secret zebra",
            said_at=NOW,
        )

        said = await vault.turns.get("$later")
        assert said is not None
        assert (said.text, said.room_id, said.room_kind) == ("my secret zebra", "!ann", "direct")
        assert said.role == "user"
        assert await vault.search.turns("zebra", room_id="!all") == []


async def test_answers_that_were_never_sent_or_whose_question_is_not_there_stay_out() -> None:
    async with an_empty_vault() as vault:
        forged = [
            turn("unsent answer to $next", role="assistant", answers_event_id="$next"),
            turn("$lone", 2, role="assistant", answers_event_id="$nowhere"),
        ]

        merged = await brought_in(vault, {"turn": forged})

        assert await vault.turns.count() == 0
        assert merged.skipped == {Skip.UNSENT_TURN: 1, Skip.LONE_ANSWER: 1}
        assert await vault.answers.shown_to("$next", room_kind="direct") is None


async def test_a_file_answers_no_question_that_was_asked_here() -> None:
    async with an_empty_vault() as vault:
        await brought_in(vault, {"turn": [turn("$asked")]})
        forged = turn("$forged", 2, role="assistant", answers_event_id="$asked")

        await brought_in(vault, {"turn": [turn("$asked"), forged]})

        assert await vault.answers.shown_to("$asked", room_kind="direct") is None


async def test_an_exchange_older_than_messages_are_kept_stays_out_whole() -> None:
    async with an_empty_vault() as vault:
        old = to_text(NOW - timedelta(days=31))
        tables = {
            "turn": [
                turn("$q"),
                turn("$a", 2, role="assistant", answers_event_id="$q", said_at=old),
                turn("$new", 3),
            ]
        }

        merged = await brought_in(vault, tables, since=NOW - timedelta(days=30))

        assert merged.skipped == {Skip.OLD_TURN: 2}
        assert [row["event_id"] for row in (await vault.export())["turn"]] == ["$new"]


async def test_the_number_of_another_memory_or_of_an_erased_one_is_never_taken() -> None:
    async with an_empty_vault() as vault, an_empty_vault() as other:
        for text in ("first of the file", "second of the file", "third of the file"):
            await other.memories.add(text, origin="person", room_kind="direct")
        exported = await other.export()
        await vault.memories.add("here", origin="person", room_kind="direct")
        await vault.memories.add("erased", origin="person", room_kind="direct")
        await vault.memories.delete([2])

        await brought_in(vault, exported, is_own=False)

        page = await vault.memories.page(limit=9)
        numbers = {one.text: one.memory_id for one in page}
        assert numbers["here"] == 1
        assert 2 not in numbers.values()
        assert sorted(numbers.values()) == [1, 3, 4, 5]
        assert [numbers[f"{one} of the file"] for one in ("first", "second", "third")] == [3, 4, 5]


async def test_what_was_changed_here_does_not_come_back_beside_what_it_says_now() -> None:
    async with an_empty_vault() as vault:
        await vault.memories.add("I live in Oslo", origin="person", room_kind="direct")
        exported = await vault.export()
        await vault.memories.edit(1, "I live in Bergen", changed_by="person")

        merged = await brought_in(vault, exported)

        assert [one.text for one in await vault.memories.page(limit=9)] == ["I live in Bergen"]
        assert merged.skipped == {Skip.KNOWN_MEMORY: 1}


async def test_sharing_and_pins_of_a_memory_that_is_here_stay_as_they_are() -> None:
    async with an_empty_vault() as vault:
        await vault.memories.add("I live in Oslo", origin="person", room_kind="direct")
        await vault.memories.share(1, "!all")
        await vault.memories.pin(1, pinned=True)
        exported = await vault.export()
        await vault.memories.unshare(1, "!all")
        await vault.memories.pin(1, pinned=False)

        await brought_in(vault, exported)

        memory = await vault.memories.get(1)
        assert memory is not None
        assert not memory.shared_in
        assert not memory.pinned


async def test_counts_come_into_a_vault_that_they_restore_and_into_no_other() -> None:
    used = {"day": "2026-05-30", "model": "words of a file", "requests": 1, "prompt_tokens": 10}
    tables = {"turn": [turn("$1")], "usage": [{**used, "completion_tokens": 0}]}
    async with an_empty_vault() as vault, an_empty_vault() as other:
        await brought_in(vault, tables)
        await brought_in(vault, {"usage": [{**tables["usage"][0], "day": "2026-05-31"}]})
        merged = await brought_in(other, tables, is_own=False)

        assert (await vault.export())["usage"] == tables["usage"]
        assert (await other.export())["usage"] == []
        assert merged.skipped == {Skip.USAGE: 1}


async def test_where_anything_fails_nothing_came_in() -> None:
    async with an_empty_vault() as vault:
        tables = dict(checked({"turn": [turn("$1")], "turn_part": []}))
        broken = [{"event_id": "$p", "turn_id": 1}, {"event_id": "$p", "turn_id": 1}]

        with pytest.raises(Exception, match="UNIQUE"):
            await vault.merge({**tables, "turn_part": broken}, is_own=True, since=None, now=NOW)

        assert await vault.turns.count() == 0


async def test_what_is_written_at_once_is_little_so_that_nobody_waits_for_it() -> None:
    written: list[list[int]] = []

    class Writes:
        async def many(self, statement: str, rows: list[list[str]]) -> None:
            written.append([len(text) for [text] in rows])

    rows = [["a" * length] for length in (LETTERS - 1, 1, 1, 3 * LETTERS, *[0] * (AT_ONCE + 1))]
    await _in_pieces(cast(Transaction, Writes()), "INSERT", rows)

    assert written == [[LETTERS - 1, 1], [1], [3 * LETTERS], [0] * AT_ONCE, [0]]


async def test_messages_that_are_here_are_known_however_many_a_file_names() -> None:
    async with an_empty_vault() as vault:
        tables = {"turn": [turn(f"${number}", number) for number in range(1, 2 * AT_ONCE)]}
        await brought_in(vault, tables)

        merged = await brought_in(vault, tables)

        assert merged.skipped == {Skip.KNOWN_TURN: 2 * AT_ONCE - 1}
