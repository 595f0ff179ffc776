"""The master key: where it comes from, and what may be sealed with it."""

import base64
import binascii
import hashlib
import os
import secrets
from pathlib import Path

from Crypto.Cipher import AES
from Crypto.Hash import SHA256
from Crypto.Protocol.KDF import HKDF

from storage.errors import MasterKeyError, StorageFailure
from storage.files import fsync_folder

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
SALT_BYTES = 16
OVERHEAD = NONCE_BYTES + TAG_BYTES
DIGEST_BYTES = 16


class MasterKey:
    """The key that every other key hangs on. It lives elsewhere than the data, or should."""

    __slots__ = ("_key", "kept_beside_data")

    def __init__(self, key: bytes, *, kept_beside_data: bool = False) -> None:
        assert len(key) == KEY_BYTES
        self._key = key
        self.kept_beside_data = kept_beside_data

    @classmethod
    def load(cls, secret: str, data: Path) -> "MasterKey":
        """The key from the configured secret, or from `data/master.key`, made on first start.

        64 hex digits or 44 characters of base64 are the key itself; anything else is a
        passphrase, stretched with the salt in `data/master.salt`.
        """
        secret = secret.strip()
        if not secret:
            return cls(_kept(data, "master.key", KEY_BYTES), kept_beside_data=True)
        raw = _raw_key(secret)
        return cls(raw if raw is not None else _stretched(secret, data))

    def derive(self, purpose: str) -> bytes:
        """A key for one purpose, 32 bytes, from which no other can be computed."""
        key = HKDF(self._key, KEY_BYTES, b"", SHA256, context=b"confidant " + purpose.encode())
        assert isinstance(key, bytes)
        return key

    def seal(self, purpose: str, plaintext: bytes) -> bytes:
        """Encrypt and authenticate; only the same purpose opens it."""
        return seal(self.derive("seal " + purpose), plaintext)

    def unseal(self, purpose: str, sealed: bytes) -> bytes:
        """What was sealed; StorageFailure if the bytes or the key are not the ones."""
        return unseal(self.derive("seal " + purpose), sealed)


def seal(key: bytes, plaintext: bytes, associated: bytes = b"") -> bytes:
    """AES-256-GCM with a random nonce in front and the tag behind."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    cipher = AES.new(key, AES.MODE_GCM, nonce=nonce)
    cipher.update(associated)
    ciphertext, tag = cipher.encrypt_and_digest(plaintext)
    return nonce + ciphertext + tag


def unseal(key: bytes, sealed: bytes, associated: bytes = b"") -> bytes:
    """The plaintext; StorageFailure if anything was changed."""
    if len(sealed) < OVERHEAD:
        raise StorageFailure("A sealed value is cut short: it was changed or damaged.")
    cipher = AES.new(key, AES.MODE_GCM, nonce=sealed[:NONCE_BYTES])
    cipher.update(associated)
    try:
        return cipher.decrypt_and_verify(sealed[NONCE_BYTES:-TAG_BYTES], sealed[-TAG_BYTES:])
    except ValueError:
        raise StorageFailure(
            "A sealed value can't be opened: it was changed, or the master key is another one."
        ) from None


def digest(what: str, *, key: bytes) -> bytes:
    """By which a text is known again, and can't be guessed without the key."""
    return hashlib.blake2b(what.encode(), key=key, digest_size=DIGEST_BYTES).digest()


def _raw_key(secret: str) -> bytes | None:
    """The 32 bytes that the secret spells, or None if it is a passphrase."""
    try:
        if len(secret) == 64:
            return bytes.fromhex(secret)
        raw = base64.b64decode(secret, validate=True) if len(secret) == 44 else b""
    except (ValueError, binascii.Error):
        return None
    return raw if len(raw) == KEY_BYTES else None


def _stretched(passphrase: str, data: Path) -> bytes:
    salt = _kept(data, "master.salt", SALT_BYTES)
    # 128 MB and about half a second, once a start (the OWASP recommendation of 2023).
    return hashlib.scrypt(
        passphrase.encode(), salt=salt, n=2**17, r=8, p=1, maxmem=2**28, dklen=KEY_BYTES
    )


def _kept(data: Path, name: str, length: int) -> bytes:
    """The random bytes kept in a file of the data directory, made when there is no data yet."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = data / name
        content = path.read_bytes() if path.exists() else b""
        if content or (data / "shared.db").exists():
            return _checked(content, path, length)
        return _made(path, length)
    except OSError as error:
        raise MasterKeyError(f"{data / name} can't be used: {error.strerror}.") from None


def _checked(content: bytes, path: Path, length: int) -> bytes:
    if len(content) != length:
        raise MasterKeyError(
            f"{path} is missing or damaged, and the data beside it can't be read without it: "
            "restore it, or set storage.master_key."
        )
    return content


def _made(path: Path, length: int) -> bytes:
    content = secrets.token_bytes(length)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    fsync_folder(path.parent)
    return content
