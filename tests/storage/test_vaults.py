"""Everybody has a vault of their own, opened from their user id and nothing else."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage import MasterKey, Storage, StorageFailure, Vault, open_storage, tenants
from storage.tenants import ANIMALS, free_pseudonym
from tests.storage.conftest import everything_under, holding

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOSTILE = [
    "@../../../tmp/x:hs",
    "@" + "🦊" * 250 + ":hs",
    "@a\0b:hs",
    "@'; DROP TABLE tenant; --:hs",
    "@\ud800:hs",
    "",
    "/etc/passwd",
    "@a:hs",
    "@A:hs",
]


@pytest.fixture
async def small(data: Path, master_key: MasterKey) -> AsyncIterator[Storage]:
    """A pool of eight."""
    async with open_storage(data, master_key, pool_size=8) as opened:
        yield opened


async def remember(vault: Vault, text: str) -> None:
    await vault.memories.add(text, origin="person", room_kind="direct")


async def texts(vault: Vault) -> list[str]:
    return [memory.text for memory in await vault.memories.page(limit=99)]


async def still_open(vaults: Iterable[Vault]) -> int:
    """How many different vaults the handles still reach."""
    answering = set()
    for vault in vaults:
        with suppress(StorageFailure):
            await vault.counts()
            answering.add(vault.pseudonym)
    return len(answering)


async def test_hostile_user_ids_get_vaults_like_anybody(storage: Storage, data: Path) -> None:
    outside = set(data.parent.iterdir())

    for user_id in HOSTILE:
        async with storage.vaults.open(user_id) as vault:
            assert vault.is_new
            await remember(vault, f"of {user_id!r}")
    for user_id in HOSTILE:
        async with storage.vaults.open(user_id) as vault:
            assert await texts(vault) == [f"of {user_id!r}"]

    names = {path.name for path in (data / "vaults").iterdir()}
    assert all(re.fullmatch(r"[0-9a-f]{32}\.db(-wal|-shm)?", name) for name in names)
    assert len({name[:32] for name in names}) == len(HOSTILE)
    assert set(data.parent.iterdir()) == outside


async def test_no_file_tells_who_has_a_vault_or_what_is_in_it(storage: Storage, data: Path) -> None:
    user_id = "@canary-of-alice:hs"
    async with storage.vaults.open(user_id) as vault:
        await remember(vault, "canary-8d41")
        await vault.set_setting("canary-8d41", "canary-8d41")
        pseudonym = vault.pseudonym

        files = everything_under(data)

        assert len(files) >= 8
        assert holding(b"canary", files) == []
        assert await storage.vaults.who(pseudonym) == user_id
        assert await storage.vaults.who("unicorn-1") is None


async def test_only_the_making_of_a_vault_is_new(storage: Storage) -> None:
    before = await storage.vaults.exists("@a:hs")
    async with storage.vaults.open("@a:hs") as first, storage.vaults.open("@a:hs") as second:
        await remember(first, "fact")

        assert (before, first.is_new, second.is_new) == (False, True, False)
        assert first.pseudonym == second.pseudonym
        assert await texts(second) == ["fact"]
        assert await storage.vaults.exists("@a:hs")


async def test_everybody_who_has_a_vault_can_be_gone_through(storage: Storage) -> None:
    for user_id in HOSTILE:
        async with storage.vaults.open(user_id):
            pass
    await storage.vaults.destroy("@a:hs")

    assert set(await storage.vaults.people()) == set(HOSTILE) - {"@a:hs"}


async def test_whoever_is_being_erased_is_nobody_any_more(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with storage.vaults.open("@a:hs"):
        pass
    monkeypatch.setattr(storage.vaults, "_bury", _crash)

    with pytest.raises(RuntimeError):
        await storage.vaults.destroy("@a:hs")

    assert await storage.vaults.people() == []


async def _crash(vault_id: str, slot: int) -> None:
    raise RuntimeError


async def test_people_who_come_at_once_share_one_vault_of_their_own(storage: Storage) -> None:
    async def come(number: int) -> bool:
        async with storage.vaults.open(f"@{number % 5}:hs") as vault:
            await remember(vault, f"{number}")
            return vault.is_new

    new = await asyncio.gather(*(come(number) for number in range(50)))

    assert sum(new) == 5
    for person in range(5):
        async with storage.vaults.open(f"@{person}:hs") as vault:
            assert {int(text) % 5 for text in await texts(vault)} == {person}
            assert len(await texts(vault)) == 10


async def test_50_people_in_parallel_through_a_pool_of_8_see_only_their_own(
    small: Storage,
) -> None:
    handles: list[Vault] = []

    async def visit(person: int, visit: int) -> None:
        async with small.vaults.open(f"@{person}:hs") as vault:
            handles.append(vault)
            await remember(vault, f"canary {person} {visit}")
            await vault.turns.add(
                event_id=f"${person} {visit}",
                room_id="!shared",
                room_kind="shared",
                role="user",
                text=f"canary {person}",
                said_at=NOON,
            )
            await asyncio.sleep(0)
            said = [turn.text for turn in await vault.turns.recent("!shared", limit=99)]
            found = await vault.search.memories("canary")
            assert set(said) == {f"canary {person}"}
            assert all(text.startswith(f"canary {person} ") for text in await texts(vault))
            assert {hit.memory.text.split()[1] for hit in found} == {str(person)}

    await asyncio.gather(*(visit(person, n) for n in range(4) for person in range(50)))

    assert await still_open(handles) == 8
    for person in range(50):
        async with small.vaults.open(f"@{person}:hs") as vault:
            assert sorted(await texts(vault)) == [f"canary {person} {n}" for n in range(4)]


async def test_a_vault_in_use_is_not_closed_however_many_are_opened(small: Storage) -> None:
    async with small.vaults.open("@kept:hs") as kept:
        handles = [kept]
        for person in range(30):
            async with small.vaults.open(f"@{person}:hs") as vault:
                handles.append(vault)
        await remember(kept, "still here")

        assert await texts(kept) == ["still here"]
        assert await still_open(handles) == 8


async def test_the_longest_unused_vault_is_closed_first(small: Storage) -> None:
    opened = []
    for person in [*range(8), 0, 9]:
        async with small.vaults.open(f"@{person}:hs") as vault:
            opened.append(vault)

    assert await opened[0].memories.count() == 0
    with pytest.raises(StorageFailure, match="closed"):
        await opened[1].memories.count()
    assert await opened[2].memories.count() == 0


async def test_cancelled_openings_leave_the_person_able_to_come_back(storage: Storage) -> None:
    async def visit() -> None:
        async with storage.vaults.open("@a:hs") as vault:
            await remember(vault, "fact")

    for ticks in range(60):
        task = asyncio.create_task(visit())
        for _ in range(ticks):
            await asyncio.sleep(0)
        if ticks % 3 == 0:
            await storage.state("x")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async with storage.vaults.open("@a:hs") as vault:
        await remember(vault, "after")
        assert "after" in await texts(vault)


async def test_a_vault_made_but_never_recorded_is_new_again_after_a_restart(
    data: Path, master_key: MasterKey
) -> None:
    for _ in range(2):
        async with open_storage(data, master_key) as storage, storage.vaults.open("@a:hs") as vault:
            assert vault.is_new


async def test_a_vault_whose_file_is_gone_is_reported_not_replaced(
    data: Path, master_key: MasterKey
) -> None:
    async with open_storage(data, master_key) as storage, storage.vaults.open("@a:hs"):
        pass
    for path in (data / "vaults").iterdir():
        path.unlink()

    async with open_storage(data, master_key) as storage:
        with pytest.raises(StorageFailure, match="is missing; restore it"):
            async with storage.vaults.open("@a:hs"):
                pass


async def test_a_vault_moved_to_another_persons_place_does_not_open(
    data: Path, master_key: MasterKey
) -> None:
    async with open_storage(data, master_key) as storage:
        for user_id in ("@a:hs", "@b:hs"):
            async with storage.vaults.open(user_id) as vault:
                await remember(vault, user_id)
    first, second = sorted((data / "vaults").iterdir())
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)

    async with open_storage(data, master_key) as storage:
        for user_id in ("@a:hs", "@b:hs"):
            with pytest.raises(StorageFailure, match="its key is not this one"):
                async with storage.vaults.open(user_id):
                    pass


async def test_nothing_opens_once_the_storage_is_closed(data: Path, master_key: MasterKey) -> None:
    async with open_storage(data, master_key) as storage:
        pass

    with pytest.raises(StorageFailure, match="closed"):
        async with storage.vaults.open("@a:hs"):
            pass


async def test_pseudonyms_are_unique_and_say_nothing_of_the_person(storage: Storage) -> None:
    names = []
    for number in range(20):
        async with storage.vaults.open(f"@{number}:hs") as vault:
            names.append(vault.pseudonym)

    assert len(set(names)) == 20
    assert all(re.fullmatch(r"[a-z]+-\d\d", name) for name in names)


async def test_nobody_gets_the_name_of_whoever_was_forgotten(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def name(user_id: str) -> str:
        async with storage.vaults.open(user_id) as vault:
            return vault.pseudonym

    monkeypatch.setattr(tenants, "ANIMALS", ("fox",))
    names = {await name("@alice:hs"), await name("@bob:hs")}
    await storage.vaults.destroy("@alice:hs")
    await storage.vaults.destroy("@bob:hs")
    for number in range(88):
        names.add(await name(f"@{number}:hs"))

    assert len(names) == 90


def test_pseudonyms_grow_longer_when_they_get_scarce() -> None:
    taken = {f"{animal}-{number}" for animal in ANIMALS for number in range(10, 100)}

    name = free_pseudonym(taken)

    assert name not in taken
    assert re.fullmatch(r"[a-z]+-\d{3}", name)
    assert len(set(ANIMALS)) == len(ANIMALS)
