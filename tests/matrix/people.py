"""People with real keys, and a homeserver in memory that shows what they published."""

import json
from collections.abc import Mapping
from typing import Any

import vodozemac

from bot.matrix.chains import DeviceKeys
from bot.matrix.cross_signing import OwnDevice
from bot.matrix.identity import Identity
from bot.matrix.signed_json import canonical, is_ed25519, with_signature

Json = dict[str, Any]


class Device:
    """A device with a vodozemac account, as a client makes it."""

    def __init__(self, user_id: str, device_id: str) -> None:
        self.account = vodozemac.Account()
        self.keys = DeviceKeys(
            user_id,
            device_id,
            self.account.ed25519_key.to_base64(),
            self.account.curve25519_key.to_base64(),
        )

    @property
    def key_id(self) -> str:
        """The name of the device's signatures."""
        return f"ed25519:{self.keys.device_id}"

    def sign(self, signed: Json) -> str:
        """This device's signature of the object."""
        return self.account.sign(canonical(signed)).to_base64()

    def own(self) -> OwnDevice:
        """The device as the bot knows its own."""
        return OwnDevice(self.keys, self.sign)

    def payload(self) -> Json:
        """The device keys object as the client uploads it."""
        keys = self.keys
        bare = {
            "user_id": keys.user_id,
            "device_id": keys.device_id,
            "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
            "keys": {
                self.key_id: keys.ed25519,
                f"curve25519:{keys.device_id}": keys.curve25519,
            },
        }
        return with_signature(bare, self.sign(bare), user_id=keys.user_id, key_id=self.key_id)


class Somebody:
    """A person with an identity and one device that it has signed."""

    def __init__(self, user_id: str, device_id: str = "PHONE") -> None:
        self.user_id = user_id
        self.identity = Identity.generate(user_id)
        self.device = Device(user_id, device_id)
        self.devices: dict[str, Json] = {}
        self.add(self.device)

    def add(self, device: Device, *, signed: bool = True) -> None:
        """Upload a device, signed by this person or not."""
        payload = device.payload()
        if signed:
            payload = self.identity.self_signing.sign(payload, user_id=self.user_id)
        self.devices[device.keys.device_id] = payload

    def answer(self) -> Json:
        """What /keys/query says about this person, parsed anew so that tests may change it."""
        objects = self.identity.key_objects()
        answer = {
            "device_keys": {self.user_id: self.devices},
            "master_keys": {self.user_id: objects["master"]},
            "self_signing_keys": {self.user_id: objects["self_signing"]},
        }
        parsed: Json = json.loads(json.dumps(answer))
        return parsed


def together(*people: Somebody) -> Json:
    """One answer about several people."""
    answer: Json = {"device_keys": {}, "master_keys": {}, "self_signing_keys": {}}
    for somebody in people:
        for kind, entries in somebody.answer().items():
            answer[kind].update(entries)
    return answer


class KeysInMemory:
    """A homeserver's key API: shows what it was given, in the way Synapse does.

    `uia` is what it answers to an identity sent without authentication, once it has one or
    where `always_asks`; `password` is the one that then opens it.
    """

    def __init__(self, password: str = "secret", uia: Json | None = None) -> None:
        self.answer: Json = {"device_keys": {}}
        self.requests: list[tuple[str, Json]] = []
        self.password = password
        self.always_asks = False
        self.uia = uia or {"flows": [{"stages": ["m.login.password"]}], "session": "abc"}
        self.failing: dict[str, tuple[int, Json]] = {}

    @property
    def uploads(self) -> list[str]:
        """The last part of the paths of all requests that change something."""
        return [path for path, _ in self.requests if path != "query"]

    async def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> tuple[int, Json]:
        """Answer one request."""
        assert method == "POST"
        sent: Json = json.loads(json.dumps(body))
        path = path.removeprefix("/_matrix/client/v3/keys/")
        self.requests.append((path, sent))
        if path in self.failing:
            return self.failing[path]
        if path == "device_signing/upload":
            return self._take_identity(sent)
        if path == "signatures/upload":
            return self._take_signatures(sent)
        wanted = sent["device_keys"]
        shown = {
            kind: {user: entry for user, entry in entries.items() if user in wanted}
            for kind, entries in self.answer.items()
        }
        return 200, json.loads(json.dumps(shown))

    def _take_identity(self, sent: Json) -> tuple[int, Json]:
        auth = sent.pop("auth", None)
        if (self.answer.get("master_keys") or self.always_asks) and not self._opens(auth):
            return 401, self.uia
        for usage in ("master", "self_signing", "user_signing"):
            key = sent[f"{usage}_key"]
            self.answer.setdefault(f"{usage}_keys", {})[key["user_id"]] = key
        return 200, {}

    def _opens(self, auth: Json | None) -> bool:
        return (
            auth is not None
            and auth["password"] == self.password
            and auth["session"] == self.uia["session"]
            and auth["identifier"]["type"] == "m.id.user"
        )

    def _take_signatures(self, sent: Json) -> tuple[int, Json]:
        ((user_id, objects),) = sent.items()
        for name, signed in objects.items():
            known = self.answer["master_keys" if is_ed25519(name) else "device_keys"][user_id]
            if not is_ed25519(name):
                known = known[name]
            if canonical(known) != canonical(signed):
                return 200, {"failures": {user_id: {name: {"errcode": "M_INVALID_SIGNATURE"}}}}
            signatures = known.setdefault("signatures", {}).setdefault(user_id, {})
            signatures.update(signed["signatures"][user_id])
        return 200, {"failures": {}}
