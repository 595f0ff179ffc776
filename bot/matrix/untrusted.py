"""JSON that somebody else wrote: read without trusting its types, sizes or depth."""

import json
import re
from typing import Any

MAX_DEPTH = 64
"""Deeper JSON inside an event is no message of a person; it is made to break parsers."""

_PARSED_DEPTH = 128  # of a whole answer: an event at its limit, and what the server wraps around it
_LONGEST_INTEGER = 1_000
_STRUCTURE = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]')


def loads(raw: bytes) -> Any:
    """Parse JSON; what is too deep or too long for Python's parser becomes null, and no error.

    Raises ValueError for what is no JSON.
    """
    try:
        return json.loads(raw)
    except (RecursionError, ValueError) as error:
        if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
            raise
    return json.loads(_flattened(raw), parse_int=_integer)


def _integer(digits: str) -> int | None:
    """None for a length at which Python refuses to read on: its own limit is 4,300 digits."""
    return int(digits) if len(digits) <= _LONGEST_INTEGER else None


def _flattened(raw: bytes) -> bytes:
    """The same JSON with everything deeper than the limit replaced by null."""
    kept, depth, position = bytearray(), 0, 0
    for token in _STRUCTURE.finditer(raw):
        if token[0] in b"[{":
            depth += 1
            if depth == _PARSED_DEPTH + 1:
                kept += raw[position : token.start()] + b"null"
        elif token[0] in b"]}":
            depth -= 1
            if depth == _PARSED_DEPTH:
                position = token.end()
    return bytes(kept + raw[position:])


def too_deep(value: object, limit: int = MAX_DEPTH) -> bool:
    """Whether this nests deeper than `limit`; never by recursion."""
    level = [value]
    for _ in range(limit):
        level = [item for holder in level for item in _children(holder)]
        if not level:
            return False
    return any(isinstance(item, (dict, list)) for item in level)


def _children(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def mapping(value: object, *keys: str) -> dict[str, Any]:
    """The object under these keys; empty where anything on the way is none."""
    found = member(value, *keys)
    return found if isinstance(found, dict) else {}


def items(value: object, *keys: str) -> list[Any]:
    """The list under these keys; empty where anything on the way is none."""
    found = member(value, *keys)
    return found if isinstance(found, list) else []


def text(value: object, *keys: str) -> str:
    """The string under these keys; empty where anything on the way is none.

    Half of a surrogate pair, which JSON can spell but UTF-8 can't, becomes a question mark.
    """
    found = member(value, *keys)
    return found.encode(errors="replace").decode() if isinstance(found, str) else ""


def errcode(answer: object) -> str:
    """The code of a refusal; empty where what is there could be words meant for a person."""
    found = text(answer, "errcode")
    return found if re.fullmatch(r"[A-Z0-9_.]{1,64}", found) else ""


def name(found: str) -> str:
    """An id as it may stand in a sentence: one word, of what ids are made of."""
    return found if re.fullmatch(r"[\w@:.=/+-]{1,255}", found, re.ASCII) else "another"


def number(value: object, *keys: str) -> int:
    """The integer under these keys; 0 where anything on the way is none."""
    found = member(value, *keys)
    return found if isinstance(found, int) and not isinstance(found, bool) else 0


def member(value: object, *keys: str) -> object:
    """What is under these keys, or None where anything on the way is no object."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
