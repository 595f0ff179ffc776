"""The bot's device, opened: logged in, its crypto store loaded, its keys on the homeserver."""

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
from bot.matrix.keys import DeviceKeyring
from bot.matrix.recovery import RecoveryFile
from bot.matrix.session import Session, is_logged_in, log_in, save
from storage import MasterKey


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

    Raises HomeserverError or StorageError with one clear sentence.
    """
    http = Http(account.url)
    try:
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
            yield OpenDevice(http, session, guard, keyring, identity_file, recovery_file)
        finally:
            close_crypto_store(nio_client)
    finally:
        await http.close()
