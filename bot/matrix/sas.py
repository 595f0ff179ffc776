"""Emoji verification, the cryptography of it: we answer, somebody else began (m.sas.v1).

Pure: it takes the contents that came and gives those to send. Nothing in here decides that what
two people saw is the same; `mac` is called once a person has said so.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import vodozemac
from nio.crypto import Sas as NioSas

from bot.matrix.signed_json import canonical, is_ed25519, unpadded
from bot.matrix.untrusted import items, mapping, text

METHOD = "m.sas.v1"
AGREEMENT = "curve25519-hkdf-sha256"
HASH = "sha256"
MAC = "hkdf-hmac-sha256.v2"

# What nio calls otherwise than the specification's table, which clients show.
_NAMES = {"Wrench": "Spanner", "Thumbs up": "Thumbs Up", "Airplane": "Aeroplane"}

Json = Mapping[str, Any]


class Cancelled(Exception):  # noqa: N818 (an outcome of the protocol)
    """The verification ends here; `code` is what the other side is told."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Party:
    """One side: a device, its Ed25519 key and the master key of its owner's identity."""

    user_id: str
    device_id: str
    ed25519: str
    master_key: str

    @property
    def keys(self) -> dict[str, str]:
        """The keys that the other side is to trust, by the names that they go under."""
        named = {f"ed25519:{self.device_id}": self.ed25519}
        if self.master_key:
            named[f"ed25519:{self.master_key}"] = self.master_key
        return named


class Sas:
    """One verification, from the other side's `start` on."""

    def __init__(self, transaction_id: str, us: Party, them: Party, start: Json) -> None:
        """Raises Cancelled where the other side offers nothing that we can do."""
        offered = {
            "key_agreement_protocols": AGREEMENT,
            "hashes": HASH,
            "message_authentication_codes": MAC,
            "short_authentication_string": "decimal",
        }
        known = all(ours in items(start, name) for name, ours in offered.items())
        if text(start, "method") != METHOD or not known:
            raise Cancelled("m.unknown_method", "I can verify by emoji and numbers alone.")
        self._transaction_id = transaction_id
        self._us = us
        self._them = them
        self._start = start
        self._private = vodozemac.Sas()
        self._public: str = self._private.public_key.to_base64()
        self._shared: vodozemac.EstablishedSas | None = None
        self._seen: vodozemac.SasBytes | None = None

    def accept(self) -> dict[str, Any]:
        """What we choose, and a commitment to a key that we don't show yet."""
        try:
            committed = self._public.encode() + canonical(self._start)
        except ValueError:
            raise Cancelled("m.invalid_message", "The start has no canonical form.") from None
        both = [one for one in ("decimal", "emoji") if one in self._strings]
        return {
            "method": METHOD,
            "key_agreement_protocol": AGREEMENT,
            "hash": HASH,
            "message_authentication_code": MAC,
            "short_authentication_string": both,
            "commitment": unpadded(hashlib.sha256(committed).digest()),
        }

    def receive_key(self, content: Json) -> dict[str, Any]:
        """Our key, once theirs has come; from now on there is something to compare."""
        theirs = text(content, "key")
        if self._shared is not None or not is_ed25519(theirs):  # the form of any key of 32 bytes
            raise Cancelled("m.unexpected_message", "That was no time for this key.")
        try:
            self._shared = self._private.diffie_hellman(
                vodozemac.Curve25519PublicKey.from_base64(theirs)
            )
        except ValueError:
            raise Cancelled("m.invalid_message", "That key is none.") from None
        them = f"{self._them.user_id}|{self._them.device_id}|{theirs}"
        us = f"{self._us.user_id}|{self._us.device_id}|{self._public}"
        info = f"MATRIX_KEY_VERIFICATION_SAS|{them}|{us}|{self._transaction_id}"
        self._seen = self._shared.bytes(info)
        return {"key": self._public}

    @property
    def emoji(self) -> tuple[str, ...]:
        """Seven emoji with their names, for a person to compare; empty if only numbers are."""
        if self._seen is None or "emoji" not in self._strings:
            return ()
        table = [f"{picture} {_NAMES.get(name, name)}" for picture, name in NioSas.emoji]
        return tuple(table[index] for index in self._seen.emoji_indices)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The same as three numbers: names of emoji differ between clients."""
        return () if self._seen is None else tuple(self._seen.decimals)

    def mac(self) -> dict[str, Any]:
        """What makes the other side trust our keys: only after a person saw both sides' emoji."""
        ours, (shared, info) = self._us.keys, self._macs(self._us, self._them)
        macs = {name: shared.calculate_mac(key, info + name) for name, key in ours.items()}
        names = shared.calculate_mac(",".join(sorted(ours)), f"{info}KEY_IDS")
        return {"mac": macs, "keys": names}

    def check(self, content: Json) -> frozenset[str]:
        """Which of their keys this proves; Cancelled unless all that is claimed is proved."""
        shared, info = self._macs(self._them, self._us)
        macs = mapping(content, "mac")
        claimed = {name: self._them.keys.get(name) for name in macs}
        try:
            shared.verify_mac(",".join(sorted(macs)), f"{info}KEY_IDS", text(content, "keys"))
            for name, key in claimed.items():
                if key is not None:  # a key of theirs that we don't know is no lie
                    shared.verify_mac(key, info + name, text(macs, name))
        except ValueError:
            raise Cancelled("m.key_mismatch", "These are not the keys that I see.") from None
        return frozenset(key for key in claimed.values() if key is not None)

    @property
    def _strings(self) -> list[Any]:
        return items(self._start, "short_authentication_string")

    def _macs(self, whose: Party, other: Party) -> tuple[vodozemac.EstablishedSas, str]:
        if self._shared is None:
            raise Cancelled("m.unexpected_message", "The keys were not exchanged yet.")
        sides = f"{whose.user_id}{whose.device_id}{other.user_id}{other.device_id}"
        return self._shared, f"MATRIX_KEY_VERIFICATION_MAC{sides}{self._transaction_id}"
