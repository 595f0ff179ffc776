"""The room-key backup on the homeserver: its format, its version, and its entries.

The format is m.megolm_backup.v1.curve25519-aes-sha2 of the Matrix specification. In it everybody
who knows the public key, the homeserver first of all, could slip in a key and later speak in
somebody's name. So each entry also carries a MAC that only the holder of the private key can make
(MSC4048, under its unstable names), and an entry without a valid one is never taken.
"""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import vodozemac
from nio.crypto import InboundGroupSession

from bot.matrix.cross_signing import OwnDevice
from bot.matrix.guard import MEGOLM
from bot.matrix.http import Http, RequestError, path
from bot.matrix.identity import Identity
from bot.matrix.secret_storage import decoded, derived
from bot.matrix.signed_json import unpadded, with_signature
from bot.matrix.untrusted import loads, mapping, number, text

ALGORITHM = "m.megolm_backup.v1.curve25519-aes-sha2"
MAC = "org.matrix.msc4048.mac2"
AUTHENTICATED = "org.matrix.msc4048.authenticated"
MOST_SECONDS = 300.0  # for all keys of a room, from a slow homeserver

RoomKey = tuple[str, str]
"""Room id and session id."""


class BackupKey:
    """The Curve25519 private key that opens the backup."""

    __slots__ = ("_authentication", "_decryption", "_encryption", "public", "raw")

    def __init__(self, raw: bytes) -> None:
        private = vodozemac.Curve25519SecretKey.from_bytes(raw)
        self.raw = raw
        self.public = private.public_key().to_base64()
        self._decryption = vodozemac.PkDecryption.from_key(private)
        self._encryption = vodozemac.PkEncryption.from_key(private.public_key())
        self._authentication = derived(raw, "MATRIX_BACKUP_MAC_KEY", 32)

    @classmethod
    def generate(cls) -> "BackupKey":
        """A new key from the operating system's randomness."""
        return cls(vodozemac.Curve25519SecretKey().to_bytes())

    def __repr__(self) -> str:
        return f"BackupKey({self.public})"

    def seal(self, content: Mapping[str, Any]) -> dict[str, str]:
        """The `session_data` of an entry."""
        sealed = self._encryption.encrypt(json.dumps(content).encode())
        return {
            "ephemeral": unpadded(sealed.ephemeral_key),
            "ciphertext": unpadded(sealed.ciphertext),
            "mac": unpadded(sealed.mac),
            MAC: unpadded(self._mac(sealed.ciphertext)),
        }

    def unseal(self, data: object) -> dict[str, Any] | None:
        """What one of us sealed; None for what somebody else made or changed."""
        ephemeral, ciphertext, mac, genuine = (
            decoded(text(data, part)) for part in ("ephemeral", "ciphertext", "mac", MAC)
        )
        if not hmac.compare_digest(self._mac(ciphertext), genuine):
            return None
        try:
            message = vodozemac.Message(ciphertext, mac, ephemeral)
            content = loads(self._decryption.decrypt(message))
        except ValueError:  # vodozemac's exceptions, and JSON that is none
            return None
        return content if isinstance(content, dict) else None

    def _mac(self, ciphertext: bytes) -> bytes:
        return hmac.digest(self._authentication, ciphertext, "sha256")


def entry(key: BackupKey, session: InboundGroupSession) -> dict[str, Any]:
    """A room key as it lies in the backup."""
    content = {
        "algorithm": MEGOLM,
        "forwarding_curve25519_key_chain": session.forwarding_chain,
        "sender_key": session.sender_key,
        "sender_claimed_keys": {"ed25519": session.ed25519},
        "session_key": session.export_session(session.first_known_index),
        AUTHENTICATED: not session.forwarding_chain,  # else told by a third device
    }
    return {
        "first_message_index": session.first_known_index,
        "forwarded_count": len(session.forwarding_chain),
        "is_verified": False,
        "session_data": key.seal(content),
    }


def session_of(
    key: BackupKey, room_id: str, session_id: str, found: object
) -> InboundGroupSession | None:
    """The room key of an entry; None unless one of us put it there, for this session."""
    content = key.unseal(mapping(found, "session_data"))
    if content is None or content.get(AUTHENTICATED) is not True:
        return None
    try:
        session = InboundGroupSession.import_session(
            text(content, "session_key"),
            text(content, "sender_claimed_keys", "ed25519"),
            text(content, "sender_key"),
            room_id,
        )
    except ValueError:
        return None
    return session if session.id == session_id else None


@dataclass(frozen=True, slots=True)
class Version:
    """A backup as the homeserver describes it."""

    version: str
    public_key: str
    count: int


async def current_version(http: Http) -> Version | None:
    """The backup that new keys go to, None if the account has none."""
    try:
        answer = await http.call("GET", path("room_keys", "version"))
    except RequestError as error:
        if error.status == 404 and error.errcode == "M_NOT_FOUND":
            return None
        raise
    public_key = text(answer, "auth_data", "public_key")
    known = public_key if text(answer, "algorithm") == ALGORITHM else ""
    return Version(text(answer, "version"), known, number(answer, "count"))


async def create_version(
    http: Http, key: BackupKey, *, device: OwnDevice, identity: Identity
) -> Version:
    """A new backup, vouched for by the identity and by the device."""
    user_id, bare = device.user_id, {"public_key": key.public}
    by_identity = identity.master.sign(bare, user_id=user_id)
    signed = with_signature(by_identity, device.sign(bare), user_id=user_id, key_id=device.key_id)
    wanted = {"algorithm": ALGORITHM, "auth_data": signed}
    # Not repeated when the answer is lost: the next start finds the version that was made.
    answer = await http.call("POST", path("room_keys", "version"), wanted, repeatable=False)
    return Version(text(answer, "version"), key.public, 0)


async def delete_version(http: Http, version: str) -> None:
    """Delete a backup and every key in it."""
    await http.call("DELETE", path("room_keys", "version", version))


async def upload(http: Http, version: str, entries: Mapping[RoomKey, Mapping[str, Any]]) -> None:
    """Add these to a backup; the homeserver keeps the better of two for the same session."""
    rooms: dict[str, dict[str, Any]] = {}
    for (room_id, session_id), one in entries.items():
        rooms.setdefault(room_id, {"sessions": {}})["sessions"][session_id] = one
    target, query = path("room_keys", "keys"), {"version": version}
    await http.call("PUT", target, {"rooms": rooms}, query=query)


async def download(http: Http, version: str, room_id: str) -> dict[str, Any]:
    """The entries of one room by their session ids; nothing about them is checked."""
    target, query = path("room_keys", "keys", room_id), {"version": version}
    answer = await http.call("GET", target, query=query, seconds=MOST_SECONDS)
    return mapping(answer, "sessions")
