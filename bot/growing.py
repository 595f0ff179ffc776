"""The text of an answer while a model writes it."""

import asyncio
from collections.abc import AsyncIterator

from bot.assistant import Answer


class Growing:
    """The text that a model has written so far, and how it ended."""

    def __init__(self) -> None:
        self.started = asyncio.Event()  # there is something to show, or nothing will come
        self.done = asyncio.Event()
        self._pieces: list[str] = []
        self._end: Answer | Exception | None = None

    async def read(self, answers: AsyncIterator[str | Answer]) -> None:
        """Read to the end; a failure is kept until what stands in the room has been tidied."""
        try:
            async for piece in answers:
                self._take(piece)
        except Exception as error:  # raised again by answer()
            self._end = error
        self.started.set()
        self.done.set()

    def _take(self, piece: str | Answer) -> None:
        if isinstance(piece, Answer):
            self._end = piece
            return
        self._pieces.append(piece)
        if piece.strip():
            self.started.set()

    def text(self) -> str:
        """What was written so far."""
        return "".join(self._pieces)

    def final_text(self) -> str:
        """The finished reply, or what there was of it when it failed."""
        return self._end.reply.text if isinstance(self._end, Answer) else self.text()

    @property
    def succeeded(self) -> bool:
        """Whether there is an answer."""
        return isinstance(self._end, Answer)

    def answer(self) -> Answer:
        """The finished answer; raises what ended the stream instead."""
        if isinstance(self._end, Exception):
            raise self._end
        assert self._end is not None, "an assistant ends with its Answer"
        return self._end
