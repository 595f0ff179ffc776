"""What a stranger could put into a sync: honest events with something in them changed.

Everything comes from one seeded generator, so that a failure comes again and the count is exact.
"""

import base64
import json
import random
from collections.abc import Callable
from typing import Any

import vodozemac

from bot.matrix.guard import Guard
from tests.matrix.account import BOT
from tests.matrix.people import Somebody

ANN, EVE = "@ann:b", "@eve:b"
CHAT, HALL = "!chat:b", "!hall:b"  # Ann's direct chat, and a room with Eve in it
MEGOLM, OLM = "m.megolm.v1.aes-sha2", "m.olm.v1.curve25519-aes-sha2"

Json = dict[str, Any]

# JSON that Python's encoder does not write: what it stands for is put in afterwards.
RAW = {
    "@deep@": "[" * 3_000 + "]" * 3_000,
    "@deeper@": '{"a":' * 60_000 + "1" + "}" * 60_000,
    "@digits@": "1" * 6_000,
    "@infinite@": "1e999",
    "@nan@": "NaN",
    "@half@": '"\\ud800"',
    "@twice@": '{"a": 1, "a": [2], "": null}',
}


def nested(depth: int) -> Any:
    """A list in a list, so deep."""
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**53, -(2**63), 10**300, 1.5, -1e300),
    *("", " ", "x", "\x00", "\u202e", "é" * 43, "A" * 43, "A" * 44, "=" * 44, "x" * 10_000),
    *("@", "!", "$", "@eve:b", BOT, "$x", CHAT, "../../etc", "m.room.encrypted", "m.replace"),
    *("m.room.member", "m.room_key", "m.forwarded_room_key", "m.dummy", MEGOLM, OLM),
    *([], {}, [None], [[]], {"": None}, {"type": []}, {"event_id": {}}, ["x"] * 100),
    *(nested(62), nested(64), nested(66), nested(200)),
)
COMMON = ("state_key", "room_id", "sender", "content", "unsigned", "type", "body", "", "\ud800")
RARE = tuple(RAW)


class Mutator:
    """Changes one thing at a random place; `count` says how many it has changed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.count = 0

    def value(self) -> Any:
        """Something that does not belong there."""
        if self.random.random() < 0.002:
            return self.random.choice(RARE)
        return self.random.choice(VALUES)

    def mutate(self, value: Json) -> Any:
        """The same object, in which one thing is another now."""
        self.count += 1
        holder, key = self._place(value)
        chance = self.random.random()
        if chance < 0.2:
            del holder[key]
        elif chance < 0.3:
            holder[key] = [holder[key]]
        elif chance < 0.4 and isinstance(holder, dict):
            holder[self.random.choice(COMMON)] = self.value()
        elif chance < 0.5 and isinstance(holder, dict):
            holder[self.random.choice(COMMON)] = holder.pop(key)
        else:
            holder[key] = self.value()
        return value

    def _place(self, holder: Any) -> tuple[Any, Any]:
        """A member or an item, with what holds it: near the top as often as far down."""
        while True:
            key = self.random.choice(
                list(holder) if isinstance(holder, dict) else range(len(holder))
            )
            inner = holder[key]
            if not isinstance(inner, dict | list) or not inner or self.random.random() < 0.25:
                return holder, key
            holder = inner

    def swap(self) -> Any:
        """Something else in the place of the whole."""
        self.count += 1
        return self.value()


def written(response: object) -> bytes:
    """The response as it comes over the wire, with what no encoder would write."""
    text = json.dumps(response)
    for name, raw in RAW.items():
        if name in text:
            text = text.replace(f'"{name}"', raw)
    return text.encode()


class Phone:
    """A device with an Olm channel to the bot, and Megolm sessions whose keys it sends there."""

    def __init__(self, guard: Guard, owner: Somebody) -> None:
        self.user_id = owner.user_id
        self.account: vodozemac.Account = owner.device.account
        self.bot_keys = dict(guard.olm.account.identity_keys)
        own = guard.olm.account
        own.generate_one_time_keys(1)
        one_time_key = list(own.one_time_keys["curve25519"].values())[-1]
        own.mark_keys_as_published()
        self.channel = self.account.create_outbound_session(
            vodozemac.Curve25519PublicKey.from_base64(self.bot_keys["curve25519"]),
            vodozemac.Curve25519PublicKey.from_base64(one_time_key),
        )
        self.renew()

    def renew(self) -> None:
        """Begin a new Megolm session."""
        self.session = vodozemac.GroupSession()
        self.session_key = self.session.session_key.to_base64()

    def room_key(self, room_id: str) -> Json:
        """What goes into the Olm message that brings the session's key, from its beginning."""
        return {
            "type": "m.room_key",
            "content": {
                "algorithm": MEGOLM,
                "room_id": room_id,
                "session_id": self.session.session_id,
                "session_key": self.session_key,
            },
            "sender": self.user_id,
            "sender_device": "PHONE",
            "keys": {"ed25519": self.account.ed25519_key.to_base64()},
            "recipient": BOT,
            "recipient_keys": {"ed25519": self.bot_keys["ed25519"]},
        }

    def to_device(self, payload: object) -> Json:
        """A to-device event with this inside real Olm ciphertext."""
        kind, body = self.channel.encrypt(written(payload)).to_parts()
        sealed = {"type": kind, "body": base64.b64encode(body).decode().rstrip("=")}
        content = {
            "algorithm": OLM,
            "sender_key": self.account.curve25519_key.to_base64(),
            "ciphertext": {self.bot_keys["curve25519"]: sealed},
        }
        return {"type": "m.room.encrypted", "sender": self.user_id, "content": content}

    def seal(self, payload: object, event_id: str, **more: Any) -> Json:
        """A room event with this inside real Megolm ciphertext."""
        plaintext = payload.encode() if isinstance(payload, str) else written(payload)
        content = {
            "algorithm": MEGOLM,
            "ciphertext": self.session.encrypt(plaintext).to_base64(),
            "sender_key": self.account.curve25519_key.to_base64(),
            "session_id": self.session.session_id,
            "device_id": "PHONE",
            **more,
        }
        return envelope("m.room.encrypted", self.user_id, content, event_id)


def envelope(kind: str, sender: str, content: Json, event_id: str) -> Json:
    """An event as servers send it."""
    outer = {"type": kind, "sender": sender, "event_id": event_id, "content": content}
    return {**outer, "origin_server_ts": 1_700_000_000_000, "unsigned": {"age": 1}}


def words(body: str, **more: Any) -> Json:
    """The content of a message with everything that a client may put there."""
    return {
        "msgtype": "m.text",
        "body": body,
        "format": "org.matrix.custom.html",
        "formatted_body": body,
        "m.mentions": {"user_ids": [BOT]},
        "m.relates_to": {
            "rel_type": "m.thread",
            "event_id": "$root",
            "is_falling_back": False,
            "m.in_reply_to": {"event_id": "$0"},
        },
        **more,
    }


def spoken(room_id: str, body: str = "!forget everything") -> Json:
    """The payload of an encrypted message."""
    return {"type": "m.room.message", "room_id": room_id, "content": words(body)}


Kind = Callable[[Phone, str, str], Json]

CLEAR: tuple[Kind, ...] = (
    lambda phone, room, name: envelope("m.room.message", phone.user_id, words("hi"), name),
    lambda phone, room, name: envelope(
        "m.room.message", phone.user_id, words("* hi", **{"m.new_content": words("hi")}), name
    ),
    lambda phone, room, name: envelope(
        "m.reaction", phone.user_id, {"m.relates_to": {"rel_type": "m.annotation"}}, name
    ),
    lambda phone, room, name: envelope(
        "m.key.verification.start", phone.user_id, {"method": "m.sas.v1"}, name
    ),
)
STATE: tuple[Kind, ...] = (
    lambda phone, room, name: {
        **envelope("m.room.member", EVE, {"membership": "join", "displayname": "Eve"}, name),
        "state_key": EVE,
        "unsigned": {"prev_content": {"membership": "invite"}, "age": 5},
    },
    lambda phone, room, name: {
        **envelope("m.room.power_levels", EVE, {"users": {EVE: 100}, "ban": 0}, name),
        "state_key": "",
    },
    lambda phone, room, name: {
        **envelope("m.room.encryption", ANN, {"algorithm": MEGOLM}, name),
        "state_key": "",
    },
)
TO_DEVICE: tuple[Json, ...] = (
    {
        "type": "m.room_key_request",
        "sender": EVE,
        "content": {"action": "request", "body": {"algorithm": MEGOLM, "room_id": HALL}},
    },
    {
        "type": "m.room_key.withheld",
        "sender": EVE,
        "content": {"algorithm": MEGOLM, "code": "m.unverified", "room_id": HALL},
    },
    {
        "type": "m.key.verification.request",
        "sender": EVE,
        "content": {
            "from_device": "PHONE",
            "methods": ["m.sas.v1"],
            "timestamp": 1_700_000_000_000,
            "transaction_id": "t",
        },
    },
    {
        "type": "m.key.verification.start",
        "sender": EVE,
        "content": {"method": "m.sas.v1", "hashes": ["sha256"], "transaction_id": "t"},
    },
)
