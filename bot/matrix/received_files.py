"""A file that somebody sent and points to later: fetched, decrypted and checked as messages are."""

from collections.abc import Awaitable, Callable, Mapping, Set
from typing import Any

from bot.errors import AttachmentError
from bot.matrix.events import ClearEvent
from bot.matrix.http import Http
from bot.matrix.media import download_encrypted
from bot.matrix.recalling import fetched
from bot.matrix.untrusted import text
from bot.messages import Attachment, Standing

Open = Callable[[str, Mapping[str, Any]], Awaitable[ClearEvent | None]]
"""Room id and event to the event in the clear, as the reader opens it; None where it can't."""


async def received_file(
    http: Http, read: Open, room_id: str, event_id: str, *, senders: Set[str], limit: int
) -> Attachment:
    """The file that one of the `senders` sent in that event, end-to-end encrypted.

    AttachmentError where it is gone, somebody else's, readable for others or too large.
    """
    event = await fetched(http, room_id, event_id)
    clear = await read(room_id, event) if event else None
    if clear is None:
        raise AttachmentError("The message that you replied to is gone, or I can't read it.")
    _check(clear, senders)
    return await download_encrypted(http, clear.content, limit=limit)


def _check(clear: ClearEvent, senders: Set[str]) -> None:
    if clear.sender not in senders:
        raise AttachmentError(
            "The message that you replied to is somebody else's: I take only what you sent "
            "yourself, or what I sent to you."
        )
    content = clear.content
    if clear.type != "m.room.message" or text(content, "msgtype") != "m.file":
        raise AttachmentError("The message that you replied to holds no file.")
    if not clear.encrypted or "file" not in content:
        raise AttachmentError("That file was sent unencrypted, so others could read or change it.")
    if clear.standing is not Standing.OWNED:
        raise AttachmentError("That file was sent from a session that you have not verified.")
