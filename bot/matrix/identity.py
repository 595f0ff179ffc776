"""The bot's cross-signing identity: three Ed25519 keys, kept sealed with the master key."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.errors import StorageError
from bot.matrix.sealed_file import SealedFile
from bot.matrix.signed_json import SigningKey, unpadded
from storage import MasterKey

PURPOSE = "cross-signing"


@dataclass(frozen=True, slots=True)
class PublicIdentity:
    """What everybody may know of an identity; `master_key` is what people verify."""

    user_id: str
    master_key: str
    self_signing_key: str
    user_signing_key: str


@dataclass(frozen=True, slots=True)
class Identity:
    """The three private keys of one account (Matrix spec, cross-signing)."""

    user_id: str
    master: SigningKey
    self_signing: SigningKey
    user_signing: SigningKey

    @classmethod
    def generate(cls, user_id: str) -> "Identity":
        """A new identity that nobody has seen."""
        return cls(user_id, *(SigningKey.generate() for _ in range(3)))

    @property
    def public(self) -> PublicIdentity:
        """The public halves."""
        return PublicIdentity(
            self.user_id, self.master.public, self.self_signing.public, self.user_signing.public
        )

    def key_objects(self) -> dict[str, dict[str, Any]]:
        """The three key objects as they are published; the master key signs the other two."""
        objects = {
            usage: {"user_id": self.user_id, "usage": [usage], "keys": {key.key_id: key.public}}
            for usage, key in self._keys().items()
        }
        for usage in ("self_signing", "user_signing"):
            objects[usage] = self.master.sign(objects[usage], user_id=self.user_id)
        return objects

    def to_json(self) -> bytes:
        """The seeds, to be sealed."""
        seeds = {usage: unpadded(key.seed) for usage, key in self._keys().items()}
        return json.dumps({"user_id": self.user_id, **seeds}).encode()

    @classmethod
    def from_json(cls, text: bytes) -> "Identity":
        """The identity that `to_json` wrote."""
        kept = json.loads(text)
        keys = (kept[usage] for usage in ("master", "self_signing", "user_signing"))
        return cls(kept["user_id"], *(SigningKey(base64.b64decode(f"{key}=")) for key in keys))

    def _keys(self) -> dict[str, SigningKey]:
        return {
            "master": self.master,
            "self_signing": self.self_signing,
            "user_signing": self.user_signing,
        }


class IdentityFile:
    """Where the identity is kept."""

    def __init__(self, path: Path, master_key: MasterKey) -> None:
        self._master_key = master_key
        self._file = SealedFile(
            path, master_key, purpose=PURPOSE, what="The bot's cross-signing keys"
        )

    @property
    def successor(self) -> "IdentityFile":
        """Where a new identity waits until the homeserver has taken it."""
        path = self._file.path
        return IdentityFile(path.with_name(f"{path.name}.new"), self._master_key)

    def load(self, user_id: str) -> Identity | None:
        """The identity kept here, None if there is none; StorageError if it can't be opened."""
        kept = self._file.read()
        identity = None if kept is None else Identity.from_json(kept)
        if identity is not None and identity.user_id != user_id:
            raise StorageError(
                f"The cross-signing keys in {self._file.path} belong to {identity.user_id}, "
                f"not to {user_id} (homeserver.user_id)."
            )
        return identity

    def save(self, identity: Identity) -> None:
        """Keep this identity from now on."""
        self._file.write(identity.to_json())

    def replace_with(self, other: "IdentityFile") -> None:
        """Let the identity kept there be the one kept here."""
        self._file.replace_with(other._file)
