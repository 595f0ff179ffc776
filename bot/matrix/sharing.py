"""Encrypting for a room: the room's key goes to every device that may have it, then the message.

nio's own `share_group_session` deadlocks after a failed claim, logs the bot out after a failed
to-device message and calls a session shared that nobody got. Here its Olm machine makes the
messages, and every step of delivering them is ours.
"""

import asyncio
import logging
import secrets
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from nio.exceptions import OlmUnverifiedDeviceError
from nio.responses import KeysClaimResponse, ToDeviceResponse

from bot.errors import AudienceChangedError, HomeserverError, HomeserverUnavailableError
from bot.matrix.guard import Guard
from bot.matrix.http import Http, path
from bot.matrix.rooms import members
from bot.matrix.signed_json import is_ed25519
from bot.matrix.trust import Trust
from bot.matrix.untrusted import mapping, text

CLAIM_TIMEOUT_MS = 10_000  # how long our server may wait for the servers of other people
CLAIM_AGAIN = 60.0  # seconds before a device that had no key for us is asked for one again
ATTEMPTS = 5  # devices may come and go while a key is being shared

UserAndDevice = tuple[str, str]

_log = logging.getLogger(__name__)


class RoomKeys:
    """The outgoing Megolm sessions of all rooms."""

    def __init__(self, guard: Guard, http: Http, trust: Trust) -> None:
        self._guard = guard
        self._http = http
        self._trust = trust
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._try_again: dict[str, float] = {}

    async def encrypt(
        self,
        room_id: str,
        event_type: str,
        content: Mapping[str, Any],
        audience: frozenset[str] | None = None,
    ) -> dict[str, Any]:
        """The content of an m.room.encrypted event that this room's trusted devices can read.

        Raises AudienceChangedError where somebody outside the `audience` could read it.
        """
        async with self._locks[room_id]:
            for _ in range(ATTEMPTS):
                await self._confine(room_id, audience)
                await self._prepare(room_id, audience)
                session = self._session(room_id)
                if session is not None and session.shared and not session.expired:
                    return self._encrypted(room_id, event_type, content)
        raise HomeserverError("The devices in this room change faster than keys can be shared.")

    async def deliver_queued(self) -> None:
        """Repair broken channels, and send what nio has queued for other devices."""
        olm = self._guard.olm
        if self._guard.client.should_claim_keys:
            await self._claim(olm.get_users_for_key_claiming())
            olm.wedged_devices.clear()  # a device without a key for us is not asked for ever
            olm.key_request_devices_no_session.clear()
        for message in list(olm.outgoing_to_device_messages):
            try:
                await self._send_to_device(message.type, message.as_dict())
            except HomeserverUnavailableError:
                raise
            except HomeserverError:  # refused for what is in it: it must not hold up the others
                _log.warning("a message to a device was refused and dropped")
            olm.handle_response(ToDeviceResponse(message))

    def _encrypted(
        self, room_id: str, event_type: str, content: Mapping[str, Any]
    ) -> dict[str, Any]:
        inner = {key: value for key, value in content.items() if key != "m.relates_to"}
        sealed: dict[str, Any] = self._guard.olm.group_encrypt(
            room_id, {"type": event_type, "content": inner}
        )
        # Servers need relations, so they stand outside; inside they are ignored (Matrix spec).
        relation = content.get("m.relates_to")
        return {**sealed, "m.relates_to": relation} if relation else sealed

    def _session(self, room_id: str) -> Any:
        return self._guard.olm.outbound_group_sessions.get(room_id)

    async def _confine(self, room_id: str, audience: frozenset[str] | None) -> None:
        """Have nobody outside the audience in the room, nor with the key of its session."""
        if audience is None:
            return
        _check(await members(self._http, room_id), audience)
        session = self._session(room_id)
        if session is not None and {user for user, _ in session.users_shared_with} - audience:
            del self._guard.olm.outbound_group_sessions[room_id]  # somebody has left: begin anew

    async def _prepare(self, room_id: str, audience: frozenset[str] | None) -> None:
        """Have a session that everybody who may read has been given."""
        known = self._guard.members(room_id)
        await self._trust.prepare(known)
        session, now = self._session(room_id), asyncio.get_running_loop().time()
        ready = session is not None and session.shared and not session.expired
        if ready and now < self._try_again.get(room_id, now + 1):
            return
        everybody = await members(self._http, room_id)
        _check(everybody, audience)
        await self._trust.prepare(everybody)
        await self._claim(self._without_channel(everybody))
        try:
            await self._share(room_id, everybody)
        except OlmUnverifiedDeviceError:
            return  # a device turned up after prepare(): the next attempt judges it
        self._try_again.pop(room_id, None)
        if self._without_channel(everybody):
            self._try_again[room_id] = now + CLAIM_AGAIN

    async def _share(self, room_id: str, everybody: Collection[str]) -> None:
        olm, session = self._guard.olm, self._session(room_id)
        if session is not None:  # nio begins a new one where the old one is called shared
            session.shared = bool(session.expired)
        batches = olm.share_group_session_parallel(room_id, sorted(everybody))
        batch = self._next(batches)
        session = self._session(room_id)  # kept: a change of members may take it away meanwhile
        while batch is not None:
            devices, messages = batch
            await self._send_to_device("m.room.encrypted", messages)
            session.users_shared_with.update(devices)
            batch = self._next(batches)
        session.shared = True

    def _next(self, batches: Any) -> tuple[set[UserAndDevice], dict[str, Any]] | None:
        """Up to twenty messages, their Olm sessions written in one transaction."""
        with self._guard.client.store.database.atomic():
            batch: tuple[set[UserAndDevice], dict[str, Any]] | None = next(batches, None)
        return batch

    def _without_channel(self, user_ids: Collection[str]) -> dict[str, list[str]]:
        """Devices that may have the key but that we have no Olm session with."""
        missing: dict[str, list[str]] = self._guard.olm.get_missing_sessions(sorted(user_ids))
        store = self._guard.client.device_store
        wanted = {
            user_id: [one for one in ids if not store[user_id][one].blacklisted]
            for user_id, ids in missing.items()
        }
        return {user_id: ids for user_id, ids in wanted.items() if ids}

    async def _claim(self, devices: Mapping[str, Collection[str]]) -> None:
        """Open a channel to these devices with one of their one-time keys each."""
        if not devices:
            return
        wanted = {
            user_id: dict.fromkeys(ids, "signed_curve25519") for user_id, ids in devices.items()
        }
        answer = await self._http.call(
            "POST",
            path("keys", "claim"),
            {"one_time_keys": wanted, "timeout": CLAIM_TIMEOUT_MS},
        )
        claimed = mapping(answer, "one_time_keys")
        for user_id, ids in wanted.items():
            with self._guard.client.store.database.atomic():
                for device_id in ids:
                    self._use(user_id, device_id, mapping(claimed, user_id, device_id))
            await asyncio.sleep(0)  # a large room must not hold up the others

    def _use(self, user_id: str, device_id: str, keys: Mapping[str, Any]) -> None:
        usable = {
            key_id: key
            for key_id, key in keys.items()
            if is_ed25519(text(key, "key"))  # nio's binding panics on keys of another length
        }
        if usable:
            with self._guard.contained("malformed one-time key"):
                claimed = KeysClaimResponse({user_id: {device_id: usable}}, {})
                self._guard.olm.handle_response(claimed)

    async def _send_to_device(self, event_type: str, messages: Mapping[str, Any]) -> None:
        transaction_id = secrets.token_hex(16)
        await self._http.call("PUT", path("sendToDevice", event_type, transaction_id), messages)


def _check(everybody: Collection[str], audience: frozenset[str] | None) -> None:
    if audience is not None and not audience.issuperset(everybody):
        raise AudienceChangedError(
            "Somebody else came into this room while I was answering, so I have held the answer "
            "back. Please ask again."
        )
