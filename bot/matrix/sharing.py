"""Encrypting for a room: the room's key goes to every device that may have it, then the message.

nio's own `share_group_session` deadlocks after a failed claim, logs the bot out after a failed
to-device message and calls a session shared that nobody got. Here its Olm machine keeps the
sessions, and every step of delivering them is ours.
"""

import asyncio
import json
import logging
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from nio.crypto import OlmDevice, OutboundGroupSession, TrustState
from nio.responses import ToDeviceResponse

from bot.errors import AudienceChangedError, HomeserverError, HomeserverUnavailableError
from bot.matrix.channels import Channels, few
from bot.matrix.guard import MEGOLM, Guard
from bot.matrix.http import Http
from bot.matrix.rooms import members
from bot.matrix.trust import MAY_HAVE_KEYS, Trust
from bot.matrix.withheld import Withheld
from bot.messages import Device, Sessions

CLAIM_AGAIN = 60.0  # seconds before a device that had no key for us is asked for one again
ATTEMPTS = 5  # devices may come and go while a key is being shared

_log = logging.getLogger(__name__)


class RoomKeys:
    """The outgoing Megolm sessions of all rooms."""

    def __init__(self, guard: Guard, http: Http, trust: Trust) -> None:
        self._guard = guard
        self._http = http
        self._trust = trust
        self._channels = Channels(guard, http)
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._try_again: dict[str, float] = {}
        self._own_key: str = guard.olm.account.identity_keys["curve25519"]
        self.withheld = Withheld(self._channels, sender_key=self._own_key)

    async def encrypt(
        self,
        room_id: str,
        event_type: str,
        content: Mapping[str, Any],
        audience: frozenset[str] | None = None,
        also_for: Device | None = None,
    ) -> dict[str, Any]:
        """The content of an m.room.encrypted event that this room's trusted devices can read.

        Raises AudienceChangedError where somebody outside the `audience` could read it. The device
        that it is `also_for` can read this event and no other; where it can't be reached, or its
        owner isn't in the room, the event is for the others alone.
        """
        async with self._locks[room_id]:
            for _ in range(ATTEMPTS):
                if also_for is None:
                    session = await self._session_for(room_id, audience)
                else:
                    session = await self._session_for_one_event(room_id, audience, also_for)
                if session is not None:
                    return self._encrypted(session, room_id, event_type, content)
        raise HomeserverError(
            "The devices in this room change faster than keys can be shared. Please ask again in "
            "a minute."
        )

    async def share(self, room_id: str) -> None:
        """Give everybody who may read in a room its key, unless they have it."""
        async with self._locks[room_id]:
            await self._session_for(room_id, None)

    async def sessions(self, user_ids: Collection[str]) -> dict[str, Sessions]:
        """Of each of these people, how many sessions get keys; HomeserverError if nobody tells."""
        await self._trust.prepare(user_ids)
        return {user_id: self._trust.sessions(user_id) for user_id in user_ids}

    async def deliver_queued(self) -> None:
        """Repair broken channels, and send what nio has queued for other devices."""
        olm = self._guard.olm
        if self._guard.client.should_claim_keys:
            await self._channels.open([*olm.wedged_devices, *olm.key_request_devices_no_session])
            olm.wedged_devices.clear()  # a device without a key for us is not asked for ever
            olm.key_request_devices_no_session.clear()
        for message in list(olm.outgoing_to_device_messages):
            try:
                await self._channels.send(message.type, message.as_dict())
            except HomeserverUnavailableError:
                raise
            except HomeserverError:  # refused for what is in it: it must not hold up the others
                _log.warning("a message to a device was refused and dropped")
            olm.handle_response(ToDeviceResponse(message))

    def _encrypted(
        self, session: Any, room_id: str, event_type: str, content: Mapping[str, Any]
    ) -> dict[str, Any]:
        inner = {key: value for key, value in content.items() if key != "m.relates_to"}
        payload = {"type": event_type, "content": inner, "room_id": room_id}
        sealed = {
            "algorithm": MEGOLM,
            "sender_key": self._own_key,
            "ciphertext": session.encrypt(json.dumps(payload, separators=(",", ":"))),
            "session_id": session.id,
            "device_id": self._guard.client.device_id,
        }
        # Servers need relations, so they stand outside; inside they are ignored (Matrix spec).
        relation = content.get("m.relates_to")
        return {**sealed, "m.relates_to": relation} if relation else sealed

    def _session(self, room_id: str) -> Any:
        return self._guard.olm.outbound_group_sessions.get(room_id)

    async def _session_for(self, room_id: str, audience: frozenset[str] | None) -> Any:
        """The room's session once everybody has it, None if they changed meanwhile."""
        await self._confine(room_id, audience)
        await self._prepare(room_id, audience)
        session = self._session(room_id)
        return session if _is_ready(session) else None

    async def _session_for_one_event(
        self, room_id: str, audience: frozenset[str] | None, also_for: Device
    ) -> Any:
        """A session of its own that one more device is given; None if who may read changed."""
        everybody = await self._everybody(room_id, audience)
        readers = self._readers(everybody)
        if readers is None:
            return None
        here = self._guard.members(room_id)
        extra = self._device(also_for) if also_for.user_id in everybody else None
        given = [*readers, *([extra] if extra is not None and extra not in readers else [])]
        await self._channels.open([one for one in given if not self._channels.is_open(one)])
        session = self._kept_session(room_id)
        await self._give(session, room_id, given)
        unchanged = (self._readers(everybody), self._guard.members(room_id)) == (readers, here)
        return session if unchanged else None

    def _device(self, wanted: Device) -> OlmDevice | None:
        device = self._guard.client.device_store[wanted.user_id].get(wanted.device_id)
        return None if device is None or device.deleted else device

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
        await self._trust.prepare(self._guard.members(room_id))
        now = asyncio.get_running_loop().time()
        if _is_ready(self._session(room_id)) and now < self._try_again.get(room_id, now + 1):
            return
        everybody = await self._everybody(room_id, audience)
        readers = self._readers(everybody)
        if readers is None:
            return
        await self._channels.open([one for one in readers if not self._channels.is_open(one)])
        await self._share(room_id, everybody)
        self._try_again.pop(room_id, None)
        if any(not self._channels.is_open(one) for one in readers):
            self._try_again[room_id] = now + CLAIM_AGAIN

    async def _everybody(self, room_id: str, audience: frozenset[str] | None) -> frozenset[str]:
        """Who is in the room now, each of their devices judged."""
        everybody = await members(self._http, room_id)
        _check(everybody, audience)
        await self._trust.prepare(everybody)
        return everybody

    async def _share(self, room_id: str, everybody: Collection[str]) -> None:
        """Give the room's session to all who lack it; a new one where it is used up."""
        readers = self._readers(everybody)
        if readers is None:
            return  # a device turned up after prepare(): the next attempt judges it
        session, sessions = self._session(room_id), self._guard.olm.outbound_group_sessions
        if session is None or session.expired:
            session = sessions[room_id] = self._kept_session(room_id)
        session.shared = False
        # It is kept here: a change of members may take it out of nio's hands meanwhile.
        await self._give(session, room_id, readers)
        self._tell_who_gets_none(session, room_id, everybody, readers)

    def _kept_session(self, room_id: str) -> Any:
        """A new session; our half to decrypt with is kept like that of others."""
        session = OutboundGroupSession()
        olm, keys = self._guard.olm, self._guard.olm.account.identity_keys
        olm.create_group_session(
            keys["curve25519"], keys["ed25519"], room_id, session.id, session.session_key
        )
        return session

    async def _give(self, session: Any, room_id: str, readers: Sequence[OlmDevice]) -> None:
        key = {
            "algorithm": MEGOLM,
            "room_id": room_id,
            "session_id": session.id,
            "session_key": session.session_key,
        }
        given = session.users_shared_with
        missing = [one for one in readers if (one.user_id, one.id) not in given]
        for some in few([one for one in missing if self._channels.is_open(one)]):
            body = self._channels.sealed(some, "m.room_key", key)
            await self._channels.send("m.room.encrypted", body)
            given.update((one.user_id, one.id) for one in some)
        session.shared = True

    def _tell_who_gets_none(
        self,
        session: Any,
        room_id: str,
        everybody: Collection[str],
        readers: Sequence[OlmDevice],
    ) -> None:
        left_out = {
            (one.user_id, one.id)
            for one in self._devices(everybody)
            if one.trust_state is TrustState.blacklisted
        }
        session.users_ignored |= left_out
        reached = {(one.user_id, one.id) for one in readers if self._channels.is_open(one)}
        self.withheld.unverified(room_id, session.id, left_out)
        self.withheld.no_channel(
            {(one.user_id, one.id) for one in readers} - reached, open_to=reached
        )

    def _readers(self, user_ids: Collection[str]) -> list[OlmDevice] | None:
        """Devices that may have keys, None where one has not been judged yet."""
        devices = list(self._devices(user_ids))
        if any(one.trust_state is TrustState.unset for one in devices):
            return None
        return [one for one in devices if one.trust_state in MAY_HAVE_KEYS]

    def _devices(self, user_ids: Collection[str]) -> Iterator[OlmDevice]:
        """Everybody's devices but our own."""
        client = self._guard.client
        for user_id in sorted(user_ids):
            for device in client.device_store.active_user_devices(user_id):
                if (user_id, device.id) != (client.user_id, client.device_id):
                    yield device


def _is_ready(session: Any) -> bool:
    return session is not None and session.shared and not session.expired


def _check(everybody: Collection[str], audience: frozenset[str] | None) -> None:
    if audience is not None and not audience.issuperset(everybody):
        raise AudienceChangedError(
            "Somebody else came into this room while I was answering, so I have held the answer "
            "back. Please ask again."
        )
