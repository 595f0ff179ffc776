"""Olm channels to other devices: opened with a one-time key, a few at a time."""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nio.crypto import OlmDevice
from nio.responses import KeysClaimResponse

from bot.matrix.guard import Guard
from bot.matrix.http import Http, path
from bot.matrix.signed_json import is_ed25519
from bot.matrix.untrusted import mapping, text

OLM = "m.olm.v1.curve25519-aes-sha2"
CLAIM_TIMEOUT_MS = 10_000  # how long our server may wait for the servers of other people
AT_ONCE = 20  # devices between two turns of the event loop, and in one request: about 10 ms


class Channels:
    """What is sent to single devices; what nio would send by itself goes through here too."""

    def __init__(self, guard: Guard, http: Http) -> None:
        self._guard = guard
        self._http = http

    def is_open(self, device: OlmDevice) -> bool:
        """Whether there is a channel to this device."""
        return self._guard.olm.session_store.get(device.curve25519) is not None

    async def open(self, devices: Sequence[OlmDevice]) -> None:
        """Claim a one-time key of each of these devices; one that has none is left without."""
        if not devices:
            return
        wanted: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for device in devices:
            wanted[device.user_id][device.id] = "signed_curve25519"
        answer = await self._http.call(
            "POST", path("keys", "claim"), {"one_time_keys": wanted, "timeout": CLAIM_TIMEOUT_MS}
        )
        claimed = mapping(answer, "one_time_keys")
        for some in few(devices):
            with self._guard.client.store.database.atomic():
                for device in some:
                    self._use(device, mapping(claimed, device.user_id, device.id))
            await asyncio.sleep(0)  # a large room must not hold up the others

    def sealed(
        self, devices: Sequence[OlmDevice], event_type: str, content: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The body of a to-device request with this event for each, for few devices at a time."""
        olm = self._guard.olm
        messages: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        with self._guard.client.store.database.atomic():  # their channels, in one transaction
            for device in devices:
                session = olm.session_store.get(device.curve25519)
                sealed = olm._olm_encrypt(session, device, event_type, content)
                messages[device.user_id][device.id] = sealed
        return {"messages": messages}

    async def send(self, event_type: str, body: Mapping[str, Any]) -> None:
        """Send to devices, once."""
        target = path("sendToDevice", event_type, secrets.token_hex(16))
        await self._http.call("PUT", target, body)

    def _use(self, device: OlmDevice, keys: Mapping[str, Any]) -> None:
        usable = {
            key_id: key
            for key_id, key in keys.items()
            if is_ed25519(text(key, "key"))  # nio's binding panics on keys of another length
        }
        if usable:
            with self._guard.contained("malformed one-time key"):
                claimed = KeysClaimResponse({device.user_id: {device.id: usable}}, {})
                self._guard.olm.handle_response(claimed)


def few(devices: Sequence[OlmDevice]) -> Iterator[Sequence[OlmDevice]]:
    """As many as are handled at once."""
    return (devices[start : start + AT_ONCE] for start in range(0, len(devices), AT_ONCE))
