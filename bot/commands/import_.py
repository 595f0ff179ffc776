"""`!import`: bring back an export of mine, or bring what you said to ChatGPT, as a reply to it."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot import import_words as words
from bot import preferences
from bot.archive.reading import Brought, read
from bot.command import Command, CommandContext, Question, Said
from bot.errors import AttachmentError, BusyError, UsageError
from bot.messages import Action, Attachment, Effect, Reply, RoomKind, Where
from storage import (
    NOT_RESTORED,
    Fields,
    Merged,
    StorageFailure,
    WrongPassphrase,
    is_sealed,
    unseal,
)

EXPORT_BYTES = 51_000_000  # an export of ours has 50 MB at most, and its encryption some more
LARGE = 1_000_000  # bytes from which on a person is told how far it is
STAYS_OUT: Mapping[str, str] = {
    **NOT_RESTORED,
    "Settings that no command makes": "they say how far the bot was with something, such as a "
    "question, which is over",
    "Entries of your log that the bot's own log does not vouch for, or that say what an operator "
    "did": "nothing would prove that they are yours",
}
"""What of one's own export an empty vault is not made of, and why: docs/export.md says so, too."""


async def _run(context: CommandContext) -> Said:
    if context.arguments:
        raise UsageError(words.arguments_not_taken(context.prefix))
    if context.room.kind is RoomKind.SHARED:
        raise UsageError(words.only_in_direct_chat(context.prefix))
    event_id = context.message.reply_to
    if event_id is None:
        raise UsageError(words.no_reply(context.prefix))
    file = await _file(context, event_id)
    if is_sealed(file.content):
        return Question(words.ENCRYPTED, about=event_id)
    return await _apply(context, file.content)


async def _answered(context: CommandContext, passphrase: str) -> Said:
    """Go on with the file that was asked about, and what the person says opens it."""
    file = await _file(context, context.arguments)
    try:
        async with context.turn:
            content = await asyncio.to_thread(unseal, file.content, passphrase)
    except WrongPassphrase:
        return Question(words.NOT_OPENED, about=context.arguments)
    except StorageFailure as error:
        raise UsageError(words.unopened(str(error), context.prefix)) from None
    return await _apply(context, content)


async def _file(context: CommandContext, event_id: str) -> Attachment:
    largest = max(context.config.limits.attachment_bytes, EXPORT_BYTES)
    try:
        return await context.attachment(event_id, largest)
    except AttachmentError as error:
        raise UsageError(words.not_taken(str(error), context.prefix)) from None


async def _apply(context: CommandContext, content: bytes) -> Reply:
    if len(content) > LARGE:
        await context.say(words.READING)
    try:
        brought = await asyncio.to_thread(read, content)
    except BusyError:
        raise UsageError(words.busy(context.prefix)) from None
    if len(content) > LARGE:
        await context.say(words.MERGING)
    return await _merge(context, brought, len(content))


async def _merge(context: CommandContext, brought: Brought, size: int) -> Reply:
    own = await context.own_details(brought.tables["audit_detail"])
    is_own = bool(own) and brought.user_id == context.message.sender
    settings = [row for row in brought.tables["setting"] if preferences.is_choice(**row)]
    merged = await context.vault.merge(
        {**brought.tables, "audit_detail": own if is_own else [], "setting": settings},
        is_own=is_own,
        since=await _oldest(context),
        now=context.now(),
    )
    effect = Effect(Action.IMPORT_APPLIED, facts=_facts(merged, size, foreign=not brought.user_id))
    text = words.done(
        merged,
        brought.left_out,
        private=sum(map(_is_private, settings)),
        foreign=not brought.user_id,
        prefix=context.prefix,
    )
    return Reply(text, effects=(effect,))


async def _oldest(context: CommandContext) -> datetime | None:
    """From when on messages are kept."""
    span = await preferences.retention(context.vault, context.config)
    return None if span is None else context.now() - span


def _is_private(setting: Fields) -> bool:
    return preferences.is_of_private_room(setting["name"]) and setting["value"] == "on"


def _facts(merged: Merged, size: int, *, foreign: bool) -> dict[str, Any]:
    added = {table: merged.added[table] for table in ("memory", "turn", "audit_detail")}
    return {
        "bytes": size,
        "memories": added["memory"],
        "messages": added["turn"],
        "log": added["audit_detail"],
        "skipped": sum(merged.skipped.values()),
        "foreign": foreign,
        "restored": merged.is_restored,
    }


IMPORT = Command(
    name="import",
    usage=("import",),
    summary="bring back an export, or bring ChatGPT's: as a reply to the file",
    where=Where.DIRECT,
    run=_run,
    answered=_answered,
)
