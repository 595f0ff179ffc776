"""What was said in the demo's chat so far, the answer that a line waits for, files to and fro."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from bot.consent_words import MAY_I
from bot.demo.files import HOW, LARGEST, amount, keep, to_send
from bot.demo.person import Person, Seen
from bot.errors import AttachmentError, UsageError
from bot.greeting import HELLO

SEND = "/send"
ASIDES = (HELLO, MAY_I)  # how the bot begins what it says besides an answer


@dataclass(frozen=True, slots=True)
class Note:
    """What the demo itself says of a line that was not for the bot."""

    text: str


class Conversation:
    """The chat between the user and the bot, as the user's own client sees it.

    Files that the bot sends are saved in `folder` as they come.
    """

    def __init__(
        self, user: Person, room_id: str, folder: Path, on_change: Callable[[], None]
    ) -> None:
        self._user = user
        self._room_id = room_id
        self._folder = folder
        self._saved: Path | None = None  # the last one
        self._sent: str | None = None  # a file that the next line is a reply to
        self._on_change = on_change
        self._finished = asyncio.Event()
        self._answering: list[str] = []
        # What others said by event id; our own lines; what the demo says of them.
        self.messages: dict[str, Seen | str | Note] = {}
        user.on_seen = self._see

    async def say(self, line: str) -> list[Seen | Note]:
        """Say a line and wait for the finished answer: its files, its words, asides.

        `/send PATH` sends a file instead, and `/send` the last that was saved; the line after it
        is a reply to it.
        """
        self._show(f"own {len(self.messages)}", line)
        command, *path = line.split(maxsplit=1)
        if command == SEND:
            note = Note(await self._send("".join(path).strip() or str(self._saved or "")))
            self._show(f"note {len(self.messages)}", note)
            return [note]
        self._finished.clear()
        reply_to, self._sent = self._sent, None
        await self._user.say(self._room_id, line, reply_to=reply_to)
        await self._finished.wait()
        return await self._heard()

    async def _heard(self) -> list[Seen | Note]:
        """What was answered, its files saved."""
        keys, self._answering = self._answering, []
        heard: list[Seen | Note] = []
        for message in [one for key in keys if isinstance(one := self.messages[key], Seen)]:
            heard.append(await self._kept(message))
        return heard

    async def _kept(self, message: Seen) -> Seen:
        if message.file is None:
            return message
        try:
            file = await self._user.fetch(message, limit=LARGEST)
            self._saved = await asyncio.to_thread(keep, self._folder, file)
            kept = f"saved as {self._saved}"
        except (AttachmentError, OSError) as error:
            kept = f"{message.file.name} can't be saved: {error}"
        message = replace(message, file=replace(message.file, kept=kept))
        self._show(message.event_id, message)
        return message

    async def _send(self, path: str) -> str:
        if not path:
            return f"{HOW}."
        try:
            file = await asyncio.to_thread(to_send, path)
        except UsageError as error:
            return str(error)
        self._sent = await self._user.send(self._room_id, file)
        return (
            f"[sent {file.filename} ({amount(len(file.content))}): the next line, such as "
            "!import, is a reply to it]"
        )

    def _show(self, key: str, message: Seen | str | Note) -> None:
        self.messages[key] = message
        self._on_change()

    def _see(self, message: Seen) -> None:
        if message.room_id != self._room_id:
            return
        if message.event_id not in self.messages:
            self._answering.append(message.event_id)
        self._show(message.event_id, message)
        answers = message.event_id in self._answering  # else it says anew what was said before
        if answers and message.finished and message.file is None and not _is_aside(message):
            self._finished.set()


def _is_aside(message: Seen) -> bool:
    """Whether an answer is still to come, or was there before."""
    return message.text.removeprefix("**").startswith(ASIDES)
