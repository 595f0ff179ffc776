"""After a stale crypto store: the new device takes over what the dead one had."""

import logging
from dataclasses import replace
from pathlib import Path

from bot.errors import HomeserverError, HomeserverUnavailableError
from bot.matrix.backing_up import restored_with
from bot.matrix.device import OpenDevice
from bot.matrix.password import delete_devices
from bot.matrix.session import save

_log = logging.getLogger(__name__)


async def taken_over(device: OpenDevice, session_file: Path, *, password: str) -> None:
    """Get the room keys back from the backup and delete the dead device.

    Call it once the new device is cross-signed. It is noted as done at its end, so that a start
    that was cut short is finished by the next. Raises HomeserverError where the homeserver is away.
    """
    dead, user_id = device.session.replaces, device.session.user_id
    recovery = device.recovery_file.load(user_id)
    restored = await restored_with(device, recovery) if recovery else None
    try:
        await delete_devices(device.http, user_id, [dead], password)
    except HomeserverUnavailableError:
        raise
    except HomeserverError as error:
        _log.warning("the dead device %s stays listed: %s", dead, error)
    save(session_file, replace(device.session, replaces=""))
    count = restored.room_keys if restored else 0
    _log.info("%d room keys came back from the backup to the new device", count)
