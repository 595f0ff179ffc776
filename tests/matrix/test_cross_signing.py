"""The bot's identity is published once, kept sealed, and never overwrites somebody else's."""

import dataclasses
import json
import stat
from pathlib import Path

import pytest

from bot.errors import HomeserverError, StorageError
from bot.matrix.chains import read_person
from bot.matrix.cross_signing import ensure_cross_signed, reset_identity
from bot.matrix.identity import Identity, IdentityFile
from bot.matrix.signed_json import is_signed
from storage import MasterKey
from tests.matrix.people import Device, Json, KeysInMemory, Somebody

BOT = "@bot:example.org"
EVERYTHING = ["device_signing/upload", "signatures/upload"]


@pytest.fixture
def device() -> Device:
    return Device(BOT, "BOTDEVICE")


@pytest.fixture
def server(device: Device) -> KeysInMemory:
    server = KeysInMemory()
    server.answer["device_keys"][BOT] = {"BOTDEVICE": device.payload()}
    return server


@pytest.fixture
def kept(tmp_path: Path) -> IdentityFile:
    return identity_file(tmp_path)


def identity_file(folder: Path, key: bytes = bytes(32)) -> IdentityFile:
    return IdentityFile(folder / "crypto" / "cross-signing", MasterKey(key))


async def test_the_first_start_publishes_an_identity_and_signs_the_device(
    device: Device, server: KeysInMemory, kept: IdentityFile
) -> None:
    public = await ensure_cross_signed(server, device.own(), kept)

    person = read_person(BOT, server.answer)
    master = server.answer["master_keys"][BOT]
    assert (person.master_key, person.self_signing_key) == (
        public.master_key,
        public.self_signing_key,
    )
    assert person.signed == {"BOTDEVICE": device.keys}
    assert is_signed(master, user_id=BOT, key_id=device.key_id, public=device.keys.ed25519)
    assert server.uploads == EVERYTHING


async def test_the_second_start_uploads_nothing(
    device: Device, server: KeysInMemory, kept: IdentityFile, tmp_path: Path
) -> None:
    first = await ensure_cross_signed(server, device.own(), kept)
    server.requests.clear()

    second = await ensure_cross_signed(server, device.own(), identity_file(tmp_path))

    assert second == first
    assert [path for path, _ in server.requests] == ["query"]


async def test_a_new_device_is_signed_by_the_same_identity(
    device: Device, server: KeysInMemory, kept: IdentityFile
) -> None:
    first = await ensure_cross_signed(server, device.own(), kept)
    server.requests.clear()
    newer = Device(BOT, "NEWER")
    server.answer["device_keys"][BOT]["NEWER"] = newer.payload()

    second = await ensure_cross_signed(server, newer.own(), kept)

    assert second == first
    assert set(read_person(BOT, server.answer).signed) == {"BOTDEVICE", "NEWER"}
    assert server.uploads == ["signatures/upload"]


@pytest.mark.parametrize("fails", EVERYTHING)
async def test_a_start_that_was_cut_short_is_finished_with_the_same_keys(
    fails: str, device: Device, server: KeysInMemory, kept: IdentityFile
) -> None:
    server.failing[fails] = (500, {})
    with pytest.raises(HomeserverError, match=r"did not take .*\(status 500\)"):
        await ensure_cross_signed(server, device.own(), kept)
    server.failing.clear()
    begun = kept.load(BOT)

    public = await ensure_cross_signed(server, device.own(), kept)

    assert begun is not None
    assert public == begun.public
    assert set(read_person(BOT, server.answer).signed) == {"BOTDEVICE"}


async def test_the_private_keys_are_kept_before_anything_is_published(
    device: Device, server: KeysInMemory, kept: IdentityFile
) -> None:
    server.failing["device_signing/upload"] = (500, {})

    with pytest.raises(HomeserverError):
        await ensure_cross_signed(server, device.own(), kept)

    sent = server.requests[-1][1]["master_key"]["keys"]
    identity = kept.load(BOT)
    assert identity is not None
    assert sent == {identity.master.key_id: identity.master.public}


async def test_the_file_is_sealed_and_its_owners_alone(
    device: Device, server: KeysInMemory, kept: IdentityFile, tmp_path: Path
) -> None:
    await ensure_cross_signed(server, device.own(), kept)

    identity = kept.load(BOT)
    assert identity is not None
    (path,) = (tmp_path / "crypto").iterdir()
    content = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    for key in (identity.master, identity.self_signing, identity.user_signing):
        assert key.seed not in content
    assert b"master" not in content


async def test_a_foreign_identity_is_never_overwritten(
    device: Device, server: KeysInMemory, kept: IdentityFile
) -> None:
    foreign = Somebody(BOT).answer()["master_keys"]
    server.answer["master_keys"] = foreign

    with pytest.raises(
        HomeserverError, match=r"does not hold.*`confidant identity recover`.*reset"
    ):
        await ensure_cross_signed(server, device.own(), kept, password="secret")

    assert server.uploads == []
    assert kept.load(BOT) is None


async def test_lost_keys_end_in_the_same_sentence(
    device: Device, server: KeysInMemory, kept: IdentityFile, tmp_path: Path
) -> None:
    await ensure_cross_signed(server, device.own(), kept)
    (tmp_path / "crypto" / "cross-signing").unlink()
    server.requests.clear()

    with pytest.raises(HomeserverError, match=r"`confidant identity recover`"):
        await ensure_cross_signed(server, device.own(), kept, password="secret")

    assert server.uploads == []


async def test_a_malformed_identity_on_the_server_is_a_foreign_one(
    device: Device, server: KeysInMemory, kept: IdentityFile
) -> None:
    server.answer["master_keys"] = {BOT: {"keys": "?"}}

    with pytest.raises(HomeserverError, match="confidant identity reset"):
        await ensure_cross_signed(server, device.own(), kept)


@pytest.mark.parametrize("usage", ["self_signing", "user_signing"])
@pytest.mark.parametrize("damage", ["missing", "unsigned"])
async def test_a_damaged_identity_of_ours_is_published_again_with_the_password(
    usage: str, damage: str, device: Device, server: KeysInMemory, kept: IdentityFile
) -> None:
    first = await ensure_cross_signed(server, device.own(), kept)
    whole = json.dumps(server.answer)
    if damage == "missing":
        del server.answer[f"{usage}_keys"][BOT]
    else:
        del server.answer[f"{usage}_keys"][BOT]["signatures"]

    assert await ensure_cross_signed(server, device.own(), kept, password="secret") == first

    assert server.answer[f"{usage}_keys"] == json.loads(whole)[f"{usage}_keys"]
    assert set(read_person(BOT, server.answer).signed) == {"BOTDEVICE"}


async def test_only_the_signature_that_is_missing_is_uploaded(
    device: Device, server: KeysInMemory, kept: IdentityFile
) -> None:
    public = await ensure_cross_signed(server, device.own(), kept)
    payload, master = server.answer["device_keys"][BOT]["BOTDEVICE"], server.answer["master_keys"]

    del payload["signatures"][BOT][f"ed25519:{public.self_signing_key}"]
    await ensure_cross_signed(server, device.own(), kept)
    of_device = server.requests[-2]
    del master[BOT]["signatures"]
    await ensure_cross_signed(server, device.own(), kept)
    of_master = server.requests[-2]

    assert of_device[0] == of_master[0] == "signatures/upload"
    assert list(of_device[1][BOT]) == ["BOTDEVICE"]
    assert list(of_master[1][BOT]) == [public.master_key]


async def test_another_master_key_of_the_data_is_named(
    device: Device, server: KeysInMemory, kept: IdentityFile, tmp_path: Path
) -> None:
    await ensure_cross_signed(server, device.own(), kept)

    with pytest.raises(StorageError, match=r"can't be opened: .*storage\.master_key"):
        await ensure_cross_signed(server, device.own(), identity_file(tmp_path, bytes([1] * 32)))


async def test_another_accounts_keys_are_named(
    device: Device, server: KeysInMemory, kept: IdentityFile
) -> None:
    kept.save(Identity.generate("@other:example.org"))

    with pytest.raises(StorageError, match=r"belong to @other:example\.org"):
        await ensure_cross_signed(server, device.own(), kept)


@pytest.mark.parametrize("shown", ["other keys", "nothing"])
async def test_a_device_that_the_server_shows_otherwise_is_not_signed(
    shown: str, device: Device, server: KeysInMemory, kept: IdentityFile
) -> None:
    del server.answer["device_keys"][BOT]["BOTDEVICE"]
    if shown == "other keys":
        other = Device(BOT, "BOTDEVICE").payload()
        server.answer["device_keys"][BOT]["BOTDEVICE"] = other

    with pytest.raises(HomeserverError, match="device BOTDEVICE"):
        await ensure_cross_signed(server, device.own(), kept)

    assert server.uploads == []


async def test_a_password_is_given_where_the_server_asks_for_it(
    device: Device, server: KeysInMemory, kept: IdentityFile
) -> None:
    server.always_asks = True

    await ensure_cross_signed(server, device.own(), kept, password="secret")

    assert set(read_person(BOT, server.answer).signed) == {"BOTDEVICE"}


@pytest.mark.parametrize(
    ("uia", "password", "sentence"),
    [
        ({}, "", r"set homeserver\.password"),
        ({}, "wrong", r"refused homeserver\.password"),
        ({"flows": [{"stages": ["m.login.sso"]}]}, "secret", "can't give before"),
        ({"flows": [None, {"stages": 1}]}, "secret", "can't give before"),
        (
            {
                "flows": [{"stages": ["m.oauth"]}],
                "params": {"m.oauth": {"url": "https://account.example.org/reset"}},
            },
            "secret",
            r"approve it at https://account\.example\.org/reset and start again",
        ),
        (
            {
                "flows": [{"stages": ["m.oauth"]}],
                "params": {"m.oauth": {"url": "javascript:alert(1)"}},
            },
            "secret",
            r"keys\.$",
        ),
        (
            {
                "flows": [{"stages": ["m.oauth"]}],
                "params": {"m.oauth": {"url": "https://x\nEverything is fine."}},
            },
            "secret",
            r"keys\.$",
        ),
    ],
)
async def test_what_the_server_wants_is_said_in_one_sentence(
    uia: Json, password: str, sentence: str, device: Device, kept: IdentityFile
) -> None:
    server = KeysInMemory(uia=uia and {"session": "abc", **uia})
    server.always_asks = True
    server.answer["device_keys"][BOT] = {"BOTDEVICE": device.payload()}

    with pytest.raises(HomeserverError, match=sentence):
        await ensure_cross_signed(server, device.own(), kept, password=password)


async def test_a_revoked_token_is_no_question_for_the_password(
    device: Device, server: KeysInMemory, kept: IdentityFile
) -> None:
    server.failing["device_signing/upload"] = (401, {"errcode": "M_UNKNOWN_TOKEN"})

    with pytest.raises(HomeserverError, match=r"status 401, M_UNKNOWN_TOKEN"):
        await ensure_cross_signed(server, device.own(), kept, password="secret")


async def test_a_refused_signature_is_an_error(
    device: Device, server: KeysInMemory, kept: IdentityFile
) -> None:
    server.failing["signatures/upload"] = (200, {"failures": {BOT: {"BOTDEVICE": {}}}})

    with pytest.raises(HomeserverError, match="did not take the bot's signature"):
        await ensure_cross_signed(server, device.own(), kept)


async def test_a_server_that_takes_the_keys_and_hides_them_is_an_error(
    device: Device, server: KeysInMemory, kept: IdentityFile
) -> None:
    server.failing["device_signing/upload"] = (200, {})
    server.failing["signatures/upload"] = (200, {"failures": {}})

    with pytest.raises(HomeserverError, match="does not show them"):
        await ensure_cross_signed(server, device.own(), kept)


async def test_a_reset_replaces_a_foreign_identity_with_the_password(
    device: Device, server: KeysInMemory, kept: IdentityFile, tmp_path: Path
) -> None:
    server.answer |= Somebody(BOT, "OLD").answer() | {"device_keys": server.answer["device_keys"]}

    public = await reset_identity(server, device.own(), kept, password="secret")

    assert read_person(BOT, server.answer).master_key == public.master_key
    assert await ensure_cross_signed(server, device.own(), kept) == public
    assert [path.name for path in (tmp_path / "crypto").iterdir()] == ["cross-signing"]


async def test_a_refused_reset_leaves_the_old_identity_whole(
    device: Device, server: KeysInMemory, kept: IdentityFile
) -> None:
    first = await ensure_cross_signed(server, device.own(), kept)
    with pytest.raises(HomeserverError, match="refused"):
        await reset_identity(server, device.own(), kept, password="wrong")

    assert await ensure_cross_signed(server, device.own(), kept) == first


async def test_a_reset_whose_answer_was_lost_is_finished_by_the_next_start(
    device: Device, server: KeysInMemory, kept: IdentityFile
) -> None:
    first = await ensure_cross_signed(server, device.own(), kept)
    replaced = Identity.generate(BOT)
    kept.successor.save(replaced)
    for usage, key in replaced.key_objects().items():
        server.answer[f"{usage}_keys"][BOT] = key

    public = await ensure_cross_signed(server, device.own(), kept)

    assert public == replaced.public != first
    assert set(read_person(BOT, server.answer).signed) == {"BOTDEVICE"}
    promoted = kept.load(BOT)
    assert promoted is not None
    assert promoted.public == public
    assert kept.successor.load(BOT) is None


def test_an_identity_shows_no_private_key() -> None:
    identity = Identity.generate(BOT)

    shown = repr(identity) + str(dataclasses.asdict(identity.public))

    for key in (identity.master, identity.self_signing, identity.user_signing):
        assert str(key.seed) not in shown
