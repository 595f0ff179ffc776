"""Signed heads, the proofs that lead to them, and what they cost those who are not concerned."""

import asyncio
import hashlib
import itertools
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from storage import (
    MasterKey,
    Storage,
    Verified,
    audit_tree,
    open_storage,
    read_audit_heads,
    read_audit_key,
    read_audit_log,
    verify_audit_log,
)
from storage.audit_entry import AuditDetail, canonical
from storage.checkpoints import opened
from storage.merkle import Frontier, included, inclusion, leaf, root_of
from tests.storage.conftest import MASTER_SECRET, everything_under
from tests.storage.signed_logs import defenceless, entry, fill, filled


async def test_a_head_is_of_all_entries_so_far_and_kept(storage: Storage, data: Path) -> None:
    log = storage.audit_log
    empty = await log.head()
    await fill(storage, 3)
    head = await log.head()
    again = await log.head()

    checkpoint = opened(head.note, storage.audit_key)
    public = _public(data)

    assert opened(empty.note, storage.audit_key).root == hashlib.sha256().digest()
    assert (checkpoint.size, checkpoint) == (3, head.checkpoint)
    assert checkpoint.root == root_of(leaf(canonical(one)) for one in public)
    assert again == head
    assert [one.note for one in read_audit_heads(data)] == [empty.note, head.note]
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


async def test_a_head_that_is_cancelled_while_the_tree_grows_leaves_the_tree_as_it_is(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, push = storage.audit_log, Frontier.push
    await fill(storage, 20)
    began, may_go_on = threading.Event(), threading.Event()

    def slowly(frontier: Frontier, leaf_hash: bytes) -> None:
        began.set()
        may_go_on.wait(5)
        push(frontier, leaf_hash)

    with monkeypatch.context() as patch:
        patch.setattr(Frontier, "push", slowly)
        task = asyncio.create_task(log.head())
        await asyncio.to_thread(began.wait, 5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        may_go_on.set()
        head = await log.head()

    assert head.checkpoint.size == 20
    assert await log.verify([head.note]) == Verified(entries=20, heads=1)


async def test_proofs_lead_to_heads_that_are_there_and_make_one_only_where_none_is(
    storage: Storage, data: Path
) -> None:
    log = storage.audit_log
    await fill(storage, 5)
    first = await log.head()
    await fill(storage, 3)

    assert [(await log.proof(seq)).head for seq in (1, 5, 2)] == [first] * 3
    with pytest.raises(LookupError):
        await log.proof(9)
    assert len(read_audit_heads(data)) == 1
    later = (await log.proof(6)).head
    assert later.checkpoint.size == 8
    assert [(await log.proof(seq)).head for seq in range(1, 9)] == [later] * 8
    assert len(read_audit_heads(data)) == 2


async def test_no_proof_leads_to_a_head_that_was_changed(data: Path, master_key: MasterKey) -> None:
    async with open_storage(data, master_key) as storage:
        await fill(storage, 3)
        small = await storage.audit_log.head()
        await fill(storage, 2)
    with defenceless(data) as file:
        file.execute("INSERT INTO audit_head VALUES (9, 'x', ''), (8, ?, '')", (small.note,))
    async with open_storage(data, master_key) as storage:
        assert (await storage.audit_log.proof(5)).head.checkpoint.size == 5
        async with storage.audit_log._database.transaction() as transaction:
            await transaction.execute("DELETE FROM audit_head WHERE size = 9")
        assert (await storage.audit_log.proof(5)).head.checkpoint.size == 5


async def test_every_entry_is_proved_by_its_details_alone(storage: Storage, data: Path) -> None:
    log = storage.audit_log
    async with storage.vaults.open("@alice:hs") as vault:
        for number in range(11):
            await log.append(entry(number), vault if number % 3 == 0 else None)

        for seq, detail in await log.disclosed(vault):
            proof = await log.proof(seq)
            checkpoint = opened(proof.head.note, storage.audit_key)
            commitment = hashlib.sha256(detail.salt + canonical(detail.fields)).hexdigest()
            public = {**_public(data)[seq - 1], "commitment": commitment}

            root = included(leaf(canonical(public)), seq - 1, checkpoint.size, proof.path)

            assert root == checkpoint.root
            assert public["seq"] == proof.seq == seq

    for missing in (0, 12):
        with pytest.raises(LookupError):
            await log.proof(missing)


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
        assert _linked(_commitments(data), salts) == 20  # so the attack works
        await storage.vaults.destroy("@alice:hs")

        assert await storage.audit_log.verify([note]) == Verified(entries=20, heads=1)
        assert _linked(_commitments(data), _guesses(data, master_key)) == 0
    for file in everything_under(data):
        assert not any(salt in file.read_bytes() for salt in salts)


def _public(data: Path) -> list[dict[str, Any]]:
    """The public halves, without their leaves."""
    entries = [asdict(one) for one in read_audit_log(data)]
    return [{name: one[name] for name in one if name != "leaf_hash"} for one in entries]


def _commitments(data: Path) -> set[bytes]:
    return {bytes.fromhex(one["commitment"]) for one in _public(data)}


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


async def test_hashing_is_left_to_other_threads_so_that_the_loop_is_free(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, threads = storage.audit_log, set[int]()
    await fill(storage, 3)

    def watched(original: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            threads.add(threading.get_ident())
            return original(*arguments)

        return run

    monkeypatch.setattr(Frontier, "push", watched(Frontier.push))
    monkeypatch.setattr(audit_tree, "inclusion", watched(inclusion))
    await log.head()
    await log.proof(2)
    await log.verify()

    assert threads
    assert threading.get_ident() not in threads


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
