"""What the bot says about memories: the lists of them, and what became of one."""

from collections.abc import Sequence
from datetime import datetime

from bot.replies import count
from storage import Memory, Revision


def none_yet(prefix: str) -> str:
    """`!memory` before there are any."""
    return (
        "I remember nothing about you yet. Tell me something, or add it yourself: "
        f"`{prefix}memory add I prefer short answers`."
    )


def number_wanted(prefix: str, line: str, given: str) -> str:
    """A number was needed and something else was typed."""
    wrong = f"“{given}” is not the number of a memory." if given else "The number is missing."
    return f"{wrong} Type it like this: `{prefix}{line}`."


def too_long(limit: int, length: int) -> str:
    """A memory is a sentence, not a page."""
    return (
        f"A memory may be up to {limit} characters long; yours has {length}. "
        "Please shorten it, or split it into several."
    )


def no_such(number: int, prefix: str) -> str:
    """A number that names nothing."""
    return f"There is no memory {number}. `{prefix}memory` lists those there are."


def page(
    memories: Sequence[Memory], *, page: int, pages: int, total: int, now: datetime, prefix: str
) -> str:
    """Memories, newest first: number, text, age, scope, uses."""
    head = f"I remember {count(total, 'thing', 'things')} about you"
    head += f" (page {page} of {pages}):" if pages > 1 else ":"
    lines = "\n".join(
        f"- **{one.memory_id}** {one.text} *({_facts(one, now)})*" for one in memories
    )
    more = f" · `{prefix}memory {page + 1}` for more" if page < pages else ""
    foot = f"`{prefix}memory show N` · `edit N TEXT` · `delete N` · `add TEXT`{more}"
    return f"{head}\n\n{lines}\n\n{foot}"


def detail(
    memory: Memory, revisions: Sequence[Revision], *, link: str | None, now: datetime
) -> str:
    """One memory with its source, what it said before, and how often it was used."""
    lines = [f"**Memory {memory.memory_id}**: {memory.text}", "", f"- {_facts(memory, now)}"]
    if memory.quote:
        lines.append(f"- your words: “{memory.quote}”")
    if link:
        lines.append(f"- from [this message]({link})")
    lines += [f"- until {one.changed_at:%Y-%m-%d %H:%M} UTC: “{one.text}”" for one in revisions]
    return "\n".join(lines)


def added(memory: Memory, prefix: str) -> str:
    """After `!memory add`."""
    number = memory.memory_id
    return f"Kept as memory {number}. Undo it with `{prefix}memory delete {number}`."


def edited(memory: Memory) -> str:
    """After `!memory edit`."""
    return f"Memory {memory.memory_id} now says: {memory.text}"


def deleted(numbers: Sequence[int], missing: Sequence[int], prefix: str) -> str:
    """After deleting by number: what went, and what was not there."""
    gone = f"Deleted, also from disk: {_listed(numbers)}." if numbers else "Nothing was deleted."
    gone += f" There is no memory {_listed(missing)}." if missing else ""
    kept = (
        " What you said to me stays among your stored messages: "
        f"`{prefix}forget N` erases a memory together with the message that it came from."
    )
    return gone + (kept if numbers else "")


def remembered(memories: Sequence[Memory], prefix: str) -> str:
    """The line under an answer that says what was saved, and how to undo it."""
    return "\n".join(
        f"\n\n*remembered: {one.text} · `{prefix}memory delete {one.memory_id}`*"
        for one in memories
    )


def forgotten(number: int, messages: int) -> str:
    """After `!forget N`."""
    with_it = f", and {count(messages, 'stored message', 'stored messages')} with it"
    return f"Forgotten, also on disk: memory {number}{with_it if messages else ''}."


def _facts(memory: Memory, now: datetime) -> str:
    said = {"person": "added by you", "model": "learned", "import": "imported"}[memory.origin]
    parts = [f"{said} {age(memory.created_at, now)}", f"{memory.room_kind} chat"]
    parts += ["pinned"] if memory.pinned else []
    return ", ".join([*parts, f"used {count(memory.uses, 'time', 'times')}"])


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(str(one) for one in numbers)


def age(since: datetime, now: datetime) -> str:
    """How long ago, in the largest whole unit."""
    seconds = max(0, int((now - since).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return "just now"
