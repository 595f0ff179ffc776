"""Whose identity changed, as the audit log has it: each change once, and its end once.

The end is seen, not reported: whoever shows the identity that they are known by has their memory
again, whether an operator accepted the new one or the homeserver shows the old one again. So no
crash can lose it, and another change after it is a new one.
"""

import asyncio
from collections.abc import Awaitable, Callable

from storage import Storage

Record = Callable[[], Awaitable[None]]


class Changes:
    """The changes that are in the audit log and have not ended yet."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._lock = asyncio.Lock()  # a person's rooms are answered side by side

    async def began(self, user_id: str, record: Record) -> None:
        """Record that somebody's identity changed, unless that is recorded."""
        async with self._lock:
            if not await self._noted(user_id):
                await record()
                await self._storage.set_state(noted(self._storage, user_id), "noted")

    async def ended(self, user_id: str, record: Record) -> bool:
        """Record that memory works again, if it was recorded that it paused; whether it was."""
        if not await self._noted(user_id):  # as for nearly everybody: no more than one look
            return False
        async with self._lock:
            paused = await self._noted(user_id)
            if paused:
                await record()
                await self._storage.clear_state(noted(self._storage, user_id))
            return paused

    async def paused(self, user_id: str) -> bool:
        """Whether somebody came with another identity, and with the known one not since."""
        return await self._noted(user_id)

    async def _noted(self, user_id: str) -> bool:
        return await self._storage.state(noted(self._storage, user_id)) is not None


def noted(storage: Storage, user_id: str) -> str:
    """Under which name it is kept that a change is in the audit log: it names nobody."""
    return f"identity changed {storage.person(user_id)}"
