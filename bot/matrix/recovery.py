"""The way back after everything here is lost: what the recovery key opens on the homeserver.

In the account's secret storage lie the three keys of the bot's identity and the key of its
room-key backup. The recovery key itself is made once, kept sealed here for the operator to write
down, and sent nowhere.
"""

import base64
import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path

from bot.errors import HomeserverError, StorageError
from bot.matrix.chains import read_person
from bot.matrix.cross_signing import OwnDevice
from bot.matrix.http import Http
from bot.matrix.identity import Identity
from bot.matrix.key_backup import (
    BackupKey,
    Version,
    create_version,
    current_version,
    delete_version,
)
from bot.matrix.keyserver import query_keys
from bot.matrix.sealed_file import SealedFile
from bot.matrix.secret_storage import (
    KEY_BYTES,
    RecoveryKey,
    SecretStorage,
    decoded,
    default_key_id,
    new_key_id,
)
from bot.matrix.signed_json import SigningKey, unpadded
from storage import MasterKey

BACKUP_SECRET = "m.megolm_backup.v1"  # noqa: S105 (the name of a secret)
USAGES = ("master", "self_signing", "user_signing")

FOREIGN_STORAGE = (
    "{user_id} has a secret storage that another client made, and it is not overwritten unasked, "
    "so the bot has no recovery key: stop it and run `confidant identity recover` with the key of "
    "that storage."
)
FOREIGN_BACKUP = (
    "{user_id} has a room-key backup that another client made, and it is not overwritten unasked, "
    "so the bot's room keys are not backed up: delete that backup in the client that made it, and "
    "start the bot again."
)
NO_IDENTITY = (
    "The secret storage of {user_id} holds no cross-signing keys that this recovery key opens, so "
    "the identity can't come back: `confidant identity reset` makes a new one."
)
OTHER_IDENTITY = (
    "The recovery key opens the keys of an identity that {user_id} no longer has: it was reset "
    "since. Use the recovery key from after the reset, or `confidant identity reset`."
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recovery:
    """The recovery key, by which name the account's clients know it, and the backup's key.

    `replaces` is set by a reset: whatever the account had gives way to this.
    """

    user_id: str
    key_id: str
    key: RecoveryKey
    backup_key: BackupKey
    replaces: bool = False

    @classmethod
    def generate(cls, user_id: str, *, replaces: bool = False) -> "Recovery":
        """New keys that nobody has seen."""
        key, backup_key = RecoveryKey.generate(), BackupKey.generate()
        return cls(user_id, new_key_id(), key, backup_key, replaces)

    def to_json(self) -> bytes:
        """Everything, to be sealed."""
        keys = {"key": unpadded(self.key.raw), "backup_key": unpadded(self.backup_key.raw)}
        rest = {"user_id": self.user_id, "key_id": self.key_id, "replaces": self.replaces}
        return json.dumps({**rest, **keys}).encode()

    @classmethod
    def from_json(cls, text: bytes) -> "Recovery":
        """What `to_json` wrote."""
        kept = json.loads(text)
        key, backup_key = (base64.b64decode(f"{kept[name]}=") for name in ("key", "backup_key"))
        keys = RecoveryKey(key), BackupKey(backup_key)
        return cls(kept["user_id"], kept["key_id"], *keys, kept["replaces"])


class RecoveryFile:
    """Where the recovery key is kept until the operator has written it down, and after."""

    def __init__(self, path: Path, master_key: MasterKey) -> None:
        self._file = SealedFile(path, master_key, purpose="recovery", what="The bot's recovery key")

    def load(self, user_id: str) -> Recovery | None:
        """What is kept here, None if nothing is; StorageError if it can't be opened."""
        kept = self._file.read()
        recovery = None if kept is None else Recovery.from_json(kept)
        if recovery is not None and recovery.user_id != user_id:
            raise StorageError(
                f"The recovery key in {self._file.path} belongs to {recovery.user_id}, "
                f"not to {user_id} (homeserver.user_id)."
            )
        return recovery

    def save(self, recovery: Recovery) -> None:
        """Keep this from now on."""
        self._file.write(recovery.to_json())


async def set_up(
    http: Http, device: OwnDevice, identity: Identity, kept: RecoveryFile
) -> tuple[Recovery, Version]:
    """Make the homeserver hold what brings the bot back; where it does, nothing is uploaded.

    Each step can be repeated, so that a start that was cut short is finished by the next. Raises
    HomeserverError where the account has what another client made.
    """
    user_id = device.user_id
    offered = await default_key_id(http, user_id)
    recovery = kept.load(user_id) or _first(kept, user_id, offered)
    if offered not in ("", recovery.key_id) and not recovery.replaces:
        raise HomeserverError(FOREIGN_STORAGE.format(user_id=user_id))
    storage = SecretStorage(http, user_id, recovery.key_id, recovery.key)
    await storage.describe()
    for name, seed in _seeds(identity).items():
        await storage.put(name, seed)
    if offered != recovery.key_id:
        await storage.offer()
    version = await _backup_version(http, device, identity, recovery)
    await storage.put(BACKUP_SECRET, unpadded(recovery.backup_key.raw))
    if recovery.replaces:
        recovery = replace(recovery, replaces=False)
        kept.save(recovery)
    return recovery, version


def _first(kept: RecoveryFile, user_id: str, offered: str) -> Recovery:
    """Make the keys, and keep them before anything that they open is uploaded."""
    if offered:
        raise HomeserverError(FOREIGN_STORAGE.format(user_id=user_id))
    recovery = Recovery.generate(user_id)
    kept.save(recovery)
    _log.info(
        "a recovery key was made: `confidant identity show --recovery-key` prints it, and whoever "
        "loses the data directory needs it"
    )
    return recovery


def _seeds(identity: Identity) -> dict[str, str]:
    keys = (identity.master, identity.self_signing, identity.user_signing)
    return {_secret(usage): unpadded(key.seed) for usage, key in zip(USAGES, keys, strict=True)}


def _secret(usage: str) -> str:
    return f"m.cross_signing.{usage}"


async def _backup_version(
    http: Http, device: OwnDevice, identity: Identity, recovery: Recovery
) -> Version:
    """The account's backup, if it is ours; made where there is none, or where ours replaces it."""
    found = await current_version(http)
    if found is not None and found.public_key == recovery.backup_key.public:
        return found
    if found is not None and not recovery.replaces:
        raise HomeserverError(FOREIGN_BACKUP.format(user_id=device.user_id))
    made = await create_version(http, recovery.backup_key, device=device, identity=identity)
    if found is not None:
        await delete_version(http, found.version)
    return made


async def unlocked(http: Http, user_id: str, key: RecoveryKey) -> tuple[Identity, Recovery]:
    """What the recovery key opens: the identity that the account has, and the backup's key.

    Raises HomeserverError with the sentence for an operator who holds the wrong key.
    """
    storage = await SecretStorage.unlock(http, user_id, key)
    seeds = [decoded(await storage.get(_secret(usage)) or "") for usage in USAGES]
    if not all(len(seed) == KEY_BYTES for seed in seeds):
        raise HomeserverError(NO_IDENTITY.format(user_id=user_id))
    identity = Identity(user_id, *(SigningKey(seed) for seed in seeds))
    shown = read_person(user_id, await query_keys(http, [user_id])).master_key
    if identity.master.public != shown:
        raise HomeserverError(OTHER_IDENTITY.format(user_id=user_id))
    backup_key = decoded(await storage.get(BACKUP_SECRET) or "")
    known = BackupKey(backup_key) if len(backup_key) == KEY_BYTES else BackupKey.generate()
    return identity, Recovery(user_id, storage.key_id, key, known)
