"""The recovery key and what it opens: made once, put up whole, and another's left alone."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.errors import HomeserverError, StorageError
from bot.matrix.identity import Identity
from bot.matrix.key_backup import BackupKey
from bot.matrix.recovery import Recovery, RecoveryFile, set_up, unlocked
from bot.matrix.secret_storage import RecoveryKey, decoded
from storage import MasterKey
from tests.matrix.account import BOT, Account, OwnDevice

EVERYTHING = [
    "PUT m.secret_storage.key.{}",
    "PUT m.cross_signing.master",
    "PUT m.cross_signing.self_signing",
    "PUT m.cross_signing.user_signing",
    "PUT m.secret_storage.default_key",
    "POST version",
    "PUT m.megolm_backup.v1",
]


class Shown(Account):
    """An account whose identity others see."""

    def __init__(self) -> None:
        super().__init__()
        self.identity: Identity | None = None

    async def request(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        assert path.endswith("/keys/query")
        masters = {BOT: self.identity.key_objects()["master"]} if self.identity else {}
        return 200, {"device_keys": {BOT: {}}, "master_keys": masters}


@pytest.fixture
def account() -> Shown:
    return Shown()


@pytest.fixture
def bot(tmp_path: Path, account: Shown) -> Iterator[OwnDevice]:
    device = OwnDevice(tmp_path, account)
    account.identity = device.identity
    yield device
    device.close()


async def set_up_for(bot: OwnDevice) -> Recovery:
    recovery, _ = await set_up(bot.open.http, bot.open.own, bot.identity, bot.open.recovery_file)
    return recovery


def seeds(identity: Identity) -> list[bytes]:
    return [one.seed for one in (identity.master, identity.self_signing, identity.user_signing)]


async def test_what_is_put_up_is_opened_by_the_recovery_key_alone(
    bot: OwnDevice, account: Shown
) -> None:
    recovery = await set_up_for(bot)

    identity, opened = await unlocked(account, BOT, RecoveryKey.read(recovery.key.written))

    assert seeds(identity) == seeds(bot.identity)
    assert opened.backup_key.raw == recovery.backup_key.raw
    assert opened.key_id == recovery.key_id
    assert account.changes == [one.format(recovery.key_id) for one in EVERYTHING]
    assert not [seed for seed in seeds(identity) if decoded_somewhere(seed, account)]
    with pytest.raises(HomeserverError, match="does not open the secret storage"):
        await unlocked(account, BOT, RecoveryKey.generate())


def decoded_somewhere(secret: bytes, account: Account) -> bool:
    words = json.dumps(account.data).replace('"', " ").split()
    return any(secret in decoded(word) for word in words if len(word) > 40)


async def test_the_second_time_nothing_is_uploaded_and_the_key_is_the_same(
    bot: OwnDevice, account: Shown
) -> None:
    first = await set_up_for(bot)
    account.changes.clear()

    second = await set_up_for(bot)

    assert account.changes == []
    assert second.key.raw == first.key.raw


@pytest.mark.parametrize("fails", EVERYTHING[1:])
async def test_a_start_that_was_cut_short_is_finished_with_the_same_key(
    fails: str, bot: OwnDevice, account: Shown
) -> None:
    refusal = HomeserverError("cut short")
    account.refused[fails] = refusal  # type: ignore[assignment]
    with pytest.raises(HomeserverError, match="cut short"):
        await set_up_for(bot)
    begun = bot.open.recovery_file.load(BOT)
    assert begun is not None

    finished = await set_up_for(bot)

    _, opened = await unlocked(account, BOT, begun.key)
    assert finished.key.raw == begun.key.raw
    assert opened.backup_key.raw == finished.backup_key.raw
    assert list(account.versions) == ["1"]
    assert sorted(account.changes) == sorted(one.format(begun.key_id) for one in EVERYTHING)


async def test_a_reset_replaces_all_of_it_and_the_old_key_opens_nothing(
    bot: OwnDevice, account: Shown
) -> None:
    old = await set_up_for(bot)
    bot.open.identity_file.save(Identity.generate(BOT))
    account.identity = bot.identity
    bot.open.recovery_file.save(Recovery.generate(BOT, replaces=True))

    new = await set_up_for(bot)
    account.changes.clear()
    await set_up_for(bot)

    identity, _ = await unlocked(account, BOT, new.key)
    assert seeds(identity) == seeds(bot.identity)
    assert account.versions["2"]["auth_data"]["public_key"] == new.backup_key.public
    assert (list(account.versions), account.changes) == (["2"], [])
    with pytest.raises(HomeserverError, match="does not open the secret storage"):
        await unlocked(account, BOT, old.key)


async def test_a_key_from_before_a_reset_elsewhere_is_told_apart(
    bot: OwnDevice, account: Shown
) -> None:
    recovery = await set_up_for(bot)
    account.identity = Identity.generate(BOT)

    with pytest.raises(HomeserverError, match="no longer has: it was reset since"):
        await unlocked(account, BOT, recovery.key)


async def test_a_storage_that_holds_no_identity_brings_none_back(
    bot: OwnDevice, account: Shown
) -> None:
    recovery = await set_up_for(bot)
    account.data["m.cross_signing.self_signing"] = {"encrypted": {recovery.key_id: {}}}

    with pytest.raises(HomeserverError, match="holds no cross-signing keys"):
        await unlocked(account, BOT, recovery.key)


def test_the_key_lies_sealed_and_private_and_no_repr_shows_it(tmp_path: Path) -> None:
    file = RecoveryFile(tmp_path / "crypto" / "recovery", MasterKey(bytes(32)))
    recovery = Recovery.generate(BOT)
    file.save(recovery)

    path = tmp_path / "crypto" / "recovery"
    again = file.load(BOT)
    assert again is not None
    assert (again.key.raw, again.backup_key.raw) == (recovery.key.raw, recovery.backup_key.raw)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for secret in (recovery.key.raw, recovery.backup_key.raw):
        assert secret not in path.read_bytes()
        assert str(secret) not in repr(recovery)
    assert recovery.key.written not in repr(recovery)


def test_another_master_key_or_another_accounts_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "crypto" / "recovery"
    RecoveryFile(path, MasterKey(bytes(32))).save(Recovery.generate("@other:example.org"))

    with pytest.raises(StorageError, match=r"belongs to @other:example\.org"):
        RecoveryFile(path, MasterKey(bytes(32))).load(BOT)
    with pytest.raises(StorageError, match=r"can't be opened: .*storage\.master_key"):
        RecoveryFile(path, MasterKey(bytes([1] * 32))).load(BOT)


def test_a_backup_key_shows_its_public_half_alone() -> None:
    key = BackupKey.generate()

    assert key.public in repr(key)
    assert str(key.raw) not in repr(key)
