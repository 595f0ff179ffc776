"""What was said in the demo's chat so far, and the answer that a line waits for."""

import asyncio
from collections.abc import Callable

from bot.consent_words import MAY_I
from bot.demo.person import Person, Seen
from bot.greeting import HELLO

ASIDES = (HELLO, MAY_I)  # how the bot begins what it says besides an answer


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
        """Say a line and wait for the finished answer: its files, its words, asides."""
        self._finished.clear()
        self.messages[f"own {len(self.messages)}"] = line
        self._on_change()
        await self._user.say(self._room_id, line)
        await self._finished.wait()
        heard = [one for key in self._answering if isinstance(one := self.messages[key], Seen)]
        self._answering.clear()
        return heard

    def _see(self, message: Seen) -> None:
        if message.room_id != self._room_id:
            return
        if message.event_id not in self.messages:
            self._answering.append(message.event_id)
        self.messages[message.event_id] = message
        if message.finished and message.file is None and not _is_aside(message):
            self._finished.set()
        self._on_change()


def _is_aside(message: Seen) -> bool:
    """Whether an answer is still to come, or was there before."""
    return message.text.removeprefix("**").startswith(ASIDES)
