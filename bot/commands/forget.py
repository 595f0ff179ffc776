"""`!forget`: say what goes, ask, then erase exactly that; or everything, with your vault's key."""

from bot import forget_words, memory_words
from bot.command import Command, CommandContext, Confirmation, number
from bot.durations import parse_duration
from bot.errors import UsageError
from bot.messages import Action, Effect, Reply, RoomKind, Where
from bot.witness import witnessed
from storage import Going, Named


async def _run(context: CommandContext) -> Reply | Confirmation:
    if context.arguments.casefold() == "everything":
        counts = await context.vault.counts()
        return Confirmation(forget_words.everything(counts, context.prefix), _erase)
    named, what = await _named(context, context.arguments.casefold())
    going = await context.vault.spans.preview(named)
    if not going:
        return Reply(forget_words.NOTHING)

    async def proceed(later: CommandContext) -> Reply:
        return await _forget(later, named, what)

    return Confirmation(forget_words.asks(what, going), proceed)


async def _named(context: CommandContext, wanted: str) -> tuple[Named, str]:
    """What was meant, and how that is said."""
    spans, room_id = context.vault.spans, context.room.room_id
    memory_id = number(wanted)
    if memory_id is not None:
        if await context.vault.memories.get(memory_id) is None:
            raise UsageError(memory_words.no_such(memory_id, context.prefix))
        return await spans.of_memory(memory_id), forget_words.one(memory_id)
    if wanted == "last":
        return await spans.last(room_id), forget_words.LAST
    if wanted == "room":
        direct = context.room.kind is RoomKind.DIRECT
        return await spans.of_room(room_id), forget_words.room(room_id, direct=direct)
    if wanted == "imported":
        return await spans.imported(), forget_words.IMPORTED
    try:
        span = parse_duration(wanted)
    except ValueError:
        given = context.arguments[:20]
        raise UsageError(forget_words.usage(context.prefix, given)) from None
    return await spans.since(context.now() - span), forget_words.since(span)


async def _forget(context: CommandContext, named: Named, what: str) -> Reply:
    """First it is noted what has to leave the rooms: once it is erased nobody would know."""
    vault = context.vault
    async with vault.memories.settling:  # no answer saves meanwhile what it learned of this
        await context.let_go(named, await vault.spans.preview(named))
        gone = await vault.spans.forget(named)
    done = Reply(forget_words.done(what, gone), effects=_effects(gone))
    return await witnessed(done, context.audit.head)


def _effects(gone: Going) -> tuple[Effect, ...]:
    facts = {"by": "command"}
    taken = gone.taken
    each = (
        *((Action.MEMORY_DELETED, one) for one in taken.deleted),
        *((Action.MEMORY_UPDATED, one) for one in taken.updated),
    )
    counts = {"messages": taken.messages, "memories": len(taken.deleted)}
    return (
        *(Effect(action, target=f"memory {one}", facts=facts) for action, one in each),
        Effect(Action.FORGET_DONE, facts={**facts, **counts}),
    )


async def _erase(context: CommandContext) -> Reply:
    return await context.erase()


FORGET = Command(
    name="forget",
    usage=(
        *("forget N", "forget last", "forget 7d", "forget room"),
        *("forget imported", "forget everything"),
    ),
    summary="erase a memory, the last exchange, a span of time, a room, an import, or everything",
    where=Where.DIRECT,
    run=_run,
)
