"""What the weekly digest says."""

from collections.abc import Callable, Sequence
from datetime import datetime

from bot import memory_words
from bot.replies import count
from storage import Lately, Memory

MOST = 30  # memories of a kind that are listed; a week that brought more is read in `!memory`


def digest(lately: Lately, *, since: datetime, messages: int, prefix: str) -> str:
    """What is new, what changed, what ends soon, and how to undo each."""
    parts = [
        "**What I learned about you this week, and how to undo it** "
        f"(since {since:%Y-%m-%d}, as you asked)"
    ]
    parts += _section("New:", lately.new, prefix, _undo)
    parts += _section("Changed, and says now:", lately.changed, prefix, _look)
    parts += _section("Ends soon by itself:", lately.ending, prefix, _end)
    parts.append(
        f"I hold {count(messages, 'stored message', 'stored messages')} of our conversations. "
        f"`{prefix}memory` lists all that I remember, `{prefix}privacy` says what is kept, and "
        f"`{prefix}memory digest off` ends these digests."
    )
    return "\n\n".join(parts)


def _section(
    head: str, memories: Sequence[Memory], prefix: str, line: Callable[[Memory, str], str]
) -> list[str]:
    if not memories:
        return []
    lines = [f"- **{one.memory_id}** {line(one, prefix)}" for one in memories[:MOST]]
    if len(memories) > MOST:
        lines.append(f"- and {len(memories) - MOST} more: `{prefix}memory`")
    return ["\n".join([head, "", *lines])]


def _undo(memory: Memory, prefix: str) -> str:
    return f"{memory.text} · `{prefix}memory delete {memory.memory_id}`"


def _look(memory: Memory, prefix: str) -> str:
    return f"{memory.text} · {memory_words.back(memory.memory_id, prefix)}"


def _end(memory: Memory, prefix: str) -> str:
    return f"{memory.text} (until {memory.valid_until:%Y-%m-%d})"
