"""Signed JSON of the Matrix specification: canonical bytes, Ed25519 keys, signatures checked."""

import base64
import json
import secrets
from collections.abc import Mapping
from typing import Any

import vodozemac
from Crypto.PublicKey.ECC import EccKey
from Crypto.Signature import eddsa

Json = Mapping[str, Any]


def canonical(signed: Json) -> bytes:
    """The bytes that a signature of this object covers: without `signatures` and `unsigned`.

    Raises ValueError for what has no canonical form, such as a float or a lone surrogate.
    """
    covered = {key: signed[key] for key in signed if key not in ("signatures", "unsigned")}
    try:
        _refuse_floats(covered)
        text = json.dumps(covered, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    except (TypeError, RecursionError) as error:
        raise ValueError("this object has no canonical JSON") from error
    return text.encode()


def has_canonical_form(value: object) -> bool:
    """Whether this object can be signed at all."""
    try:
        return isinstance(value, dict) and bool(canonical(value))
    except ValueError:
        return False


def _refuse_floats(value: object) -> None:
    """Numbers of canonical JSON are integers: 1.0 and 1 would be different bytes."""
    if isinstance(value, float):
        raise TypeError("a float")
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _refuse_floats(item)


class SigningKey:
    """An Ed25519 private key (RFC 8032), kept as its 32-byte seed."""

    __slots__ = ("_key", "public", "seed")

    def __init__(self, seed: bytes) -> None:
        self.seed = seed
        self._key: EccKey = eddsa.import_private_key(seed)
        self.public = unpadded(self._key.public_key().export_key(format="raw"))

    @classmethod
    def generate(cls) -> "SigningKey":
        """A new key from the operating system's randomness."""
        return cls(secrets.token_bytes(32))

    def __repr__(self) -> str:
        return f"SigningKey({self.public})"

    @property
    def key_id(self) -> str:
        """How signatures name a cross-signing key: by its public half, not by a device id."""
        return f"ed25519:{self.public}"

    def sign(self, unsigned: Json, *, user_id: str) -> dict[str, Any]:
        """The object with this key's signature for `user_id` added to those it has."""
        signature = eddsa.new(self._key, "rfc8032").sign(canonical(unsigned))
        return with_signature(unsigned, unpadded(signature), user_id=user_id, key_id=self.key_id)


def with_signature(signed: Json, signature: str, *, user_id: str, key_id: str) -> dict[str, Any]:
    """A copy of the object with one more signature."""
    signatures = {user: dict(keys) for user, keys in signed.get("signatures", {}).items()}
    signatures.setdefault(user_id, {})[key_id] = signature
    return {**signed, "signatures": signatures}


def is_signed(signed: object, *, user_id: str, key_id: str, public: str) -> bool:
    """Whether the object carries a valid signature of this key; False for anything malformed."""
    signature = signature_of(signed, user_id=user_id, key_id=key_id)
    if signature is None or not isinstance(signed, dict) or not is_ed25519(public):
        return False
    try:
        key = vodozemac.Ed25519PublicKey.from_base64(public)
        key.verify_signature(canonical(signed), vodozemac.Ed25519Signature.from_base64(signature))
    except ValueError:  # vodozemac's exceptions, canonical()'s, and lone surrogates
        return False
    return True


def signature_of(signed: object, *, user_id: str, key_id: str) -> str | None:
    """The signature with this name, unchecked, or None."""
    value = signed
    for key in ("signatures", user_id, key_id):
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def is_ed25519(public: object) -> bool:
    """Whether this is 32 bytes in unpadded base64, as every public key of Matrix is.

    Asked before vodozemac is: its binding panics (not an Exception) on a key of 33 bytes.
    """
    try:
        return isinstance(public, str) and len(base64.b64decode(f"{public}=", validate=True)) == 32
    except ValueError:
        return False


def unpadded(raw: bytes) -> str:
    """Unpadded base64, the encoding of keys, key ids and signatures."""
    return base64.b64encode(raw).decode().rstrip("=")
