"""After `!forget everything` a raw disk holds neither the key nor a word: not below the files, too.

Ids of events may still lie there: SQLite wipes what it keeps, and not what the disk kept of it.
"""

import os
import random
from collections.abc import Mapping
from pathlib import Path

from storage import MasterKey, Storage, open_storage
from storage.keyring import SLOT_BYTES
from tests.storage.conftest import MASTER_SECRET
from tests.storage.disks import raw_disk
from tests.storage.test_forgetting import ANN, BOB, NOON, finish, forget, live

WORDS = [f"canary{number:03}tail" for number in range(300)]


async def talk(storage: Storage) -> None:
    """Enough for many pages, with changes and deletions, so that the disk holds many versions."""
    chance = random.Random(7)
    for _ in range(6):
        async with storage.vaults.open(ANN) as vault:
            for _ in range(40):
                number = chance.randrange(1000)
                text = " ".join(chance.choices(WORDS, k=30))
                await vault.turns.add(
                    event_id=f"$talk-{number}",
                    room_id="!r",
                    room_kind="direct",
                    role="user",
                    text=text,
                    said_at=NOON,
                )
                added = await vault.memories.add(text, origin="person", room_kind="direct")
                if chance.random() < 0.3:
                    await vault.memories.delete([added.memory_id])
        await vault.turns.delete([f"$talk-{chance.randrange(1000)}"])


async def key_of(storage: Storage) -> bytes:
    """The 32 bytes that open somebody's vault."""
    tenant = await storage._tenants.find(ANN)
    assert tenant is not None
    return storage.vaults._keyring.key(tenant.slot, tenant.vault_id)


def found(wanted: Mapping[str, bytes], disk: bytes) -> list[str]:
    """Which of these stand on a disk, in any of the spellings that a key or text may have."""
    return [
        name
        for name, one in wanted.items()
        if any(form in disk for form in (one, one.hex().encode(), one.hex().upper().encode()))
    ]


async def test_no_byte_of_the_key_and_no_word_is_left_on_a_raw_disk(tmp_path: Path) -> None:
    image, place = tmp_path / "image", tmp_path / "disk"
    data = place / "data"

    def disk() -> bytes:
        os.sync()
        return image.read_bytes()

    with raw_disk(image, place, megabytes=64):
        (place / "plain").write_text("a word in a file that stays: " + "control9f" * 500)
        async with open_storage(data, MasterKey.load(MASTER_SECRET, data)) as storage:
            await live(storage, BOB, "!bob:hs")
            await live(storage)
            await talk(storage)
            key, (_, slot) = await key_of(storage), slots(data)
            secret = {"key": key, "slot": slot, "wrapped": slot[4:], "canary": b"canary0"}
            before = found({**secret, "control": b"control9f"}, disk())

            await finish(storage, await forget(storage))

        after = found({**secret, "control": b"control9f"}, disk())
    unmounted = found({**secret, "control": b"control9f"}, image.read_bytes())

    assert before == ["slot", "wrapped", "control"], "it is found, or this test is blind"
    assert after == unmounted == ["control"]


def slots(data: Path) -> tuple[bytes, bytes]:
    """The first two slots of the keyring, Bob's and Ann's."""
    content = (data / "keyring").read_bytes()
    return content[:SLOT_BYTES], content[SLOT_BYTES : 2 * SLOT_BYTES]
