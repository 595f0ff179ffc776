"""What makes each person's client a witness of the audit log: its head in what they are told."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from bot import audit_replies
from bot.audit_view import HEAD
from bot.messages import Reply
from storage import SignedHead, StorageFailure

log = logging.getLogger(__name__)


async def witnessed(reply: Reply, head: Callable[[], Awaitable[SignedHead]]) -> Reply:
    """The reply with the log's head, where there is one to give."""
    return bearing(reply, await given(head))


async def given(head: Callable[[], Awaitable[SignedHead]]) -> SignedHead | None:
    """The head; None where it can't be had, for what was done is told all the same."""
    try:
        return await head()
    except StorageFailure:
        log.exception("the audit log has no head to give")
        return None


def bearing(reply: Reply, signed: SignedHead | None) -> Reply:
    """The reply with this head under it, and the signed note beside it for machines."""
    if signed is None:
        return reply
    line = audit_replies.head_line(signed.checkpoint.size, signed.checkpoint.root)
    fields = {**reply.fields, HEAD: signed.note}
    return replace(reply, text=f"{reply.text}\n\n{line}", fields=fields)
