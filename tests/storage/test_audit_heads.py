"""Signed heads find what the log by itself can't: entries cut off, history rewritten."""

import asyncio
import hashlib
import itertools
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlcipher3 import dbapi2

from storage import (
    AuditEntry,
    AuditTampered,
    MasterKey,
    Storage,
    Verified,
    back_up,
    open_storage,
    read_audit_heads,
    read_audit_key,
    restore,
    verify_audit_log,
)
from storage.audit_entry import AuditDetail, canonical, leaf_hash
from storage.checkpoints import HeadKey, opened
from storage.merkle import included, leaf, root_of
from tests.storage.conftest import MASTER_SECRET, everything_under

NOON = datetime(2026, 11, 23, 12, 0, 31, 5, tzinfo=UTC)


def entry(number: int = 0) -> AuditEntry:
    moment = NOON + timedelta(minutes=number)
    return AuditEntry(moment, "@alice:hs", "message.answered", "ok", "$event", {"ms": 40})


async def fill(storage: Storage, count: int, *, head_every: int = 0) -> None:
    for number in range(1, count + 1):
        await storage.audit_log.append(entry(number))
        if head_every and number % head_every == 0:
            await storage.audit_log.head()


async def filled(data: Path, key: MasterKey, count: int, *, head_every: int = 0) -> None:
    async with open_storage(data, key) as storage:
        await fill(storage, count, head_every=head_every)


async def notes(data: Path, key: MasterKey) -> list[str]:
    async with open_storage(data, key) as storage:
        return [head.note for head in await storage.audit_log.heads()]


@contextmanager
def defenceless(data: Path) -> Iterator[Any]:
    """The file as somebody has it who can write it and has read its schema."""
    with closing(dbapi2.connect(str(data / "shared.db"), isolation_level=None)) as file:
        file.execute("PRAGMA foreign_keys = OFF")
        file.execute("DROP TRIGGER audit_entry_update")
        file.execute("DROP TRIGGER audit_entry_delete")
        yield file


def rehash(file: Any) -> None:
    """Let every entry fit its hash again."""
    for seq, at, action, outcome, commitment in file.execute(
        "SELECT seq, occurred_at, action, outcome, commitment FROM audit_entry"
    ).fetchall():
        fits = leaf_hash(
            seq=seq, occurred_at=at, action=action, outcome=outcome, commitment=commitment
        )
        file.execute("UPDATE audit_entry SET leaf_hash = ? WHERE seq = ?", (fits, seq))


def sign_again(file: Any, key: HeadKey) -> None:
    """Replace every head that was kept by that of the entries that are there now."""
    leaves = [row[0] for row in file.execute("SELECT leaf_hash FROM audit_entry ORDER BY seq")]
    for [size] in file.execute("SELECT size FROM audit_head").fetchall():
        note = key.sign(size, root_of(leaves[:size])).note
        file.execute("UPDATE audit_head SET note = ? WHERE size = ?", (note, size))


async def found(data: Path, key: MasterKey, *outside: str) -> str:
    """What verifying says, which the command line says as well."""
    async with open_storage(data, key) as storage:
        with pytest.raises(AuditTampered) as caught:
            await storage.audit_log.verify(outside)
    with pytest.raises(AuditTampered) as again:
        verify_audit_log(data, read_audit_key(data, MASTER_SECRET).verifier_key, outside)
    assert str(again.value) == str(caught.value)
    return str(caught.value)


async def test_a_head_is_of_all_entries_so_far_and_kept(storage: Storage) -> None:
    log = storage.audit_log
    empty = await log.head()
    await fill(storage, 3)
    head = await log.head()
    again = await log.head()

    checkpoint = opened(head.note, storage.audit_key)
    public = [(await log.proof(seq)).public for seq in (1, 2, 3)]

    assert opened(empty.note, storage.audit_key).root == hashlib.sha256().digest()
    assert (checkpoint.size, checkpoint) == (3, head.checkpoint)
    assert checkpoint.root == root_of(leaf(canonical(one)) for one in public)
    assert again == head
    assert await log.heads() == [empty, head]
    assert await log.verify() == Verified(entries=3, heads=2)


async def test_the_next_process_signs_the_same_head_and_goes_on(
    data: Path, master_key: MasterKey
) -> None:
    async with open_storage(data, master_key) as storage:
        await fill(storage, 5)
        first = await storage.audit_log.head()
    async with open_storage(data, master_key) as storage:
        assert await storage.audit_log.head() == first
        await fill(storage, 6, head_every=1)

        assert await storage.audit_log.verify([first.note]) == Verified(entries=11, heads=7)


async def test_a_rolled_back_entry_is_in_no_head(storage: Storage) -> None:
    log = storage.audit_log
    await fill(storage, 3)
    before = await log.head()

    async with storage.vaults.open("@alice:hs") as vault:
        for ticks in range(40):
            task = asyncio.create_task(log.append(entry(), vault))
            for _ in range(ticks):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await log.head()
    with pytest.raises(TypeError):
        await log.record([entry(), replace(entry(), facts={"n": [1]})])  # type: ignore[dict-item]
    last = await log.append(entry())

    assert (await log.head()).checkpoint.size == last
    assert (await log.verify([before.note])).entries == last


async def test_every_entry_is_proved_by_its_details_alone(storage: Storage) -> None:
    log = storage.audit_log
    async with storage.vaults.open("@alice:hs") as vault:
        for number in range(11):
            await log.append(entry(number), vault if number % 3 == 0 else None)

        for seq, detail in await log.disclosed(vault):
            proof = await log.proof(seq)
            checkpoint = opened(proof.head.note, storage.audit_key)
            commitment = hashlib.sha256(detail.salt + canonical(detail.fields)).hexdigest()
            public = {**proof.public, "commitment": commitment}

            root = included(leaf(canonical(public)), seq - 1, checkpoint.size, proof.path)

            assert root == checkpoint.root
            assert proof.public["seq"] == seq

    for missing in (0, 12):
        with pytest.raises(LookupError):
            await log.proof(missing)


def change(sql: str, *, rehashed: bool = False) -> Callable[[Path], None]:
    def run(data: Path) -> None:
        with defenceless(data) as file:
            file.execute(sql)
            if rehashed:
                rehash(file)

    return run


NOT_RECORDED = "entry {} is not what was recorded"
INSERT = (
    "INSERT INTO audit_entry SELECT {}, occurred_at, action, outcome, randomblob(32), leaf_hash "
    "FROM audit_entry WHERE seq = 5"
)


@pytest.mark.parametrize(
    ("tamper", "says"),
    [
        (change("UPDATE audit_entry SET outcome = 'failed' WHERE seq = 5"), NOT_RECORDED.format(5)),
        (change("UPDATE audit_entry SET leaf_hash = x'' WHERE seq = 5"), NOT_RECORDED.format(5)),
        (change("DELETE FROM audit_entry WHERE seq = 1"), NOT_RECORDED.format(1)),
        (change(INSERT.format(0)), NOT_RECORDED.format(1)),
        (change(INSERT.format(-(2**63))), NOT_RECORDED.format(1)),
        (change(INSERT.format(2**63 - 1)), NOT_RECORDED.format(11)),
        (
            change("UPDATE audit_entry SET action = CAST(x'ff' AS TEXT) WHERE seq = 7"),
            NOT_RECORDED.format(7),
        ),
        (
            change("UPDATE audit_entry SET outcome = 'failed' WHERE seq = 5", rehashed=True),
            "its first 6 entries are not those that a head was signed for",
        ),
        (
            change("DELETE FROM audit_entry WHERE seq > 7"),
            "a head was signed for 10 entries, and there are 7, and no entry says that a backup",
        ),
        (change("DELETE FROM audit_entry"), "signed for 10 entries, and there are 0"),
        (
            change("UPDATE audit_head SET note = replace(note, 'g', 'h') WHERE size = 4"),
            "The head kept for 4 entries was changed",
        ),
        (change("UPDATE audit_head SET size = 5 WHERE size = 4"), "kept for 5 entries is that of"),
    ],
)
async def test_verifying_says_what_was_done_to_the_log(
    data: Path, master_key: MasterKey, tamper: Callable[[Path], None], says: str
) -> None:
    await filled(data, master_key, 10, head_every=2)
    async with open_storage(data, master_key) as storage:
        assert await storage.audit_log.verify() == Verified(entries=10, heads=5)
    tamper(data)

    assert says in await found(data, master_key)


async def test_two_entries_that_changed_places_are_found_though_each_fits_its_hash(
    data: Path, master_key: MasterKey
) -> None:
    await filled(data, master_key, 10, head_every=2)
    with defenceless(data) as file:
        for old, new in ((8, 99), (9, 8), (99, 9)):
            file.execute("UPDATE audit_entry SET seq = ? WHERE seq = ?", (new, old))
        rehash(file)

    assert "its first 8 entries are not those" in await found(data, master_key)


async def test_history_rewritten_and_signed_with_the_real_key_is_found_from_what_others_kept(
    data: Path, master_key: MasterKey
) -> None:
    await filled(data, master_key, 10, head_every=5)
    in_the_room = await notes(data, master_key)
    with defenceless(data) as file:
        file.execute("UPDATE audit_entry SET outcome = 'failed' WHERE seq = 7")
        rehash(file)
        sign_again(file, HeadKey(master_key.derive("audit head")))

    async with open_storage(data, master_key) as storage:
        assert await storage.audit_log.verify() == Verified(entries=10, heads=2)  # fits itself
    assert await found(data, master_key, *in_the_room) == (
        "The audit log was rewritten: its first 10 entries are not those that a head was signed "
        "for, and no entry says that a backup was restored."
    )


async def test_entries_and_their_heads_cut_off_are_found_from_what_others_kept(
    data: Path, master_key: MasterKey
) -> None:
    await filled(data, master_key, 10, head_every=5)
    in_the_room = await notes(data, master_key)
    with defenceless(data) as file:
        file.execute("DELETE FROM audit_entry WHERE seq > 6")
        file.execute("DELETE FROM audit_head WHERE size > 6")

    assert "a head was signed for 10 entries, and there are 6" in await found(
        data, master_key, *in_the_room
    )


async def test_a_log_that_began_anew_is_not_the_one_of_an_earlier_head(
    data: Path, master_key: MasterKey
) -> None:
    await filled(data, master_key, 4, head_every=2)
    in_the_room = await notes(data, master_key)
    shutil.rmtree(data)
    await filled(data, master_key, 6)

    assert "its first 2 entries are not those" in await found(data, master_key, *in_the_room)


async def test_a_head_that_nobody_signed_is_named(data: Path, master_key: MasterKey) -> None:
    await filled(data, master_key, 4, head_every=2)
    [_, note] = await notes(data, master_key)
    other = HeadKey(bytes(32))

    assert "no signature of this log's key" in await found(
        data, master_key, note.replace("\n4\n", "\n3\n")
    )
    assert other.origin in await found(data, master_key, other.sign(4, bytes(32)).note)
    assert "no signed note" in await found(data, master_key, "hello")


async def test_a_restored_backup_is_named_as_what_may_have_cut_the_log_off(
    data: Path, master_key: MasterKey, tmp_path: Path
) -> None:
    await filled(data, master_key, 3)
    await back_up(data, MASTER_SECRET, tmp_path / "backup")
    await filled(data, master_key, 6, head_every=3)
    in_the_room = await notes(data, master_key)
    shutil.rmtree(data)
    await restore(data, MASTER_SECRET, tmp_path / "backup")

    cut_off = await found(data, master_key, *in_the_room)
    await filled(data, master_key, 6)
    rewritten = await found(data, master_key, *in_the_room)

    why = "; restoring the backup that entry 5 tells of may be the reason."
    assert cut_off.endswith(f"signed for 10 entries, and there are 5{why}")
    assert "its first 7 entries are not those" in rewritten
    assert rewritten.endswith(why)


async def test_a_restore_over_the_data_that_went_on_keeps_the_log_and_its_heads(
    data: Path, master_key: MasterKey, tmp_path: Path
) -> None:
    await filled(data, master_key, 3, head_every=3)
    await back_up(data, MASTER_SECRET, tmp_path / "backup")
    await filled(data, master_key, 6, head_every=3)
    in_the_room = await notes(data, master_key)

    await restore(data, MASTER_SECRET, tmp_path / "backup", replace=True)

    assert await notes(data, master_key) == in_the_room
    assert len(in_the_room) == 3
    async with open_storage(data, master_key) as storage:
        assert await storage.audit_log.verify(in_the_room) == Verified(entries=11, heads=3)


async def test_after_forgetting_the_log_verifies_and_knowing_everything_links_nobody(
    data: Path, master_key: MasterKey
) -> None:
    """A dictionary attack by somebody who has all files, the master key and knows each detail."""
    async with open_storage(data, master_key) as storage:
        async with storage.vaults.open("@alice:hs") as vault:
            for number in range(20):
                await storage.audit_log.append(entry(number), vault)
            salts = [detail.salt for _, detail in await storage.audit_log.disclosed(vault)]
            note = (await storage.audit_log.head()).note
        assert _linked(await _commitments(storage), salts) == 20  # so the attack works
        await storage.vaults.destroy("@alice:hs")

        assert await storage.audit_log.verify([note]) == Verified(entries=20, heads=1)
        assert _linked(await _commitments(storage), _guesses(data, master_key)) == 0
    for file in everything_under(data):
        assert not any(salt in file.read_bytes() for salt in salts)


async def _commitments(storage: Storage) -> set[bytes]:
    size = (await storage.audit_log.head()).checkpoint.size
    proofs = [await storage.audit_log.proof(seq) for seq in range(1, size + 1)]
    return {bytes.fromhex(proof.public["commitment"]) for proof in proofs}


def _linked(commitments: set[bytes], salts: list[bytes]) -> int:
    """How many entries are known to be Alice's, of whom everything is known."""
    tried = itertools.product(range(20), salts)
    return len(commitments & {AuditDetail(entry(at), salt).commitment for at, salt in tried})


def _guesses(data: Path, key: MasterKey) -> list[bytes]:
    """No salt, those that a fool would take, and every 32 bytes of what is left on the disk."""
    left = [file.read_bytes() for file in everything_under(data) if file.name != "shared.db"]
    pieces = [one[at : at + 32] for one in left for at in range(0, min(len(one), 4096), 8)]
    names = [b"@alice:hs", b"$event", b"salt", key.derive("audit"), key.derive("audit head")]
    return [b"", bytes(32), *names, *(hashlib.sha256(one).digest() for one in names), *pieces]


async def test_the_loop_is_free_while_a_long_log_is_checked(
    data: Path, master_key: MasterKey
) -> None:
    async with open_storage(data, master_key) as storage:
        await storage.audit_log.record([entry(number) for number in range(6_000)])
        checking = asyncio.create_task(storage.audit_log.verify())
        longest, turns = 0.0, 0
        while not checking.done():
            began = time.perf_counter()
            await asyncio.sleep(0)
            longest, turns = max(longest, time.perf_counter() - began), turns + 1

        assert (await checking).entries == 6_000
        assert turns > 5
        assert longest < 0.25


async def test_what_the_command_line_reads_needs_no_migration(
    data: Path, master_key: MasterKey
) -> None:
    await filled(data, master_key, 3, head_every=3)
    key = read_audit_key(data, MASTER_SECRET).verifier_key
    [head] = read_audit_heads(data)
    with defenceless(data) as file:
        file.execute("DROP TABLE audit_head")

    assert (head.size, opened(head.note, key).size) == (3, 3)
    assert read_audit_heads(data) == []
    assert verify_audit_log(data, key) == Verified(entries=3, heads=0)
