"""JSON in pieces, a row a line: good to read, to search and to compare, and never held as a whole.

The encoder keeps Python's lock while it is at one value. So the rows of a large vault are written
one by one, and everybody else is answered meanwhile.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Pieces = Iterable[str]


def text(value: Any) -> str:
    """One value on one line."""
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


def row(value: Any) -> tuple[str]:
    """One value as the only piece."""
    return (text(value),)


def lines(values: Iterable[Any]) -> Iterator[str]:
    """JSON lines: each value on a line of its own."""
    for value in values:
        yield text(value) + "\n"


def array(values: Iterable[Pieces]) -> Iterator[str]:
    """An array of values that come in pieces."""
    return _between("[", values, "]")


def mapping(values: Mapping[str, Pieces] | Iterable[tuple[str, Pieces]]) -> Iterator[str]:
    """An object of values that come in pieces."""
    named = values.items() if isinstance(values, Mapping) else values
    return _between("{", (_named(name, value) for name, value in named), "}")


def _named(name: str, value: Pieces) -> Iterator[str]:
    yield f"{text(name)}: "
    yield from value


def _between(opening: str, values: Iterable[Pieces], closing: str) -> Iterator[str]:
    before, end = f"{opening}\n", f"{opening}{closing}"
    for value in values:
        yield before
        yield from value
        before, end = ",\n", f"\n{closing}"
    yield end
