"""The part of `!memory` that changes memories: add, edit, delete, pin, share."""

from collections.abc import Mapping, Sequence

from bot import approving, consent_words, memory_words
from bot.approving import Decided
from bot.command import CommandContext
from bot.errors import UsageError
from bot.memory_input import (
    Subcommand,
    existing,
    in_use,
    missing,
    number_and_text,
    numbers,
    one_number,
    sentence,
)
from bot.messages import Action, Effect, Reply, RoomKind
from bot.recall import usable
from storage import Memory, Named


async def _add(context: CommandContext, text: str) -> Reply:
    memory = await context.vault.memories.add(
        sentence(context, text, "memory add I prefer short answers"),
        origin="person",
        room_kind=context.room.kind,
        source_event_id=context.message.event_id,
        source_room_id=context.message.room_id,
    )
    target = f"memory {memory.memory_id}"
    if memory.source_event_id != context.message.event_id:
        effects = (Effect(Action.MEMORY_UPDATED, target=target, facts={"source": "added"}),)
        return Reply(memory_words.known_already(memory, context.prefix), effects=effects)
    effects = (Effect(Action.MEMORY_CREATED, target=target),)
    return Reply(memory_words.added(memory, context.prefix), effects=effects)


async def _edit(context: CommandContext, arguments: str) -> Reply:
    memory_id, text = number_and_text(context, arguments, "memory edit 3 I prefer long answers")
    before = await in_use(context, memory_id)
    memory = await context.vault.memories.edit(
        memory_id,
        text,
        changed_by="person",
        source_event_id=context.message.event_id,
        source_room_id=context.message.room_id,
        room_kind=RoomKind.DIRECT,
    )
    if memory is None:
        raise UsageError(missing(context, memory_id))
    effect = Effect(Action.MEMORY_UPDATED, target=f"memory {memory_id}")
    unshared = bool(before.shared_in)
    text = memory_words.edited(memory, context.prefix, unshared=unshared)
    return Reply(text, effects=(effect,))


async def _delete(context: CommandContext, arguments: str) -> Reply:
    """What waits for approval is rejected by it."""
    wanted, vault = numbers(context, arguments, "memory delete 3"), context.vault
    proposals = [one for one in await _all(context, wanted) if one.status == "pending"]
    done = await approving.decide(vault, proposals, yes=False) if proposals else Decided()
    rest = [one for one in wanted if one not in done.rejected]
    if not rest:
        return Reply(consent_words.rejected(done.rejected), effects=done.effects)
    gone = await _erased(context, rest)
    if not gone and len(wanted) == 1:
        raise UsageError(missing(context, wanted[0]))
    deleted = tuple(Effect(Action.MEMORY_DELETED, target=f"memory {one}") for one in gone)
    not_there = [one for one in rest if one not in gone]
    text = memory_words.deleted(gone, not_there)
    if done.rejected:
        text = f"{consent_words.rejected(done.rejected)}\n\n{text}"
    return Reply(text, effects=(*done.effects, *deleted))


async def _erased(context: CommandContext, memory_ids: Sequence[int]) -> list[int]:
    """Erase memories; the notices that asked about them leave their rooms. Those that existed."""
    spans, named = context.vault.spans, Named((), tuple(memory_ids))
    await context.let_go(named, await spans.preview(named))
    gone = await spans.forget(named)
    return [one for one in dict.fromkeys(memory_ids) if one in gone.taken.deleted]


async def _all(context: CommandContext, wanted: Sequence[int]) -> list[Memory]:
    found = [await context.vault.memories.get(one) for one in wanted]
    return [one for one in found if one is not None]


async def _pin(context: CommandContext, wanted: str) -> Reply:
    memory = await in_use(context, one_number(context, wanted, "memory pin 3"))
    text = memory_words.pinned(memory.memory_id, context.prefix)
    return await _pinning(context, memory, text, pinned=True)


async def _unpin(context: CommandContext, wanted: str) -> Reply:
    memory = await existing(context, one_number(context, wanted, "memory unpin 3"))
    text = memory_words.unpinned(memory.memory_id)
    return await _pinning(context, memory, text, pinned=False)


async def _pinning(context: CommandContext, memory: Memory, text: str, *, pinned: bool) -> Reply:
    number = memory.memory_id
    await context.vault.memories.pin(number, pinned=pinned)
    facts = {"pinned": pinned}
    return Reply(
        text, effects=(Effect(Action.MEMORY_UPDATED, target=f"memory {number}", facts=facts),)
    )


async def _share(context: CommandContext, wanted: str) -> Reply:
    """Typed in a shared room, it is about that room; its answer goes to the direct chat."""
    memory = await in_use(context, one_number(context, wanted, "memory share 3"))
    number, room = memory.memory_id, context.room
    if room.kind is RoomKind.DIRECT:
        return Reply(memory_words.where_shared(memory, context.prefix))
    if usable(memory, room):
        return Reply(memory_words.shared_already(number, context.prefix))
    await context.vault.memories.share(number, room.room_id)
    effect = Effect(Action.MEMORY_SHARED, target=f"memory {number}", facts={"shared": True})
    return Reply(memory_words.shared(number, room.room_id, context.prefix), effects=(effect,))


async def _unshare(context: CommandContext, wanted: str) -> Reply:
    """Typed in a shared room, it is about that room; in the direct chat about all of them."""
    memory = await existing(context, one_number(context, wanted, "memory unshare 3"))
    number, here = memory.memory_id, context.room.kind is RoomKind.SHARED
    rooms = [context.room.room_id] if here else _rooms(memory)
    done = [one for one in rooms if await context.vault.memories.unshare(number, one)]
    if not done:
        raise UsageError(memory_words.not_shared(number, context.prefix, here=here))
    facts = {"shared": False, "rooms": len(done)}
    effect = Effect(Action.MEMORY_SHARED, target=f"memory {number}", facts=facts)
    return Reply(memory_words.unshared(number, len(done)), effects=(effect,))


def _rooms(memory: Memory) -> list[str]:
    """The shared rooms where a memory may be used."""
    learned = [memory.source_room_id] if memory.room_kind == RoomKind.SHARED else []
    return list(dict.fromkeys([*memory.shared_in, *(one for one in learned if one)]))


CHANGING: Mapping[str, Subcommand] = {
    "add": _add,
    "edit": _edit,
    "delete": _delete,
    "pin": _pin,
    "unpin": _unpin,
    "share": _share,
    "unshare": _unshare,
}
