"""Drops are told to operators: counted by reason, and never in as many lines as there were."""

import logging
from collections import Counter

import pytest

from bot.matrix.tally import EVERY, Tally


class Told:
    """A tally with a clock that a test moves."""

    def __init__(self) -> None:
        self.time = 0.0
        self.drops: Counter[str] = Counter()
        self.tally = Tally(self.drops, lambda: self.time)


def test_what_is_dropped_is_told_once_and_at_a_bounded_rate(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "bot.matrix.tally")
    told = Told()

    told.tally.tell()
    for _ in range(1_000):
        told.drops["malformed event"] += 1
        told.tally.tell()
    told.time += EVERY
    told.drops["replayed event"] += 2
    told.tally.tell()
    told.time += EVERY
    told.tally.tell()

    words = "dropped what came from others"
    assert caplog.messages == [
        f"{words} (1 since the start): malformed event: 1",
        f"{words} (1002 since the start): malformed event: 999, replayed event: 2",
    ]


def test_at_the_end_the_rest_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bot.matrix.tally")
    told = Told()
    told.drops["malformed event"] += 1
    told.tally.tell()
    told.drops["malformed event"] += 1

    told.tally.tell(at_once=True)
    told.tally.tell(at_once=True)

    assert len(caplog.messages) == 2
