"""What the model gets to see of the past: this person's memories and messages, in a budget."""

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bot.embedding import Embedding
from bot.messages import Room, RoomKind, RoomMessage
from bot.preferences import Mode
from storage import Asked, Memory, Turn, Vault

DENSE = "\u0e00"  # from here on: Thai, Khmer, kana, Han, Hangul, emoji
RECENT = 12  # turns of this room, newest last
HITS = 20
OVERHEARD = 12  # messages of a shared room that are kept in RAM

Told = TypeVar("Told", Memory, Turn)


@dataclass(frozen=True, slots=True)
class Context:
    """Memories, earlier turns found by search, and the recent turns of this room, oldest first."""

    memories: tuple[Memory, ...] = ()
    earlier: tuple[Turn, ...] = ()
    recent: tuple[Turn, ...] = ()


@dataclass(frozen=True, slots=True)
class Overheard:
    """What somebody said in a shared room; lives in RAM only."""

    sender: str
    text: str
    event_id: str = ""


class RoomWindows:
    """The last few messages of each shared room, never stored, bounded in rooms and in length."""

    def __init__(self, *, rooms: int = 200, characters: int = 500) -> None:
        self._rooms = rooms
        self._characters = characters
        self._windows: dict[str, deque[Overheard]] = {}

    def add(self, message: RoomMessage) -> None:
        """Note a message; the room that was quiet longest is dropped when there are too many."""
        window = self._windows.pop(message.room_id, deque(maxlen=OVERHEARD))
        window.append(Overheard(message.sender, message.body[: self._characters], message.event_id))
        self._windows[message.room_id] = window
        if len(self._windows) > self._rooms:
            del self._windows[next(iter(self._windows))]

    def forget(
        self, user_id: str, room_id: str = "", *, event_ids: Collection[str] | None = None
    ) -> None:
        """Drop what somebody said, in one room or everywhere; of that only these messages."""
        for each, window in self._windows.items():
            if room_id in ("", each):
                kept = [
                    one
                    for one in window
                    if one.sender != user_id
                    or (event_ids is not None and one.event_id not in event_ids)
                ]
                self._windows[each] = deque(kept, maxlen=OVERHEARD)

    def amend(self, room_id: str, event_id: str, sender: str, text: str) -> None:
        """Put other words in the place of a message, if it is its sender who does that."""
        for number, one in enumerate(self.of(room_id)):
            if (one.event_id, one.sender) == (event_id, sender):
                new = Overheard(sender, text[: self._characters], event_id)
                self._windows[room_id][number] = new

    def drop(self, room_id: str, event_id: str) -> None:
        """Drop a message that was taken back."""
        for one in self.of(room_id):
            if one.event_id == event_id:
                self._windows[room_id].remove(one)

    def of(self, room_id: str) -> tuple[Overheard, ...]:
        """What was said last, oldest first."""
        return tuple(self._windows.get(room_id, ()))


async def recall(
    message: RoomMessage,
    room: Room,
    vault: Vault,
    *,
    tokens: int,
    mode: Mode = Mode.AUTO,
    embedding: Embedding | None = None,
) -> Context:
    """Find what matters for this message among what its sender may be reminded of here.

    A third of the budget at most goes to memories and a third to the room's recent turns; search
    hits get what is left. Whoever turned memory off is reminded of this room's recent turns alone.
    """
    if mode is Mode.OFF:
        return Context(recent=await _recent(message, room, vault, tokens / 3))
    vector = await embedding.of_question(message.body, vault) if embedding else None
    memories = _fitting(await _memories(message, room, vault, vector), tokens / 3)
    recent = await _recent(message, room, vault, tokens / 3)
    told = [one.text for one in memories] + [one.text for one in recent]
    left = tokens - sum(map(tokens_in, told))
    own = [await vault.turns.get(one) for one in await vault.turns.about(message.event_id)]
    shown = [one.turn_id for one in (*recent, *own) if one]
    earlier = await earlier_turns(
        message.body, room, vault, vector, limit=HITS, tokens=left, exclude=shown
    )
    return Context(memories, earlier, recent)


async def earlier_turns(
    question: str,
    room: Room,
    vault: Vault,
    vector: Asked | None,
    *,
    limit: int,
    tokens: float,
    exclude: Collection[int],
) -> tuple[Turn, ...]:
    """The earlier messages that fit a question best, within a budget, oldest first.

    In a shared room only what was said there; `exclude` are ids of turns that are shown already.
    """
    hits = await vault.search.turns(
        question,
        limit=limit,
        room_id=_scope(room),
        exclude=exclude,
        vector=vector,
    )
    return tuple(sorted(_fitting([hit.turn for hit in hits], tokens), key=lambda one: one.said_at))


def tokens_in(text: str) -> float:
    """About how many tokens a text costs; no tokenizer works offline for every model.

    Four characters make one, but of scripts without spaces between words each about makes its own.
    """
    dense = sum(letter >= DENSE for letter in text)
    return dense + (len(text) - dense) / 4


def usable(memory: Memory, room: Room) -> bool:
    """Whether a memory may be used in this room: a shared room gets only its own (ISO-03)."""
    if room.kind is RoomKind.DIRECT:
        return True
    learned_here = memory.room_kind == RoomKind.SHARED and memory.source_room_id == room.room_id
    return learned_here or room.room_id in memory.shared_in


async def _memories(
    message: RoomMessage, room: Room, vault: Vault, vector: Asked | None
) -> list[Memory]:
    found = await vault.search.memories(
        message.body, limit=HITS, room_id=_scope(room), vector=vector
    )
    newest = await vault.memories.active(limit=50)
    pinned = [one for one in newest if one.pinned]
    hits = [hit.memory for hit in found]
    ranked = {one.memory_id: one for one in (*pinned, *hits, *newest)}
    return [one for one in ranked.values() if usable(one, room)]


async def _recent(
    message: RoomMessage, room: Room, vault: Vault, budget: float
) -> tuple[Turn, ...]:
    turns = await vault.turns.recent(message.room_id, limit=RECENT + 1, thread_id=message.thread_id)
    # A shared room may have been a direct chat once: what was said then stays between two.
    others = [
        one
        for one in turns
        if message.event_id not in (one.event_id, one.answers_event_id)  # answered once more
        and (room.kind is RoomKind.DIRECT or one.room_kind == RoomKind.SHARED)
    ]
    return _newest(others, budget)


def _scope(room: Room) -> str | None:
    """The shared room that search is confined to; a direct chat may be reminded of everything."""
    return room.room_id if room.kind is RoomKind.SHARED else None


def _fitting(found: Iterable[Told], budget: float) -> tuple[Told, ...]:
    """Memories or turns in order, without those that no longer fit the budget (tokens)."""
    taken: list[Told] = []
    for one in found:
        if (cost := tokens_in(one.text)) <= budget:
            budget -= cost
            taken.append(one)
    return tuple(taken)


def _newest(turns: Sequence[Turn], budget: float) -> tuple[Turn, ...]:
    """The last turns without a gap, as many as fit the budget (tokens), oldest first."""
    kept = len(turns)
    while kept and (cost := tokens_in(turns[kept - 1].text)) <= budget:
        kept -= 1
        budget -= cost
    return tuple(turns[kept:])
