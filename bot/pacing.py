"""Patience with oneself: a few things at once, then one after the other at intervals."""

import asyncio
import time
from collections.abc import Awaitable, Callable

BURST = 5.0  # seconds' worth of turns that may be taken at once after a rest


class Pacing:
    """Gives turns that each cost some seconds; whoever comes too early waits."""

    def __init__(
        self,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._now = now
        self._sleep = sleep
        self._paid_until = now() - BURST

    async def turn(self, seconds: float) -> None:
        """Wait for a turn, which keeps the next one back for so many seconds."""
        now = self._now()
        begins = max(self._paid_until, now - BURST)
        self._paid_until = begins + seconds
        if begins > now:
            await self._sleep(begins - now)
