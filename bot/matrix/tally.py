"""What was dropped, as an operator sees it: counts by reason in the log, now and then."""

import logging
from collections import Counter
from collections.abc import Callable

EVERY = 60.0  # seconds between two lines: a stranger must not be able to fill the log

_log = logging.getLogger(__name__)


class Tally:
    """Tells of the drops that were counted since it told last; reasons are words of ours."""

    def __init__(self, drops: Counter[str], clock: Callable[[], float]) -> None:
        self._drops = drops
        self._clock = clock
        self._told: Counter[str] = Counter()
        self._again = clock()

    def tell(self, *, at_once: bool = False) -> None:
        """One line, if there is something new and the last line is old enough or it must be now."""
        new = self._drops - self._told
        if not new or (self._clock() < self._again and not at_once):
            return
        counts = ", ".join(f"{reason}: {count}" for reason, count in sorted(new.items()))
        total = self._drops.total()
        _log.info("dropped what came from others (%d since the start): %s", total, counts)
        self._told, self._again = self._drops.copy(), self._clock() + EVERY
