"""The keys of our own device on the homeserver: published, checked, and never running out."""

from collections.abc import Mapping
from typing import Any

from bot.errors import HomeserverError
from bot.matrix.chains import DeviceKeys, device_payloads, read_device
from bot.matrix.guard import MEGOLM, Guard
from bot.matrix.http import Http, RequestError, path
from bot.matrix.keyserver import query_keys
from bot.matrix.untrusted import mapping, number

OLM = "m.olm.v1.curve25519-aes-sha2"
SIGNED = "signed_curve25519"
TAKEN = (400, "M_UNKNOWN")  # the answer to another key under an id that was used before

STALE = (
    "The homeserver holds other keys for the bot's device {device} than the crypto store in the "
    "data directory, as after restoring an old copy of it: people could not reach the bot. Start "
    "it with homeserver.password set and without homeserver.access_token, and it goes on as a new "
    "device by itself. Or remove the file `session` from the data directory, and set "
    "homeserver.access_token to one of a new device."
)


class StaleStoreError(HomeserverError):
    """The homeserver and the crypto store disagree about our device: it can't be used any more."""


class DeviceKeyring:
    """Uploads what others need to reach this device: identity, one-time and fallback keys.

    New keys are saved before they are uploaded. nio saves after, and a kill in between leaves
    key ids on the homeserver that can never be uploaded again, and so no new keys at all.
    """

    def __init__(self, guard: Guard, http: Http) -> None:
        self._guard = guard
        self._http = http
        self._on_server = 0
        self._fallback_wanted = False

    @property
    def own(self) -> DeviceKeys:
        """The public keys of this device."""
        client, keys = self._guard.client, self._account.identity_keys
        return DeviceKeys(client.user_id, client.device_id, keys["ed25519"], keys["curve25519"])

    def sign(self, signed: dict[str, Any]) -> str:
        """This device's signature of an object."""
        return str(self._guard.olm.sign_json(signed))

    async def publish(self) -> None:
        """Make the homeserver show this device, before anybody can open a chat with it."""
        shown = await self._shown()
        if shown not in (None, self.own):
            raise self._stale()
        self._account.shared = shown is not None
        self._fallback_wanted = shown is None
        await self._upload({})
        await self.replenish()

    def learn(self, sync: Mapping[str, Any]) -> None:
        """Note from a sync how many keys are left; an algorithm that isn't listed has none."""
        if isinstance(sync.get("device_one_time_keys_count"), dict):
            self._on_server = number(sync, "device_one_time_keys_count", SIGNED)
        unused = sync.get("device_unused_fallback_key_types")
        if isinstance(unused, list):
            self._fallback_wanted = SIGNED not in unused

    async def replenish(self) -> None:
        """Upload what is missing: one-time keys below half, a fallback key once it was used.

        Raises StaleStoreError where the homeserver has other keys under the same ids.
        """
        wanted: dict[str, Any] = {}
        if not self._account.shared:
            wanted["device_keys"] = self._device_keys()
        if self._on_server < self._account.max_one_time_keys // 2:
            wanted["one_time_keys"] = self._one_time_keys()
        if self._fallback_wanted:
            wanted["fallback_keys"] = self._fallback_key()
        if wanted:
            self._guard.olm.save_account()
            await self._upload(wanted)
            self._account.mark_keys_as_published()
            self._account.shared, self._fallback_wanted = True, False
            self._guard.olm.save_account()

    @property
    def _account(self) -> Any:
        return self._guard.olm.account

    async def _shown(self) -> DeviceKeys | None:
        """Our device as the homeserver shows it to everybody."""
        user_id, device_id = self.own.user_id, self.own.device_id
        answer = await query_keys(self._http, [user_id])
        payload = device_payloads(user_id, answer).get(device_id)
        if payload is None:
            return None
        return read_device(user_id, device_id, payload) or DeviceKeys(user_id, device_id, "", "")

    async def _upload(self, keys: Mapping[str, Any]) -> None:
        try:
            self._learn_count(await self._http.call("POST", path("keys", "upload"), keys))
        except RequestError as error:
            if (error.status, error.errcode) == TAKEN:
                raise self._stale() from None
            raise

    def _stale(self) -> StaleStoreError:
        return StaleStoreError(STALE.format(device=self.own.device_id))

    def _learn_count(self, answer: Mapping[str, Any]) -> None:
        self._on_server = number(answer, "one_time_key_counts", SIGNED)

    def _device_keys(self) -> dict[str, Any]:
        own = self.own
        unsigned = {
            "user_id": own.user_id,
            "device_id": own.device_id,
            "algorithms": [OLM, MEGOLM],
            "keys": {
                f"curve25519:{own.device_id}": own.curve25519,
                f"ed25519:{own.device_id}": own.ed25519,
            },
        }
        return self._signed(unsigned)

    def _one_time_keys(self) -> dict[str, Any]:
        """Keys made earlier whose upload we never saw succeed, else new ones."""
        if not self._account.one_time_keys["curve25519"]:
            most = self._account.max_one_time_keys
            self._account.generate_one_time_keys(min(most, most - self._on_server))
        keys = mapping(self._account.one_time_keys, "curve25519")
        return {f"{SIGNED}:{key_id}": self._signed({"key": key}) for key_id, key in keys.items()}

    def _fallback_key(self) -> dict[str, Any]:
        """nio knows no fallback keys: vodozemac's account, which it wraps, does."""
        account = self._account._account
        if not account.fallback_key:
            account.generate_fallback_key()
        return {
            f"{SIGNED}:{key_id}": self._signed({"key": key.to_base64(), "fallback": True})
            for key_id, key in account.fallback_key.items()
        }

    def _signed(self, unsigned: dict[str, Any]) -> dict[str, Any]:
        own = self.own
        signatures = {own.user_id: {f"ed25519:{own.device_id}": self.sign(unsigned)}}
        return {**unsigned, "signatures": signatures}
