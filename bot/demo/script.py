"""The demo without a person at the keyboard: each line sent, each finished answer printed."""

import asyncio
from collections.abc import Sequence

from bot.demo.conversation import Conversation, Note
from bot.demo.files import amount
from bot.demo.person import Seen
from bot.demo.stage import Stage
from bot.errors import BotError

PATIENCE = 60.0  # seconds for one answer


async def play(stage: Stage, lines: Sequence[str]) -> None:
    """Send each line and print it after `> `, the answer below it; a file by where it was saved.

    Raises BotError when an answer doesn't come.
    """
    conversation = Conversation(stage.user, stage.room_id, stage.received, lambda: None)
    for line in lines:
        print(f"> {line}", flush=True)
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await conversation.say(line)
        except TimeoutError:
            raise BotError(f"No answer came within {PATIENCE:.0f} s.") from None
        print("\n".join(written(one) for one in answer) + "\n", flush=True)


def written(message: Seen | Note) -> str:
    """A message as text, a file by where it was saved, or its name, and its size."""
    if isinstance(message, Note) or message.file is None:
        return message.text
    return f"[{message.file.kept or message.file.name} ({amount(message.file.size)})]"
