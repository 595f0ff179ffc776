"""What the model gets to see of the past: this person's memories and messages, in a budget."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.messages import Room, RoomKind, RoomMessage
from storage import Memory, Turn, Vault

CHARACTERS_A_TOKEN = (
    4  # no tokenizer works offline for every model; the gateway's usage corrects us
)
RECENT = 12  # turns of this room, newest last
HITS = 20
OVERHEARD = 12  # messages of a shared room that are kept in RAM


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

    def forget(self, user_id: str) -> None:
        """Drop what somebody said, everywhere."""
        for room_id, window in self._windows.items():
            kept = [one for one in window if one.sender != user_id]
            self._windows[room_id] = deque(kept, maxlen=OVERHEARD)

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


async def recall(message: RoomMessage, room: Room, vault: Vault, *, tokens: int) -> Context:
    """Find what matters for this message among what its sender may be reminded of here.

    A third of the budget at most goes to memories and a third to the room's recent turns; search
    hits get what is left.
    """
    budget = tokens * CHARACTERS_A_TOKEN
    memories = _fitting(await _memories(message, room, vault), budget // 3)
    recent = await _recent(message, room, vault, budget // 3)
    budget -= sum(len(one.text) for one in memories) + sum(len(one.text) for one in recent)
    own = [await vault.turns.get(one) for one in await vault.turns.about(message.event_id)]
    hits = await vault.search.turns(
        message.body,
        limit=HITS,
        budget_chars=budget,
        room_id=_scope(room),
        exclude=[one.turn_id for one in (*recent, *own) if one],
    )
    earlier = sorted((hit.turn for hit in hits), key=lambda turn: turn.said_at)
    return Context(memories, tuple(earlier), recent)


def usable(memory: Memory, room: Room) -> bool:
    """Whether a memory may be used in this room: a shared room gets only its own (ISO-03)."""
    if room.kind is RoomKind.DIRECT:
        return True
    learned_here = memory.room_kind == RoomKind.SHARED and memory.source_room_id == room.room_id
    return learned_here or room.room_id in memory.shared_in


async def _memories(message: RoomMessage, room: Room, vault: Vault) -> list[Memory]:
    found = await vault.search.memories(message.body, limit=HITS, room_id=_scope(room))
    newest = await vault.memories.active(limit=50)
    pinned = [one for one in newest if one.pinned]
    hits = [hit.memory for hit in found]
    ranked = {one.memory_id: one for one in (*pinned, *hits, *newest)}
    return [one for one in ranked.values() if usable(one, room)]


async def _recent(message: RoomMessage, room: Room, vault: Vault, budget: int) -> tuple[Turn, ...]:
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


def _fitting(memories: Iterable[Memory], budget: int) -> tuple[Memory, ...]:
    """Memories in order, without those that no longer fit the budget (characters)."""
    taken: list[Memory] = []
    for memory in memories:
        if len(memory.text) <= budget:
            budget -= len(memory.text)
            taken.append(memory)
    return tuple(taken)


def _newest(turns: Sequence[Turn], budget: int) -> tuple[Turn, ...]:
    """The last turns without a gap, as many as fit the budget (characters), oldest first."""
    kept = len(turns)
    while kept and len(turns[kept - 1].text) <= budget:
        kept -= 1
        budget -= len(turns[kept].text)
    return tuple(turns[kept:])
