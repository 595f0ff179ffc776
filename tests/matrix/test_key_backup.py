"""The room-key backup: complete, never doubled, and never believing what others put into it."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import vodozemac
from nio.crypto import InboundGroupSession

from bot.matrix.backing_up import BATCH, BackingUp, Restored, ledger_of, restore
from bot.matrix.http import RequestError, TokenRevokedError, UnavailableError
from bot.matrix.key_backup import MAC, BackupKey, current_version, entry, session_of
from bot.matrix.secret_storage import decoded
from bot.matrix.signed_json import is_signed, unpadded
from tests.matrix.account import BOT, ROOM, Account, OwnDevice, Speaker

# From the tests of another implementation: the specification has no examples with numbers.
THEIR_KEY = BackupKey(decoded("Ha9cklU/9NqFo9WKdVfGzmqUL/9wlkdxfEitbSIPVXw"))
THEIR_DATA = {
    "ephemeral": "HlLi76oV6wxHz3PCqE/bxJi6yF1HnYz5Dq3T+d/KpRw",
    "ciphertext": (
        "MuM8E3Yc6TSAvhVGb77rQ++jE6p9dRepx63/3YPD2wACKAppkZHeFrnTH6wJ/HSyrmzo7HfwqVl6tKNpfooSTHqU"
        "f6x1LHz+h4B/Id5ITO1WYt16AaI40LOnZqTkJZCfSPuE2oxalwEHnCS3biWybutcnrBFPR3LMtaeHvvkb+k3ny9l"
        "5ZpsU9G7vCm3XoeYkWfLekWXvDhbqWrylXD0+CNUuaQJ/S527TzLd4XKctqVjjO/cCH7q+9utt9WJAfK8LGaWT/m"
        "Z3AeWjf5kiqOpKKf5Cn4n5SSil5p/pvGYmjnURvZSEeQIzHgvunIBEPtzK/MYEPOXe/P5achNGlCx+5N19Ftyp9T"
        "FaTFlTWCTi0mpD7ePfCNISrwpozAz9HZc0OhA8+1aSc7rhYFIeAYXFU326NuFIFHI5pvpSxjzPQlOA+mavIKmiRA"
        "tjlLw11IVKTxgrdT4N8lXeMr4ndCSmvIkAzFMo1uZA4fzjiAdQJE4/2WeXFNNpvdfoYmX8Zl9CAYjpSO5HvpwkAb"
        "k4/iLEH3hDfCVUwDfMh05PdGLnxeRpiEFWSMSsJNp+OWAA+5JsF41BoRGrxoXXT+VKqlUDONd+O296Psu8Q+d8/S"
        "618"
    ),
    "mac": "GtMrurhDTwo",
}
THEIR_SENDER = "wREG/hBdSspoqM9xPCEXd/4YwjpBFXlsobRkyDTo/Q8"


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def bot(tmp_path: Path, account: Account) -> Iterator[OwnDevice]:
    device = OwnDevice(tmp_path, account)
    yield device
    device.close()


@pytest.fixture
def new_device(tmp_path: Path, account: Account, bot: OwnDevice) -> Iterator[OwnDevice]:
    """The same identity in another data directory, with nothing but its sealed keys."""
    (tmp_path / "new" / "crypto").mkdir(parents=True)
    sealed = (tmp_path / "crypto" / "identity").read_bytes()
    (tmp_path / "new" / "crypto" / "identity").write_bytes(sealed)
    device = OwnDevice(tmp_path / "new", account, "NEWDEVICE")
    yield device
    device.close()


@asynccontextmanager
async def backing_up(device: OwnDevice) -> AsyncIterator[BackingUp]:
    """The task, running."""
    backing = BackingUp(device.open, settle=0.0)
    task = asyncio.create_task(backing.run())
    try:
        yield backing
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def backed_up(device: OwnDevice, account: Account, count: int) -> None:
    async with backing_up(device):
        await account.has(count)


def test_an_entry_of_another_implementation_has_our_format() -> None:
    mac = unpadded(THEIR_KEY._mac(decoded(THEIR_DATA["ciphertext"])))

    content = THEIR_KEY.unseal({**THEIR_DATA, MAC: mac})

    assert content is not None
    assert content["sender_key"] == THEIR_SENDER
    assert content["algorithm"] == "m.megolm.v1.aes-sha2"


def test_what_comes_out_decrypts_what_the_sender_said_from_then_on() -> None:
    alice, key = Speaker(), BackupKey.generate()
    unread, first = alice.say("before"), alice.room_key()
    said = alice.say("hello")

    found = session_of(key, ROOM, first.id, entry(key, first))

    assert found is not None
    assert found.decrypt(said) == ("hello", 1)
    assert (found.sender_key, found.ed25519) == (first.sender_key, first.ed25519)
    assert (found.room_id, found.first_known_index) == (ROOM, 1)
    with pytest.raises(vodozemac.MegolmDecryptionException):
        found.decrypt(unread)


def made_up(key: BackupKey, victim: InboundGroupSession) -> tuple[str, dict[str, str]]:
    """A session of its own that a homeserver calls the victim's, sealed with the public key."""
    session = Speaker().room_key()
    session.sender_key, session.ed25519 = victim.sender_key, victim.ed25519
    stranger = BackupKey.generate()
    content = stranger.unseal(entry(stranger, session)["session_data"])
    public = vodozemac.Curve25519PublicKey.from_base64(key.public)
    sealed = vodozemac.PkEncryption.from_key(public).encrypt(json.dumps(content).encode())
    return session.id, {
        "ephemeral": unpadded(sealed.ephemeral_key),
        "ciphertext": unpadded(sealed.ciphertext),
        "mac": unpadded(sealed.mac),
    }


def test_what_the_homeserver_makes_up_is_never_taken() -> None:
    key, alice = BackupKey.generate(), Speaker().room_key()
    genuine = entry(key, alice)
    session_id, data = made_up(key, alice)
    macs = {
        "none": {},
        "an empty one": {MAC: ""},
        "that of another entry": {MAC: genuine["session_data"][MAC]},
        "its own": {MAC: unpadded(BackupKey.generate()._mac(decoded(data["ciphertext"])))},
    }

    taken = [
        name
        for name, mac in macs.items()
        if session_of(key, ROOM, session_id, {**genuine, "session_data": data | mac})
    ]
    with_the_private_key = {MAC: unpadded(key._mac(decoded(data["ciphertext"])))}
    blind = not session_of(key, ROOM, session_id, {"session_data": data | with_the_private_key})

    assert (taken, blind) == ([], False)


@pytest.mark.parametrize(
    "change",
    [
        {"ephemeral": unpadded(bytes(32))},
        {"ephemeral": "AAAA"},
        {"ephemeral": "A" * 44},
        {"ciphertext": "AAAA"},
        {"mac": "AAAA"},
        dict.fromkeys(("ephemeral", "ciphertext", "mac", MAC), 1),
    ],
)
def test_an_entry_that_was_changed_is_not_taken(change: Mapping[str, Any]) -> None:
    key, session = BackupKey.generate(), Speaker().room_key()
    genuine = entry(key, session)

    changed = {**genuine, "session_data": genuine["session_data"] | dict(change)}

    assert session_of(key, ROOM, session.id, changed) is None
    assert session_of(key, ROOM, session.id, {"session_data": []}) is None
    assert session_of(key, ROOM, session.id, "no object") is None
    assert session_of(key, ROOM, "another session", genuine) is None


def test_a_key_that_a_third_device_told_us_is_backed_up_and_never_taken_for_the_senders() -> None:
    key, session = BackupKey.generate(), Speaker().room_key()
    session.forwarding_chain.append("a device")

    assert session_of(key, ROOM, session.id, entry(key, session)) is None


async def test_the_backup_is_signed_by_the_identity_and_by_the_device(
    bot: OwnDevice, account: Account
) -> None:
    bot.receive(Speaker().room_key())
    await backed_up(bot, account, 1)

    auth_data, own = account.versions["1"]["auth_data"], bot.open.own
    master = bot.identity.master
    assert is_signed(auth_data, user_id=BOT, key_id=master.key_id, public=master.public)
    assert is_signed(auth_data, user_id=BOT, key_id=own.key_id, public=own.keys.ed25519)


async def test_room_keys_go_up_in_bounded_batches_and_then_as_they_come(
    bot: OwnDevice, account: Account
) -> None:
    for _ in range(2 * BATCH + 1):
        bot.receive(Speaker().room_key())

    async with backing_up(bot):
        await account.has(2 * BATCH + 1)
        bot.receive(Speaker().room_key())
        await account.has(2 * BATCH + 2)

    assert account.batches == [BATCH, BATCH, 1, 1]


async def test_a_second_start_uploads_what_is_missing_and_nothing_else(
    bot: OwnDevice, account: Account, tmp_path: Path
) -> None:
    alice = Speaker()
    bot.receive(alice.room_key())
    await backed_up(bot, account, 1)
    bot.close()
    account.changes.clear()

    again = OwnDevice(tmp_path, account)
    await backed_up(again, account, 1)
    nothing = list(account.changes)
    again.receive(Speaker().room_key())
    await backed_up(again, account, 2)
    again.close()

    assert nothing == []
    assert account.changes == ["PUT keys"]
    assert (account.batches, account.downloads) == ([1, 1], [])


async def test_a_key_that_decrypts_more_replaces_one_that_decrypts_less_and_never_the_reverse(
    bot: OwnDevice, account: Account, tmp_path: Path
) -> None:
    alice = Speaker()
    whole = alice.room_key()
    alice.say("hello")
    later = alice.room_key()

    bot.receive(later)
    await backed_up(bot, account, 1)
    first = account.stored[whole.id]["first_message_index"]
    async with backing_up(bot):
        bot.receive(whole)
        async with asyncio.timeout(10), account.changed:
            await account.changed.wait_for(lambda: len(account.batches) == 2)
        bot.receive(later)
    bot.close()
    again = OwnDevice(tmp_path, account)
    [kept] = again.open.guard.olm.inbound_group_store
    again.close()

    assert (first, account.stored[whole.id]["first_message_index"]) == (1, 0)
    assert account.batches == [1, 1]
    assert kept.first_known_index == 0


async def test_a_new_device_gets_its_rooms_keys_back_and_leaves_out_what_it_did_not_put_there(
    bot: OwnDevice, account: Account, new_device: OwnDevice
) -> None:
    alice, left = Speaker(), Speaker("!left:example.org")
    bot.receive(alice.room_key())
    bot.receive(left.room_key())
    said = alice.say("hello")
    await backed_up(bot, account, 2)
    recovery = bot.open.recovery_file.load(BOT)
    assert recovery is not None
    new_device.open.recovery_file.save(recovery)
    mallory = Speaker().room_key()
    genuine = account.stored[alice.room_key().id]
    stored = account.room_keys["1"][ROOM]
    stored[mallory.id] = entry(BackupKey.generate(), mallory)
    stored["another name"] = genuine

    version = await current_version(account)
    assert version is not None
    ledger = ledger_of(new_device.open, version)
    restored = await restore(new_device.open, recovery.backup_key, version, ledger)

    [session] = new_device.open.guard.olm.inbound_group_store
    assert restored == Restored(room_keys=1, left_out=2)
    assert session.decrypt(said) == ("hello", 0)


async def test_a_run_on_a_new_device_restores_by_itself_and_uploads_nothing_of_that_again(
    bot: OwnDevice, account: Account, new_device: OwnDevice
) -> None:
    old, new = Speaker(), Speaker()
    bot.receive(old.room_key())
    await backed_up(bot, account, 1)
    recovery = bot.open.recovery_file.load(BOT)
    assert recovery is not None
    new_device.open.recovery_file.save(recovery)

    async with backing_up(new_device):
        new_device.receive(new.room_key())
        await account.has(2)

    ids = {one.id for one in new_device.open.guard.olm.inbound_group_store}
    assert ids == {old.room_key().id, new.room_key().id}
    assert account.batches == [1, 1]


async def test_a_backup_that_was_deleted_is_made_again_and_gets_everything(
    bot: OwnDevice, account: Account
) -> None:
    bot.receive(Speaker().room_key())

    async with backing_up(bot):
        await account.has(1)
        account.versions.clear()
        bot.receive(Speaker().room_key())
        await account.has(2)

    assert account.version == "2"


async def test_an_outage_is_waited_out(bot: OwnDevice, account: Account) -> None:
    account.refused["GET version"] = UnavailableError("away")
    account.refused["PUT m.cross_signing.master"] = RequestError("its disk is full", status=500)
    account.refused["PUT keys"] = UnavailableError("away")
    bot.receive(Speaker().room_key())

    await backed_up(bot, account, 1)

    assert account.refused == {}


async def test_a_revoked_token_ends_it(bot: OwnDevice, account: Account) -> None:
    account.refused["GET version"] = TokenRevokedError("logged out")

    with pytest.raises(TokenRevokedError):
        await BackingUp(bot.open).run()


def another_clients_storage(account: Account) -> None:
    account.data["m.secret_storage.default_key"] = {"key": "another"}


def another_clients_backup(account: Account) -> None:
    auth_data = {"public_key": BackupKey.generate().public}
    algorithm = "m.megolm_backup.v1.curve25519-aes-sha2"
    account.room_keys["7"] = {}
    account.versions["7"] = {"version": "7", "algorithm": algorithm, "auth_data": auth_data}


@pytest.mark.parametrize("had", [another_clients_storage, another_clients_backup])
async def test_what_another_client_made_is_left_alone_and_told(
    had: Callable[[Account], None],
    bot: OwnDevice,
    account: Account,
    caplog: pytest.LogCaptureFixture,
) -> None:
    had(account)
    before = (dict(account.versions), account.data.get("m.secret_storage.default_key"))
    bot.receive(Speaker().room_key())

    await BackingUp(bot.open).run()

    [told] = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert "another client made" in told
    assert account.versions == before[0]
    assert account.batches == []
    if before[1]:
        assert account.data["m.secret_storage.default_key"] == before[1]
        assert bot.open.recovery_file.load(BOT) is None


async def test_a_homeserver_without_backups_is_no_reason_to_stop(
    bot: OwnDevice, account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    unknown = RequestError("no such endpoint", status=404, errcode="M_UNRECOGNIZED")
    account.refused["GET version"] = unknown

    await BackingUp(bot.open).run()

    assert "is not complete" in caplog.text
