"""The bot's own cross-signing: its identity published, its device signed, and both checked.

Clients give no keys to a device that its owner has not cross-signed, so the bot doesn't start
until the homeserver shows the whole chain. A start that finds it whole uploads nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.errors import HomeserverError
from bot.matrix.chains import (
    DeviceKeys,
    device_payloads,
    read_device,
    read_person,
    user_signing_key,
)
from bot.matrix.identity import Identity, IdentityFile, PublicIdentity
from bot.matrix.keyserver import KeyServer, query_keys, refused
from bot.matrix.password import confirmed
from bot.matrix.signed_json import is_signed, with_signature
from bot.messages import OwnIdentity

UPLOAD_IDENTITY = "/_matrix/client/v3/keys/device_signing/upload"
UPLOAD_SIGNATURES = "/_matrix/client/v3/keys/signatures/upload"

FOREIGN = (
    "{user_id} has a cross-signing identity on the homeserver that this bot does not hold, and it "
    "is never overwritten unasked: run `confidant identity recover` with its recovery key, or "
    "`confidant identity reset` to make a new one, which everybody has to verify again."
)


@dataclass(frozen=True, slots=True)
class OwnDevice:
    """The device that the bot runs as; `sign` is its Ed25519 signature of canonical JSON."""

    keys: DeviceKeys
    sign: Callable[[dict[str, Any]], str]

    @property
    def user_id(self) -> str:
        """The account."""
        return self.keys.user_id

    @property
    def key_id(self) -> str:
        """How this device's signatures are named."""
        return f"ed25519:{self.keys.device_id}"


async def ensure_cross_signed(
    server: KeyServer, device: OwnDevice, kept: IdentityFile, *, password: str = ""
) -> PublicIdentity:
    """Make the homeserver show the bot's identity and its device signed by it.

    Call it once the device's own keys are uploaded. Raises HomeserverError with one sentence
    where the server shows an identity that we don't hold, or wants what we can't give.
    """
    answer = await _ask(server, device)
    identity = _our_identity(answer, device, kept)
    if _shown(answer, device.user_id) != identity.public:
        await _publish(server, identity, password)
        answer = await _ask(server, device)
    if not _is_complete(answer, device, identity):
        await _sign(server, answer, device, identity)
        answer = await _ask(server, device)
    if not _is_complete(answer, device, identity):
        raise HomeserverError(
            "The homeserver took the bot's cross-signing keys but does not show them: people's "
            "clients would refuse the bot. Its log may say why."
        )
    return identity.public


async def reset_identity(
    server: KeyServer, device: OwnDevice, kept: IdentityFile, *, password: str = ""
) -> PublicIdentity:
    """Replace whatever identity the account has by a new one; everybody must verify again.

    The new keys wait beside the old ones until the server has taken them, so that a crash at any
    point leaves the keys of the identity that the server shows.
    """
    await _ask(server, device)
    identity = Identity.generate(device.user_id)
    kept.successor.save(identity)
    await _publish(server, identity, password)
    kept.replace_with(kept.successor)
    return await ensure_cross_signed(server, device, kept)


async def own_identity(server: KeyServer, keys: DeviceKeys, master_key: str) -> OwnIdentity:
    """Who the bot is to others, and whether the server shows them its device as signed by it."""
    person = read_person(keys.user_id, await query_keys(server, [keys.user_id]))
    signed = person.master_key == master_key and person.signed.get(keys.device_id) == keys
    return OwnIdentity(
        keys.user_id, keys.device_id, keys.ed25519, master_key=master_key, cross_signed=signed
    )


async def _ask(server: KeyServer, device: OwnDevice) -> dict[str, Any]:
    """What the server shows about us; what follows may sign the device that it shows."""
    answer = await query_keys(server, [device.user_id])
    payload = device_payloads(device.user_id, answer).get(device.keys.device_id)
    if read_device(device.user_id, device.keys.device_id, payload) == device.keys:
        return answer
    raise HomeserverError(
        f"The homeserver does not show the keys of the bot's device {device.keys.device_id} as "
        "they are stored here, so nobody could read the bot: remove the file `session` from the "
        "data directory, and the bot logs in as a new device."
    )


def _our_identity(answer: Mapping[str, Any], device: OwnDevice, kept: IdentityFile) -> Identity:
    """The identity that we hold and may publish or use; a new one where the account has none."""
    identity = kept.load(device.user_id)
    if not _claims_identity(answer, device.user_id):
        if identity is None:
            identity = Identity.generate(device.user_id)
            kept.save(identity)  # before the upload: keys that only the server has are lost keys
        return identity
    shown = read_person(device.user_id, answer).master_key
    if identity is None or identity.master.public != shown:
        identity = kept.successor.load(device.user_id)
        if identity is None or identity.master.public != shown:
            raise HomeserverError(FOREIGN.format(user_id=device.user_id))
        kept.replace_with(kept.successor)  # a reset was cut short after the server took it
    return identity


def _claims_identity(answer: Mapping[str, Any], user_id: str) -> bool:
    """Whether the server has any master key for the account, well-formed or not."""
    keys = answer.get("master_keys")
    return isinstance(keys, dict) and bool(keys.get(user_id))


def _shown(answer: Mapping[str, Any], user_id: str) -> PublicIdentity | None:
    """The identity that the server shows us, None unless all three keys hang together."""
    person = read_person(user_id, answer)
    if person.master_key is None or person.self_signing_key is None:
        return None
    user_signing = user_signing_key(user_id, answer, master=person.master_key)
    if user_signing is None:
        return None
    return PublicIdentity(user_id, person.master_key, person.self_signing_key, user_signing)


def _is_complete(answer: Mapping[str, Any], device: OwnDevice, identity: Identity) -> bool:
    signed = read_person(device.user_id, answer).signed
    return (
        _shown(answer, device.user_id) == identity.public
        and signed.get(device.keys.device_id) == device.keys
        and _is_master_signed(answer, device)
    )


def _is_master_signed(answer: Mapping[str, Any], device: OwnDevice) -> bool:
    """Whether the device has signed the master key: the other direction of the chain."""
    keys = answer.get("master_keys")
    payload = keys.get(device.user_id) if isinstance(keys, dict) else None
    public = device.keys.ed25519
    return is_signed(payload, user_id=device.user_id, key_id=device.key_id, public=public)


async def _sign(
    server: KeyServer, answer: Mapping[str, Any], device: OwnDevice, identity: Identity
) -> None:
    """Upload the two signatures, where missing: device by identity, master key by device."""
    user_id, device_id = device.keys.user_id, device.keys.device_id
    signatures: dict[str, dict[str, Any]] = {}
    if device_id not in read_person(user_id, answer).signed:
        ours = device_payloads(user_id, answer)[device_id]
        bare = {key: ours[key] for key in ours if key not in ("signatures", "unsigned")}
        signatures[device_id] = identity.self_signing.sign(bare, user_id=user_id)
    if not _is_master_signed(answer, device):
        master = identity.key_objects()["master"]
        signatures[identity.master.public] = with_signature(
            master, device.sign(master), user_id=user_id, key_id=device.key_id
        )
    status, result = await server.request("POST", UPLOAD_SIGNATURES, {user_id: signatures})
    if status != 200 or result.get("failures"):
        raise refused("did not take the bot's signature of its own device", status, result)


async def _publish(server: KeyServer, identity: Identity, password: str) -> None:
    """Upload the three public keys, with the password where the server wants it."""
    body = {f"{usage}_key": key for usage, key in identity.key_objects().items()}
    deed = "take the bot's cross-signing keys"
    await confirmed(server, UPLOAD_IDENTITY, body, identity.user_id, password, deed=deed)
