"""What may be saved goes into the vault: as a new memory, a further source, or a change of one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from bot.learning import Kept, Refusal
from bot.likeness import Likeness, likeness
from bot.messages import Room, RoomMessage
from bot.recall import usable
from storage import Memory, Vault

COMPARED = 500  # memories; more than a person reads through


class Became(StrEnum):
    """What became of a fact."""

    SAVED = "saved"
    UPDATED = "updated"
    PENDING = "pending"
    KNOWN = "known"  # already, or changed since


@dataclass(frozen=True, slots=True)
class Outcome:
    """A memory and what became of it."""

    became: Became
    memory: Memory


@dataclass(frozen=True, slots=True)
class Learned:
    """All that an answer saved and forgot, and why it did not save the rest."""

    outcomes: Sequence[Outcome] = ()
    forgotten: Sequence[int] = ()
    refusals: Sequence[Refusal] = ()

    def of(self, became: Became) -> list[Memory]:
        """The memories of which this became, each once."""
        found = [one.memory for one in self.outcomes if one.became is became]
        return list({one.memory_id: one for one in found}.values())


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
        known, how = await self._nearest(kept)
        if known is None or (kept.valid_until and not known.valid_until and how != Likeness.SAME):
            # What holds for a while only must not take with it what held before.
            return await self._added(kept)
        if how is Likeness.SAME and not (kept.valid_until and not known.valid_until):
            return await self._said_again(known, kept)
        return await self.change(known, kept)

    async def change(self, known: Memory, kept: Kept) -> Outcome:
        """Let a memory say something else; what it said becomes a revision."""
        revisions = await self.vault.memories.revisions(known.memory_id)
        if any(one.source_event_id == self.message.event_id for one in revisions):
            return Outcome(Became.KNOWN, known)
        if known.source_event_id == self.message.event_id and known.text == kept.text:
            return Outcome(Became.UPDATED if revisions else Became.SAVED, known)
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
        return await self._added(kept) if changed is None else Outcome(Became.UPDATED, changed)

    async def propose(self, kept: Kept, *, replaces: int | None = None) -> Outcome:
        """Keep a fact until the person approves it; not if it is known already."""
        memory = await self._add(kept, status="pending", replaces=replaces)
        waits = memory.status == "pending"
        return Outcome(Became.PENDING if waits else Became.KNOWN, memory)

    async def usable(self, number: object) -> Memory | None:
        """The memory with this number, if it is active and may be used in this room."""
        if not isinstance(number, int) or isinstance(number, bool):
            return None
        here = await self._here()
        return next((one for one in here if one.memory_id == number), None)

    async def _here(self) -> list[Memory]:
        known = await self.vault.memories.active(limit=COMPARED)
        return [one for one in known if usable(one, self.room)]

    async def _nearest(self, kept: Kept) -> tuple[Memory | None, Likeness]:
        alike = [(likeness(one.text, kept.text), one) for one in await self._here()]
        for wanted in (Likeness.SAME, Likeness.OPPOSED, Likeness.MORE):
            for how, one in alike:
                if how is wanted:
                    return one, how
        return None, Likeness.OTHER

    async def _said_again(self, known: Memory, kept: Kept) -> Outcome:
        event_id, room_id = self.message.event_id, self.message.room_id
        if known.source_event_id == event_id:
            revisions = await self.vault.memories.revisions(known.memory_id)
            return Outcome(Became.UPDATED if revisions else Became.SAVED, known)
        await self.vault.memories.said_again(
            known.memory_id, event_id=event_id, room_id=room_id, quote=kept.quote
        )
        return Outcome(Became.KNOWN, known)

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
