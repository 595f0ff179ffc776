"""Only devices that their owner's known identity has signed get keys; nio is told of each."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from nio import AsyncClient, AsyncClientConfig
from nio.rooms import MatrixRoom
from nio.store import SqliteStore

from bot.errors import HomeserverError
from bot.matrix.identity import Identity
from bot.matrix.trust import Reason, ShareKeysWith, Trust
from bot.messages import Sessions, Standing
from storage import MasterKey, Rooms, open_storage
from tests.matrix.people import Device, Json, KeysInMemory, Somebody, together

BOT = "@bot:example.org"
ALICE = "@alice:example.org"
BOB = "@bob:example.org"
ROOM = "!room:example.org"


@pytest.fixture
async def identities(tmp_path: Path) -> AsyncIterator[Rooms]:
    data = tmp_path / "data"
    async with open_storage(data, MasterKey.load("", data)) as storage:
        yield storage.rooms


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[AsyncClient]:
    crypto = tmp_path / "crypto"
    crypto.mkdir()
    client = open_nio(crypto)
    yield client
    client.store.database.close()


def open_nio(crypto: Path) -> AsyncClient:
    """A client of nio with a real store, and a room that nobody else is in yet."""
    config = AsyncClientConfig(store=SqliteStore, encryption_enabled=True)
    client = AsyncClient("http://localhost", BOT, store_path=str(crypto), config=config)
    client.restore_login(BOT, "BOTDEVICE", "token")
    client.rooms[ROOM] = MatrixRoom(ROOM, BOT, encrypted=True)
    return client


@pytest.fixture
def server() -> KeysInMemory:
    return KeysInMemory()


def trust_of(
    client: AsyncClient,
    server: KeysInMemory,
    identities: Rooms,
    *,
    share_keys_with: ShareKeysWith = "cross-signed",
    own: Json | None = None,
) -> Trust:
    return Trust(client, server, identities, share_keys_with=share_keys_with, own=own or {})


def readers(client: AsyncClient, *devices: Device) -> set[str]:
    """Of these devices those that nio sends the keys of a new session, as `user/device`."""
    for device in devices:
        client.rooms[ROOM].add_member(device.keys.user_id, None, None)
        device.account.generate_one_time_keys(1)
        (one_time_key,) = device.account.one_time_keys.values()
        client.olm.create_session(one_time_key.to_base64(), device.keys.curve25519)
        device.account.mark_keys_as_published()
    users = [device.keys.user_id for device in devices]
    shared: set[tuple[str, str]] = set()
    for sharing_with, _ in client.olm.share_group_session_parallel(ROOM, users):
        shared |= sharing_with
    client.olm.outbound_group_sessions[ROOM].users_shared_with |= shared
    client.olm.outbound_group_sessions[ROOM].shared = True
    return {f"{user_id}/{device_id}" for user_id, device_id in shared}


async def test_a_signed_device_gets_keys_and_a_ghost_does_not(
    client: AsyncClient, server: KeysInMemory, identities: Rooms
) -> None:
    alice, ghost = Somebody(ALICE), Device(ALICE, "GHOST")
    alice.add(ghost, signed=False)
    server.answer = alice.answer()
    trust = trust_of(client, server, identities)

    await trust.prepare([ALICE])

    assert readers(client, alice.device, ghost) == {f"{ALICE}/PHONE"}
    assert trust.left_out == {}
    assert trust.unsigned_devices(ALICE) == {"GHOST"}
    assert await identities.identity(ALICE) == alice.identity.master.public


async def test_all_shares_with_a_ghost_too_but_calls_nobody_verified(
    client: AsyncClient, server: KeysInMemory, identities: Rooms
) -> None:
    alice, ghost = Somebody(ALICE), Device(ALICE, "GHOST")
    alice.add(ghost, signed=False)
    server.answer = alice.answer()
    trust = trust_of(client, server, identities, share_keys_with="all")

    await trust.prepare([ALICE])

    assert readers(client, alice.device, ghost) == {f"{ALICE}/PHONE", f"{ALICE}/GHOST"}
    assert not any(device.verified for device in client.device_store)


async def test_a_person_without_an_identity_is_left_out_with_the_reason(
    client: AsyncClient, server: KeysInMemory, identities: Rooms
) -> None:
    alice, bob = Somebody(ALICE), Somebody(BOB)
    server.answer = together(alice, bob)
    del server.answer["master_keys"][BOB]
    trust = trust_of(client, server, identities)

    await trust.prepare([ALICE, BOB])

    assert readers(client, alice.device, bob.device) == {f"{ALICE}/PHONE"}
    assert trust.left_out == {BOB: Reason.NO_IDENTITY}


@pytest.mark.parametrize(
    ("missing", "reason"),
    [("self_signing_keys", Reason.BROKEN_IDENTITY), ("device_keys", Reason.NO_SIGNED_DEVICE)],
)
async def test_an_identity_that_nobody_uses_yet_is_not_remembered(
    missing: str, reason: Reason, client: AsyncClient, server: KeysInMemory, identities: Rooms
) -> None:
    server.answer = Somebody(ALICE).answer()
    server.answer[missing][ALICE] = {}
    trust = trust_of(client, server, identities)

    await trust.prepare([ALICE])

    assert trust.left_out == {ALICE: reason}
    assert await identities.identity(ALICE) is None


async def test_a_changed_identity_gets_nothing_until_it_is_accepted(
    client: AsyncClient, server: KeysInMemory, identities: Rooms
) -> None:
    alice = Somebody(ALICE)
    server.answer = alice.answer()
    trust = trust_of(client, server, identities)
    await trust.prepare([ALICE])
    before = readers(client, alice.device)
    old, alice.identity = alice.identity.master.public, Identity.generate(ALICE)
    alice.add(alice.device)
    server.answer = alice.answer()
    trust.invalidate([ALICE])

    await trust.prepare([ALICE])

    new = alice.identity.master.public
    assert before == {f"{ALICE}/PHONE"}
    assert readers(client, alice.device) == set()
    assert trust.changed == {ALICE}
    assert trust.left_out == {ALICE: Reason.IDENTITY_CHANGED}
    assert trust.master_key(ALICE) == new
    assert not await trust.accept(ALICE, master_key=Identity.generate(ALICE).master.public)
    assert await identities.identity(ALICE) == old
    assert await trust.accept(ALICE, master_key=new)
    assert readers(client, alice.device) == {f"{ALICE}/PHONE"}
    assert (trust.changed, trust.left_out) == (frozenset(), {})
    assert await identities.identity(ALICE) == new


async def test_a_change_while_the_bot_was_down_is_noticed(
    client: AsyncClient, server: KeysInMemory, identities: Rooms
) -> None:
    await identities.remember_identity(ALICE, Identity.generate(ALICE).master.public)
    server.answer = Somebody(ALICE).answer()
    trust = trust_of(client, server, identities)

    await trust.prepare([ALICE])

    assert trust.changed == {ALICE}


async def test_the_bots_own_identity_is_known_and_not_learned(
    client: AsyncClient, server: KeysInMemory, identities: Rooms
) -> None:
    impostor = Somebody(BOT, "IMPOSTOR")
    server.answer = impostor.answer()
    trust = trust_of(client, server, identities, own={BOT: Identity.generate(BOT).master.public})

    await trust.prepare([BOT])

    assert readers(client, impostor.device) == set()
    assert await identities.identity(BOT) is None


async def test_the_server_is_asked_again_only_about_what_changed(
    client: AsyncClient, server: KeysInMemory, identities: Rooms
) -> None:
    server.answer = together(Somebody(ALICE), Somebody(BOB))
    trust = trust_of(client, server, identities)

    await trust.prepare([ALICE])
    await trust.prepare([ALICE, BOB])
    await trust.prepare([ALICE, BOB])
    trust.invalidate([ALICE])
    await trust.prepare([ALICE, BOB])

    asked = [sorted(body["device_keys"]) for _, body in server.requests]
    assert asked == [[ALICE], [BOB], [ALICE]]


async def test_a_change_during_the_question_is_asked_about_again(
    client: AsyncClient, server: KeysInMemory, identities: Rooms
) -> None:
    class Changing(KeysInMemory):
        async def request(self, *arguments: Any) -> tuple[int, Json]:
            answer = await super().request(*arguments)
            if len(self.requests) == 1:
                trust.invalidate([ALICE])
            return answer

    changing = Changing()
    changing.answer = Somebody(ALICE).answer()
    trust = trust_of(client, changing, identities)

    await trust.prepare([ALICE])
    await trust.prepare([ALICE])
    await trust.prepare([ALICE])

    assert len(changing.requests) == 2


async def test_two_rooms_at_once_ask_once(
    client: AsyncClient, server: KeysInMemory, identities: Rooms
) -> None:
    server.answer = Somebody(ALICE).answer()
    trust = trust_of(client, server, identities)

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(trust.prepare([ALICE]))

    assert len(server.requests) == 1


async def test_without_an_answer_nothing_may_be_sent(
    client: AsyncClient, server: KeysInMemory, identities: Rooms
) -> None:
    server.failing["query"] = (500, {"errcode": "M_UNKNOWN"})
    trust = trust_of(client, server, identities)

    with pytest.raises(HomeserverError, match=r"did not tell .*\(status 500, M_UNKNOWN\)"):
        await trust.prepare([ALICE])


async def test_people_of_a_silent_server_are_left_out_and_asked_about_again_later(
    client: AsyncClient, server: KeysInMemory, identities: Rooms
) -> None:
    alice = Somebody(ALICE)
    trust = trust_of(client, server, identities)

    await trust.prepare([ALICE])
    await trust.prepare([ALICE])
    left_out, unreachable = trust.left_out, trust.unreachable
    server.answer = alice.answer()
    trust.invalidate([ALICE])  # as the timer does
    await trust.prepare([ALICE])

    assert left_out == {ALICE: Reason.UNREACHABLE}
    assert unreachable == {ALICE}
    assert not trust.unreachable
    assert len(server.requests) == 2
    assert readers(client, alice.device) == {f"{ALICE}/PHONE"}


async def test_a_silent_server_is_asked_again_after_a_while(
    client: AsyncClient,
    server: KeysInMemory,
    identities: Rooms,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bot.matrix.trust.UNREACHABLE_SECONDS", 0.0)
    trust = trust_of(client, server, identities)
    await trust.prepare([ALICE])
    server.answer = Somebody(ALICE).answer()

    timer = asyncio.Event()
    asyncio.get_running_loop().call_later(0.0, timer.set)  # after the one that trust has set
    await timer.wait()
    await trust.prepare([ALICE])

    assert trust.left_out == {}


async def test_what_was_proved_holds_while_a_server_is_silent_across_a_restart(
    client: AsyncClient, server: KeysInMemory, identities: Rooms, tmp_path: Path
) -> None:
    alice, ghost = Somebody(ALICE), Device(ALICE, "GHOST")
    alice.add(ghost, signed=False)
    server.answer = alice.answer()
    await trust_of(client, server, identities).prepare([ALICE])
    client.store.database.close()
    again = open_nio(tmp_path / "crypto")
    server.answer = {"device_keys": {}}
    trust = trust_of(again, server, identities)

    await trust.prepare([ALICE])

    assert readers(again, alice.device, ghost) == {f"{ALICE}/PHONE"}
    assert trust.left_out == {}
    assert trust.unreachable == {ALICE}
    again.store.database.close()


async def test_all_turned_back_to_cross_signed_takes_the_ghosts_keys_away(
    client: AsyncClient, server: KeysInMemory, identities: Rooms
) -> None:
    alice, ghost = Somebody(ALICE), Device(ALICE, "GHOST")
    alice.add(ghost, signed=False)
    server.answer = alice.answer()
    await trust_of(client, server, identities, share_keys_with="all").prepare([ALICE])

    await trust_of(client, server, identities).prepare([ALICE])

    assert readers(client, alice.device, ghost) == {f"{ALICE}/PHONE"}


async def test_a_device_with_new_keys_under_its_old_name_gets_nothing(
    client: AsyncClient, server: KeysInMemory, identities: Rooms
) -> None:
    alice = Somebody(ALICE)
    server.answer = alice.answer()
    trust = trust_of(client, server, identities)
    await trust.prepare([ALICE])
    other = Device(ALICE, "PHONE")
    alice.add(other)
    server.answer = alice.answer()
    trust.invalidate([ALICE])

    await trust.prepare([ALICE])

    assert readers(client, alice.device, other) == set()


async def test_a_device_that_was_missing_once_gets_keys_again(
    client: AsyncClient, server: KeysInMemory, identities: Rooms
) -> None:
    alice = Somebody(ALICE)
    trust = trust_of(client, server, identities)
    full = alice.answer()
    for answer in (full, full | {"device_keys": {ALICE: {}}}, full):
        server.answer = answer
        trust.invalidate([ALICE])
        await trust.prepare([ALICE])

    assert readers(client, alice.device) == {f"{ALICE}/PHONE"}


async def test_a_device_signed_later_gets_the_keys_of_a_new_session(
    client: AsyncClient, server: KeysInMemory, identities: Rooms
) -> None:
    alice, tablet = Somebody(ALICE), Device(ALICE, "TABLET")
    alice.add(tablet, signed=False)
    server.answer = alice.answer()
    trust = trust_of(client, server, identities)
    await trust.prepare([ALICE])
    first = readers(client, alice.device, tablet)
    alice.add(tablet)
    server.answer = alice.answer()
    trust.invalidate([ALICE])

    await trust.prepare([ALICE])

    assert first == {f"{ALICE}/PHONE"}
    assert ROOM not in client.olm.outbound_group_sessions
    assert readers(client, alice.device, tablet) == {f"{ALICE}/PHONE", f"{ALICE}/TABLET"}


@pytest.mark.parametrize("state", ["shared", "being shared", "shared with somebody who left"])
async def test_a_session_is_dropped_when_a_device_that_has_it_is_refused(
    state: str, client: AsyncClient, server: KeysInMemory, identities: Rooms
) -> None:
    alice = Somebody(ALICE)
    server.answer = alice.answer()
    trust = trust_of(client, server, identities)
    await trust.prepare([ALICE])
    readers(client, alice.device)
    session = client.olm.outbound_group_sessions[ROOM]
    if state != "shared":
        client.rooms[ROOM].remove_member(ALICE)
    if state == "being shared":
        session.shared = False
        session.users_shared_with.clear()
    del server.answer["master_keys"]
    trust.invalidate([ALICE])

    await trust.prepare([ALICE])

    assert ROOM not in client.olm.outbound_group_sessions


async def test_a_change_elsewhere_keeps_the_session(
    client: AsyncClient, server: KeysInMemory, identities: Rooms
) -> None:
    alice = Somebody(ALICE)
    server.answer = together(alice, Somebody(BOB))
    trust = trust_of(client, server, identities)
    await trust.prepare([ALICE])
    readers(client, alice.device)

    await trust.prepare([BOB])

    assert client.olm.outbound_group_sessions[ROOM].shared


async def test_an_unchanged_answer_keeps_the_session(
    client: AsyncClient, server: KeysInMemory, identities: Rooms
) -> None:
    alice = Somebody(ALICE)
    server.answer = alice.answer()
    trust = trust_of(client, server, identities)
    await trust.prepare([ALICE])
    readers(client, alice.device)
    trust.invalidate([ALICE])

    await trust.prepare([ALICE])

    assert client.olm.outbound_group_sessions[ROOM].shared


async def test_malformed_devices_reach_neither_nio_nor_the_others(
    client: AsyncClient, server: KeysInMemory, identities: Rooms
) -> None:
    alice = Somebody(ALICE)
    server.answer = alice.answer()
    bad = alice.devices["PHONE"]
    phones = server.answer["device_keys"][ALICE]
    phones["A"] = None
    phones["B"] = bad | {"device_id": "B", "keys": {"ed25519:B": "A" * 44}}
    phones["C"] = bad | {"device_id": "C", "unsigned": []}
    phones["PHONE"]["unsigned"] = ["no object"]
    trust = trust_of(client, server, identities)

    await trust.prepare([ALICE])

    assert set(client.device_store[ALICE]) == {"PHONE"}
    assert readers(client, alice.device) == {f"{ALICE}/PHONE"}


def standings(trust: Trust, *devices: Device) -> list[Standing | None]:
    return [trust.standing(one.keys.user_id, one.keys.device_id) for one in devices]


async def test_a_signed_device_is_its_owners_and_a_ghost_is_not(
    client: AsyncClient, server: KeysInMemory, identities: Rooms
) -> None:
    alice, ghost = Somebody(ALICE), Device(ALICE, "GHOST")
    alice.add(ghost, signed=False)
    server.answer = alice.answer()
    trust = trust_of(client, server, identities)

    await trust.prepare([ALICE])

    assert standings(trust, alice.device, ghost) == [Standing.OWNED, Standing.UNSIGNED]
    assert trust.standing(ALICE, "NEVER SEEN") is Standing.UNSIGNED


async def test_all_obeys_every_device(
    client: AsyncClient, server: KeysInMemory, identities: Rooms
) -> None:
    alice, ghost = Somebody(ALICE), Device(ALICE, "GHOST")
    alice.add(ghost, signed=False)
    server.answer = alice.answer()
    trust = trust_of(client, server, identities, share_keys_with="all")

    await trust.prepare([ALICE])

    assert standings(trust, ghost) == [Standing.OWNED]


async def test_nobodys_device_is_owned_without_an_identity(
    client: AsyncClient, server: KeysInMemory, identities: Rooms
) -> None:
    alice = Somebody(ALICE)
    server.answer = alice.answer()
    del server.answer["master_keys"]
    trust = trust_of(client, server, identities)

    await trust.prepare([ALICE])

    assert standings(trust, alice.device) == [Standing.UNSIGNED]


async def test_a_device_of_another_identity_is_changed_and_its_ghost_still_a_ghost(
    client: AsyncClient, server: KeysInMemory, identities: Rooms
) -> None:
    await identities.remember_identity(ALICE, Identity.generate(ALICE).master.public)
    alice, ghost = Somebody(ALICE), Device(ALICE, "GHOST")
    alice.add(ghost, signed=False)
    server.answer = alice.answer()
    trust = trust_of(client, server, identities)

    await trust.prepare([ALICE])
    before = standings(trust, alice.device, ghost)
    await trust.accept(ALICE, master_key=alice.identity.master.public)

    assert before == [Standing.CHANGED, Standing.UNSIGNED]
    assert standings(trust, alice.device, ghost) == [Standing.OWNED, Standing.UNSIGNED]


async def test_an_identity_that_comes_back_is_the_known_one_again(
    client: AsyncClient, server: KeysInMemory, identities: Rooms
) -> None:
    alice, other = Somebody(ALICE), Somebody(ALICE)
    trust, seen = trust_of(client, server, identities), []
    hidden: Json = {"device_keys": {ALICE: {}}}
    for answer in (alice.answer(), other.answer(), hidden, alice.answer()):
        server.answer = answer
        trust.invalidate([ALICE])
        await trust.prepare([ALICE])
        seen += [ALICE in trust.changed]

    assert seen == [False, True, False, False]
    assert standings(trust, alice.device) == [Standing.OWNED]


async def test_a_change_is_accepted_right_after_a_restart(
    client: AsyncClient, server: KeysInMemory, identities: Rooms
) -> None:
    await identities.remember_identity(ALICE, Identity.generate(ALICE).master.public)
    alice = Somebody(ALICE)
    server.answer = alice.answer()
    trust = trust_of(client, server, identities)

    assert await trust.accept(ALICE, master_key=alice.identity.master.public)


async def test_a_device_that_the_server_no_longer_shows_is_worth_nothing(
    client: AsyncClient, server: KeysInMemory, identities: Rooms
) -> None:
    alice = Somebody(ALICE)
    server.answer = alice.answer()
    trust = trust_of(client, server, identities)
    await trust.prepare([ALICE])
    server.answer["device_keys"][ALICE] = {}
    trust.invalidate([ALICE])

    await trust.prepare([ALICE])

    assert standings(trust, alice.device) == [Standing.UNSIGNED]


async def test_keys_under_the_name_of_a_signed_device_are_not_that_device(
    client: AsyncClient, server: KeysInMemory, identities: Rooms
) -> None:
    alice, other = Somebody(ALICE), Device(ALICE, "PHONE")
    alice.add(other, signed=False)
    server.answer = alice.answer()
    trust = trust_of(client, server, identities)
    await trust.prepare([ALICE])  # nio keeps the keys that it saw first
    alice.add(alice.device)
    server.answer = alice.answer()
    trust.invalidate([ALICE])

    await trust.prepare([ALICE])

    assert standings(trust, alice.device) == [Standing.UNSIGNED]


async def test_what_a_device_was_worth_holds_while_its_server_is_silent(
    client: AsyncClient, server: KeysInMemory, identities: Rooms, tmp_path: Path
) -> None:
    alice, ghost = Somebody(ALICE), Device(ALICE, "GHOST")
    alice.add(ghost, signed=False)
    server.answer = alice.answer()
    trust = trust_of(client, server, identities)
    await trust.prepare([ALICE])
    server.answer = {"device_keys": {}}
    trust.invalidate([ALICE])
    await trust.prepare([ALICE])
    client.store.database.close()
    restarted = open_nio(tmp_path / "crypto")
    again = trust_of(restarted, server, identities)

    await again.prepare([ALICE])

    assert standings(trust, alice.device, ghost) == [Standing.OWNED, Standing.UNSIGNED]
    assert standings(again, alice.device, ghost) == [Standing.OWNED, None]
    restarted.store.database.close()


async def test_somebody_whose_known_identity_was_forgotten_is_met_anew_by_the_next_run(
    client: AsyncClient, server: KeysInMemory, identities: Rooms, tmp_path: Path
) -> None:
    await identities.remember_identity(ALICE, Identity.generate(ALICE).master.public)
    alice, ghost = Somebody(ALICE), Device(ALICE, "GHOST")
    alice.add(ghost, signed=False)
    server.answer = alice.answer()
    trust = trust_of(client, server, identities)
    await trust.prepare([ALICE])
    before = standings(trust, alice.device, ghost)
    client.store.database.close()

    await identities.forget_identity(ALICE)
    restarted = open_nio(tmp_path / "crypto")
    again = trust_of(restarted, server, identities)
    await again.prepare([ALICE])

    assert before == [Standing.CHANGED, Standing.UNSIGNED]
    assert standings(again, alice.device, ghost) == [Standing.OWNED, Standing.UNSIGNED]
    assert readers(restarted, alice.device, ghost) == {f"{ALICE}/PHONE"}
    assert await identities.identity(ALICE) == alice.identity.master.public
    restarted.store.database.close()


async def test_sessions_are_counted_by_whether_they_get_keys(
    client: AsyncClient, server: KeysInMemory, identities: Rooms
) -> None:
    alice, bob = Somebody(ALICE), Somebody(BOB)
    alice.add(Device(ALICE, "TABLET"), signed=True)
    alice.add(Device(ALICE, "GHOST"), signed=False)
    server.answer = together(alice, bob)
    del server.answer["master_keys"][BOB]
    trust = trust_of(client, server, identities)

    await trust.prepare([ALICE, BOB])

    assert trust.sessions(ALICE) == Sessions(2, 1)
    assert trust.sessions(BOB) == Sessions(0, 1, Reason.NO_IDENTITY)


async def test_where_all_sessions_get_keys_all_are_counted_so(
    client: AsyncClient, server: KeysInMemory, identities: Rooms
) -> None:
    alice = Somebody(ALICE)
    alice.add(Device(ALICE, "GHOST"), signed=False)
    server.answer = alice.answer()
    trust = trust_of(client, server, identities, share_keys_with="all")

    await trust.prepare([ALICE])

    assert trust.sessions(ALICE) == Sessions(2, 0)
