"""Each event comes with what its sender's device is worth, or waits until that is known."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
import vodozemac

from bot.errors import HomeserverError
from bot.matrix.crypto_store import close_crypto_store, open_crypto_store
from bot.matrix.guard import Guard
from bot.matrix.http import Http
from bot.matrix.identity import Identity
from bot.matrix.keys import DeviceKeyring
from bot.matrix.reading import Reader
from bot.matrix.session import Session
from bot.matrix.sharing import RoomKeys
from bot.matrix.trust import Trust
from bot.matrix.undecryptable import Waiting
from bot.messages import RoomMessage, Standing
from bot.room_events import Batch
from storage import MasterKey, open_storage
from tests.matrix.people import Device, KeysInMemory, Somebody

BOT, ALICE, ROOM = "@bot:example.org", "@alice:example.org", "!room:example.org"


class Nothing:
    """Keys of ours that need no looking after."""

    def learn(self, sync: object) -> None:
        return

    async def replenish(self) -> None:
        return

    async def deliver_queued(self) -> None:
        return


class Scene:
    """A reader, a homeserver's key API, and Alice with her signed phone."""

    def __init__(self, guard: Guard, server: KeysInMemory, trust: Trust, reader: Reader) -> None:
        self.guard = guard
        self.server = server
        self.trust = trust
        self.reader = reader
        self.alice = Somebody(ALICE)
        self.count = 0

    def says(self, device: Device) -> dict[str, Any]:
        """An encrypted message of this device, whose key the bot has."""
        self.count += 1
        session, account = vodozemac.GroupSession(), device.account
        keys = account.curve25519_key.to_base64(), account.ed25519_key.to_base64()
        self.guard.olm.create_group_session(
            *keys, ROOM, session.session_id, session.session_key.to_base64()
        )
        said = {"msgtype": "m.text", "body": "hello"}
        payload = {"type": "m.room.message", "room_id": ROOM, "content": said}
        content = {
            "algorithm": "m.megolm.v1.aes-sha2",
            "ciphertext": session.encrypt(json.dumps(payload).encode()).to_base64(),
            "session_id": session.session_id,
        }
        outer = {"event_id": f"${self.count}", "sender": ALICE, "type": "m.room.encrypted"}
        return {**outer, "origin_server_ts": 1, "content": content}

    async def synced(self, *events: dict[str, Any]) -> list[RoomMessage]:
        """What one sync with these events hands over."""
        rooms = {"join": {ROOM: {"timeline": {"events": list(events)}}}}
        batch: Batch = await self.reader.read(
            {"next_batch": "s2", "rooms": rooms}, since="s1", watch=lambda event: None
        )
        return [event for event in batch.events if isinstance(event, RoomMessage)]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    session, key = Session(BOT, "BOTDEVICE"), MasterKey(bytes(32))
    client = open_crypto_store(session, tmp_path / "crypto", key, must_exist=False)
    guard, server = Guard(client), KeysInMemory()
    async with open_storage(tmp_path / "data", key) as storage:
        trust = Trust(client, server, storage.rooms, share_keys_with="cross-signed", own={})
        reader = Reader(
            Http("http://unused"),
            guard,
            trust,
            device_keys=cast(DeviceKeyring, Nothing()),
            room_keys=cast(RoomKeys, Nothing()),
            waiting=Waiting(lambda: 0.0),
            remembered=storage.rooms,
            readings=storage.readings,
        )
        yield Scene(guard, server, trust, reader)
    close_crypto_store(client)


async def test_a_message_names_its_device_and_what_that_is_worth(scene: Scene) -> None:
    ghost = Device(ALICE, "GHOST")
    scene.alice.add(ghost, signed=False)
    scene.server.answer = scene.alice.answer()

    own, others = await scene.synced(scene.says(scene.alice.device), scene.says(ghost))

    assert (own.device_id, own.standing) == ("PHONE", Standing.OWNED)
    assert (others.device_id, others.standing) == ("GHOST", Standing.UNSIGNED)


async def test_many_messages_cost_one_question(scene: Scene) -> None:
    scene.server.answer = scene.alice.answer()

    for _ in range(5):
        await scene.synced(scene.says(scene.alice.device), scene.says(scene.alice.device))

    assert len(scene.server.requests) == 1


async def test_a_message_after_a_change_is_of_a_changed_identity(scene: Scene) -> None:
    scene.server.answer = scene.alice.answer()
    await scene.synced(scene.says(scene.alice.device))
    scene.alice.identity = Identity.generate(ALICE)
    scene.alice.add(scene.alice.device)
    scene.server.answer = scene.alice.answer()
    scene.trust.invalidate([ALICE])

    [message] = await scene.synced(scene.says(scene.alice.device))

    assert message.standing is Standing.CHANGED


async def test_while_nobody_tells_whose_a_device_is_its_message_waits(scene: Scene) -> None:
    scene.server.answer = scene.alice.answer()
    await scene.trust.prepare([ALICE])
    scene.trust._persons.clear()  # as after a restart
    for device in scene.guard.client.device_store[ALICE].values():
        scene.guard.client.blacklist_device(device)
    scene.server.answer = {"device_keys": {}}
    scene.trust.invalidate([ALICE])

    silent = await scene.synced(scene.says(scene.alice.device))
    scene.server.answer = scene.alice.answer()
    scene.trust.invalidate([ALICE])  # as the timer does
    [late] = await scene.synced()

    assert silent == []
    assert late.standing is Standing.OWNED


async def test_a_message_taken_up_again_is_not_given_up_where_nobody_can_be_asked(
    scene: Scene,
) -> None:
    scene.server.answer = scene.alice.answer()
    event = scene.says(scene.alice.device)
    await scene.trust.prepare([ALICE])
    scene.trust.invalidate([ALICE])
    scene.server.failing["query"] = (500, {"errcode": "M_UNKNOWN"})

    with pytest.raises(HomeserverError):
        await scene.reader.open(ROOM, event)
    del scene.server.failing["query"]
    read = await scene.reader.open(ROOM, event)

    assert read is not None
    assert read.standing is Standing.OWNED
