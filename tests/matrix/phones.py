"""A person's device as it reaches the bot: room keys over Olm, and room messages."""

import base64
import json
from typing import Any

import vodozemac

from bot.matrix.guard import Guard
from tests.matrix.people import Device, Json, Somebody

MEGOLM = "m.megolm.v1.aes-sha2"


class Phone:
    """One device with an Olm channel to the bot."""

    def __init__(self, guard: Guard, owner: Somebody, *, room_id: str) -> None:
        self.owner = owner
        self.device: Device = owner.device
        self.room_id = room_id
        self.session = vodozemac.GroupSession()
        self.first_key = self.session.session_key
        self._bot = (guard.client.user_id, dict(guard.olm.account.identity_keys))
        own = guard.olm.account
        before = set(own.one_time_keys["curve25519"].values())
        own.generate_one_time_keys(1)
        [one_time_key] = set(own.one_time_keys["curve25519"].values()) - before
        guard.olm.save_account()
        self._channel = self.device.account.create_outbound_session(
            vodozemac.Curve25519PublicKey.from_base64(self._bot[1]["curve25519"]),
            vodozemac.Curve25519PublicKey.from_base64(one_time_key),
        )

    @property
    def curve25519(self) -> str:
        """The key that says whose Olm messages these are."""
        return self.device.keys.curve25519

    def event(self, words: str, event_id: str, **more: Any) -> Json:
        """A room message of the session."""
        content = {"msgtype": "m.text", "body": words}
        payload = {"type": "m.room.message", "room_id": self.room_id, "content": content}
        sealed = {
            "algorithm": MEGOLM,
            "ciphertext": self.session.encrypt(json.dumps(payload).encode()).to_base64(),
            "sender_key": self.curve25519,
            "session_id": self.session.session_id,
            "device_id": self.device.keys.device_id,
        }
        outer = {"event_id": event_id, "sender": self.owner.user_id, "type": "m.room.encrypted"}
        return {**outer, "origin_server_ts": 1, "content": {**sealed, **more}}

    def room_key(self) -> Json:
        """The key of the session, from its first message on."""
        content = {
            "algorithm": MEGOLM,
            "room_id": self.room_id,
            "session_id": self.session.session_id,
            "session_key": self.first_key.to_base64(),
        }
        return self.over_olm("m.room_key", content)

    def forwarded(self, **changed: Any) -> Json:
        """The same as a forwarded key."""
        return self.over_olm("m.forwarded_room_key", {**self.exported(), **changed})

    def exported(self, *, index: int = 0) -> Json:
        """What is forwarded: the key of the session from a message on."""
        key = vodozemac.InboundGroupSession(self.first_key).export_at(index)
        assert key is not None
        return {
            "algorithm": MEGOLM,
            "room_id": self.room_id,
            "session_id": self.session.session_id,
            "session_key": key.to_base64(),
            "forwarding_curve25519_key_chain": [],
            **self.claims(),
        }

    def claims(self) -> Json:
        """Whose session it is, in a forwarded key."""
        keys = self.device.keys
        return {"sender_key": keys.curve25519, "sender_claimed_ed25519_key": keys.ed25519}

    def over_olm(self, kind: str, content: Json) -> Json:
        """A to-device event with this inside."""
        user_id, keys = self._bot
        payload = {
            "type": kind,
            "content": content,
            "sender": self.owner.user_id,
            "sender_device": self.device.keys.device_id,
            "keys": {"ed25519": self.device.keys.ed25519},
            "recipient": user_id,
            "recipient_keys": {"ed25519": keys["ed25519"]},
        }
        number, body = self._channel.encrypt(json.dumps(payload).encode()).to_parts()
        sealed = {"type": number, "body": base64.b64encode(body).decode().rstrip("=")}
        outer = {
            "algorithm": "m.olm.v1.curve25519-aes-sha2",
            "sender_key": self.curve25519,
            "ciphertext": {keys["curve25519"]: sealed},
        }
        return {"type": "m.room.encrypted", "sender": self.owner.user_id, "content": outer}
