"""Spans of time as people write them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bot.durations import brief, parse_duration


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("30d", timedelta(days=30)),
        ("12h", timedelta(hours=12)),
        ("90m", timedelta(minutes=90)),
        ("45s", timedelta(seconds=45)),
        ("8w", timedelta(weeks=8)),
        (" 7D ", timedelta(days=7)),
    ],
)
def test_a_number_and_a_unit_are_a_span(text: str, span: timedelta) -> None:
    assert parse_duration(text) == span


@pytest.mark.parametrize(
    "text",
    [
        "",
        "30",
        "d",
        "30 d",
        "-1d",
        "0d",
        "1.5h",
        "30days",
        "1d12h",
        "٣d",
        "999999w",
        "9" * 99 + "d",
    ],
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="such as 12h, 30d or 8w"):
        parse_duration(text)


@given(st.text())
def test_no_text_breaks_the_parser_and_every_span_leads_to_a_date(text: str) -> None:
    try:
        span = parse_duration(text)
    except ValueError:
        return

    assert datetime(2026, 1, 1, tzinfo=UTC) - span < datetime(2026, 1, 1, tzinfo=UTC)


@given(st.integers(min_value=1, max_value=999_999), st.sampled_from("smhdw"))
def test_what_brief_writes_reads_back_as_the_same_span(number: int, unit: str) -> None:
    assume(
        number * {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}[unit] <= 36_500 * 86_400
    )
    span = parse_duration(f"{number}{unit}")

    assert parse_duration(brief(span)) == span


def test_brief_takes_the_largest_unit_that_divides() -> None:
    assert brief(timedelta(days=30)) == "30d"
    assert brief(timedelta(days=7)) == "1w"
    assert brief(timedelta(hours=36)) == "36h"
