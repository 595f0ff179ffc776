"""Reading JSON that a stranger wrote."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.matrix.untrusted import items, loads, mapping, number, text, too_deep

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda s: st.lists(s) | st.dictionaries(st.text(), s),
)


def nested(depth: int, inside: Any = "x") -> Any:
    for _ in range(depth):
        inside = [inside]
    return inside


@given(JSON)
def test_ordinary_json_is_parsed_as_it_is(value: Any) -> None:
    assert loads(json.dumps(value).encode()) == value


def test_json_too_deep_for_the_parser_loses_only_its_depth() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    raw = f'{{"before": 1, "deep": {deep}, "text": "[[\\"", "after": [2]}}'

    parsed = loads(raw.encode())

    assert (parsed["before"], parsed["text"], parsed["after"]) == (1, '[["', [2])
    assert too_deep(parsed["deep"])


def test_an_integer_too_long_for_the_parser_is_null_and_costs_nothing_else() -> None:
    parsed = loads(b'{"before": 12, "long": -' + b"1" * 5_000 + b', "after": "x"}')

    assert parsed == {"before": 12, "long": None, "after": "x"}


@pytest.mark.parametrize("raw", [b"", b"<html>", b'{"a":', b"[" * 100_000, b"\xff\xfe\xfd"])
def test_what_is_no_json_is_a_value_error(raw: bytes) -> None:
    with pytest.raises((json.JSONDecodeError, UnicodeDecodeError)):
        loads(raw)


@pytest.mark.parametrize(("depth", "expected"), [(0, False), (64, False), (65, True), (900, True)])
def test_depth_is_counted(depth: int, expected: bool) -> None:
    assert too_deep(nested(depth)) is expected
    assert too_deep({"a": nested(depth - 1)} if depth else "x") is expected


@given(JSON, st.lists(st.text(), max_size=3))
def test_reading_never_raises_and_keeps_its_type(value: Any, keys: list[str]) -> None:
    assert isinstance(mapping(value, *keys), dict)
    assert isinstance(items(value, *keys), list)
    assert isinstance(text(value, *keys), str)
    assert type(number(value, *keys)) is int


def test_reading_finds_what_is_there() -> None:
    event = {"content": {"body": "hello", "users": ["a"], "count": 3, "yes": True}}

    assert text(event, "content", "body") == "hello"
    assert items(event, "content", "users") == ["a"]
    assert number(event, "content", "count") == 3
    assert number(event, "content", "yes") == 0
    assert mapping(event, "content", "body") == {}
