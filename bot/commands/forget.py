"""`!forget`: erase one memory, or everything with the key of your vault."""

from bot import memory_words, replies
from bot.command import Command, CommandContext, Confirmation, number
from bot.errors import UsageError
from bot.messages import Action, Effect, Reply, Where


async def _run(context: CommandContext) -> Reply | Confirmation:
    prefix = context.prefix
    wanted = context.arguments.lower()
    if wanted == "everything":
        return Confirmation(replies.forget_everything(await context.vault.counts(), prefix), _erase)
    memory_id = number(wanted)
    if memory_id is not None:
        return await _one(context, memory_id)
    raise UsageError(replies.forget_usage(prefix, context.arguments))


async def _one(context: CommandContext, memory_id: int) -> Reply:
    """Erase a memory, all messages that it or its former texts came from, and their answers."""
    vault = context.vault
    memory = await vault.memories.get(memory_id)
    if memory is None:
        raise UsageError(memory_words.no_such(memory_id, context.prefix))
    said = await vault.traces.sources(memory_id)
    messages = await vault.turns.delete(said) if said else 0
    await vault.memories.delete([memory_id])
    effect = Effect(
        Action.MEMORY_DELETED, target=f"memory {memory_id}", facts={"messages": messages}
    )
    return Reply(memory_words.forgotten(memory_id, messages), effects=(effect,))


async def _erase(context: CommandContext) -> Reply:
    destroyed = await context.erase()
    facts = {"memories": destroyed.memories, "messages": destroyed.turns, "bytes": destroyed.bytes}
    effects = (Effect(Action.VAULT_DESTROYED), Effect(Action.FORGET_DONE, facts=facts))
    return Reply(replies.forgotten(destroyed, context.now(), context.prefix), effects=effects)


FORGET = Command(
    name="forget",
    usage=("forget N", "forget everything"),
    summary="erase one memory, or everything at once",
    where=Where.DIRECT,
    run=_run,
)
