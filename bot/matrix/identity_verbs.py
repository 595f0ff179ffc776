"""What `confidant identity` does: show who the bot is, bring it back, or make it somebody new."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.config import Homeserver
from bot.errors import StorageError
from bot.matrix.backing_up import Restored, restored_with
from bot.matrix.cross_signing import ensure_cross_signed, own_identity, reset_identity
from bot.matrix.crypto_store import kept_device_keys
from bot.matrix.device import OpenDevice, open_device
from bot.matrix.http import Http, path
from bot.matrix.identity import IdentityFile
from bot.matrix.key_backup import Version, current_version
from bot.matrix.password import delete_devices
from bot.matrix.recovery import Recovery, RecoveryFile, set_up, unlocked
from bot.matrix.secret_storage import RecoveryKey, default_key_id
from bot.matrix.session import load
from bot.matrix.untrusted import items, text
from bot.messages import OwnIdentity
from storage import MasterKey

NO_RECOVERY_KEY = (
    "There is no recovery key in the data directory: the bot makes it in the first seconds of its "
    "first run, unless the account has a secret storage that another client made (see its log)."
)


@dataclass(frozen=True, slots=True)
class Shown:
    """The bot's identity, and how far it could be brought back.

    `recovery_key_fits` says whether the one kept opens the account's storage; None without one.
    """

    identity: OwnIdentity
    backup: Version | None
    backup_is_ours: bool
    recovery_key_fits: bool | None


@dataclass(frozen=True, slots=True)
class Recovered:
    """The identity on its new device; `others` are the ids of the account's other devices."""

    identity: OwnIdentity
    restored: Restored
    others: Sequence[str]


def kept_recovery_key(account: Homeserver, data: Path, master_key: MasterKey) -> RecoveryKey:
    """The recovery key, for its operator's eyes; StorageError if there is none."""
    recovery = RecoveryFile(data / "crypto" / "recovery", master_key).load(account.user_id)
    if recovery is None:
        raise StorageError(NO_RECOVERY_KEY)
    return recovery.key


async def show(account: Homeserver, data: Path, master_key: MasterKey) -> Shown:
    """Who the bot is, by its own keys, and what the homeserver shows; also while it runs."""
    session = load(data / "session")
    if session is None or not session.access_token:
        raise StorageError(f"The bot has not run with the data directory {data} yet.")
    keys = kept_device_keys(session, data / "crypto", master_key)
    identity = IdentityFile(data / "crypto" / "identity", master_key).load(session.user_id)
    recovery = RecoveryFile(data / "crypto" / "recovery", master_key).load(session.user_id)
    master = identity.master.public if identity else ""
    http = Http(account.url)
    http.access_token = session.access_token
    try:
        shown = await own_identity(http, keys, master)
        backup, offered = await current_version(http), await default_key_id(http, session.user_id)
    finally:
        await http.close()
    ours = backup and recovery and backup.public_key == recovery.backup_key.public
    fits = recovery.key_id == offered if recovery else None
    return Shown(shown, backup, bool(ours), fits)


async def recover(
    account: Homeserver,
    data: Path,
    master_key: MasterKey,
    key: RecoveryKey,
    *,
    delete_others: bool,
) -> Recovered:
    """Be the same identity again, on this data directory's device, with the room keys of before.

    Raises HomeserverError where the key opens nothing, or not what the account is now.
    """
    opening = open_device(account, data=data, master_key=master_key, device_name="Confidant")
    async with opening as device:
        identity, recovery = await unlocked(device.http, device.session.user_id, key)
        device.identity_file.save(identity)
        device.recovery_file.save(recovery)
        password = account.password.get_secret_value()
        await ensure_cross_signed(device.http, device.own, device.identity_file, password=password)
        restored = await restored_with(device, recovery)
        others = await _others(device)
        if delete_others and others:
            await delete_devices(device.http, device.session.user_id, others, password)
            others = []
        shown = await own_identity(device.http, device.own.keys, identity.master.public)
        return Recovered(shown, restored, others)


async def reset(account: Homeserver, data: Path, master_key: MasterKey) -> OwnIdentity:
    """Be a new identity with a new recovery key; what the old key opened is gone."""
    opening = open_device(account, data=data, master_key=master_key, device_name="Confidant")
    async with opening as device:
        password = account.password.get_secret_value()
        public = await reset_identity(
            device.http, device.own, device.identity_file, password=password
        )
        device.recovery_file.save(Recovery.generate(public.user_id, replaces=True))
        identity = device.identity_file.load(public.user_id)
        assert identity is not None, "the reset has just kept it"
        await set_up(device.http, device.own, identity, device.recovery_file)
        return await own_identity(device.http, device.own.keys, public.master_key)


async def _others(device: OpenDevice) -> list[str]:
    answer = await device.http.call("GET", path("devices"))
    ids = [text(one, "device_id") for one in items(answer, "devices")]
    return [one for one in ids if one and one != device.session.device_id]
