"""`!memory`: see, search, change, share and approve what the bot remembers about you."""

import difflib
from collections.abc import Mapping

from bot import memory_words
from bot.command import Command, CommandContext, first_word, number
from bot.commands.memory_changing import CHANGING
from bot.commands.memory_consent import CONSENTING
from bot.errors import UsageError
from bot.memory_input import Subcommand, existing, one_number, sentence
from bot.messages import Reply, Where

PAGE = 10
FOUND = 20
USES = 5


async def _run(context: CommandContext) -> Reply:
    word, rest = first_word(context.arguments)
    if number(word) is not None and not rest:
        return await _page(context, word)
    subcommand = _SUBCOMMANDS.get(word.lower())
    if subcommand is None:
        near = difflib.get_close_matches(word.lower()[:20], _SUBCOMMANDS, n=1)
        raise UsageError(memory_words.no_such_word(word, near[0] if near else None, context.prefix))
    return await subcommand(context, rest)


async def _page(context: CommandContext, wanted: str) -> Reply:
    asked = one_number(context, wanted or "1", "memory 2")
    total = await context.vault.memories.count()
    waiting = memory_words.waiting(len(await context.vault.pending.all()), context.prefix)
    if total == 0:
        return Reply(memory_words.none_yet(context.prefix) + waiting)
    pages = -(-total // PAGE)
    page = min(max(asked, 1), pages)
    memories = await context.vault.memories.page(limit=PAGE, offset=(page - 1) * PAGE)
    text = memory_words.page(
        memories,
        page=page,
        pages=pages,
        total=total,
        now=context.now(),
        prefix=context.prefix,
    )
    return Reply(text + waiting, repeats=True)


async def _show(context: CommandContext, wanted: str) -> Reply:
    vault = context.vault
    memory = await existing(context, one_number(context, wanted, "memory show 3"))
    number = memory.memory_id
    history = memory_words.History(
        await vault.memories.revisions(number),
        await vault.traces.said(number),
        await vault.traces.uses(number, limit=USES),
    )
    text = memory_words.detail(memory, history, now=context.now(), prefix=context.prefix)
    return Reply(text, repeats=True)


async def _search(context: CommandContext, given: str) -> Reply:
    words = sentence(context, given, "memory search tea")
    hits = await context.vault.search.memories(words, limit=FOUND)
    memories = [hit.memory for hit in hits]
    text = memory_words.found(memories, words=words, now=context.now(), prefix=context.prefix)
    return Reply(text, repeats=True)


_SUBCOMMANDS: Mapping[str, Subcommand] = {
    "": _page,
    "list": _page,
    "show": _show,
    "search": _search,
    **CHANGING,
    **CONSENTING,
}


MEMORY = Command(
    name="memory",
    usage=(
        "memory",
        "memory PAGE",
        "memory show N",
        "memory search WORDS",
        "memory add TEXT",
        "memory edit N TEXT",
        "memory delete N [N…]",
        "memory pin N",
        "memory unpin N",
        "memory share N",
        "memory unshare N",
        "memory mode [auto|ask|manual|off]",
        "memory pending",
        "memory approve N [N…]|all",
        "memory reject N [N…]|all",
        "memory digest on|off",
    ),
    summary="what I remember about you: see, search, add, change, delete, share, approve",
    where=Where.DIRECT,
    run=_run,
)
