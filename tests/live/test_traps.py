"""Where bots on nio get stuck, lose keys or die: each of its traps, and that this one is not in it.

Each is reproduced through a proxy that fails, or by a peer that means harm. Those that need no
homeserver are beside the code: tests/matrix/test_sharing.py, test_keys.py, test_large_room.py.
"""

import asyncio
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bot.config import Homeserver as Account
from bot.errors import HomeserverError
from bot.matrix.http import path
from bot.matrix.keys import StaleStoreError
from bot.messages import Device, Outgoing, RoomMessage
from bot.room_events import Batch, Invite
from tests.live.bots import open_chat
from tests.live.conftest import StartBot, StartPeer
from tests.live.peers import Implementation, Peer
from tests.live.proxy import Proxy, altered, failing, noticed, refusing
from tests.live.staging import Stage
from tests.live.test_identity import backed_up, fetched
from tests.live.test_matrix_client import Person, World, chat, online, opened, world

__all__ = ["world"]  # the fixture of a homeserver with people on it

GARBAGE: dict[str, Any] = {
    "NOTHING": None,
    "TEXT": "device",
    "LIST": [],
    "EMPTY": {},
    "KEYS": {"user_id": "@eve:x", "device_id": "KEYS", "algorithms": 7, "keys": [], "unsigned": 1},
    "SHORT": {"algorithms": [], "keys": {"ed25519:SHORT": "AAAA", "curve25519:SHORT": "é"}},
}


def through(proxy: Proxy, account: Account) -> Account:
    """The same account, reached through the proxy."""
    return account.model_copy(update={"url": proxy.url})


async def receive_nothing(batch: Batch) -> None:
    """Somebody who has no use for what happens."""


# The loop


async def test_a_homeserver_that_is_away_is_asked_less_and_less_often(
    world: World, proxy: Proxy
) -> None:
    account = through(proxy, await world.account("bot"))
    async with online(account, world.data(account)):
        outage, begun = proxy.on(failing(502), "GET", "/sync"), time.monotonic()

        await outage.met(4)
        seconds = time.monotonic() - begun

    assert seconds > 0.7 * (0.5 + 1 + 2), "the pauses double, each but for its jitter"


async def test_a_revoked_token_is_tried_once_and_ends_the_bot(stage: Stage, proxy: Proxy) -> None:
    await stage.bot.start()
    revoked = proxy.on(refusing(401, "M_UNKNOWN_TOKEN"), "GET", "/sync")

    await revoked.met()
    process = stage.bot._process
    assert process is not None
    async with asyncio.timeout(30):
        code = await process.wait()
    await stage.bot.kill()

    assert (code, revoked.count) == (1, 1)
    assert "no longer accepts the bot's access token" in stage.bot.log.read_text()


# Keys on their way


@pytest.mark.parametrize("step", ["/keys/query", "/keys/claim", "/sendToDevice/m.room.encrypted"])
async def test_a_step_of_sharing_a_key_that_fails_is_repeated_until_everybody_can_read(
    world: World, proxy: Proxy, step: str
) -> None:
    ann, account = await world.person("ann"), await world.account("bot")
    async with online(through(proxy, account), world.data(account)) as bot:
        room_id = await chat(ann, bot)
        outage = proxy.on(failing(502), step, times=2)

        await bot.says(room_id, "this takes a little longer")

        assert (await ann.next(RoomMessage)).body == "this takes a little longer"
        assert outage.count == 2


@pytest.mark.parametrize("step", ["/keys/claim", "/sendToDevice/m.room.encrypted"])
async def test_a_step_of_sharing_a_key_that_is_refused_logs_nobody_out_and_blocks_nothing(
    world: World, proxy: Proxy, step: str
) -> None:
    ann, account = await world.person("ann"), await world.account("bot")
    async with online(through(proxy, account), world.data(account)) as bot:
        room_id = await chat(ann, bot)
        refused = proxy.on(refusing(400, "M_UNKNOWN"), step, times=2)

        for _ in range(2):
            with pytest.raises(HomeserverError):
                await bot.says(room_id, "nobody can read this")
        await bot.says(room_id, "and this everybody")
        who = await bot.http.call("GET", path("account", "whoami"))

        assert (await ann.next(RoomMessage)).body == "and this everybody"
        assert (refused.count, who["device_id"]) == (2, bot.client.device_id)


async def test_a_strangers_malformed_devices_keep_nobody_else_from_reading(
    world: World, proxy: Proxy
) -> None:
    ann, eve = await world.person("ann"), await world.person("eve")
    account = await world.account("bot")

    def malformed(answer: dict[str, Any]) -> None:
        if eve.user_id in answer.get("device_keys", {}):
            answer["device_keys"][eve.user_id] = GARBAGE
            answer["self_signing_keys"][eve.user_id] = ["no", "key"]

    async with online(through(proxy, account), world.data(account)) as bot:
        room_id = await chat(ann, bot)
        shown = proxy.on(altered(malformed), "/keys/query")
        await ann.http.call("POST", path("rooms", room_id, "invite"), {"user_id": eve.user_id})
        await eve.next(Invite)
        await eve.client.sender.join(room_id)
        await eve.says(room_id, "hello from devices that can't be")
        await ann.says(room_id, "hello")
        said = await bot.next(RoomMessage)
        await bot.says(room_id, "hello Ann")
        heard = [await ann.next(RoomMessage) for _ in range(2)]

    assert shown.count > 0
    assert said.body == "hello"
    assert heard[-1].body == "hello Ann"


async def test_a_key_is_shared_as_soon_as_the_bot_comes_in_or_somebody_types(
    world: World, proxy: Proxy
) -> None:
    ann, account = await world.person("ann"), await world.account("bot")
    async with online(through(proxy, account), world.data(account)) as bot:
        sharing = asyncio.create_task(bot.client.sharing_ahead.run())
        shared = proxy.on(noticed(), "PUT", "/sendToDevice/m.room.encrypted")

        room_id = await chat(ann, bot)
        await shared.met(1)
        bot.guard.olm.outbound_group_sessions.clear()
        target = path("rooms", room_id, "typing", ann.user_id)
        await ann.http.call("PUT", target, {"typing": True, "timeout": 30_000})
        await shared.met(2)
        await bot.says(room_id, "you were about to say?")
        sharing.cancel()

        assert (await ann.next(RoomMessage)).body == "you were about to say?"
        assert shared.count == 2, "the message found its key in everybody's hands"


async def test_the_key_is_shared_while_the_model_thinks(world: World, proxy: Proxy) -> None:
    ann, account = await world.person("ann"), await world.account("bot")
    async with online(through(proxy, account), world.data(account)) as bot:
        room_id = await chat(ann, bot)
        sharing = asyncio.create_task(bot.client.sharing_ahead.run())
        shared = proxy.on(noticed(), "PUT", "/sendToDevice/m.room.encrypted")

        await bot.client.sender.typing(room_id, active=True)

        await shared.met(1)
        sharing.cancel()


async def test_a_client_that_got_no_key_says_why(world: World, start_peer: StartPeer) -> None:
    account = await world.account("bot")
    insecure = await start_peer(Implementation.JS_SDK, "insecure", strict=False, signed=False)
    async with online(account, world.data(account)) as bot:
        telling = asyncio.create_task(bot.client.withheld.run())
        room_id = await joined_chat(insecure, bot)

        sent = await bot.says(room_id, "for verified sessions")
        reason = await reason_for(insecure, sent)
        telling.cancel()

    assert reason == "MEGOLM_KEY_WITHHELD_FOR_UNVERIFIED_DEVICE"


async def test_one_message_can_be_for_a_session_that_gets_no_keys(
    world: World, start_peer: StartPeer
) -> None:
    account = await world.account("bot")
    insecure = await start_peer(Implementation.JS_SDK, "insecure", strict=False, signed=False)
    async with online(account, world.data(account)) as bot:
        room_id = await joined_chat(insecure, bot)
        device = Device(insecure.user_id, insecure.device_id)

        why = Outgoing(room_id, "Please verify this session.", "why", also_for=device)
        await bot.client.sender.send(why)
        read = await insecure.next_message(room_id, bot.user_id)
        unread = await insecure.received(await bot.says(room_id, "for verified sessions"))

    assert read.text == "Please verify this session."
    assert (unread.encrypted, unread.decrypted) == (True, False)


async def joined_chat(peer: Peer, bot: Person) -> str:
    """A chat that the peer opened and the bot is in."""
    room_id = await peer.create_room(bot.user_id, direct=True)
    await bot.next(Invite)
    await bot.client.sender.join(room_id)
    await peer.joined(room_id, bot.user_id)
    return room_id


async def reason_for(peer: Peer, event_id: str) -> str:
    """Why the peer can't read an event, once it knows better than that there is no key."""

    def found() -> str | None:
        event = next((one for one in peer.events if one.event_id == event_id), None)
        known = event is not None and event.reason and "WITHHELD" in event.reason
        return event.reason if event and known else None

    return await peer.wait_for(found, "reason why there is no key")


async def test_a_room_of_version_12_is_a_room_like_others(world: World) -> None:
    ann, bot = await world.person("ann"), await world.person("bot")
    encryption = {
        "type": "m.room.encryption",
        "state_key": "",
        "content": {"algorithm": "m.megolm.v1.aes-sha2"},
    }
    wanted = {"room_version": "12", "initial_state": [encryption], "invite": [bot.user_id]}
    created = await ann.http.call("POST", path("createRoom"), wanted)
    room_id = str(created["room_id"])
    await bot.next(Invite)
    await bot.client.sender.join(room_id)

    await ann.says(room_id, "hello")
    heard = await bot.next(RoomMessage)
    await bot.says(room_id, "hello yourself")
    answer = await ann.next(RoomMessage)
    room = await bot.client.sender.room(room_id)

    assert ":" not in room_id
    assert (heard.body, heard.encrypted, answer.body) == ("hello", True, "hello yourself")
    assert room.encrypted
    assert room.members == {ann.user_id, bot.user_id}


# A crypto store that fits no more


async def test_a_stale_crypto_store_becomes_a_new_device_of_the_same_identity(
    start_peer: StartPeer, start_bot: StartBot
) -> None:
    alice, bot = await start_peer(Implementation.JS_SDK), await start_bot()
    chat = await open_chat(alice, bot)
    old = await alice.send(chat.room_id, "My cat is called Miso.")
    await chat.heard()
    await backed_up(bot, keys=2)
    dead = bot.device_id
    await bot.stop()
    (bot.data / "crypto" / "olm.db").write_bytes(b"")

    await bot.start()
    answer = await chat.ask("Are you still you?")
    devices = await alice.devices(bot.user_id)
    identity = await alice.request("identity", user_id=bot.user_id)
    await bot.stop()
    read = await fetched(bot, chat.room_id, old)
    log = bot.log.read_text()

    assert bot.device_id != dead
    assert (answer.kind, answer.event.shield) == ("m.text", "none")
    assert devices == {bot.device_id: True}, "the dead one is deleted"
    assert identity == {"known": True, "changed": False}
    assert isinstance(read, RoomMessage)
    assert read.body == "My cat is called Miso.", "its key came back from the backup"
    assert log.count(f"the crypto store of device {dead} is stale") == 1


async def test_an_older_copy_of_the_crypto_store_keeps_its_room_keys_and_nothing_else(
    world: World, tmp_path: Path
) -> None:
    ann, account = await world.person("ann"), await world.account("bot")
    data, copy = world.data(account), tmp_path / "olm.db"
    store = data / "crypto" / "olm.db"
    async with online(account, data) as bot:
        room_id = await chat(ann, bot)
        old = await ann.says(room_id, "said before the copy")
        await bot.next(RoomMessage)
        dead = bot.client.device_id
    shutil.copy(store, copy)
    async with online(account, data) as bot:
        await claimed(ann, bot.user_id, dead, 40)
        await ann.says(room_id, "a sync tells how many keys are left")
        await bot.next(RoomMessage)
        await renewed(ann, bot.user_id, dead)
    shutil.copy(copy, store)
    await claimed(ann, bot.user_id, dead, 15)  # fewer than half are left, under ids used again

    async with online(account, data) as bot:
        fetched = await bot.client.fetch(room_id, old)
        await ann.says(room_id, "said after it")
        heard = await bot.next(RoomMessage)
        listed = await bot.http.call("GET", path("devices"))
        alive = bot.client.device_id
    with sqlite3.connect(store) as database:
        accounts = database.execute("SELECT device_id FROM accounts").fetchall()

    assert isinstance(fetched, RoomMessage)
    assert (fetched.body, heard.body) == ("said before the copy", "said after it")
    assert alive != dead
    assert dead not in [one["device_id"] for one in listed["devices"]]
    assert accounts == [(alive,)]


async def claimed(person: Person, user_id: str, device_id: str, count: int) -> list[str]:
    """Take so many of a device's one-time keys; returns their ids."""
    body = {"one_time_keys": {user_id: {device_id: "signed_curve25519"}}}
    answers = [await person.http.call("POST", path("keys", "claim"), body) for _ in range(count)]
    return [next(iter(one["one_time_keys"][user_id][device_id])) for one in answers]


async def renewed(person: Person, user_id: str, device_id: str) -> None:
    """Wait until there are more one-time keys than ten, which were left of the first fifty."""
    seen: set[str] = set()
    async with asyncio.timeout(30):
        while len(seen) < 15:
            seen.update(await claimed(person, user_id, device_id, 1))


async def test_keys_that_the_homeserver_has_otherwise_end_a_running_bot_in_a_sentence(
    world: World, proxy: Proxy
) -> None:
    ann, account = await world.person("ann"), await world.account("bot")
    async with opened(through(proxy, account), world.data(account)) as client:
        taken = proxy.on(refusing(400, "M_UNKNOWN"), "POST", "/keys/upload")
        await claimed(ann, client.user_id, client.device_id, 30)

        with pytest.raises(StaleStoreError, match=r"Start it with homeserver\.password set"):
            await client.sync_forever(receive_nothing, since=None)

    assert taken.count == 1


async def test_a_stale_crypto_store_without_a_password_refuses_to_start_and_changes_nothing(
    world: World,
) -> None:
    account = await world.account("bot")
    data = world.data(account)
    async with opened(account, data) as client:
        token, device_id = client._http.access_token, client.device_id
    (data / "crypto" / "olm.db").write_bytes(b"")
    session = (data / "session").read_bytes()
    only_token = {"access_token": SecretStr(token), "password": SecretStr("")}

    for change in (only_token, {"access_token": SecretStr(token)}):
        with pytest.raises(StaleStoreError, match=f"for the bot's device {device_id}"):
            async with opened(account.model_copy(update=change), data):
                pass

    assert (data / "session").read_bytes() == session


async def test_a_start_that_was_cut_short_after_a_stale_store_is_finished_by_the_next(
    world: World, proxy: Proxy
) -> None:
    account = through(proxy, await world.account("bot"))
    data = world.data(account)
    async with opened(account, data) as client:
        dead = client.device_id
    (data / "crypto" / "olm.db").write_bytes(b"")
    outage = proxy.on(refusing(403, "M_FORBIDDEN"), "POST", "/keys/signatures/upload", times=1)
    with pytest.raises(HomeserverError):
        async with opened(account, data):
            pass

    async with opened(account, data) as client:
        listed = await client._http.call("GET", path("devices"))
        alive = client.device_id
    async with opened(account, data) as client:
        assert client.device_id == alive

    assert outage.count == 1
    assert alive != dead
    assert dead not in [one["device_id"] for one in listed["devices"]]
