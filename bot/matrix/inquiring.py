"""Whose devices are asked about while events are read: who names unknown ones costs one query."""

import math
from collections.abc import Callable, Iterable

from bot.errors import HomeserverError
from bot.matrix.guard import KeyMissing
from bot.matrix.http import TokenRevokedError
from bot.matrix.trust import Trust

ASK_AGAIN = 60.0  # seconds; the homeserver announces a change of devices, then it is asked at once


class Inquiry:
    """Asks about each person once in a pass over events, and about unknown devices once a minute.

    An event of a device that the homeserver did not show is only given up on if it was asked after
    the event had come: until then the device may be a new one.
    """

    def __init__(self, trust: Trust, clock: Callable[[], float]) -> None:
        self._trust = trust
        self._clock = clock
        self._pass_began = -math.inf
        self._asked_at: dict[str, float] = {}  # because of an unknown device
        self._failed: set[str] = set()  # in this pass

    def begin(self) -> None:
        """A pass begins: all its events have come by now."""
        self._pass_began = self._clock()
        self._failed.clear()
        due = self._pass_began - ASK_AGAIN
        self._asked_at = {one: at for one, at in self._asked_at.items() if at > due}

    def renew(self, user_ids: Iterable[str]) -> None:
        """Ask about these again at once: their devices changed, or no event may be put off."""
        for user_id in user_ids:
            self._asked_at.pop(user_id, None)
            self._failed.discard(user_id)

    async def know(self, user_id: str) -> None:
        """Learn somebody's devices, if they aren't known; KeyMissing where we can't ask now."""
        if user_id in self._failed:
            raise KeyMissing
        try:
            await self._trust.prepare([user_id])
        except TokenRevokedError:
            raise
        except HomeserverError:
            self._failed.add(user_id)
            raise KeyMissing from None

    async def anew(self, user_id: str) -> None:
        """The same for a device that isn't among those known; KeyMissing until it may be asked."""
        asked_at = self._asked_at.get(user_id, -math.inf)
        if asked_at < self._pass_began:
            if asked_at > self._pass_began - ASK_AGAIN:
                raise KeyMissing
            self._trust.invalidate([user_id])
            await self.know(user_id)
            self._asked_at[user_id] = self._clock()
        if user_id in self._trust.unreachable:
            raise KeyMissing
