"""Strangers can't fill the crypto store, nor stand in the way of anybody's room key."""

import asyncio
from pathlib import Path

import pytest
import vodozemac

from bot.matrix import bounds
from bot.matrix.guard import Guard
from tests.matrix.people import Json, Somebody
from tests.matrix.phones import Phone
from tests.matrix.test_waiting import ANN, EVE, ROOM, World, ann, eve, world

__all__ = ["ann", "eve", "world"]  # fixtures

ELSEWHERE = "!never been here"


def new_keys(phone: Phone, count: int) -> tuple[Json, ...]:
    """The keys of so many sessions, one after the other; the last one is the phone's."""
    made = []
    for _ in range(count):
        phone.session = vodozemac.GroupSession()
        phone.first_key = phone.session.session_key
        made.append(phone.room_key())
    return tuple(made)


def member(user_id: str, room_id: str = ROOM) -> Json:
    content = {"membership": "join"}
    return {"type": "m.room.member", "state_key": user_id, "sender": user_id, "content": content}


def kept(guard: Guard) -> list[str]:
    """The ids of all room keys."""
    return [one.id for one in guard.olm.inbound_group_store]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, limit in (("OF_ONE_DEVICE", 3), ("UNEXPECTED", 5), ("OF_ONE_ROOM", 6)):
        monkeypatch.setattr(bounds, name, limit)


@pytest.mark.parametrize("room_id", [ELSEWHERE, ROOM], ids=["unknown room", "not a member"])
async def test_of_keys_that_are_not_expected_the_newest_of_a_device_are_kept(
    world: World, eve: Somebody, room_id: str
) -> None:
    bot = await world.start()
    await bot.hears()
    phone = Phone(bot.guard, eve, room_id=room_id)

    await bot.hears(keys=new_keys(phone, 9))
    newest = phone.session.session_id
    in_memory = kept(bot.guard)
    bot = await world.start()

    assert (len(in_memory), in_memory[-1]) == (3, newest)
    assert sorted(kept(bot.guard)) == sorted(in_memory)


async def test_a_flood_from_many_devices_does_not_wash_away_the_keys_of_others(
    world: World, ann: Somebody
) -> None:
    bot = await world.start()
    await bot.hears()
    phone = Phone(bot.guard, ann, room_id=ELSEWHERE)
    await bot.hears(keys=new_keys(phone, 1))

    for number in range(4):
        loud = Phone(bot.guard, Somebody(EVE, f"PHONE{number}"), room_id=ELSEWHERE)
        await bot.hears(keys=new_keys(loud, 3))

    assert len(kept(bot.guard)) == 5
    assert phone.session.session_id in kept(bot.guard)


async def test_a_restart_does_not_make_room_for_more_of_them(world: World, eve: Somebody) -> None:
    for _ in range(3):
        bot = await world.start()
        await bot.hears()
        await bot.hears(keys=new_keys(Phone(bot.guard, eve, room_id=ELSEWHERE), 3))

    assert len(kept(bot.guard)) == 3


async def test_a_key_from_before_the_room_is_known_is_kept_and_backed_up_only_then(
    world: World, ann: Somebody, eve: Somebody
) -> None:
    bot = await world.start()
    backed_up: list[str] = []
    await bot.hears()
    bot.guard.client.store.on_room_key = lambda session: backed_up.append(session.id)
    phone, hers = (Phone(bot.guard, one, room_id=ROOM) for one in (ann, eve))
    await bot.hears(keys=(phone.room_key(), *new_keys(hers, 9)))
    before = list(backed_up)

    heard = await bot.hears(member(ANN), phone.event("hello", "$1"))
    await bot.hears(keys=new_keys(hers, 9))

    assert heard == ["hello"]
    assert (before, backed_up) == ([], [phone.session.session_id])
    assert phone.session.session_id in kept(bot.guard)


async def test_all_keys_that_come_with_the_first_sync_are_kept_for_the_rooms_in_it(
    world: World, ann: Somebody
) -> None:
    bot = await world.start()
    phone, elsewhere = (Phone(bot.guard, ann, room_id=one) for one in (ROOM, ELSEWHERE))
    keys = (*new_keys(phone, 5), *new_keys(elsewhere, 5))

    heard = await bot.hears(member(ANN), phone.event("hello", "$1"), keys=keys)
    at_first = len(kept(bot.guard))
    await bot.hears()

    assert heard == ["hello"]
    assert (at_first, len(kept(bot.guard))) == (10, 5 + 3)


async def test_a_member_has_so_many_keys_in_a_room_and_the_newest_count(
    world: World, ann: Somebody
) -> None:
    bot = await world.start()
    await bot.hears(member(ANN))
    phone = Phone(bot.guard, ann, room_id=ROOM)

    heard = await bot.hears(phone.event("old", "$0"), keys=(phone.room_key(),))
    await bot.hears(keys=new_keys(phone, 9))
    heard += await bot.hears(phone.event("new", "$1"))

    assert heard == ["old", "new"]
    assert len(kept(bot.guard)) == 6


async def test_a_device_has_so_many_olm_sessions_and_the_newest_is_used(
    world: World, eve: Somebody, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "CHANNELS", 4)
    bot = await world.start()
    await bot.hears()
    for _ in range(9):
        phone = Phone(bot.guard, eve, room_id=ROOM)
        await bot.hears(keys=(phone.over_olm("m.dummy", {}),))
    in_memory = len(bot.guard.olm.session_store[eve.device.keys.curve25519])
    bot = await world.start()
    on_disk = len(bot.guard.olm.session_store[eve.device.keys.curve25519])

    heard = await bot.hears(phone.event("hello", "$1"), keys=(phone.room_key(),))

    assert (in_memory, on_disk) == (4, 4)
    assert heard == ["hello"]


async def test_made_up_devices_leave_nothing_behind(world: World, eve: Somebody) -> None:
    bot = await world.start()
    event = Phone(bot.guard, eve, room_id=ROOM).room_key()

    for _ in range(9):
        curve25519 = vodozemac.Account().curve25519_key.to_base64()
        made_up = {**event["content"], "sender_key": curve25519}
        await bot.hears(keys=({**event, "content": made_up},))

    assert not bot.guard.olm.session_store._entries


async def test_others_get_their_turn_while_a_flood_of_keys_is_taken(
    world: World, eve: Somebody, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.matrix.reading.STEP", 2)
    bot = await world.start()
    keys = new_keys(Phone(bot.guard, eve, room_id=ELSEWHERE), 9)
    sizes: list[int] = []

    async def look() -> None:
        while True:
            sizes.append(len(kept(bot.guard)))
            await asyncio.sleep(0)

    looking = asyncio.create_task(look())
    await bot.hears(keys=keys)
    looking.cancel()

    assert {2, 4, 6, 8} <= set(sizes)


@pytest.mark.parametrize("restarted", [False, True])
async def test_whoever_sends_on_somebodys_room_key_as_their_own_does_not_silence_them(
    world: World, ann: Somebody, eve: Somebody, restarted: bool
) -> None:
    bot = await world.start()
    phone, hers = (Phone(bot.guard, one, room_id=ROOM) for one in (ann, eve))
    await bot.hears(member(ANN), member(EVE))
    hers.session, hers.first_key = phone.session, phone.first_key

    await bot.hears(keys=(hers.room_key(), phone.room_key()))
    if restarted:
        bot = await world.start()
    event = world.homeserver.said(phone.event("hello", "$1"))
    del event["content"]["sender_key"]  # as newer clients have it
    heard = await bot.hears(event)

    assert heard == ["hello"]
    assert bot.guard.drops == {}


async def test_a_key_that_was_sent_on_does_not_spoil_its_owners_in_the_file(
    world: World, ann: Somebody, eve: Somebody, tmp_path: Path
) -> None:
    bot = await world.start()
    phone, hers = (Phone(bot.guard, one, room_id=ROOM) for one in (ann, eve))
    first = phone.event("hello", "$1")
    hers.session, hers.first_key = phone.session, phone.session.session_key  # decrypts less

    await bot.hears(member(ANN), member(EVE))
    await bot.hears(keys=(phone.room_key(), hers.room_key()))
    bot = await world.start()

    assert await bot.hears(first) == ["hello"]
