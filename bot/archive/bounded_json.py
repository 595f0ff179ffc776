"""JSON that somebody sent, read within bounds: so many bytes, so deep, and so much memory."""

import json
import math
import re
import sys
from dataclasses import dataclass
from typing import Any

from bot import import_words as words
from bot.archive.unpacking import LARGEST
from bot.errors import UsageError

FILLS = 700_000_000  # bytes of memory that reading a package may take
DIGITS = 18

# What the values take for each mark, in bytes, as CPython 3.11 lays them out: an object with one
# key 185, an empty list 56 and one with a value 88, a short string 64, a new key 100 in its object
# and among those that the parser remembers.
_COSTS = {b"{": 200, b"[": 100, b":": 80, b",": 70}

# What is behind up to a thousand strings whose characters take a byte each: one where they take
# more, for the widest of a string makes all of them as wide. An escape may stand for any.
_WIDE = re.compile(
    r'(?:[^"]++|"(?:[^"\\\u0100-\U0010ffff]++|\\[^u])*+"){0,1000}+("(?:[^"\\]++|\\.)*+")?',
    re.DOTALL,
)
_WIDEST = re.compile(r"[\U00010000-\U0010ffff]|\\u[dD][89a-fA-F]")


@dataclass(slots=True)
class Allowance:
    """How much memory is left for what is read; the files of one package share it."""

    left: int = FILLS

    def take(self, content: bytes) -> int:
        """Take what the values of a JSON text will fill at most, and say what is left after it.

        Of a string no more than a byte a character: see `take_wide`.
        """
        marks = sum(content.count(mark) * cost for mark, cost in _COSTS.items())
        self.left -= len(content) + marks
        return self.left

    def take_wide(self, text: str) -> int:
        """Take what strings fill whose characters take more than a byte, and say what is left."""
        at, end = -1, 0
        while at < end and self.left >= 0:
            found = _WIDE.match(text, at := end)
            assert found is not None, "it matches nothing, too"
            end = found.end()
            if found[1] is not None:
                begin = found.start(1)
                width = 4 if _WIDEST.search(text, begin, end) else 2
                self.left -= (width - 1) * (end - begin)
        return self.left


def parsed(content: bytes, allowance: Allowance) -> Any:
    """What the JSON says; UsageError where it is none, or made to break whoever reads it."""
    if len(content) > LARGEST or allowance.take(content) < 0:
        raise UsageError(words.TOO_LARGE_JSON)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(words.NOT_UTF8) from None
    # The text goes when it is read, its strings stay.
    if sys.getsizeof(text) - len(content) > allowance.take_wide(text):
        raise UsageError(words.TOO_LARGE_JSON)
    del content
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
