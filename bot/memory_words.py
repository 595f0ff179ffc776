"""What the bot says about memories: the lists of them, and what became of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.replies import count, linked
from storage import Memory, Revision, Said

MOST = 10  # further messages and former texts of one memory that are shown, the newest


@dataclass(frozen=True, slots=True)
class History:
    """What is known of a memory besides itself: what it said before, who said it, what used it."""

    revisions: Sequence[Revision] = ()
    said: Sequence[Said] = ()
    uses: Sequence[Said] = ()


def none_yet(prefix: str) -> str:
    """`!memory` before there are any."""
    return (
        "I remember nothing about you yet. Tell me something, or add it yourself: "
        f"`{prefix}memory add I prefer short answers`."
    )


def no_such_word(word: str, near: str | None, prefix: str) -> str:
    """`!memory` with a word behind it that it does not take."""
    meant = f" Did you mean `{prefix}memory {near}`?" if near else ""
    return (
        f"`{prefix}memory` knows nothing called “{word[:20]}”.{meant} "
        f"`{prefix}help memory` lists all that it can do."
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
    more = f" · `{prefix}memory {page + 1}` for more" if page < pages else ""
    foot = (
        f"`{prefix}memory show N` · `edit N TEXT` · `delete N` · `pin N` · `share N` · "
        f"`search WORDS` · `add TEXT`{more}"
    )
    return f"{head}\n\n{_lines(memories, now)}\n\n{foot}"


def waiting(number: int, prefix: str) -> str:
    """Under a page: how much is not approved yet."""
    wait = "thing waits" if number == 1 else "things wait"
    return f"\n\n{number} more {wait} for your approval: `{prefix}memory pending`" if number else ""


def found(memories: Sequence[Memory], *, words: str, now: datetime, prefix: str) -> str:
    """`!memory search`: those that match, best first."""
    if not memories:
        return f"I remember nothing with “{words[:60]}” in it. `{prefix}memory` lists everything."
    foot = f"`{prefix}memory show N` tells where one comes from."
    return f"With “{words[:60]}”, best first:\n\n{_lines(memories, now)}\n\n{foot}"


def detail(memory: Memory, history: History, *, now: datetime, prefix: str) -> str:
    """One memory with its sources, what it said before, and the answers that used it."""
    number = memory.memory_id
    lines = [f"**Memory {number}**: {memory.text}", "", f"- {_facts(memory, now)}"]
    if memory.status == "pending":
        lines.append(
            "- it waits for your approval, and no answer uses it: "
            f"`{prefix}memory approve {number}` or `{prefix}memory reject {number}`"
        )
    if memory.quote:
        lines.append(f"- your words: “{memory.quote}”")
    if memory.source_room_id and memory.source_event_id:
        source = linked("this message", memory.source_room_id, memory.source_event_id)
        lines.append(f"- from {source}")
    said, revisions = history.said[-MOST:], history.revisions[-MOST:]
    lines += [f"- said again {_place(one, 'there')}: “{one.quote}”" for one in said]
    lines += [_revision(one) for one in revisions]
    if history.uses:
        answers = " · ".join(_place(one, "an answer") for one in history.uses)
        lines.append(f"- used last for {answers}")
    foot = (
        f"`{prefix}memory edit {number} TEXT` changes it, `{prefix}memory delete {number}` ends it."
    )
    return "\n".join([*lines, "", foot])


def _place(one: Said, words: str) -> str:
    return f"{linked(words, one.room_id, one.event_id)} ({one.at:%Y-%m-%d %H:%M} UTC)"


def _revision(one: Revision) -> str:
    by = {"person": "you", "model": "what you said", "import": "an import"}[one.changed_by]
    source = ""
    if one.source_room_id and one.source_event_id:
        source = f", from {linked('this message', one.source_room_id, one.source_event_id)}"
    return f"- until {one.changed_at:%Y-%m-%d %H:%M} UTC, changed by {by}: “{one.text}”{source}"


def added(memory: Memory, prefix: str) -> str:
    """After `!memory add`."""
    number = memory.memory_id
    return f"Kept as memory {number}. Undo it with `{prefix}memory delete {number}`."


def known_already(memory: Memory, prefix: str) -> str:
    """After `!memory add` of what is there."""
    number = memory.memory_id
    return f"That is memory {number} already. `{prefix}memory show {number}` shows it."


def edited(memory: Memory, prefix: str, *, unshared: bool) -> str:
    """After `!memory edit`; what a room was let know is what the memory said before."""
    number = memory.memory_id
    now = f"Memory {number} now says: {memory.text}"
    if unshared:
        now += (
            "\n\nIt is not shared with any room any more, since what it says is new: type "
            f"`{prefix}memory share {number}` in a room to share it there again."
        )
    return f"{now}\n\n{back(number, prefix)}"


def back(number: int, prefix: str) -> str:
    """How a change is undone."""
    return (
        f"`{prefix}memory show {number}` has what it said before; "
        f"`{prefix}memory edit {number} TEXT` brings that back."
    )


def deleted(numbers: Sequence[int], missing: Sequence[int]) -> str:
    """After deleting by number: what went, and what was not there."""
    gone = f"Deleted, also from disk: {listed(numbers)}." if numbers else "Nothing was deleted."
    gone += f" There is no memory {listed(missing)}." if missing else ""
    kept = (
        " What you said to me stays among your stored messages. To erase it there, too, delete "
        "your message in the room."
    )
    return gone + (kept if numbers else "")


def pinned(number: int, prefix: str) -> str:
    """After `!memory pin`."""
    return (
        f"Memory {number} is pinned: it is among the first that I use for an answer. "
        f"`{prefix}memory unpin {number}` undoes it."
    )


def unpinned(number: int) -> str:
    """After `!memory unpin`."""
    return f"Memory {number} is no longer pinned; I use it where it fits."


def shared(number: int, room_id: str, prefix: str) -> str:
    """After `!memory share` in a shared room."""
    return (
        f"I may now use memory {number} in {linked('that room', room_id)}, so its members can "
        f"learn it from my answers. To take that back, type `{prefix}memory unshare {number}` "
        "there, or here for every room."
    )


def shared_already(number: int, prefix: str) -> str:
    """After `!memory share` where it may be used anyway."""
    return (
        f"I may use memory {number} in that room already. `{prefix}memory unshare {number}`, "
        "typed there, ends it."
    )


def where_shared(memory: Memory, prefix: str) -> str:
    """`!memory share` in the direct chat: where a memory may be used."""
    number, rooms = memory.memory_id, list(memory.shared_in)
    if memory.room_kind == "shared" and memory.source_room_id:
        rooms.insert(0, memory.source_room_id)
    places = ", ".join(linked("this room", one) for one in dict.fromkeys(rooms))
    where = f"besides our direct chat, in {places}" if places else "in our direct chat alone"
    return (
        f"I use memory {number} {where}. To share it with a room, type "
        f"`{prefix}memory share {number}` in that room."
    )


def unshared(number: int, rooms: int) -> str:
    """After `!memory unshare`."""
    where = "that room" if rooms == 1 else f"{rooms} rooms"
    return f"I no longer use memory {number} in {where}. What I said there before stays there."


def not_shared(number: int, prefix: str, *, here: bool) -> str:
    """`!memory unshare` where there is nothing to take back."""
    where = "in that room" if here else "in any shared room"
    return f"I don't use memory {number} {where}, so nothing changed. `{prefix}memory` lists all."


def waits(number: int, prefix: str) -> str:
    """Something was to be done with a memory that is not approved yet."""
    return (
        f"Memory {number} waits for your approval. Type `{prefix}memory approve {number}` first, "
        f"or `{prefix}memory reject {number}`."
    )


def _lines(memories: Sequence[Memory], now: datetime) -> str:
    return "\n".join(f"- **{one.memory_id}** {one.text} *({_facts(one, now)})*" for one in memories)


def _facts(memory: Memory, now: datetime) -> str:
    said = {"person": "added by you", "model": "learned", "import": "imported"}[memory.origin]
    parts = [f"{said} {age(memory.created_at, now)}", _scope(memory)]
    if memory.shared_in:
        parts.append(f"shared in {count(len(memory.shared_in), 'room', 'rooms')}")
    parts += ["pinned"] if memory.pinned else []
    parts.append(f"used {count(memory.uses, 'time', 'times')}")
    if memory.valid_until is not None:
        parts.append(f"until {memory.valid_until:%Y-%m-%d}")
    return ", ".join(parts)


def _scope(memory: Memory) -> str:
    if memory.room_kind != "shared" or not memory.source_room_id:
        return "direct chat"
    return linked("a shared room", memory.source_room_id)


def listed(numbers: Sequence[int]) -> str:
    """Numbers in a row."""
    return ", ".join(str(one) for one in numbers)


def age(since: datetime, now: datetime) -> str:
    """How long ago, in the largest whole unit."""
    seconds = max(0, int((now - since).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return "just now"
