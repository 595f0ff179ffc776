"""Files of every released schema are brought up to date with all that they hold."""

import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from storage import Inbox, Reading, Readings, StillWaiting
from storage.database import Database
from storage.schema import migrations_of

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ROWS = (
    "INSERT INTO state VALUES ('sync token', 's1')",
    "INSERT INTO inbox VALUES (7, '$1', '!a', '2026', 'memory add', NULL)",
    "INSERT INTO inbox VALUES (9, '$2', '!a', '2026', NULL, '2026')",
    "INSERT INTO encrypted_room VALUES ('!a', '2026')",
    "INSERT INTO identity VALUES ('@ann:x', 'key', '2026')",
    "INSERT INTO tenant VALUES (x'01', x'02', 'vault', 0, 'fox-31', '2026')",
    "INSERT INTO tombstone VALUES ('gone')",
    "INSERT INTO audit_entry VALUES (1, '2026', 'message.answered', 'ok', x'03', x'04')",
    "INSERT INTO audit_detail VALUES (1, x'03', x'05', '2026', 'a', 'b', '', 'ok', '{}')",
    "INSERT INTO audit_feed VALUES (1, '2026', 'fox-31', 'message.answered', 'ok', '{}')",
)
TABLES = sorted({row.split()[2] for row in ROWS})


def first_steps(folder: Path, count: int, kind: str = "shared") -> Path:
    """The migrations that a release had."""
    folder.mkdir()
    for step in sorted(Path(str(migrations_of(kind))).glob("*.sql"))[:count]:
        shutil.copy(step, folder)
    return folder


async def everything(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables that the first release had."""
    rows = {one: await database.rows(f"SELECT * FROM {one}") for one in TABLES}
    return {one: [tuple(cast(Iterable[object], row)) for row in rows[one]] for one in TABLES}


async def test_the_first_released_shared_schema_is_brought_up_to_date_with_its_rows(
    tmp_path: Path,
) -> None:
    path = tmp_path / "shared.db"
    old = await Database.open(path, migrations=first_steps(tmp_path / "steps", 1))
    async with old:
        async with old.transaction() as transaction:
            for statement in ROWS:
                await transaction.execute(statement)
        before = await everything(old)

    async with await Database.open(path, migrations="shared") as database:
        after = await everything(database)
        inbox, readings = (
            Inbox(database, lambda: NOON, key=bytes(32)),
            Readings(database, bytes(32)),
        )
        unfinished, token = await inbox.unfinished(), await inbox.token()
        await inbox.accept([("$3", "!a")], "s2", waiting=[("$4", "!a")])
        await readings.keep([Reading("key", "session", 0, "$3")])
        waiting = await inbox.waiting()
        replay = await readings.belongs_elsewhere(Reading("key", "session", 0, "$4"))

    assert len(TABLES) == 9
    assert all(before.values())
    assert after == before
    assert (unfinished, token) == ([("$1", "!a")], "s1")
    assert (waiting, replay) == ([StillWaiting("$4", "!a", told=False)], True)


async def test_notices_of_an_older_vault_are_known_again_with_the_message_that_led_to_them(
    tmp_path: Path,
) -> None:
    path, made = tmp_path / "vault.db", ("'2026'", "'2026'")
    columns = "memory_id, text, quote, digest, origin, status, room_kind, created_at, updated_at"
    source = "notice_event_id, source_event_id, source_room_id"
    approved, waits, edited = (
        f"INSERT INTO memory ({columns}, {source}) VALUES ({number}, 't', '', x'0{number}', "
        f"'model', '{status}', 'shared', {', '.join(made)}, '$n{number}', {event}, {room})"
        for number, status, event, room in (
            (1, "active", "'$q1'", "'!all'"),
            (2, "pending", "'$q2'", "'!all'"),
            (3, "active", "'$typed'", "'!ann'"),
        )
    )
    former = (
        "INSERT INTO memory_revision (memory_id, text, changed_by, changed_at, source_event_id, "
        "source_room_id) VALUES (3, 't', 'person', '2026', '$q3', '!all')"
    )
    old = await Database.open(path, migrations=first_steps(tmp_path / "steps", 5, "vault"))
    async with old, old.transaction() as transaction:
        for statement in (approved, waits, edited, former):
            await transaction.execute(statement)
        await transaction.execute("INSERT INTO notice VALUES ('$n2', '!all', 'rejected')")

    async with await Database.open(path, migrations="vault") as database:
        rows = await database.rows(
            "SELECT event_id, room_id, became, source_event_id, settled FROM notice ORDER BY 1"
        )

    assert [tuple(cast(Iterable[object], row)) for row in rows] == [
        ("$n1", "!all", "approved", "$q1", 1),
        ("$n2", "!all", "rejected", "$q2", 0),
        ("$n3", "!all", "approved", "$q3", 1),
    ]
