"""The side that begins an emoji verification, written from the specification alone."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import vodozemac

Json = dict[str, Any]


class Initiator:
    """A person's client: `keys` are the names and values of the keys that it vouches for."""

    def __init__(self, user_id: str, device_id: str, keys: Mapping[str, str]) -> None:
        self.user_id = user_id
        self.device_id = device_id
        self.keys = dict(keys)
        self.sas = vodozemac.Sas()
        self.public = self.sas.public_key.to_base64()
        self.established: vodozemac.EstablishedSas | None = None
        self.commitment = ""
        self.start: Json = {
            "from_device": device_id,
            "method": "m.sas.v1",
            "key_agreement_protocols": ["curve25519-hkdf-sha256", "curve25519"],
            "hashes": ["sha256"],
            "message_authentication_codes": ["hkdf-hmac-sha256.v2", "hkdf-hmac-sha256"],
            "short_authentication_string": ["decimal", "emoji"],
        }

    def accepted(self, accept: Json) -> Json:
        """Take the commitment and show our key."""
        self.commitment = accept["commitment"]
        return {"key": self.public}

    def key(self, content: Json, bot: str, device: str, transaction_id: str) -> list[int]:
        """Take their key, which must be the one committed to; the numbers of the emoji."""
        text = json.dumps(self.start, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
        digest = hashlib.sha256((content["key"] + text).encode()).digest()
        assert vodozemac.Curve25519PublicKey.from_bytes(digest).to_base64() == self.commitment
        theirs = vodozemac.Curve25519PublicKey.from_base64(content["key"])
        self.established = self.sas.diffie_hellman(theirs)
        info = (
            f"MATRIX_KEY_VERIFICATION_SAS|{self.user_id}|{self.device_id}|{self.public}"
            f"|{bot}|{device}|{content['key']}|{transaction_id}"
        )
        shown = self.established.bytes(info)
        return [*shown.emoji_indices, *shown.decimals]

    def mac(self, bot: str, device: str, transaction_id: str) -> Json:
        """Vouch for our keys."""
        assert self.established is not None
        sides = f"{self.user_id}{self.device_id}{bot}{device}{transaction_id}"
        info = f"MATRIX_KEY_VERIFICATION_MAC{sides}"
        calculate = self.established.calculate_mac
        return {
            "mac": {name: calculate(key, info + name) for name, key in self.keys.items()},
            "keys": calculate(",".join(sorted(self.keys)), f"{info}KEY_IDS"),
        }

    def check(
        self, content: Json, bot: str, device: str, transaction_id: str, keys: Mapping[str, str]
    ) -> None:
        """Check what they vouch for; raises if it is not exactly these keys."""
        assert self.established is not None
        sides = f"{bot}{device}{self.user_id}{self.device_id}{transaction_id}"
        info = f"MATRIX_KEY_VERIFICATION_MAC{sides}"
        assert content["mac"].keys() == keys.keys()
        for name, key in keys.items():
            self.established.verify_mac(key, info + name, content["mac"][name])
        self.established.verify_mac(",".join(sorted(keys)), f"{info}KEY_IDS", content["keys"])
