"""Secret storage (4S): secrets in account data, sealed with a recovery key that a person keeps.

The formats are those of the Matrix specification (m.secret_storage.v1.aes-hmac-sha2 and the
cryptographic key representation), so any client opens with the key what the bot stored.
"""

import base64
import hmac
import secrets
import string
from collections.abc import Mapping
from functools import reduce
from operator import xor
from typing import Any

from Crypto.Cipher import AES
from Crypto.Hash import SHA256
from Crypto.Protocol.KDF import HKDF

from bot.errors import HomeserverError, UsageError
from bot.matrix.http import Http, RequestError, path
from bot.matrix.signed_json import unpadded
from bot.matrix.untrusted import text
from bot.messages import in_groups

ALGORITHM = "m.secret_storage.v1.aes-hmac-sha2"
DEFAULT = "m.secret_storage.default_key"
KEY_BYTES = 32

_PREFIX = b"\x8b\x01"
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

NO_KEY = (
    "That is no recovery key: it is 48 letters and digits, in groups of four, and one of those "
    "typed is wrong or missing."
)
WRONG_KEY = (
    "This recovery key does not open the secret storage of {user_id}: it belongs to another "
    "account, or to an identity from before a reset."
)
NO_STORAGE = (
    "{user_id} has no secret storage on the homeserver, so there is nothing that a recovery key "
    "could open. `confidant identity reset` makes a new identity."
)


class RecoveryKey:
    """32 bytes that open everything; `written` is how a person keeps them."""

    __slots__ = ("raw",)

    def __init__(self, raw: bytes) -> None:
        assert len(raw) == KEY_BYTES
        self.raw = raw

    @classmethod
    def generate(cls) -> "RecoveryKey":
        """A new key from the operating system's randomness."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def read(cls, written: str) -> "RecoveryKey":
        """The key that somebody typed, spaces or not; UsageError if it can't be one."""
        letters = "".join(written.split())
        if not letters or not set(letters) <= set(_BASE58) or len(letters) > 2 * 48:
            raise UsageError(NO_KEY)
        number = reduce(lambda total, letter: total * 58 + _BASE58.index(letter), letters, 0)
        whole = number.to_bytes((number.bit_length() + 7) // 8, "big")
        complete = len(whole) == len(_PREFIX) + KEY_BYTES + 1 and whole.startswith(_PREFIX)
        if not complete or reduce(xor, whole) != 0:
            raise UsageError(NO_KEY)
        return cls(whole[len(_PREFIX) : -1])

    @property
    def written(self) -> str:
        """Base58 with a parity byte, in groups of four."""
        whole = _PREFIX + self.raw
        number, letters = int.from_bytes(whole + bytes([reduce(xor, whole)]), "big"), ""
        while number:
            number, digit = divmod(number, 58)
            letters = _BASE58[digit] + letters
        return in_groups(letters)

    def __repr__(self) -> str:
        return "RecoveryKey()"

    def seal(self, name: str, secret: str) -> dict[str, str]:
        """A secret as it lies in account data; only under the same name it is opened again."""
        iv = bytearray(secrets.token_bytes(AES.block_size))
        iv[8] &= 0x7F  # bit 63, over which implementations of AES-CTR differ
        return self._sealed(name, secret.encode(), bytes(iv))

    def unseal(self, name: str, sealed: object) -> str | None:
        """What was sealed; None if it was not sealed with this key, or was changed."""
        iv, ciphertext, mac = (decoded(text(sealed, part)) for part in ("iv", "ciphertext", "mac"))
        encryption, authentication = self._keys(name)
        genuine = hmac.compare_digest(hmac.digest(authentication, ciphertext, "sha256"), mac)
        if not genuine or len(iv) != AES.block_size:
            return None
        return _ctr(encryption, iv, ciphertext).decode(errors="replace")

    def description(self) -> dict[str, str]:
        """What lets clients check a typed key: the MAC of an encryption of zeros."""
        check = self.seal("", "\0" * KEY_BYTES)
        return {"algorithm": ALGORITHM, "iv": check["iv"], "mac": check["mac"]}

    def fits(self, description: object) -> bool:
        """Whether this is the key described; one without a check is taken at its word."""
        if text(description, "algorithm") != ALGORITHM:
            return False
        iv, mac = (decoded(text(description, part)) for part in ("iv", "mac"))
        if not iv or not mac:
            return True
        if len(iv) != AES.block_size:
            return False
        return hmac.compare_digest(decoded(self._sealed("", bytes(KEY_BYTES), iv)["mac"]), mac)

    def _sealed(self, name: str, plaintext: bytes, iv: bytes) -> dict[str, str]:
        encryption, authentication = self._keys(name)
        ciphertext = _ctr(encryption, iv, plaintext)
        mac = hmac.digest(authentication, ciphertext, "sha256")
        return {"iv": unpadded(iv), "ciphertext": unpadded(ciphertext), "mac": unpadded(mac)}

    def _keys(self, name: str) -> tuple[bytes, bytes]:
        both = derived(self.raw, name, 2 * KEY_BYTES)
        return both[:KEY_BYTES], both[KEY_BYTES:]


def derived(key: bytes, purpose: str, length: int) -> bytes:
    """HKDF-SHA-256 without a salt (RFC 5869), as Matrix uses it."""
    made = HKDF(key, length, bytes(32), SHA256, context=purpose.encode())
    assert isinstance(made, bytes)
    return made


def decoded(encoded: str) -> bytes:
    """Base64, padded or not; empty for what is none."""
    bare = encoded.rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4))
    except ValueError:
        return b""


def _ctr(key: bytes, iv: bytes, content: bytes) -> bytes:
    cipher = AES.new(key, AES.MODE_CTR, nonce=b"", initial_value=iv)
    changed = cipher.encrypt(content)
    assert isinstance(changed, bytes)
    return changed


def new_key_id() -> str:
    """A name for a new key, which no other key of the account has."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(32))


class SecretStorage:
    """The secrets of one account under one key."""

    def __init__(self, http: Http, user_id: str, key_id: str, key: RecoveryKey) -> None:
        self._http = http
        self._user_id = user_id
        self.key_id = key_id
        self._key = key

    @classmethod
    async def unlock(cls, http: Http, user_id: str, key: RecoveryKey) -> "SecretStorage":
        """The storage that the account offers; HomeserverError if this key is another's."""
        key_id = await default_key_id(http, user_id)
        if not key_id:
            raise HomeserverError(NO_STORAGE.format(user_id=user_id))
        description = await _account_data(http, user_id, _description_of(key_id))
        if not key.fits(description):
            raise HomeserverError(WRONG_KEY.format(user_id=user_id))
        return cls(http, user_id, key_id, key)

    async def describe(self) -> None:
        """Let clients know of the key, without making it the one that they ask for."""
        kind = _description_of(self.key_id)
        if not await _account_data(self._http, self._user_id, kind):
            await self._put(kind, self._key.description())

    async def offer(self) -> None:
        """Make this the key that clients ask for."""
        await self._put(DEFAULT, {"key": self.key_id})

    async def get(self, name: str) -> str | None:
        """A secret; None if there is none, or none that this key opens."""
        stored = await _account_data(self._http, self._user_id, name)
        encrypted = stored.get("encrypted")
        sealed = encrypted.get(self.key_id) if isinstance(encrypted, dict) else None
        return self._key.unseal(name, sealed)

    async def put(self, name: str, secret: str) -> None:
        """Store a secret, unless this very one is stored."""
        if await self.get(name) != secret:
            await self._put(name, {"encrypted": {self.key_id: self._key.seal(name, secret)}})

    async def _put(self, kind: str, content: Mapping[str, Any]) -> None:
        await self._http.call("PUT", path("user", self._user_id, "account_data", kind), content)


async def default_key_id(http: Http, user_id: str) -> str:
    """Which key the account's clients ask for; empty where there is no secret storage."""
    return text(await _account_data(http, user_id, DEFAULT), "key")


def _description_of(key_id: str) -> str:
    return f"m.secret_storage.key.{key_id}"


async def _account_data(http: Http, user_id: str, kind: str) -> dict[str, Any]:
    try:
        return await http.call("GET", path("user", user_id, "account_data", kind))
    except RequestError as error:
        if error.status == 404:
            return {}
        raise
