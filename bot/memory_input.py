"""What is typed behind `!memory`: numbers, sentences, or one sentence that says what is wrong."""

from collections.abc import Awaitable, Callable

from bot import memory_words, replies
from bot.command import CommandContext, first_word, number
from bot.errors import UsageError
from bot.messages import Reply
from storage import Memory

TEXT_LIMIT = 1000  # characters; a memory is one sentence, and many of them share a prompt

Subcommand = Callable[[CommandContext, str], Awaitable[Reply]]
"""Runs with what follows its word."""


def one_number(context: CommandContext, given: str, example: str) -> int:
    """The number that was typed."""
    found = number(given)
    if found is None:
        raise UsageError(memory_words.number_wanted(context.prefix, example, given))
    return found


def numbers(context: CommandContext, given: str, example: str) -> list[int]:
    """One or more numbers, with spaces or commas between them, each once."""
    words = given.replace(",", " ").split() or [""]
    return list(dict.fromkeys(one_number(context, word, example) for word in words))


def number_and_text(context: CommandContext, given: str, example: str) -> tuple[int, str]:
    """A number and a sentence behind it."""
    wanted, text = first_word(given)
    return one_number(context, wanted, example), sentence(context, text, example)


def sentence(context: CommandContext, given: str, example: str) -> str:
    """A sentence on one line, no longer than a memory may be."""
    text = " ".join(given.split())
    if not text:
        raise UsageError(replies.text_wanted(context.prefix, example))
    if len(text) > TEXT_LIMIT:
        raise UsageError(memory_words.too_long(TEXT_LIMIT, len(text)))
    return text


async def existing(context: CommandContext, memory_id: int) -> Memory:
    """The asker's memory with this number."""
    memory = await context.vault.memories.get(memory_id)
    if memory is None:
        raise UsageError(missing(context, memory_id))
    return memory


async def in_use(context: CommandContext, memory_id: int) -> Memory:
    """The same, if it is approved."""
    memory = await existing(context, memory_id)
    if memory.status == "pending":
        raise UsageError(memory_words.waits(memory_id, context.prefix))
    return memory


def missing(context: CommandContext, memory_id: int) -> str:
    """That there is no such memory."""
    return memory_words.no_such(memory_id, context.prefix)
