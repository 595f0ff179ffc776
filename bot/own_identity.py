"""What `confidant identity` does and says: who the bot is, how it comes back or starts anew."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from getpass import getpass
from pathlib import Path

from bot.config import Config
from bot.errors import StorageError
from bot.explaining import explained
from bot.matrix.identity_verbs import (
    Recovered,
    Shown,
    kept_recovery_key,
    recover,
    reset,
    show,
)
from bot.matrix.secret_storage import RecoveryKey
from bot.messages import OwnIdentity, in_groups
from storage import MasterKey, open_storage

WHAT_A_RESET_MEANS = """\
This gives {user_id} a new identity. Everybody who talks with the bot is told that its identity
changed, and whoever verified it has to verify it again; until then clients may refuse it. Memories
and rooms stay. The old recovery key opens nothing any more, and the backup of room keys on the
homeserver is deleted and made anew. With the old recovery key, `confidant identity recover` brings
the old identity back and none of this happens."""


async def shown(config: Config) -> str:
    """Who the bot is, for an operator to publish; also while it runs."""
    with explained():
        found = await show(config.homeserver, config.storage.path, _master_key(config))
    return "\n".join(_about(found))


def recovery_key(config: Config) -> str:
    """The recovery key as it is written down."""
    with explained():
        key = kept_recovery_key(config.homeserver, config.storage.path, _master_key(config))
    return key.written


def read_key(file: Path | None) -> RecoveryKey:
    """The recovery key from a file or a person; never an argument, which every process can read."""
    try:
        if file is not None:
            return RecoveryKey.read(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise StorageError(
            f"The recovery key can't be read from {file} ({type(error).__name__})."
        ) from None
    typed = getpass("Recovery key: ") if sys.stdin.isatty() else sys.stdin.readline()
    return RecoveryKey.read(typed)


async def recovered(config: Config, key: RecoveryKey, *, delete_others: bool) -> str:
    """Bring the identity back with its recovery key, and say what came back."""
    async with _alone(config) as master_key:
        back = await recover(
            config.homeserver,
            config.storage.path,
            master_key,
            key,
            delete_others=delete_others,
        )
    return "\n".join(_came_back(back))


async def started_anew(config: Config) -> str:
    """Make a new identity, and say what is to be done now."""
    async with _alone(config) as master_key:
        identity = await reset(config.homeserver, config.storage.path, master_key)
    now_do = (
        "The identity is new: publish its fingerprint, and tell people why it changed. Write down "
        "the new recovery key: confidant identity show --recovery-key"
    )
    return "\n".join((*_who(identity), "", now_do))


@asynccontextmanager
async def _alone(config: Config) -> AsyncIterator[MasterKey]:
    """The master key, while no bot uses the data directory."""
    with explained():
        master_key = _master_key(config)
        async with open_storage(config.storage.path, master_key):
            yield master_key


def _master_key(config: Config) -> MasterKey:
    return MasterKey.load(config.storage.master_key.get_secret_value(), config.storage.path)


def _who(identity: OwnIdentity) -> list[str]:
    return [
        f"User id        {identity.user_id}",
        f"Device id      {identity.device_id}",
        f"Fingerprint    {in_groups(identity.fingerprint)}",
        f"Identity       {in_groups(identity.master_key) or 'none'}",
        f"Cross-signed   {'yes' if identity.cross_signed else 'NO: clients refuse this device'}",
    ]


def _about(shown: Shown) -> list[str]:
    backup = "none on the homeserver"
    if shown.backup is not None:
        keys = f"version {shown.backup.version}, {shown.backup.count} keys"
        backup = keys if shown.backup_is_ours else f"{keys}, made by ANOTHER client"
    key = "add --recovery-key to print it; whoever has it can be the bot"
    if shown.recovery_key_fits is None:
        key = "none yet: the bot makes it in the first seconds of its first run, see its log"
    elif not shown.recovery_key_fits:
        key = "NOT the one that the account's secret storage has; the bot's log says why"
    return [
        *_who(shown.identity),
        f"Key backup     {backup}",
        f"Recovery key   {key}",
    ]


def _came_back(back: Recovered) -> list[str]:
    lines = [*_who(back.identity), "", _room_keys(back)]
    if back.others:
        lines.append(
            f"Other devices of the account: {', '.join(back.others)}. Those that are dead are "
            "deleted with --delete-other-devices."
        )
    lines.append("The identity is the one that people know. Start the bot: confidant run")
    return lines


def _room_keys(back: Recovered) -> str:
    count, left_out = back.restored.room_keys, back.restored.left_out
    came = f"{count} room key{'' if count == 1 else 's'} came back from the backup."
    if not left_out:
        return came
    return f"{came} {left_out} more were not put there by the bot, so they were left out."
