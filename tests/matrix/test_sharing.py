"""A room's key reaches every device that may have it, whatever fails on the way."""

import asyncio
import base64
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import vodozemac

from bot import messages
from bot.errors import AudienceChangedError
from bot.matrix.crypto_store import close_crypto_store, open_crypto_store
from bot.matrix.guard import Guard
from bot.matrix.http import Http, RequestError, UnavailableError
from bot.matrix.session import Session
from bot.matrix.sharing import RoomKeys
from bot.matrix.trust import Trust
from storage import MasterKey, open_storage
from tests.matrix.people import Device, Json, Somebody, together

BOT, ROOM = "@bot:b", "!room"
TEXT = {"msgtype": "m.text", "body": "hello"}


class KeyHomeserver(Http):
    """The part of a homeserver that sharing a key needs, with real devices behind it."""

    def __init__(self, *people: Somebody) -> None:
        super().__init__("http://unused")
        self.people = {one.user_id: one for one in people}
        self.devices = {(one.user_id, "PHONE"): one.device for one in people}
        self.without_keys: set[str] = set()
        self.failing: set[str] = set()
        self.room_keys: defaultdict[str, list[Json]] = defaultdict(list)
        self.claimed_key: Any = None
        self.meanwhile: Callable[[], None] = lambda: None
        self.withheld: list[tuple[str, Json]] = []

    def add(self, user_id: str, device: Device, *, signed: bool) -> None:
        self.people[user_id].add(device, signed=signed)
        self.devices[user_id, device.keys.device_id] = device

    async def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> tuple[int, Json]:
        assert path.endswith("/keys/query")
        return 200, together(*self.people.values())

    async def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, **options: Any
    ) -> Json:
        await asyncio.sleep(0)
        if path.endswith("joined_rooms"):  # it is there, whatever fails about one room
            return {"joined_rooms": []}
        verb = next(verb for verb in ("members", "claim", "sendToDevice") if verb in path)
        if verb == "sendToDevice":
            self.meanwhile()
        if verb in self.failing:
            raise UnavailableError(verb)
        if "withheld" in path:
            return self._withheld(json.loads(json.dumps(body)))
        answer: Json = getattr(self, f"_{verb}")(json.loads(json.dumps(body)))
        return answer

    def _members(self, _: None) -> Json:
        joined = {"membership": "join"}
        users = [BOT, *self.people]
        return {"chunk": [{"state_key": user, "content": joined} for user in users]}

    def _claim(self, body: Json) -> Json:
        wanted = body["one_time_keys"]
        keys = {
            user: {name: self._one_time_key(user, name) for name in names}
            for user, names in wanted.items()
            if user not in self.without_keys
        }
        return {"one_time_keys": keys}

    def _one_time_key(self, user_id: str, device_id: str) -> Any:
        if self.claimed_key is not None:
            return self.claimed_key
        device = self.devices[user_id, device_id]
        device.account.generate_one_time_keys(1)
        ((key_id, key),) = device.account.one_time_keys.items()
        device.account.mark_keys_as_published()
        signed = {"key": key.to_base64()}
        signatures = {user_id: {device.key_id: device.sign(signed)}}
        return {f"signed_curve25519:{key_id}": {**signed, "signatures": signatures}}

    def _sendToDevice(self, body: Json) -> Json:  # noqa: N802 (the name of the endpoint)
        for user_id, devices in body["messages"].items():
            for device_id, content in devices.items():
                device = self.devices[user_id, device_id]
                ((_, sealed),) = content["ciphertext"].items()
                self.room_keys[f"{user_id} {device_id}"].append(
                    json.loads(_opened(device, content["sender_key"], sealed))["content"]
                )
        return {}

    def _withheld(self, body: Json) -> Json:
        for user_id, devices in body["messages"].items():
            for device_id, content in devices.items():
                self.withheld.append((f"{user_id} {device_id}", content))
        return {}

    def readers(self, event: Json) -> set[str]:
        """Who can decrypt this event."""
        return {
            name
            for name, keys in self.room_keys.items()
            if any(_reads(key, event) for key in keys if key["session_id"] == event["session_id"])
        }


def _opened(device: Device, sender_key: str, sealed: Json) -> bytes:
    sender = vodozemac.Curve25519PublicKey.from_base64(sender_key)
    message = vodozemac.PreKeyMessage.from_base64(sealed["body"])
    session = getattr(device, "session", None)
    if session is None:
        device.session, opened = device.account.create_inbound_session(sender, message)  # type: ignore[attr-defined]
        return bytes(opened)
    return bytes(session.decrypt(message.to_any()))


def _reads(key: Json, event: Json) -> bool:
    session = vodozemac.InboundGroupSession(vodozemac.SessionKey(key["session_key"]))
    message = vodozemac.MegolmMessage.from_base64(event["ciphertext"])
    try:
        payload = json.loads(session.decrypt(message).plaintext)
    except vodozemac.MegolmDecryptionException:
        return False  # the key begins after this message
    return bool(payload["content"]["body"] == "hello" and payload["room_id"] == ROOM)


class World:
    def __init__(self, guard: Guard, homeserver: KeyHomeserver, trust: Trust) -> None:
        self.guard = guard
        self.homeserver = homeserver
        self.keys = RoomKeys(guard, homeserver, trust)
        self.trust = trust

    async def encrypt(
        self, audience: frozenset[str] | None = None, also_for: messages.Device | None = None
    ) -> Json:
        async with asyncio.timeout(60):  # nio's own sharing deadlocks after a failure
            return await self.keys.encrypt(ROOM, "m.room.message", TEXT, audience, also_for)

    async def told(self) -> list[tuple[str, str]]:
        """Who was told why they got no key, and what; since the last time this was asked."""
        await self.keys.withheld.deliver()
        told = [(name, content["code"]) for name, content in self.homeserver.withheld]
        self.homeserver.withheld.clear()
        return told

    def membership(self, user_id: str, membership: str) -> None:
        event = {"type": "m.room.member", "state_key": user_id}
        self.guard.follow(ROOM, [{**event, "content": {"membership": membership}}])


@asynccontextmanager
async def opened(folder: Path, *people: Somebody) -> AsyncIterator[World]:
    """A bot in a room with these people."""
    key = MasterKey(bytes(32))
    client = open_crypto_store(Session(BOT, "BOTDEVICE"), folder, key, must_exist=False)
    homeserver = KeyHomeserver(*people)
    async with open_storage(folder / "data", key) as storage:
        trust = Trust(client, homeserver, storage.rooms, share_keys_with="cross-signed", own={})
        world = World(Guard(client), homeserver, trust)
        for user_id in (BOT, *homeserver.people):
            world.membership(user_id, "join")
        yield world
    close_crypto_store(client)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with opened(tmp_path, Somebody("@ann:b"), Somebody("@ben:b")) as world:
        yield world


BOTH = {"@ann:b PHONE", "@ben:b PHONE"}


async def test_every_signed_device_reads_and_no_other(world: World) -> None:
    world.homeserver.add("@ann:b", Device("@ann:b", "LAPTOP"), signed=True)
    world.homeserver.add("@ann:b", Device("@ann:b", "GHOST"), signed=False)

    event = await world.encrypt()

    assert world.homeserver.readers(event) == {*BOTH, "@ann:b LAPTOP"}
    assert event["device_id"] == "BOTDEVICE"


async def test_the_key_is_shared_once_for_many_messages(world: World) -> None:
    first, second = await world.encrypt(), await world.encrypt()

    assert first["session_id"] == second["session_id"]
    assert world.homeserver.readers(second) == BOTH
    assert {len(keys) for keys in world.homeserver.room_keys.values()} == {1}


async def test_a_key_goes_out_in_several_requests_where_devices_are_many(world: World) -> None:
    names = [f"DEVICE{number}" for number in range(45)]
    for name in names:
        world.homeserver.add("@ann:b", Device("@ann:b", name), signed=True)

    event = await world.encrypt()

    assert world.homeserver.readers(event) == BOTH | {f"@ann:b {name}" for name in names}


@pytest.mark.parametrize("verb", ["members", "claim", "sendToDevice"])
async def test_a_failure_on_the_way_sends_nothing_and_the_next_attempt_works(
    world: World, verb: str
) -> None:
    world.homeserver.failing = {verb}
    with pytest.raises(RequestError):
        await world.encrypt()
    world.homeserver.failing.clear()

    event = await world.encrypt()

    assert world.homeserver.readers(event) == BOTH


async def test_who_could_not_be_reached_is_tried_again_with_the_same_key(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.matrix.sharing.CLAIM_AGAIN", 0.0)
    world.homeserver.without_keys = {"@ben:b"}
    first = await world.encrypt()
    world.homeserver.without_keys.clear()

    second = await world.encrypt()

    assert first["session_id"] == second["session_id"]
    assert world.homeserver.readers(first) == {"@ann:b PHONE"}
    assert world.homeserver.readers(second) == BOTH


async def test_who_could_not_be_reached_is_not_asked_for_with_every_message(world: World) -> None:
    world.homeserver.without_keys = {"@ben:b"}
    await world.encrypt()
    world.homeserver.failing = {"claim", "members"}

    assert world.homeserver.readers(await world.encrypt()) == {"@ann:b PHONE"}


async def test_who_has_left_can_not_read_what_follows(world: World) -> None:
    before = await world.encrypt()
    del world.homeserver.people["@ben:b"]
    world.membership("@ben:b", "leave")

    after = await world.encrypt()

    assert world.homeserver.readers(before) == BOTH
    assert world.homeserver.readers(after) == {"@ann:b PHONE"}


async def test_a_new_device_reads_what_follows_once_it_is_signed(world: World) -> None:
    await world.encrypt()
    laptop = Device("@ann:b", "LAPTOP")
    world.homeserver.add("@ann:b", laptop, signed=False)
    world.trust.invalidate(["@ann:b"])
    unsigned = await world.encrypt()
    world.homeserver.add("@ann:b", laptop, signed=True)
    world.trust.invalidate(["@ann:b"])

    signed = await world.encrypt()

    assert world.homeserver.readers(unsigned) == BOTH
    assert world.homeserver.readers(signed) == {*BOTH, "@ann:b LAPTOP"}


async def test_the_device_of_somebody_who_leaves_meanwhile_gets_no_further_key(
    world: World,
) -> None:
    def leave() -> None:
        world.homeserver.people.pop("@ben:b", None)
        world.membership("@ben:b", "leave")

    world.homeserver.meanwhile = leave

    assert world.homeserver.readers(await world.encrypt()) == {"@ann:b PHONE"}


async def test_twenty_messages_at_once_share_one_key(world: World) -> None:
    events = await asyncio.gather(*(world.encrypt() for _ in range(20)))

    assert len({event["session_id"] for event in events}) == 1
    assert all(world.homeserver.readers(event) == BOTH for event in events)


def _unpadded(length: int) -> str:
    return base64.b64encode(bytes(length)).decode().rstrip("=")


@pytest.mark.parametrize(
    "claimed",
    [
        {},
        [],
        "key",
        {"signed_curve25519:A": None},
        {"signed_curve25519:A": {"key": 7}},
        {"signed_curve25519:A": {"key": _unpadded(33), "signatures": {}}},
        {"signed_curve25519:A": {"key": _unpadded(32)}},
        {"signed_curve25519:A": {"key": _unpadded(32), "signatures": []}},
        {"signed_curve25519:A": {"key": _unpadded(32), "signatures": {"@ann:b": 1}}},
    ],
)
async def test_a_malformed_one_time_key_harms_nobody(world: World, claimed: Any) -> None:
    world.homeserver.claimed_key = claimed

    assert world.homeserver.readers(await world.encrypt()) == set()


async def test_relations_stand_outside_and_only_there(world: World) -> None:
    relation = {"rel_type": "m.replace", "event_id": "$1"}

    event = await world.keys.encrypt(ROOM, "m.room.message", {**TEXT, "m.relates_to": relation})

    own = world.guard.olm.inbound_group_store.get(ROOM, event["sender_key"], event["session_id"])
    payload = json.loads(own.decrypt(event["ciphertext"])[0])
    assert event["m.relates_to"] == relation
    assert payload["content"] == TEXT


EVERYBODY = frozenset({BOT, "@ann:b", "@ben:b"})


async def test_what_is_for_two_is_not_encrypted_while_a_third_is_there(world: World) -> None:
    with pytest.raises(AudienceChangedError, match="came into this room"):
        await world.encrypt(frozenset({BOT, "@ann:b"}))

    assert world.homeserver.room_keys == {}
    assert world.homeserver.readers(await world.encrypt(EVERYBODY)) == BOTH


async def test_who_came_meanwhile_is_noticed_though_the_key_is_shared_already(
    world: World,
) -> None:
    await world.encrypt(EVERYBODY)
    world.homeserver.people["@eve:b"] = Somebody("@eve:b")

    with pytest.raises(AudienceChangedError):
        await world.encrypt(EVERYBODY)


async def test_who_has_left_reads_nothing_more_though_no_sync_has_told_yet(world: World) -> None:
    await world.encrypt()
    del world.homeserver.people["@ben:b"]

    event = await world.encrypt(frozenset({BOT, "@ann:b"}))

    assert world.homeserver.readers(event) == {"@ann:b PHONE"}


GHOST = messages.Device("@ann:b", "GHOST")


def with_ghost(world: World) -> None:
    """A device of Ann's that she has not signed."""
    world.homeserver.add("@ann:b", Device("@ann:b", "GHOST"), signed=False)


async def test_one_event_can_be_for_one_device_more_that_reads_nothing_else(world: World) -> None:
    with_ghost(world)

    before = await world.encrypt()
    once = await world.encrypt(also_for=GHOST)
    after = await world.encrypt()

    assert world.homeserver.readers(once) == {*BOTH, "@ann:b GHOST"}
    assert world.homeserver.readers(before) == world.homeserver.readers(after) == BOTH
    assert before["session_id"] == after["session_id"] != once["session_id"]


async def test_one_event_for_one_device_more_keeps_to_its_audience(world: World) -> None:
    with_ghost(world)
    world.homeserver.people["@eve:b"] = Somebody("@eve:b")

    with pytest.raises(AudienceChangedError):
        await world.encrypt(EVERYBODY, GHOST)

    assert world.homeserver.room_keys == {}


async def test_a_device_of_somebody_who_is_not_in_the_room_gets_no_key_of_any_event(
    world: World,
) -> None:
    with_ghost(world)
    await world.encrypt()
    del world.homeserver.people["@ann:b"]

    event = await world.encrypt(also_for=GHOST)

    assert world.homeserver.readers(event) == {"@ben:b PHONE"}


@pytest.mark.parametrize("device_id", ["GHOST", "UNKNOWN"])
async def test_an_event_for_a_device_that_can_not_be_reached_is_for_the_others(
    world: World, device_id: str
) -> None:
    await world.encrypt()
    with_ghost(world)
    world.trust.invalidate(["@ann:b"])
    world.homeserver.without_keys = {"@ann:b"}

    event = await world.encrypt(also_for=messages.Device("@ann:b", device_id))

    assert world.homeserver.readers(event) == BOTH


async def test_who_leaves_while_an_event_for_one_more_is_shared_can_not_read_it(
    world: World,
) -> None:
    with_ghost(world)

    def leave() -> None:
        world.homeserver.people.pop("@ben:b", None)
        world.membership("@ben:b", "leave")

    world.homeserver.meanwhile = leave

    event = await world.encrypt(also_for=GHOST)

    assert world.homeserver.readers(event) == {"@ann:b PHONE", "@ann:b GHOST"}


async def test_devices_left_out_are_told_why_once_for_each_session(world: World) -> None:
    with_ghost(world)

    first = await world.encrypt()
    await world.keys.withheld.deliver()
    [(name, content)] = world.homeserver.withheld
    world.homeserver.withheld.clear()
    await world.encrypt()
    again = await world.told()
    world.membership("@ben:b", "leave")
    await world.encrypt()
    anew = await world.told()

    assert name == "@ann:b GHOST"
    assert content.pop("reason").startswith("Keys are shared only with sessions that")
    assert content == {
        "algorithm": "m.megolm.v1.aes-sha2",
        "code": "m.unverified",
        "room_id": ROOM,
        "sender_key": first["sender_key"],
        "session_id": first["session_id"],
    }
    assert (again, anew) == ([], [("@ann:b GHOST", "m.unverified")])


async def test_devices_are_told_once_though_a_key_is_shared_with_others_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.matrix.sharing.CLAIM_AGAIN", 0.0)
    with_ghost(world)
    told, no_keys = [], {"@ben:b"}

    for without in (no_keys, no_keys, set[str]()):
        world.homeserver.without_keys = without
        await world.encrypt()
        told.append(await world.told())

    assert told == [[("@ann:b GHOST", "m.unverified"), ("@ben:b PHONE", "m.no_olm")], [], []]
    assert {*world.homeserver.room_keys} == BOTH


async def test_nobody_is_told_on_the_way_of_a_message_and_a_failure_to_tell_harms_nobody(
    world: World,
) -> None:
    with_ghost(world)

    event = await world.encrypt()
    before = list(world.homeserver.withheld)
    world.homeserver.failing = {"sendToDevice"}
    await world.keys.withheld.deliver()

    assert before == world.homeserver.withheld == []
    assert (
        world.homeserver.readers(await world.encrypt()) == world.homeserver.readers(event) == BOTH
    )


async def test_a_key_shared_ahead_is_there_when_something_is_said(world: World) -> None:
    await world.keys.share(ROOM)
    world.homeserver.failing = {"members", "claim", "sendToDevice"}

    assert world.homeserver.readers(await world.encrypt()) == BOTH


async def test_a_key_shared_ahead_with_more_people_than_an_audience_is_replaced(
    world: World,
) -> None:
    await world.keys.share(ROOM)
    del world.homeserver.people["@ben:b"]  # and no sync has told yet

    event = await world.encrypt(frozenset({BOT, "@ann:b"}))

    assert world.homeserver.readers(event) == {"@ann:b PHONE"}
