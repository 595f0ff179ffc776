"""Keys are shared where a message is likely soon, so that the message need not wait for them.

In a large room the first key takes seconds. Whatever fails here is tried again at the send.
"""

import asyncio
import logging
from typing import Protocol

from bot.errors import HomeserverError

ROOMS = 100  # that may wait; the one that waits longest is dropped

_log = logging.getLogger(__name__)


class Keys(Protocol):
    """The part of the room keys that is needed here."""

    async def share(self, room_id: str) -> None:
        """Give everybody who may read in a room its key, unless they have it."""
        ...


class Encrypted(Protocol):
    """The part of the remembered rooms that is needed here."""

    async def ever_encrypted(self, room_id: str) -> bool:
        """Whether this room was ever seen encrypted."""
        ...


class SharingAhead:
    """The rooms where a key will soon be wanted; `run` is the task that shares it."""

    def __init__(self, keys: Keys, remembered: Encrypted) -> None:
        self._keys = keys
        self._remembered = remembered
        self._rooms: dict[str, None] = {}
        self._news = asyncio.Event()

    def expect(self, room_id: str) -> None:
        """Something will be said in this room soon."""
        self._rooms[room_id] = None
        if len(self._rooms) > ROOMS:
            del self._rooms[next(iter(self._rooms))]
        self._news.set()

    async def run(self) -> None:
        """Share keys ahead, room by room, for as long as the bot runs."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._rooms:
                room_id = next(iter(self._rooms))
                del self._rooms[room_id]
                await self._share(room_id)

    async def _share(self, room_id: str) -> None:
        try:
            if await self._remembered.ever_encrypted(room_id):
                await self._keys.share(room_id)
        except HomeserverError as error:
            _log.info("a key could not be shared ahead: %s", error)
