"""Signed heads of the log, in the C2SP formats tlog-checkpoint and signed-note, with Ed25519.

The texts are what other logs and their witnesses use, so that tools from elsewhere can check ours.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from Crypto.Signature import eddsa

from storage.errors import StorageFailure

HASH_BYTES = 32
KEY_ID_BYTES = 4
ED25519 = b"\x01"  # the type of a key and its signatures in a signed note
BEFORE_SIGNATURE = "— "
NEXT_SIGNATURE = f"\n{BEFORE_SIGNATURE}"


# A head as a row of words: people indent and quote it, and some programs drop the empty line.
_WORD = re.compile(r'[^\s"<>]+')
_BEGUN = re.compile(r"org\.confidant\.audit/\S+ [0-9]+(?!\S)")
_NOTE = re.compile(
    r"(?<!\S)(\S+) ([0-9]+) ([A-Za-z0-9+/]{43}=)((?: — \S+ [A-Za-z0-9+/]+=*(?!\S))+)"
)


class UnfitHead(ValueError):  # noqa: N818 - the sentence is what matters, callers wrap it
    """A head can't be read, or this key didn't sign it; `str()` says which."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The root of the tree of the first `size` entries of the log called `origin`."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{_encoded(self.root)}\n"


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A checkpoint, and its text with the signature under it."""

    checkpoint: Checkpoint
    note: str


class HeadKey:
    """The key that signs heads and nothing else; it names the log, too."""

    __slots__ = ("_signer", "origin", "verifier_key")

    def __init__(self, seed: bytes) -> None:
        private = eddsa.import_private_key(seed)
        public = private.public_key().export_key(format="raw")
        self._signer = eddsa.new(private, "rfc8032")
        self.origin = f"org.confidant.audit/{hashlib.sha256(public).hexdigest()[:16]}"
        self.verifier_key = verifier_key(self.origin, public)

    def sign(self, size: int, root: bytes) -> SignedHead:
        """The head of the log's first entries. The same one is the same note, always."""
        checkpoint = Checkpoint(self.origin, size, root)
        return SignedHead(checkpoint, self.note(checkpoint.text))

    def note(self, text: str) -> str:
        """The text, which ends with a newline, signed."""
        identified = _key_id(self.verifier_key) + self._signer.sign(text.encode())
        return f"{text}\n{BEFORE_SIGNATURE}{self.origin} {_encoded(identified)}\n"


def verifier_key(name: str, public: bytes) -> str:
    """An Ed25519 key as signed notes write it: name, id and key."""
    typed = ED25519 + public
    key_id = hashlib.sha256(name.encode() + b"\n" + typed).digest()[:KEY_ID_BYTES]
    return f"{name}+{key_id.hex()}+{_encoded(typed)}"


def parsed(note: str) -> SignedHead:
    """The head as it stands, unchecked; UnfitHead if it is no checkpoint."""
    text, _ = _divided(note)
    lines = text.split("\n")
    try:
        origin, size, root = lines[:3]
        checkpoint = Checkpoint(origin, int(size), _decoded(root))
    except ValueError:
        raise UnfitHead("A head is no checkpoint.") from None
    as_written = checkpoint.text == "\n".join([*lines[:3], ""])
    if not as_written or checkpoint.size < 0 or len(checkpoint.root) != HASH_BYTES:
        raise UnfitHead("A head is no checkpoint.")
    return SignedHead(checkpoint, note)


def notes_in(text: str) -> list[str]:
    """Every head in a text that people copied together, or that is JSON, or has lines of JSON.

    StorageFailure where one of this program's begins and is not whole.
    """
    whole = _json(text)
    if whole is not None:
        return [note for one in _strings(whole) for note in _notes(one)]
    found, plain = list[str](), list[str]()
    for line in text.splitlines():
        content = _json(line)
        if content is None:
            plain.append(line)
        found += [note for one in _strings(content) for note in _notes(one)]
    # What is left may be JSON with something before or behind it.
    return found + _notes("\n".join(plain))


def opened(note: str, key: str) -> Checkpoint:
    """What the verifier key vouches for; UnfitHead if it doesn't."""
    checkpoint, name = parsed(note).checkpoint, key.split("+", maxsplit=1)[0]
    if checkpoint.origin != name:
        raise UnfitHead(f"A head is of another log ({checkpoint.origin}), not of {name}.")
    verify(note, key)
    return checkpoint


def signed_with(key: str, notes: Iterable[str]) -> list[str]:
    """Those of the heads that the verifier key vouches for."""
    return [note for note in notes if _is_opened(note, key)]


def verify(note: str, key: str) -> str:
    """The text of a note that the key signed; UnfitHead if it didn't."""
    name, _, typed = key.split("+", 2)
    text, signatures = _divided(note)
    for line in signatures:
        signer, _, encoded = line.removeprefix(BEFORE_SIGNATURE).partition(" ")
        if signer == name and _is_signed(text, encoded, key, _decoded(typed)):
            return text
    raise UnfitHead("A head has no signature of this log's key that fits.")


def _is_opened(note: str, key: str) -> bool:
    try:
        opened(note, key)
    except UnfitHead:
        return False
    return True


def _notes(text: str) -> list[str]:
    words = " ".join(_WORD.findall(text.replace("\\n", "\n").replace("\\u2014", "—")))
    found = _NOTE.findall(words)
    if len(found) < len(_BEGUN.findall(words)):
        raise StorageFailure(
            "One of the heads is not whole: copy it as the audit room or the export shows it, with "
            "the line that begins with a dash."
        )
    return [
        f"{origin}\n{size}\n{root}\n{signatures.replace(f' {BEFORE_SIGNATURE}', NEXT_SIGNATURE)}\n"
        for origin, size, root, signatures in found
    ]


def _json(text: str) -> object:
    """The object or array that the text is, or None."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _strings(content: object) -> Iterator[str]:
    rest = [content]
    while rest:
        one = rest.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            rest += one.values()
        elif isinstance(one, list):
            rest += one


def _is_signed(text: str, encoded: str, key: str, typed: bytes) -> bool:
    try:
        signature = _decoded(encoded)
        if signature[:KEY_ID_BYTES] != _key_id(key) or typed[:1] != ED25519:
            return False
        public = eddsa.import_public_key(typed[1:])
        eddsa.new(public, "rfc8032").verify(text.encode(), signature[KEY_ID_BYTES:])
    except ValueError:
        return False
    return True


def _divided(note: str) -> tuple[str, list[str]]:
    """The text and the lines with signatures, between which an empty line stands."""
    text, _, signatures = note.rpartition("\n\n")
    lines = signatures.split("\n")
    if not text or lines.pop() or not all(one.startswith(BEFORE_SIGNATURE) for one in lines):
        raise UnfitHead("A head is no signed note.")
    return f"{text}\n", lines


def _key_id(key: str) -> bytes:
    return bytes.fromhex(key.split("+", 2)[1])


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _decoded(text: str) -> bytes:
    """The bytes; ValueError if this is not the one way to write them."""
    content = base64.b64decode(text, validate=True)
    if _encoded(content) != text:
        raise ValueError("spare bits are set")
    return content
