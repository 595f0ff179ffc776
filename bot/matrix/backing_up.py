"""Keeping the room-key backup complete: a task of its own, behind every message and never before.

Room keys go up in batches some seconds after they came. What is up is written down beside the
keys, so that a start uploads what is missing and nothing else.
"""

import asyncio
import logging
from dataclasses import dataclass
from itertools import islice
from typing import NoReturn

from nio.crypto import InboundGroupSession

from bot.errors import HomeserverError, HomeserverUnavailableError
from bot.matrix import rooms
from bot.matrix.backup_ledger import BackupLedger
from bot.matrix.device import OpenDevice
from bot.matrix.http import RequestError, TokenRevokedError, backoff
from bot.matrix.key_backup import (
    BackupKey,
    RoomKey,
    Version,
    current_version,
    download,
    entry,
    session_of,
    upload,
)
from bot.matrix.recovery import Recovery, set_up

BATCH = 100  # room keys in one request: about 120 kB
STEP = 25  # room keys taken out of the backup at a time: about 15 ms
SETTLE = 2.0  # seconds: a new room key seldom comes alone
REPLACED = ("M_WRONG_ROOM_KEYS_VERSION", "M_NOT_FOUND")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Restored:
    """Room keys that came back, and entries that were not put there by the bot."""

    room_keys: int
    left_out: int


class BackingUp:
    """The backup of one device's room keys; `run` is its task."""

    def __init__(self, device: OpenDevice, *, settle: float = SETTLE) -> None:
        self._device = device
        self._settle = settle
        self._pending: dict[RoomKey, InboundGroupSession] = {}
        self._news = asyncio.Event()
        self._failures = 0
        self._goal: tuple[BackupKey, Version, BackupLedger] | None = None
        device.guard.client.store.on_room_key = self._arrived

    async def run(self) -> None:
        """Set up what brings the bot back and keep it complete; outages are waited out.

        Returns, with a warning, where the account has what another client made: the bot goes on
        without. Raises HomeserverError only when the token is revoked.
        """
        while True:
            try:
                await self._keep_up()
            except TokenRevokedError:
                raise
            except HomeserverError as error:
                if not self._may_pass(error):
                    _log.warning("the way back after a loss is not complete: %s", error)
                    return
                _log.warning("room keys will be backed up later: %s", error)
            await asyncio.sleep(backoff(self._failures))
            self._failures += 1

    async def _keep_up(self) -> NoReturn:
        if self._goal is None:
            self._goal = await self._prepared()
        while True:
            while self._pending:
                await self._upload_some(*self._goal)
                self._failures = 0
            await self._news.wait()
            await asyncio.sleep(self._settle)
            self._news.clear()

    def _may_pass(self, error: HomeserverError) -> bool:
        if isinstance(error, RequestError) and error.errcode in REPLACED:
            self._goal = None  # another client made a new backup: look who it was
            return True
        failing = isinstance(error, RequestError) and error.status >= 500
        return failing or isinstance(error, HomeserverUnavailableError)

    async def _prepared(self) -> tuple[BackupKey, Version, BackupLedger]:
        """Where keys go, what is there already, and what is not."""
        device = self._device
        identity = device.identity_file.load(device.session.user_id)
        assert identity is not None, "the device is cross-signed before its keys are backed up"
        recovery, version = await set_up(device.http, device.own, identity, device.recovery_file)
        ledger = ledger_of(device, version)
        if not ledger and version.count:  # a new device of an account that had others
            restored = await restore(device, recovery.backup_key, version, ledger)
            _log.info("%d room keys came back from the backup", restored.room_keys)
        for session in list(device.guard.olm.inbound_group_store):
            self._pending[session.room_id, session.id] = session
        self._pending = {key: one for key, one in self._pending.items() if not ledger.holds(one)}
        return recovery.backup_key, version, ledger

    def _arrived(self, session: InboundGroupSession) -> None:
        if self._goal is None or not self._goal[2].holds(session):
            self._pending[session.room_id, session.id] = session
            self._news.set()

    async def _upload_some(self, key: BackupKey, version: Version, ledger: BackupLedger) -> None:
        batch = dict(islice(self._pending.items(), BATCH))
        entries = {room_key: entry(key, session) for room_key, session in batch.items()}
        await upload(self._device.http, version.version, entries)
        ledger.add(batch.values())
        for room_key, session in batch.items():
            if self._pending[room_key] is session:  # else a better one came meanwhile
                del self._pending[room_key]


def ledger_of(device: OpenDevice, version: Version) -> BackupLedger:
    """What this device knows to be in that backup."""
    database = device.guard.client.store.database
    return BackupLedger(database, device_id=device.session.device_id, version=version.version)


async def restored_with(device: OpenDevice, recovery: Recovery) -> Restored:
    """Take the room keys out of the account's backup, if it is the one that this opens."""
    version = await current_version(device.http)
    if version is None or version.public_key != recovery.backup_key.public:
        return Restored(0, 0)
    return await restore(device, recovery.backup_key, version, ledger_of(device, version))


async def restore(
    device: OpenDevice, key: BackupKey, version: Version, ledger: BackupLedger
) -> Restored:
    """Take the room keys of all rooms that we are in out of the backup.

    What the bot did not put there itself is left out: a homeserver could have made it up.
    """
    count, left_out = 0, 0
    for room_id in await rooms.joined(device.http):
        entries = await download(device.http, version.version, room_id)
        waiting = iter(entries.items())
        while some := list(islice(waiting, STEP)):
            found = [session_of(key, room_id, session_id, one) for session_id, one in some]
            sessions = [session for session in found if session is not None]
            _keep(device, sessions)
            ledger.add(sessions)
            count, left_out = count + len(sessions), left_out + len(some) - len(sessions)
            await asyncio.sleep(0)  # a large backup must not hold up anybody
    return Restored(count, left_out)


def _keep(device: OpenDevice, sessions: list[InboundGroupSession]) -> None:
    olm = device.guard.olm
    with device.guard.client.store.database.atomic():
        for session in sessions:
            olm.inbound_group_store.add(session)
            olm.save_inbound_group_session(session)
