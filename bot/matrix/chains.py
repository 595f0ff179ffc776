"""What a server's answer to /keys/query proves about a person: pure, and never raising.

The chain is master key -> self-signing key -> device (Matrix spec, cross-signing). Keys are
compared by their public halves, never by their ids alone, because device ids and cross-signing
keys share one namespace and the server hands out both.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.matrix.signed_json import has_canonical_form, is_ed25519, is_signed


@dataclass(frozen=True, slots=True)
class DeviceKeys:
    """A device whose keys are well-formed and signed by the device itself."""

    user_id: str
    device_id: str
    ed25519: str
    curve25519: str


@dataclass(frozen=True, slots=True)
class Person:
    """One person, as far as the answer can be believed.

    `master_key` is the identity that the server claims, None where it shows none that is
    well-formed. `self_signing_key` is None unless that identity has signed it. `signed` devices
    hang on the chain; `unsigned` ones are well-formed but don't; malformed ones are in neither.
    """

    user_id: str
    master_key: str | None = None
    self_signing_key: str | None = None
    signed: Mapping[str, DeviceKeys] = field(default_factory=dict)
    unsigned: Mapping[str, DeviceKeys] = field(default_factory=dict)


def read_person(user_id: str, answer: object) -> Person:
    """Check every signature that leads from this person's identity to their devices."""
    master = _cross_signing_key(_get(answer, "master_keys", user_id), user_id, "master")
    self_signing = _self_signing_key(answer, user_id, master)
    signed: dict[str, DeviceKeys] = {}
    unsigned: dict[str, DeviceKeys] = {}
    for device_id, device in device_payloads(user_id, answer).items():
        keys = read_device(user_id, device_id, device)
        if keys is None or device_id in (master, self_signing):
            continue
        owned = self_signing is not None and _is_signed_by(device, user_id, self_signing)
        (signed if owned else unsigned)[device_id] = keys
    return Person(user_id, master, self_signing, signed, unsigned)


def read_device(user_id: str, device_id: str, device: object) -> DeviceKeys | None:
    """The device's keys if they are well-formed, its own and signed by itself."""
    ed25519 = _get(device, "keys", f"ed25519:{device_id}")
    curve25519 = _get(device, "keys", f"curve25519:{device_id}")
    if _get(device, "user_id") != user_id or _get(device, "device_id") != device_id:
        return None
    # A Curve25519 key has the form of an Ed25519 one: 32 bytes in unpadded base64.
    if not is_ed25519(ed25519) or not is_ed25519(curve25519):
        return None
    if not is_signed(device, user_id=user_id, key_id=f"ed25519:{device_id}", public=ed25519):
        return None
    return DeviceKeys(user_id, device_id, ed25519, curve25519)


def device_payloads(user_id: str, answer: object) -> dict[str, Any]:
    """The devices that the answer lists for this person; empty where it is malformed."""
    devices = _get(answer, "device_keys", user_id)
    return devices if isinstance(devices, dict) else {}


def is_answered(user_id: str, answer: object) -> bool:
    """Whether the answer speaks about this person at all: their server may be unreachable."""
    return isinstance(_get(answer, "device_keys", user_id), dict)


def user_signing_key(user_id: str, answer: object, *, master: str) -> str | None:
    """Our own user-signing key, which the server shows to nobody else."""
    payload = _get(answer, "user_signing_keys", user_id)
    public = _cross_signing_key(payload, user_id, "user_signing")
    return public if public and _is_signed_by(payload, user_id, master) else None


def _self_signing_key(answer: object, user_id: str, master: str | None) -> str | None:
    payload = _get(answer, "self_signing_keys", user_id)
    public = _cross_signing_key(payload, user_id, "self_signing")
    return public if master and public and _is_signed_by(payload, user_id, master) else None


def _cross_signing_key(payload: object, user_id: str, usage: str) -> str | None:
    """The public key of a cross-signing key object that can be signed: one, named by itself."""
    keys = _get(payload, "keys")
    if _get(payload, "user_id") != user_id or _get(payload, "usage") != [usage]:
        return None
    if not isinstance(keys, dict) or len(keys) != 1 or not has_canonical_form(payload):
        return None
    ((key_id, public),) = keys.items()
    return public if is_ed25519(public) and key_id == f"ed25519:{public}" else None


def _is_signed_by(payload: object, user_id: str, public: str) -> bool:
    return is_signed(payload, user_id=user_id, key_id=f"ed25519:{public}", public=public)


def _get(value: object, *keys: str) -> Any:
    """What is under these keys, or None where anything on the way is no object."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
