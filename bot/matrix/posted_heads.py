"""The heads of the audit log as the audit room shows them, read from the homeserver anew."""

import logging
from contextlib import aclosing

from bot.matrix import own_events
from bot.matrix.http import Http
from bot.matrix.received_files import Open
from bot.matrix.untrusted import text

AUDIT = "org.confidant.audit"
MOST = 1_000  # heads, the newest
MOST_EVENTS = 50_000  # looked at: heads stand between the notices of a hundred entries
LONGEST = 10_000  # characters of a note

_log = logging.getLogger(__name__)


async def posted_heads(http: Http, read: Open, room_id: str, user_id: str) -> list[str]:
    """The notes of the heads that this user posted in a room, newest first.

    What was not encrypted is none of ours. How many of the rest can't be read is said in the log:
    their keys are gone, or the homeserver shows what was never sent. Of a room that the user is no
    longer in there is nothing. HomeserverError where the homeserver fails.
    """
    found, unread, looked_at = list[str](), 0, 0
    async with aclosing(own_events.encrypted_by(http, room_id, user_id)) as events:
        async for event in events:
            clear = await read(room_id, event)
            unread += clear is None
            note = text(clear.content, AUDIT, "head") if clear else ""
            found += [note] if 0 < len(note) <= LONGEST else []
            looked_at += 1
            if len(found) == MOST or looked_at == MOST_EVENTS:
                break
    if unread:
        _log.warning("%d of the bot's events in the audit room can't be read any more", unread)
    return found
