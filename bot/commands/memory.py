"""`!memory`: see, add, change and delete what the bot remembers about you."""

from bot import memory_words, replies
from bot.command import Command, CommandContext, number
from bot.errors import UsageError
from bot.messages import Action, Effect, Reply, Where
from storage import Memory

PAGE = 10
TEXT_LIMIT = 1000  # characters; a memory is one sentence, and many of them share a prompt


async def _run(context: CommandContext) -> Reply:
    word, rest = _first(context.arguments)
    match word.lower():
        case "" | "list":
            return await _page(context, rest or "1")
        case page if number(page) and not rest:
            return await _page(context, page)
        case "show":
            return await _show(context, rest)
        case "add":
            return await _add(context, rest)
        case "edit":
            return await _edit(context, rest)
        case "delete":
            return await _delete(context, rest)
    raise UsageError(replies.usage(MEMORY, context.prefix))


async def _page(context: CommandContext, wanted: str) -> Reply:
    asked = _number(context, wanted, "memory 2")
    total = await context.vault.memories.count()
    if total == 0:
        return Reply(memory_words.none_yet(context.prefix))
    pages = -(-total // PAGE)
    page = min(max(asked, 1), pages)
    memories = await context.vault.memories.page(limit=PAGE, offset=(page - 1) * PAGE)
    return Reply(
        memory_words.page(
            memories,
            page=page,
            pages=pages,
            total=total,
            now=context.now(),
            prefix=context.prefix,
        ),
        repeats=True,
    )


async def _show(context: CommandContext, wanted: str) -> Reply:
    memory = await _existing(context, _number(context, wanted, "memory show 3"))
    revisions = await context.vault.memories.revisions(memory.memory_id)
    source = memory.source_room_id and memory.source_event_id
    link = replies.link(memory.source_room_id or "", memory.source_event_id or "")
    return Reply(
        memory_words.detail(memory, revisions, link=link if source else None, now=context.now()),
        repeats=True,
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
        memory_words.added(memory, context.prefix),
        effects=(Effect(Action.MEMORY_CREATED, target=f"memory {memory.memory_id}"),),
    )


async def _edit(context: CommandContext, arguments: str) -> Reply:
    wanted, text = _first(arguments)
    example = "memory edit 3 I prefer long answers"
    memory_id = _number(context, wanted, example)
    text = _sentence(context, text, example)
    memory = await context.vault.memories.edit(memory_id, text, changed_by="person")
    if memory is None:
        raise UsageError(_missing(context, memory_id))
    effect = Effect(Action.MEMORY_UPDATED, target=f"memory {memory_id}")
    return Reply(memory_words.edited(memory), effects=(effect,))


async def _delete(context: CommandContext, arguments: str) -> Reply:
    wanted = arguments.replace(",", " ").split() or [""]
    numbers = [_number(context, one, "memory delete 3") for one in wanted]
    numbers = list(dict.fromkeys(numbers))
    gone = await context.vault.memories.delete(numbers)
    if not gone and len(numbers) == 1:
        raise UsageError(_missing(context, numbers[0]))
    effects = tuple(Effect(Action.MEMORY_DELETED, target=f"memory {one}") for one in gone)
    missing = [one for one in numbers if one not in gone]
    return Reply(memory_words.deleted(gone, missing, context.prefix), effects=effects)


async def _existing(context: CommandContext, memory_id: int) -> Memory:
    memory = await context.vault.memories.get(memory_id)
    if memory is None:
        raise UsageError(_missing(context, memory_id))
    return memory


def _missing(context: CommandContext, memory_id: int) -> str:
    return memory_words.no_such(memory_id, context.prefix)


def _number(context: CommandContext, given: str, example: str) -> int:
    found = number(given)
    if found is None:
        raise UsageError(memory_words.number_wanted(context.prefix, example, given))
    return found


def _first(text: str) -> tuple[str, str]:
    """The first word and what follows it."""
    word, *rest = text.split(maxsplit=1) or [""]
    return word, rest[0] if rest else ""


def _sentence(context: CommandContext, given: str, example: str) -> str:
    text = " ".join(given.split())
    if not text:
        raise UsageError(replies.text_wanted(context.prefix, example))
    if len(text) > TEXT_LIMIT:
        raise UsageError(memory_words.too_long(TEXT_LIMIT, len(text)))
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
