"""A few at once, then one after the other."""

from bot.pacing import BURST, Pacing
from tests.spine import Stopwatch


async def test_a_long_rest_earns_no_more_than_a_small_burst() -> None:
    stopwatch = Stopwatch()
    pacing = Pacing(now=stopwatch, sleep=stopwatch.sleep)
    stopwatch.seconds = 3600.0

    taken = []
    for _ in range(10):
        await pacing.turn(1.0)
        taken.append(stopwatch.seconds - 3600)

    assert taken == [0.0] * (int(BURST) + 1) + [1.0, 2.0, 3.0, 4.0]


async def test_who_comes_rarely_never_waits() -> None:
    stopwatch = Stopwatch()
    pacing = Pacing(now=stopwatch, sleep=stopwatch.sleep)

    for hour in range(20):
        stopwatch.seconds = hour * 3600.0
        await pacing.turn(BURST)
        assert stopwatch.seconds == hour * 3600
