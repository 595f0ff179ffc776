"""JSON that somebody sent, read within bounds: so many bytes, so many values, so deep."""

import json
import math
from typing import Any

from bot import import_words as words
from bot.archive.unpacking import LARGEST
from bot.errors import UsageError

VALUES = 8_000_000  # commas and brackets: what is read takes some 60 bytes for each
DIGITS = 18


def parsed(content: bytes) -> Any:
    """What the JSON says; UsageError where it is none, or made to break whoever reads it."""
    if len(content) > LARGEST or sum(content.count(mark) for mark in (b",", b"[", b"{")) > VALUES:
        raise UsageError(words.TOO_LARGE_JSON)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(words.NOT_UTF8) from None
    try:
        return json.loads(text, parse_int=_integer, parse_float=_fraction, parse_constant=_none)
    except RecursionError:
        raise UsageError(words.TOO_DEEP) from None
    except json.JSONDecodeError:
        raise UsageError(words.NO_JSON) from None


def _integer(digits: str) -> int:
    if len(digits) > DIGITS:
        raise UsageError(words.IMPOSSIBLE_NUMBER)
    return int(digits)


def _fraction(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise UsageError(words.IMPOSSIBLE_NUMBER)
    return number


def _none(name: str) -> None:
    """NaN and Infinity are no JSON, though Python reads them."""
    raise UsageError(words.IMPOSSIBLE_NUMBER)
