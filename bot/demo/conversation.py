"""What was said in the demo's chat so far, and the answer that a line waits for."""

import asyncio
from collections.abc import Callable

from bot.demo.person import Person, Seen


class Conversation:
    """The chat between the user and the bot, as the user's own client sees it."""

    def __init__(self, user: Person, room_id: str, on_change: Callable[[], None]) -> None:
        self._user = user
        self._room_id = room_id
        self._on_change = on_change
        self._finished = asyncio.Event()
        self._answering: list[str] = []
        self.messages: dict[str, Seen | str] = {}  # what others said by event id; our own lines
        user.on_seen = self._see

    async def say(self, line: str) -> list[Seen]:
        """Say a line and wait for the finished answer: its files, then its words."""
        self._finished.clear()
        self._answering.clear()
        self.messages[f"own {len(self.messages)}"] = line
        self._on_change()
        await self._user.say(self._room_id, line)
        await self._finished.wait()
        return [one for key in self._answering if isinstance(one := self.messages[key], Seen)]

    def _see(self, message: Seen) -> None:
        if message.room_id != self._room_id:
            return
        if message.event_id not in self.messages:
            self._answering.append(message.event_id)
        self.messages[message.event_id] = message
        if message.finished and message.file is None:
            self._finished.set()
        self._on_change()
