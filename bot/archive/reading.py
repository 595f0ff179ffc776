"""What somebody brings back: recognised, unpacked and checked; a sentence where it is not right.

Pure and slow: it runs in a thread. Nothing is believed of a file but what was checked, and nothing
of it is on disk at any time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from bot import import_words as words
from bot.archive.bounded_json import Allowance, parsed
from bot.archive.chatgpt_reading import conversations
from bot.archive.left_out import LeftOut
from bot.archive.unpacking import Package
from bot.archive.writing import SCHEMA, VERSION
from bot.errors import BusyError, UsageError
from storage import Tables, UnfitTables, checked

EXPORT, MANIFEST = "export.json", "manifest.json"
KEPT = 100_000_000  # characters of all messages: the vault, its index and an export copy them
_ZIP = b"PK"

# What is read may fill a gigabyte: one after the other, and nobody waits in a thread for it.
_turn = Lock()


@dataclass(frozen=True, slots=True)
class Brought:
    """What a file holds for a vault, and of whom, as it says; ChatGPT's is of nobody."""

    user_id: str
    tables: Tables = field(repr=False)
    left_out: Mapping[LeftOut, int] = field(default_factory=dict)


def read(content: bytes) -> Brought:
    """An export of ours or of ChatGPT's, packed or bare; call it in a thread.

    UsageError says what is wrong with any other; BusyError that one is read already.
    """
    if not _turn.acquire(blocking=False):
        raise BusyError
    try:
        if content.startswith(_ZIP):
            return _packed(Package(content))
        return _recognised(parsed(content, Allowance()))
    finally:
        _turn.release()


def _packed(package: Package) -> Brought:
    allowance = Allowance()
    if {EXPORT, MANIFEST} & package.names:
        if not {EXPORT, MANIFEST} <= package.names:
            raise UsageError(words.INCOMPLETE)
        _check_against_manifest(package, allowance)
        return _ours(parsed(package.read(EXPORT), allowance))
    talk = sorted(name for name in package.names if _holds_conversations(name))
    if not talk:
        raise UsageError(words.UNKNOWN_ZIP)
    return _theirs(_listed(parsed(package.read(name), allowance)) for name in talk)


def _holds_conversations(name: str) -> bool:
    """Large exports of ChatGPT hold conversations-000.json and so on."""
    file = name.rpartition("/")[2]
    middle = file.removeprefix("conversations").removesuffix(".json")
    return f"conversations{middle}.json" == file and (not middle or middle[1:].isdecimal())


def _check_against_manifest(package: Package, allowance: Allowance) -> None:
    manifest = parsed(package.read(MANIFEST), allowance)
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(files, dict) or files.keys() | {MANIFEST} != package.names:
        raise UsageError(words.INCOMPLETE)
    for name, said in files.items():
        digest, size = package.measured(name)
        if not isinstance(said, dict) or (said.get("sha256"), said.get("bytes")) != (digest, size):
            raise UsageError(words.WRONG_HASH)


def _recognised(document: Any) -> Brought:
    if isinstance(document, dict) and "schema" in document:
        return _ours(document)
    return _theirs([_listed(document)])


def _ours(document: Any) -> Brought:
    schema = document.get("schema") if isinstance(document, dict) else None
    if not isinstance(schema, str) or not schema.startswith(SCHEMA):
        raise UsageError(words.UNKNOWN_JSON)
    if schema != SCHEMA + VERSION:
        raise UsageError(words.NEWER)
    user_id = document.get("user_id")
    try:
        tables = checked(document.get("tables"))
    except UnfitTables as error:
        raise UsageError(words.unfit(str(error))) from None
    return Brought(user_id if isinstance(user_id, str) else "", tables)


def _listed(document: Any) -> list[Any]:
    found = document.get("conversations") if isinstance(document, dict) else document
    if not isinstance(found, list):
        raise UsageError(words.UNKNOWN_JSON)
    return found


def _theirs(files: Iterable[list[Any]]) -> Brought:
    turns, left_out = conversations(files)
    if sum(len(turn["text"]) for turn in turns) > KEPT:
        raise UsageError(words.TOO_LARGE_JSON)
    return Brought("", checked({"turn": turns}), left_out)
