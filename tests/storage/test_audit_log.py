"""The audit log: gapless, bare of names, its details with the person, changes noticed."""

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlcipher3 import dbapi2

from storage import AuditEntry, AuditTampered, MasterKey, Storage, open_storage
from storage.audit_entry import AuditDetail, canonical, leaf_hash, salted
from tests.spine import disclosed
from tests.storage.conftest import everything_under, holding

NOON = datetime(2026, 11, 23, 12, 0, 31, 5, tzinfo=UTC)


def entry(action: str = "message.answered", **more: str | int | bool | None) -> AuditEntry:
    return AuditEntry(NOON, "@alice:hs", action, "ok", "$event", more)


async def test_entries_are_numbered_from_one_without_a_gap(storage: Storage) -> None:
    async with storage.vaults.open("@alice:hs") as vault:
        numbers = await asyncio.gather(
            *(storage.audit_log.append(entry(), vault if n % 2 else None) for n in range(20))
        )

    assert sorted(numbers) == list(range(1, 21))
    assert (await storage.audit_log.verify()).entries == 20


async def test_a_person_reads_their_own_entries_newest_first(storage: Storage) -> None:
    log = storage.audit_log
    async with storage.vaults.open("@alice:hs") as alice, storage.vaults.open("@bob:hs") as bob:
        for number in range(6):
            await log.append(entry(number=number, host="h", private=True, none=None), alice)
            await log.append(entry("memory.created"), bob)
        await log.append(entry("bot.started"))

        details = (await disclosed(log, alice))[1:3]

        assert [seq for seq, _ in details] == [9, 7]
        assert details[0][1] == entry(number=4, host="h", private=True, none=None)
        assert {e.action for _, e in await disclosed(log, bob)} == {"memory.created"}
        assert (await disclosed(log, alice))[6:11] == []


async def test_details_whose_entry_was_never_published_do_not_count(storage: Storage) -> None:
    log = storage.audit_log
    async with storage.vaults.open("@alice:hs") as vault:
        await vault.keep_audit_details([salted(entry("forget.done"))])
        await log.append(entry(), vault)
        await vault.keep_audit_details([salted(entry("forget.done"))])

        assert [(seq, e.action) for seq, e in (await disclosed(log, vault))[:9]] == [
            (1, "message.answered")
        ]


async def test_many_entries_are_read_in_batches(storage: Storage) -> None:
    async with storage.vaults.open("@alice:hs") as vault:
        for _ in range(205):
            await storage.audit_log.append(entry(), vault)
            await vault.keep_audit_details([salted(entry("forget.done"))])

        details = (await disclosed(storage.audit_log, vault))[202:205]

    assert [seq for seq, _ in details] == [3, 2, 1]


async def test_the_feed_is_told_once_in_order_by_pseudonym(storage: Storage) -> None:
    log = storage.audit_log
    async with storage.vaults.open("@alice:hs") as vault:
        await log.append(entry("vault.created", rooms=1), vault)
        await log.append(entry("message.denied"))
        await log.append(AuditEntry(NOON, "system", "bot.started", "ok"))

        first = await log.feed(limit=2)
        await log.posted(first[-1].seq)
        rest = await log.feed(limit=9)

        assert [(item.seq, item.pseudonym, item.action) for item in [*first, *rest]] == [
            (1, vault.pseudonym, "vault.created"),
            (2, "—", "message.denied"),
            (3, "system", "bot.started"),
        ]
        assert (first[0].facts, first[0].occurred_at) == ({"rooms": 1}, "2026-11-23T12:00Z")


@pytest.mark.parametrize("reason", ["unlisted", "no operator"])
async def test_nobody_learns_whose_a_name_is_by_shutting_them_out(
    storage: Storage, reason: str
) -> None:
    log = storage.audit_log
    async with storage.vaults.open("@alice:hs") as vault:
        await log.append(entry("message.denied", reason=reason), vault)
        await log.append(entry("message.denied", reason="too fast"), vault)

        assert [one.pseudonym for one in await log.feed(limit=9)] == ["—", vault.pseudonym]
        assert len(await log.disclosed(vault)) == 2, "the person is told all the same"


async def test_what_a_gateway_said_is_for_the_person_alone(
    data: Path, master_key: MasterKey
) -> None:
    facts: dict[str, str | int | bool | None] = {"prompt_tokens": 86411, "model": "m"}
    facts |= {"provider": "canary", "answered_by": "canary", "completion_tokens": 99173}
    async with open_storage(data, master_key) as storage, storage.vaults.open("@alice:hs") as vault:
        said = replace(entry(), facts=facts)
        await storage.audit_log.append(said, vault)
        await storage.audit_log.append(said)  # as where a vault is damaged

        feed = await storage.audit_log.feed(limit=9)
        [(_, own)] = (await disclosed(storage.audit_log, vault))[:9]

        assert [one.facts for one in feed] == [{"model": "m"}] * 2
        assert own.facts == facts
        for word in (b"canary", b"86411", b"99173"):
            assert holding(word, everything_under(data)) == []


async def test_the_shared_file_never_learns_whom_an_entry_is_about(
    data: Path, master_key: MasterKey
) -> None:
    async with open_storage(data, master_key) as storage, storage.vaults.open("@alice:hs") as vault:
        await storage.audit_log.append(entry(), vault)

        files = everything_under(data)

        assert holding(b"alice", files) == []
        assert holding(b"$event", files) == []


async def test_waiting_ends_when_something_was_appended(storage: Storage) -> None:
    log = storage.audit_log
    await log.append(entry())
    await log.wait()
    waiting = asyncio.create_task(log.wait())
    await asyncio.sleep(0)
    assert not waiting.done()

    await log.append(entry())

    await waiting


async def test_the_log_goes_on_after_a_restart_and_survives_a_destroyed_vault(
    data: Path, master_key: MasterKey
) -> None:
    async with open_storage(data, master_key) as storage, storage.vaults.open("@alice:hs") as vault:
        await storage.audit_log.append(entry(), vault)
    async with open_storage(data, master_key) as storage:
        await storage.vaults.destroy("@alice:hs")

        seq = await storage.audit_log.append(AuditEntry(NOON, "", "vault.destroyed", "ok"))

        assert seq == 2
        assert (await storage.audit_log.verify()).entries == 2


async def test_a_cancelled_append_leaves_no_gap_and_no_lock(storage: Storage) -> None:
    async with storage.vaults.open("@alice:hs") as vault:
        for ticks in range(40):
            task = asyncio.create_task(storage.audit_log.append(entry(), vault))
            for _ in range(ticks):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        last = await storage.audit_log.append(entry(), vault)

        assert (await storage.audit_log.verify()).entries == last
        assert len(await disclosed(storage.audit_log, vault)) == last


def change(sql: str) -> Callable[[Path], None]:
    def run(path: Path) -> None:
        connection = dbapi2.connect(str(path), isolation_level=None)
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("DROP TRIGGER audit_entry_update")
        connection.execute("DROP TRIGGER audit_entry_delete")
        connection.execute(sql)
        connection.close()

    return run


@pytest.mark.parametrize(
    "tamper",
    [
        change("UPDATE audit_entry SET outcome = 'failed' WHERE seq = 3"),
        change("UPDATE audit_entry SET action = 'x' WHERE seq = 3"),
        change("UPDATE audit_entry SET occurred_at = '2026-11-23T12:01Z' WHERE seq = 3"),
        change("UPDATE audit_entry SET commitment = zeroblob(32) WHERE seq = 3"),
        change("UPDATE audit_entry SET leaf_hash = zeroblob(32) WHERE seq = 3"),
        change("UPDATE audit_entry SET seq = 9 WHERE seq = 3"),
        change("DELETE FROM audit_entry WHERE seq = 3"),
    ],
)
async def test_verifying_finds_a_changed_entry(
    data: Path, master_key: MasterKey, tamper: Callable[[Path], None]
) -> None:
    async with open_storage(data, master_key) as storage:
        for _ in range(5):
            await storage.audit_log.append(entry())
        assert (await storage.audit_log.verify()).entries == 5
    tamper(data / "shared.db")

    async with open_storage(data, master_key) as storage:
        with pytest.raises(AuditTampered, match="entry 3 is not what was recorded"):
            await storage.audit_log.verify()


async def test_the_file_itself_refuses_to_change_an_entry(
    data: Path, master_key: MasterKey
) -> None:
    async with open_storage(data, master_key) as storage:
        await storage.audit_log.append(entry())
    connection = dbapi2.connect(str(data / "shared.db"), isolation_level=None)

    for sql in ("DELETE FROM audit_entry", "UPDATE audit_entry SET seq = 2"):
        with pytest.raises(dbapi2.IntegrityError, match="append-only"):
            connection.execute(sql)

    connection.close()


def test_a_leaf_is_hashed_as_rfc_9162_has_it() -> None:
    text = (
        '{"action":"bot.started","commitment":"0707","occurred_at":"2026-11-23T12:00Z",'
        '"outcome":"ok","seq":1}'
    )

    leaf = leaf_hash(
        seq=1,
        occurred_at="2026-11-23T12:00Z",
        action="bot.started",
        outcome="ok",
        commitment=b"\x07\x07",
    )

    assert leaf == hashlib.sha256(b"\x00" + text.encode()).digest()


FACTS = st.dictionaries(
    st.text(max_size=9),
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # Surrogates too: what a homeserver sends as JSON may hold them.
    | st.text(max_size=300),
    max_size=5,
)


@given(FACTS)
def test_canonical_json_is_one_form_that_reads_back(facts: dict[str, str | int | None]) -> None:
    detail = salted(AuditEntry(NOON, "@a:hs", "x", "ok", facts=facts))
    text = canonical(dict(detail.entry.facts))

    assert canonical(dict(sorted(detail.entry.facts.items(), reverse=True))) == text
    assert canonical(json.loads(text)) == text
    assert all(len(value) <= 200 for value in detail.entry.facts.values() if isinstance(value, str))


def test_the_commitment_hides_behind_its_salt_and_covers_every_field() -> None:
    whole = entry(n=1)
    base = AuditDetail(whole, b"s" * 32)
    changed = [
        AuditDetail(whole, b"t" * 32),
        AuditDetail(replace(whole, occurred_at=NOON + timedelta(seconds=1)), base.salt),
        AuditDetail(replace(whole, actor="@bob:hs"), base.salt),
        AuditDetail(replace(whole, action="memory.created"), base.salt),
        AuditDetail(replace(whole, outcome="failed"), base.salt),
        AuditDetail(replace(whole, target="$other"), base.salt),
        AuditDetail(replace(whole, facts={"n": 2}), base.salt),
    ]
    same = replace(whole, occurred_at=NOON.astimezone(timezone(timedelta(hours=2))))

    assert len({base.commitment, *(detail.commitment for detail in changed)}) == 8
    assert AuditDetail(same, base.salt).commitment == base.commitment
    assert salted(entry()).commitment != salted(entry()).commitment


async def test_a_fact_that_is_not_a_plain_value_is_refused(storage: Storage) -> None:
    with pytest.raises(TypeError, match="list"):
        await storage.audit_log.append(AuditEntry(NOON, "a", "x", "ok", facts={"n": [1]}))  # type: ignore[dict-item]

    assert (await storage.audit_log.verify()).entries == 0
