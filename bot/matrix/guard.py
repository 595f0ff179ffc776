"""What nio may not be trusted with: everything that others wrote is checked before nio sees it.

nio 0.26 raises on malformed events, believes state that stands in an encrypted payload, doesn't
bind a sender to the sender's keys, and prints contents to its log. So nio never parses a sync
here: of a sync it gets who is in which room, and Olm messages one at a time; room messages are
decrypted with its sessions and checked by us. Its own network code is not used at all.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import nio
from nio.crypto import InboundGroupSession, OlmDevice
from nio.events import OlmEvent
from nio.rooms import MatrixRoom

from bot.errors import UnencryptedRoomError
from bot.matrix.bounds import Bounds
from bot.matrix.events import ClearEvent, decrypted_event
from bot.matrix.signed_json import is_ed25519
from bot.matrix.untrusted import MAX_DEPTH, mapping, member, text, too_deep
from storage import Reading

MEGOLM = "m.megolm.v1.aes-sha2"

Json = Mapping[str, Any]


class Undecrypted(Exception):  # noqa: N818 (not a failure of ours)
    """An encrypted event that can't be read now."""


class KeyMissing(Undecrypted):
    """Its Megolm session has not arrived (yet)."""


class DeviceUnknown(Undecrypted):
    """Its session belongs to no device of the sender that we know of (yet)."""


class Rejected(Undecrypted):
    """It is malformed, forged or replayed: never to be read. The text is what is counted."""


class Guard:
    """Between the homeserver's JSON and nio. Nothing in here raises for what a stranger sent."""

    def __init__(self, client: nio.AsyncClient) -> None:
        self.client = client
        self.on_verification: Callable[[Any], None] = lambda event: None
        self.on_forwarded_key: Callable[[str, str, Json], bool] = lambda *_: False
        self.drops: Counter[str] = Counter()
        self._bounds = Bounds(client)
        if client.olm is not None:  # what nio would do there is for several devices of one person
            client.olm._handle_forwarded_room_key_event = self._receive_forwarded_key

    @property
    def olm(self) -> Any:
        """nio's Olm machine; without one nothing may be sent."""
        if self.client.olm is None:
            raise UnencryptedRoomError("The crypto store is not loaded, so nothing can be sent.")
        return self.client.olm

    def follow(self, room_id: str, events: Iterable[object]) -> None:
        """Keep up with who is in a room and whether it is encrypted, from state events only.

        nio makes a new room key after each change of members.
        """
        rooms = self.client.rooms
        room = rooms.setdefault(room_id, MatrixRoom(room_id, self.client.user_id))
        for event in events:
            kind, state_key = text(event, "type"), member(event, "state_key")
            if kind == "m.room.encryption" and state_key == "":
                room.encrypted = True
            elif kind == "m.room.member" and isinstance(state_key, str):
                self._set_member(room, state_key, text(event, "content", "membership"))

    def _set_member(self, room: MatrixRoom, user_id: str, membership: str) -> None:
        if membership in ("join", "invite"):
            changed = room.add_member(user_id, None, None, invited=membership == "invite")
        else:
            changed = room.remove_member(user_id)
        if changed:  # not nio's invalidate_outbound_session(), which spares one being shared
            self.olm.outbound_group_sessions.pop(room.room_id, None)

    def leave(self, room_id: str) -> None:
        """Forget a room that we are no longer in."""
        self.client.rooms.pop(room_id, None)
        self.olm.outbound_group_sessions.pop(room_id, None)

    def members(self, room_id: str) -> frozenset[str]:
        """Everybody joined or invited, as of the last sync; empty for a room we don't know."""
        room = self.client.rooms.get(room_id)
        return frozenset(room.users) if room else frozenset()

    def receive_to_device(self, events: Iterable[object], *, rooms_known: bool = True) -> None:
        """Take Olm messages one by one: a hostile one must not keep the others from us.

        Requests for keys are ignored, we forward none; verification is `on_verification`'s.
        An Olm message can be read once only, so what reading it changes is stored together with
        the room key that it brings. nio stores one after the other: a kill in between would leave
        no key, and a message that can't be read when it comes again. Until our rooms are known,
        no key is too many.
        """
        with self.client.store.database.atomic():
            self._bounds.settle(rooms_known=rooms_known)
            for event in events:
                self._receive(event)

    def _receive(self, event: object) -> None:
        sender_key, kind = member(event, "content", "sender_key"), text(event, "type")
        if kind.startswith("m.key.verification.") and not too_deep(event):
            self.on_verification(event)
        if kind != "m.room.encrypted":
            return
        if too_deep(event) or not is_ed25519(sender_key):  # nio panics on a key of 33 bytes
            self.drops["malformed to-device message"] += 1
            return
        whose = self._bounds.receiving(text(event, "sender"), text(event, "content", "sender_key"))
        with whose, self.contained("malformed to-device message"):
            parsed = nio.events.ToDeviceEvent.parse_event(event)
            if isinstance(parsed, OlmEvent):
                self.olm.handle_to_device_event(parsed)

    def decrypt(self, room_id: str, event: Json) -> ClearEvent:
        """The event inside an encrypted one; raises one of the kinds of Undecrypted."""
        content = mapping(event, "content")
        if content.get("algorithm") != MEGOLM or not text(content, "ciphertext"):
            raise self._rejected("malformed encrypted event")
        session = self._session(room_id, event)
        if session is None:
            raise KeyMissing
        plaintext, index = self._plaintext(session, text(content, "ciphertext"))
        device = self._senders_device(session, text(event, "sender"))
        if device is None:
            raise DeviceUnknown
        payload = self._payload(plaintext, room_id)
        clear = decrypted_event(event, room_id, payload, device_id=device.id)
        if clear is None:
            raise self._rejected("malformed encrypted event")
        return replace(
            clear, reading=Reading(session.sender_key, session.id, index, clear.event_id)
        )

    def replayed(self) -> Rejected:
        """The verdict on an event whose ciphertext was read in another one."""
        return self._rejected("replayed event")

    def relabelled(self) -> Rejected:
        """The verdict on an event whose keys are, after asking, not of its sender's devices."""
        return self._rejected("event under another sender's name")

    def has_key(self, room_id: str, event: Json) -> bool:
        """Whether the room key that an event names is here, of whatever index."""
        return self._session(room_id, event) is not None

    def import_session(
        self,
        user_id: str,
        *,
        curve25519: str,
        ed25519: str,
        room_id: str,
        session_id: str,
        exported: str,
    ) -> bool:
        """Take a room key in the format of exports as one of a known device of this person.

        It never replaces one that decrypts more. False where the device or the key is not right.
        """
        device = (device for device in self._devices(user_id) if device.curve25519 == curve25519)
        if not any(one.ed25519 == ed25519 for one in device):
            return False
        session = InboundGroupSession.import_session(exported, ed25519, curve25519, room_id)
        if session.id != session_id:
            return False
        if self.olm.inbound_group_store.add(session):
            self.olm.save_inbound_group_session(session)
        return True

    def wedged(self) -> set[tuple[str, str]]:
        """(User id, device id) of devices whose Olm messages can't be read; nio notes them."""
        return {(one.user_id, one.id) for one in self.olm.wedged_devices}

    def _receive_forwarded_key(self, sender: str, sender_key: str, payload: Json) -> None:
        if not self.on_forwarded_key(sender, sender_key, payload):
            self.drops["forwarded room key"] += 1

    def _session(self, room_id: str, event: Json) -> InboundGroupSession | None:
        """The room key, looked up without making entries for what a stranger made up.

        Whoever got somebody's room key can send it on as their own: the sender's comes first.
        """
        by_sender = self.olm.inbound_group_store[room_id]
        sender_key = text(event, "content", "sender_key")
        session_id = text(event, "content", "session_id")
        # The sender's key is no longer required in events (Matrix 1.3): the session id suffices.
        stores = [by_sender.get(sender_key, {})] if sender_key else list(by_sender.values())
        found = [one for store in stores if (one := store.get(session_id))]
        senders = (one for one in found if self._senders_device(one, text(event, "sender")))
        return next(senders, found[0] if found else None)

    def _plaintext(self, session: InboundGroupSession, ciphertext: str) -> tuple[str, int]:
        try:
            plaintext, index = session.decrypt(ciphertext)
        except BaseException as error:
            if not _is_of_strangers(error):
                raise
            if "unknown message index" in str(error):  # from before the first key that we got
                raise KeyMissing from None
            raise self._rejected("malformed encrypted event") from None
        return plaintext, index

    def _senders_device(self, session: InboundGroupSession, sender: str) -> OlmDevice | None:
        """The device of the sender, whom only the server names, that the session came from."""
        keys = (session.sender_key, session.ed25519)
        devices = self._devices(sender)
        return next((one for one in devices if (one.curve25519, one.ed25519) == keys), None)

    def _devices(self, user_id: str) -> Iterator[OlmDevice]:
        """All devices, also deleted ones: what they said before is still their owner's."""
        if user_id == self.client.user_id:
            yield OlmDevice(user_id, self.client.device_id, self.olm.account.identity_keys)
        yield from self.client.device_store[user_id].values()

    def _payload(self, plaintext: str, room_id: str) -> dict[str, Any]:
        """The decrypted object, if it is a message of this room and nothing else."""
        try:
            payload = json.loads(plaintext)
        except (ValueError, RecursionError):
            raise self._rejected("malformed encrypted event") from None
        if not isinstance(payload, dict) or too_deep(payload, MAX_DEPTH):
            raise self._rejected("malformed encrypted event")
        if "state_key" in payload:
            raise self._rejected("encrypted event that claims to be state")
        if payload.get("room_id") != room_id:
            raise self._rejected("event of another room")
        return payload

    def _rejected(self, why: str) -> Rejected:
        self.drops[why] += 1
        return Rejected(why)

    @contextmanager
    def contained(self, what: str) -> Iterator[None]:
        """Count what nio or vodozemac raise over something a stranger sent, and go on."""
        try:
            yield
        except BaseException as error:
            if not _is_of_strangers(error):
                raise
            self.drops[what] += 1


def _is_of_strangers(error: BaseException) -> bool:
    """Whether input can cause this: a panic in Rust is no Exception and has no name to catch."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"
