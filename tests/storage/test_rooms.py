"""What is remembered of rooms and identities only gets looser when somebody decides so."""

from storage import Storage


async def test_a_room_once_seen_encrypted_stays_so(storage: Storage) -> None:
    rooms = storage.rooms

    await rooms.remember_encrypted("!a")
    await rooms.remember_encrypted("!a")
    await rooms.remember_encrypted("!b")

    assert await rooms.ever_encrypted("!a")
    assert not await rooms.ever_encrypted("!c")
    assert await rooms.encrypted_rooms() == {"!a", "!b"}


async def test_an_identity_is_trusted_on_first_use_and_not_replaced_by_seeing_another(
    storage: Storage,
) -> None:
    rooms = storage.rooms

    before = await rooms.identity("@a:hs")
    await rooms.remember_identity("@a:hs", "first")
    await rooms.remember_identity("@a:hs", "second")

    assert before is None
    assert await rooms.identity("@a:hs") == "first"
    assert await rooms.identity("@b:hs") is None


async def test_an_identity_is_replaced_when_somebody_decides_so(storage: Storage) -> None:
    rooms = storage.rooms
    await rooms.remember_identity("@a:hs", "first")

    await rooms.replace_identity("@a:hs", "second")

    assert await rooms.identity("@a:hs") == "second"


async def test_a_forgotten_identity_is_met_anew_and_nobody_elses_is_forgotten(
    storage: Storage,
) -> None:
    rooms = storage.rooms
    await rooms.remember_identity("@a:hs", "first")
    await rooms.remember_identity("@b:hs", "other")

    await rooms.forget_identity("@a:hs")

    assert await rooms.identity("@a:hs") is None
    assert await rooms.identity("@b:hs") == "other"
    await rooms.remember_identity("@a:hs", "second")
    assert await rooms.identity("@a:hs") == "second"
