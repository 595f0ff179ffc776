"""A room message belongs to the event in which it came first; in any other it is a replay."""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from storage import Reading


class KnownReadings(Protocol):
    """What survives a restart: in which event each message was read."""

    async def belongs_elsewhere(self, reading: Reading) -> bool:
        """Whether this message was read before, in another event."""
        ...

    async def keep(self, readings: Iterable[Reading]) -> None:
        """Keep new ones, all or nothing."""
        ...


class Replays:
    """Tells replays, and keeps what was read: of one sync all together, not message by message.

    The readings of a sync are kept before its events are accepted. After a crash in between the
    same events come again under the same ids, and those are no replays.
    """

    def __init__(self, known: KnownReadings) -> None:
        self._known = known
        self._new: dict[tuple[str, str, int], Reading] = {}
        self._one_by_one = asyncio.Lock()  # a look and what follows from it must not be torn apart

    async def is_one(self, reading: Reading) -> bool:
        """Whether this message was read in another event; if not, it belongs to this one."""
        key = (reading.sender_key, reading.session_id, reading.index)
        async with self._one_by_one:
            if key not in self._new and await self._known.belongs_elsewhere(reading):
                return True
            return self._new.setdefault(key, reading) != reading

    async def keep(self) -> None:
        """Keep what was read since the last time."""
        async with self._one_by_one:
            if self._new:
                await self._known.keep(self._new.values())
                self._new.clear()
