"""Whatever is done to the log is found: by itself, by its heads, or by those that others kept."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from storage import (
    MasterKey,
    Verified,
    back_up,
    open_storage,
    restore,
)
from storage.checkpoints import HeadKey
from tests.storage.conftest import MASTER_SECRET
from tests.storage.signed_logs import (
    defenceless,
    filled,
    found,
    notes,
    rehash,
    sign_again,
)


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
    in_the_room = notes(data)
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
    in_the_room = notes(data)
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
    in_the_room = notes(data)
    shutil.rmtree(data)
    await filled(data, master_key, 6)

    assert "its first 2 entries are not those" in await found(data, master_key, *in_the_room)


async def test_a_head_that_nobody_signed_is_named(data: Path, master_key: MasterKey) -> None:
    await filled(data, master_key, 4, head_every=2)
    [_, note] = notes(data)
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
    in_the_room = notes(data)
    shutil.rmtree(data)
    await restore(data, MASTER_SECRET, tmp_path / "backup")

    cut_off = await found(data, master_key, *in_the_room)
    await filled(data, master_key, 6)
    rewritten = await found(data, master_key, *in_the_room)

    why = "; restoring the backup that entry 5 tells of may be the reason."
    assert cut_off.endswith(f"signed for 10 entries, and there are 5{why}")
    assert "its first 7 entries are not those" in rewritten
    assert rewritten.endswith(why)


async def test_what_a_restore_explains_hides_no_tampering(
    data: Path, master_key: MasterKey, tmp_path: Path
) -> None:
    await filled(data, master_key, 3)
    await back_up(data, MASTER_SECRET, tmp_path / "backup")
    await filled(data, master_key, 6, head_every=3)
    lost = notes(data)
    shutil.rmtree(data)
    await restore(data, MASTER_SECRET, tmp_path / "backup")
    await filled(data, master_key, 9, head_every=9)
    with defenceless(data) as file:
        file.execute("UPDATE audit_entry SET outcome = 'denied' WHERE seq = 9")
        changed = await found(data, master_key, *lost)
        rehash(file)
    rewritten = await found(data, master_key, *lost)

    assert NOT_RECORDED.format(9) in changed
    assert rewritten == (
        "The audit log was rewritten: its first 14 entries are not those that a head was signed "
        "for; that head came with the log, so no restored backup explains it."
    )


async def test_a_restore_over_the_data_that_went_on_keeps_the_log_and_its_heads(
    data: Path, master_key: MasterKey, tmp_path: Path
) -> None:
    await filled(data, master_key, 3, head_every=3)
    await back_up(data, MASTER_SECRET, tmp_path / "backup")
    await filled(data, master_key, 6, head_every=3)
    in_the_room = notes(data)

    await restore(data, MASTER_SECRET, tmp_path / "backup", replace=True)

    assert notes(data) == in_the_room
    assert len(in_the_room) == 3
    async with open_storage(data, master_key) as storage:
        assert await storage.audit_log.verify(in_the_room) == Verified(entries=11, heads=3)
