"""Slots: nobody shares one, an erased one holds nothing, a moved one does not open."""

import os
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import MasterKey, StorageFailure
from storage.keyring import BLANK, SLOT_BYTES, SLOTS_A_TIME, Keyring

MASTER_KEY = MasterKey(bytes(range(32)))


@contextmanager
def keyring_at(path: Path) -> Iterator[Keyring]:
    with closing(Keyring.open(path, MASTER_KEY)) as keyring:
        yield keyring


def slot_bytes(path: Path, slot: int) -> bytes:
    return path.read_bytes()[slot * SLOT_BYTES : (slot + 1) * SLOT_BYTES]


@settings(deadline=None)
@given(st.lists(st.sampled_from(["add", "erase", "release", "reopen"]), max_size=60), st.data())
def test_any_sequence_keeps_everybodys_own_key(steps: list[str], choice: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "keyring"
        living: dict[str, tuple[int, bytes]] = {}
        erased: list[int] = []
        keyring = Keyring.open(path, MASTER_KEY)
        for number, step in enumerate(steps):
            if step == "add":
                slot, key = keyring.allocate(f"vault{number}")
                assert slot not in {taken for taken, _ in living.values()}
                assert slot not in erased
                living[f"vault{number}"] = (slot, key)
            elif step == "erase" and living:
                vault = choice.draw(st.sampled_from(sorted(living)))
                slot, key = living.pop(vault)
                wrapped = slot_bytes(path, slot)
                keyring.erase(slot)
                erased.append(slot)
                content = path.read_bytes()
                assert slot_bytes(path, slot) == BLANK
                # No eight bytes in a row of what was in the slot are left anywhere.
                assert not any(wrapped[at : at + 8] in content for at in range(4, SLOT_BYTES - 8))
            elif step == "release" and erased:
                keyring.release(erased.pop())
            elif step == "reopen":
                keyring.close()
                keyring = Keyring.open(path, MASTER_KEY)
                erased.clear()
            for vault, (slot, key) in living.items():
                assert keyring.key(slot, vault) == key
            assert list(keyring.used()) == sorted(slot for slot, _ in living.values())
        keyring.close()


def test_the_file_is_private_preallocated_and_grows_without_moving_a_slot(tmp_path: Path) -> None:
    path = tmp_path / "keyring"
    with keyring_at(path) as keyring:
        keys = [keyring.allocate(f"vault{n}") for n in range(SLOTS_A_TIME)]
        before = path.read_bytes()

        slot, _ = keyring.allocate("one more")

        assert len(before) == SLOTS_A_TIME * SLOT_BYTES
        assert (slot, len(path.read_bytes())) == (SLOTS_A_TIME, 2 * len(before))
        assert path.read_bytes()[: len(before)] == before
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert sorted(slot for slot, _ in keys) == list(range(SLOTS_A_TIME))


def test_erasing_writes_in_place_and_keeps_the_file(tmp_path: Path) -> None:
    path = tmp_path / "keyring"
    with keyring_at(path) as keyring:
        slot, _ = keyring.allocate("vault")
        before = path.stat()

        keyring.erase(slot)
        keyring.erase(slot)

        after = path.stat()
        assert (after.st_ino, after.st_size) == (before.st_ino, before.st_size)
        assert keyring.blank(slot)


def test_an_erased_slot_is_given_to_nobody_before_it_is_released(tmp_path: Path) -> None:
    with keyring_at(tmp_path / "keyring") as keyring:
        first, _ = keyring.allocate("a")
        keyring.erase(first)

        second, _ = keyring.allocate("b")
        keyring.release(first)
        keyring.release(second)  # has a key: releasing it must change nothing
        third, _ = keyring.allocate("c")
        fourth, _ = keyring.allocate("d")

        assert second != first == third
        assert fourth not in {second, third}


def test_a_key_opens_for_its_own_slot_and_vault_only(tmp_path: Path) -> None:
    path = tmp_path / "keyring"
    with keyring_at(path) as keyring:
        slot, _ = keyring.allocate("mine")
        other, _ = keyring.allocate("other")
        content = slot_bytes(path, slot)
        with path.open("r+b") as file:
            file.seek(other * SLOT_BYTES)
            file.write(content)

        for wrong_slot, vault in ((other, "mine"), (other, "other"), (slot, "other"), (99, "mine")):
            with pytest.raises(StorageFailure, match="keyring was changed"):
                keyring.key(wrong_slot, vault)


def test_another_master_key_opens_nothing(tmp_path: Path) -> None:
    with keyring_at(tmp_path / "keyring") as keyring:
        slot, _ = keyring.allocate("vault")
    with (
        closing(Keyring.open(tmp_path / "keyring", MasterKey(bytes(32)))) as stranger,
        pytest.raises(StorageFailure),
    ):
        stranger.key(slot, "vault")


def test_threads_that_allocate_together_never_get_the_same_slot(tmp_path: Path) -> None:
    with keyring_at(tmp_path / "keyring") as keyring:
        slots: list[int] = []

        def allocate(worker: int) -> None:
            slots.extend(keyring.allocate(f"{worker}/{n}")[0] for n in range(25))

        threads = [threading.Thread(target=allocate, args=(worker,)) for worker in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(set(slots)) == 200


def test_a_keyring_that_cannot_be_opened_or_written_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StorageFailure, match="keyring can't be opened"):
        Keyring.open(tmp_path / "absent" / "keyring", MASTER_KEY)
    with keyring_at(tmp_path / "keyring") as keyring:
        slot, _ = keyring.allocate("vault")
    descriptor = os.open(tmp_path / "keyring", os.O_RDONLY)
    with (
        closing(Keyring(descriptor, MASTER_KEY.derive("keyring"))) as read_only,
        pytest.raises(StorageFailure, match="can't be written"),
    ):
        read_only.erase(slot)
