"""The bot's device, opened: logged in, its crypto store loaded, its keys on the homeserver."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.config import Homeserver
from bot.matrix.cross_signing import OwnDevice
from bot.matrix.crypto_store import close_crypto_store, open_crypto_store
from bot.matrix.guard import Guard
from bot.matrix.http import Http
from bot.matrix.identity import IdentityFile
from bot.matrix.keys import DeviceKeyring, StaleStoreError
from bot.matrix.recovery import RecoveryFile
from bot.matrix.session import Session, is_logged_in, load, log_in, save, successor
from storage import MasterKey

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpenDevice:
    """What everything that talks with the homeserver is made of."""

    http: Http
    session: Session
    guard: Guard
    keyring: DeviceKeyring
    identity_file: IdentityFile
    recovery_file: RecoveryFile

    @property
    def own(self) -> OwnDevice:
        """The device as it signs and is signed."""
        return OwnDevice(self.keyring.own, self.keyring.sign)


@asynccontextmanager
async def open_device(
    account: Homeserver, *, data: Path, master_key: MasterKey, device_name: str
) -> AsyncIterator[OpenDevice]:
    """Log in, or go on as before; closed at the end.

    A device whose crypto store is stale is replaced by a new one where there is a password.
    Raises HomeserverError or StorageError with one clear sentence.
    """
    http = Http(account.url)
    try:
        device = await _opened(http, account, data, master_key, device_name)
        try:
            yield device
        finally:
            close_crypto_store(device.guard.client)
    finally:
        await http.close()


async def _opened(
    http: Http, account: Homeserver, data: Path, master_key: MasterKey, device_name: str
) -> OpenDevice:
    """The device of before; a new one instead where its crypto store turns out to be stale."""
    try:
        return await _as_before(http, account, data, master_key, device_name)
    except StaleStoreError:
        dead = load(data / "session")
        if dead is None or dead.replaces or not _can_log_in(account):
            raise
        save(data / "session", successor(dead))
        _log.warning(
            "the bot goes on as a new device, because the crypto store of device %s is stale. "
            "What was being sent may appear twice, and people see a new session of the same "
            "identity. Don't restore the folder crypto from a file backup.",
            dead.device_id,
        )
    return await _as_before(http, account, data, master_key, device_name)


def _can_log_in(account: Homeserver) -> bool:
    """Whether there is a way to a new device: a configured token belongs to the old one."""
    return bool(account.password.get_secret_value()) and not account.access_token.get_secret_value()


async def _as_before(
    http: Http, account: Homeserver, data: Path, master_key: MasterKey, device_name: str
) -> OpenDevice:
    session_file, crypto = data / "session", data / "crypto"
    must_exist = is_logged_in(session_file)
    session = await log_in(http, account, session_file, device_name=device_name)
    nio_client = open_crypto_store(session, crypto, master_key, must_exist=must_exist)
    try:
        save(session_file, session)  # not earlier: a kept token means that its store exists
        guard = Guard(nio_client)
        keyring = DeviceKeyring(guard, http)
        await keyring.publish()
        identity_file = IdentityFile(crypto / "identity", master_key)
        recovery_file = RecoveryFile(crypto / "recovery", master_key)
        return OpenDevice(http, session, guard, keyring, identity_file, recovery_file)
    except BaseException:
        close_crypto_store(nio_client)
        raise
