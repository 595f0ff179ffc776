"""`!memory`: see, add, change and delete what the bot remembers about you."""

from bot import replies
from bot.command import Command, CommandContext
from bot.errors import UsageError
from bot.messages import Action, Effect, Reply, Where
from storage import Memory

PAGE = 10
TEXT_LIMIT = 1000  # characters; a memory is one sentence, and many of them share a prompt


async def _run(context: CommandContext) -> Reply:
    word, _, rest = context.arguments.partition(" ")
    rest = rest.strip()
    match word.lower():
        case "" | "list":
            return await _page(context, rest or "1")
        case number if number.isdecimal() and not rest:
            return await _page(context, number)
        case "show":
            return await _show(context, rest)
        case "add":
            return await _add(context, rest)
        case "edit":
            return await _edit(context, rest)
        case "delete":
            return await _delete(context, rest)
    raise UsageError(replies.usage(MEMORY, context.config.service.command_prefix))


async def _page(context: CommandContext, wanted: str) -> Reply:
    number = _number(context, wanted, "memory 2")
    total = await context.vault.memories.count()
    if total == 0:
        return Reply(replies.NO_MEMORIES)
    pages = -(-total // PAGE)
    page = min(max(number, 1), pages)
    memories = await context.vault.memories.page(limit=PAGE, offset=(page - 1) * PAGE)
    return Reply(
        replies.memory_page(
            memories,
            page=page,
            pages=pages,
            total=total,
            now=context.now(),
            prefix=context.config.service.command_prefix,
        )
    )


async def _show(context: CommandContext, wanted: str) -> Reply:
    memory = await _existing(context, _number(context, wanted, "memory show 3"))
    revisions = await context.vault.memories.revisions(memory.memory_id)
    source = memory.source_room_id and memory.source_event_id
    link = replies.link(memory.source_room_id or "", memory.source_event_id or "")
    return Reply(
        replies.memory_detail(memory, revisions, link=link if source else None, now=context.now())
    )


async def _add(context: CommandContext, text: str) -> Reply:
    memory = await context.vault.memories.add(
        _sentence(context, text, "memory add I prefer short answers"),
        origin="person",
        room_kind=context.room.kind,
        source_event_id=context.message.event_id,
        source_room_id=context.message.room_id,
    )
    return Reply(
        replies.memory_added(memory, context.config.service.command_prefix),
        effects=(Effect(Action.MEMORY_CREATED, target=f"memory {memory.memory_id}"),),
    )


async def _edit(context: CommandContext, arguments: str) -> Reply:
    wanted, _, text = arguments.partition(" ")
    example = "memory edit 3 I prefer long answers"
    number = _number(context, wanted, example)
    await _existing(context, number)
    text = _sentence(context, text, example)
    memory = await context.vault.memories.edit(number, text, changed_by="person")
    if memory is None:
        raise UsageError(_missing(context, number))
    effect = Effect(Action.MEMORY_UPDATED, target=f"memory {number}")
    return Reply(replies.memory_edited(memory), effects=(effect,))


async def _delete(context: CommandContext, arguments: str) -> Reply:
    wanted = arguments.replace(",", " ").split() or [""]
    numbers = [_number(context, one, "memory delete 3") for one in wanted]
    return await delete(context, list(dict.fromkeys(numbers)))


async def delete(context: CommandContext, numbers: list[int]) -> Reply:
    """Delete memories by number, for `!memory delete` and `!forget N`."""
    gone = await context.vault.memories.delete(numbers)
    if not gone and len(numbers) == 1:
        raise UsageError(_missing(context, numbers[0]))
    effects = tuple(Effect(Action.MEMORY_DELETED, target=f"memory {one}") for one in gone)
    missing = [one for one in numbers if one not in gone]
    return Reply(replies.memories_deleted(gone, missing), effects=effects)


async def _existing(context: CommandContext, number: int) -> Memory:
    memory = await context.vault.memories.get(number)
    if memory is None:
        raise UsageError(_missing(context, number))
    return memory


def _missing(context: CommandContext, number: int) -> str:
    return replies.no_such_memory(number, context.config.service.command_prefix)


def _number(context: CommandContext, given: str, example: str) -> int:
    digits = given.removeprefix("#")
    if digits.isdecimal() and digits.isascii() and len(digits) <= 15:
        return int(digits)
    prefix = context.config.service.command_prefix
    raise UsageError(replies.memory_number_wanted(prefix, example, given))


def _sentence(context: CommandContext, given: str, example: str) -> str:
    text = " ".join(given.split())
    prefix = context.config.service.command_prefix
    if not text:
        raise UsageError(replies.text_wanted(prefix, example))
    if len(text) > TEXT_LIMIT:
        raise UsageError(replies.memory_too_long(TEXT_LIMIT, len(text)))
    return text


MEMORY = Command(
    name="memory",
    usage=(
        "memory",
        "memory PAGE",
        "memory show N",
        "memory add TEXT",
        "memory edit N TEXT",
        "memory delete N [N…]",
    ),
    summary="what I remember about you: see, add, change, delete",
    where=Where.DIRECT,
    run=_run,
)
