"""What may be saved goes into the vault: as a new memory, a further source, or a change of one."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from bot.learning import Kept, Refusal
from bot.likeness import Likeness, likeness
from bot.messages import Room, RoomMessage
from bot.recall import usable
from storage import Memory, Revision, Vault

COMPARED = 500  # memories; more than a person reads through


class Became(StrEnum):
    """What became of a fact."""

    SAVED = "saved"
    UPDATED = "updated"
    PENDING = "pending"
    WAITING = "waiting"  # for approval, since another message
    KNOWN = "known"  # already, or changed since


@dataclass(frozen=True, slots=True)
class Outcome:
    """A memory and what became of it."""

    became: Became
    memory: Memory
    before: str = field(default="", repr=False)  # what an updated one said


@dataclass(frozen=True, slots=True)
class Learned:
    """All that an answer saved and forgot, and why it did not save the rest."""

    outcomes: Sequence[Outcome] = ()
    forgotten: Sequence[int] = ()
    refusals: Sequence[Refusal] = ()
    maybe_forgotten: bool = False  # before a crash, and nobody knows which

    def of(self, became: Became) -> list[Memory]:
        """The memories of which this became, each once."""
        found = [one.memory for one in self.outcomes if one.became is became]
        return list({one.memory_id: one for one in found}.values())

    def changes(self) -> list[Outcome]:
        """What was updated, each memory once: what it says now, and what it said first."""
        changes: dict[int, Outcome] = {}
        for one in self.outcomes:
            if one.became is Became.UPDATED:
                first = changes.get(one.memory.memory_id, one)
                changes[one.memory.memory_id] = replace(one, before=first.before)
        return list(changes.values())


@dataclass(frozen=True, slots=True)
class Place:
    """The message that teaches, where it was said, and the vault of who said it.

    Handled again after a crash, it teaches nothing twice, and nothing that was changed since.
    """

    message: RoomMessage
    room: Room
    vault: Vault = field(repr=False)

    async def save(self, kept: Kept) -> Outcome:
        """Keep a fact: merged with what says the same here, in the place of what it contradicts."""
        known, same = await _concerned(kept, await self._here())
        if known is None:
            return await self._added(kept)
        return await (self._said_again(known, kept) if same else self.change(known, kept))

    async def change(self, known: Memory, kept: Kept) -> Outcome:
        """Let a memory say something else; what it said becomes a revision."""
        revisions = await self.vault.memories.revisions(known.memory_id)
        if any(one.source_event_id == self.message.event_id for one in revisions):
            return Outcome(Became.KNOWN, known)
        if known.source_event_id == self.message.event_id and known.text == kept.text:
            return _again(known, revisions)
        changed = await self.vault.memories.edit(
            known.memory_id,
            kept.text,
            changed_by="model",
            quote=kept.quote,
            source_event_id=self.message.event_id,
            source_room_id=self.message.room_id,
            room_kind=self.room.kind,
            valid_until=kept.valid_until,
        )
        if changed is None:  # deleted meanwhile, and with it what its text may have lent this one
            return await self._added(replace(kept, text=kept.quote))
        return Outcome(Became.UPDATED, changed, before=known.text)

    async def propose(self, kept: Kept, *, replaces: int | None = None) -> Outcome:
        """Keep a fact until the person approves it; not if it is known already."""
        if replaces is None:
            if (proposed := await self._known(kept)) is not None:
                return proposed
            changed, _ = await _concerned(kept, await self._here())
            replaces = changed.memory_id if changed else None
        memory = await self._add(kept, status="pending", replaces=replaces)
        return self._proposed(memory)

    async def usable(self, number: object) -> Memory | None:
        """The memory with this number, if it is active and may be used in this room."""
        if not isinstance(number, int) or isinstance(number, bool):
            return None
        here = await self._here()
        return next((one for one in here if one.memory_id == number), None)

    async def _here(self) -> list[Memory]:
        known = await self.vault.memories.active(limit=COMPARED)
        return [one for one in known if usable(one, self.room)]

    async def _said_again(self, known: Memory, kept: Kept) -> Outcome:
        if known.source_event_id == self.message.event_id:
            return _again(known, await self.vault.memories.revisions(known.memory_id))
        if not await self._is_further_source(known, kept):
            return await self._added(kept)
        return Outcome(Became.KNOWN, known)

    async def _is_further_source(self, known: Memory, kept: Kept) -> bool:
        """Let a memory rest on this message too; False where it is gone meanwhile."""
        return await self.vault.memories.said_again(
            known.memory_id,
            event_id=self.message.event_id,
            room_id=self.message.room_id,
            quote=kept.quote,
        )

    async def _known(self, kept: Kept) -> Outcome | None:
        """What says this already, of what is remembered or waits to be; it is not asked for."""
        waiting = [one for one in await self.vault.pending.all() if usable(one, self.room)]
        for memories in (await self._here(), waiting):
            known, same = await _concerned(kept, memories)
            if known and same and await self._is_further_source(known, kept):
                return self._proposed(known)
        return None

    def _proposed(self, memory: Memory) -> Outcome:
        if memory.status != "pending":
            return Outcome(Became.KNOWN, memory)
        new = memory.source_event_id == self.message.event_id
        return Outcome(Became.PENDING if new else Became.WAITING, memory)

    async def _added(self, kept: Kept) -> Outcome:
        memory = await self._add(kept, status="active")
        new = memory.source_event_id == self.message.event_id and memory.status == "active"
        return Outcome(Became.SAVED if new else Became.KNOWN, memory)

    async def _add(self, kept: Kept, *, status: str, replaces: int | None = None) -> Memory:
        return await self.vault.memories.add(
            kept.text,
            origin="model",
            quote=kept.quote,
            room_kind=self.room.kind,
            source_event_id=self.message.event_id,
            source_room_id=self.message.room_id,
            status=status,
            valid_until=kept.valid_until,
            replaces=replaces,
        )


async def _concerned(kept: Kept, memories: Sequence[Memory]) -> tuple[Memory | None, bool]:
    """The memory that a fact says again or changes, and whether it says no more than that one."""
    # In a thread: it takes a second for hundreds of memories that are made to be slow to compare.
    known, how = await asyncio.to_thread(_nearest, kept.text, memories)
    for_now = kept.valid_until is not None
    if known is None or (for_now and not known.valid_until and how is not Likeness.SAME):
        # What holds for a while only must not take with it what held before.
        return None, False
    return known, how is Likeness.SAME and not (for_now and not known.valid_until)


def _nearest(text: str, memories: Sequence[Memory]) -> tuple[Memory | None, Likeness]:
    alike = [(likeness(one.text, text), one) for one in memories]
    for wanted in (Likeness.SAME, Likeness.OPPOSED, Likeness.MORE):
        for how, one in alike:
            if how is wanted:
                return one, how
    return None, Likeness.OTHER


def _again(known: Memory, revisions: Sequence[Revision]) -> Outcome:
    """What became of a fact when its message was handled before."""
    if not revisions:
        return Outcome(Became.SAVED, known)
    return Outcome(Became.UPDATED, known, before=revisions[-1].text)
