"""`!why`: which memories and earlier messages an answer used, and who wrote it."""

from bot import why_words
from bot.command import Command, CommandContext
from bot.errors import UsageError
from bot.messages import Reply, Where
from storage import Basis


async def _run(context: CommandContext) -> Reply:
    if context.arguments:
        raise UsageError(why_words.arguments_not_taken(context.prefix))
    pointed_at = context.message.reply_to is not None
    text = why_words.basis(await _meant(context), context.prefix, pointed_at=pointed_at)
    return Reply(text, repeats=True)


async def _meant(context: CommandContext) -> Basis:
    """The answer replied to, else the last one in this room, else the last of all."""
    traces, message = context.vault.traces, context.message
    if message.reply_to is not None:
        basis, without = await traces.answer(message.reply_to), why_words.no_answer
    else:
        here = await traces.last(message.room_id)
        basis, without = here or await traces.last(), why_words.no_answers_yet
    if basis is None:
        raise UsageError(without(context.prefix))
    return basis


WHY = Command(
    name="why",
    usage=("why",),
    summary="what an answer rests on: as a reply to it, or for my last one",
    where=Where.DIRECT,
    run=_run,
)
