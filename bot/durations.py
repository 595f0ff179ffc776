"""Spans of time as people write them: 90m, 12h, 30d."""

import re
from datetime import timedelta

_UNITS = {
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}
_WORDS = {"w": "week", "d": "day", "h": "hour", "m": "minute", "s": "second"}
# Six digits: a number without bound would overflow timedelta before it is compared.
_WRITTEN = re.compile(rf"([0-9]{{1,6}})([{''.join(_UNITS)}])")
_LONGEST = timedelta(days=36_500)


def parse_duration(text: str) -> timedelta:
    """One number and one unit (s, m, h, d, w); ValueError says how to write it."""
    written = _WRITTEN.fullmatch(text.strip().lower())
    span = int(written[1]) * _UNITS[written[2]] if written else timedelta()
    if not timedelta() < span <= _LONGEST:
        raise ValueError("must be a time such as 12h, 30d or 8w")
    return span


def in_words(span: timedelta) -> str:
    """A span as it is said: 30 days, 1 hour."""
    written = brief(span)
    count, unit = int(written[:-1]), _WORDS[written[-1]]
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def brief(span: timedelta) -> str:
    """The shortest way to write a span, in the largest unit that divides it: 7d as 1w."""
    name, unit = next(
        ((name, unit) for name, unit in _UNITS.items() if span % unit == timedelta()),
        ("s", _UNITS["s"]),
    )
    return f"{span // unit}{name}"
