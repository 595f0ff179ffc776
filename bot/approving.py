"""A proposal is approved or rejected, whichever way the person says so."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.messages import Action, Effect
from storage import Memory, Vault


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of proposals, and what was done for that.

    `missed` are those that were decided in another way just before.
    """

    remembered: tuple[Memory, ...] = ()
    rejected: tuple[int, ...] = ()
    missed: tuple[int, ...] = ()
    effects: tuple[Effect, ...] = ()


async def decide(vault: Vault, proposals: Sequence[Memory], *, yes: bool) -> Decided:
    """Remember or erase what was proposed."""
    return await _approve(vault, proposals) if yes else await _reject(vault, proposals)


async def former(vault: Vault, proposals: Sequence[Memory]) -> dict[int, Memory]:
    """The memories that proposals would change, by their numbers."""
    wanted = {one.replaces for one in proposals if one.replaces is not None}
    found = [await vault.memories.get(memory_id) for memory_id in sorted(wanted)]
    return {one.memory_id: one for one in found if one is not None}


async def _approve(vault: Vault, proposals: Sequence[Memory]) -> Decided:
    remembered, missed, effects = [], [], []
    for proposal in proposals:
        memory = await vault.pending.approve(proposal.memory_id)
        if memory is None:
            missed.append(proposal.memory_id)
        else:
            remembered.append(memory)
            effects.append(remembering(memory, is_new=memory.memory_id == proposal.memory_id))
    return Decided(tuple(remembered), missed=tuple(missed), effects=tuple(effects))


async def _reject(vault: Vault, proposals: Sequence[Memory]) -> Decided:
    wanted = [one.memory_id for one in proposals]
    gone = await vault.pending.reject(wanted)
    effects = [
        Effect(Action.MEMORY_DELETED, target=f"memory {one}", facts={"approved": False})
        for one in gone
    ]
    missed = tuple(one for one in wanted if one not in gone)
    return Decided(rejected=tuple(gone), missed=missed, effects=tuple(effects))


def remembering(memory: Memory, *, is_new: bool) -> Effect:
    """The audit entry of a proposal that was approved."""
    action = Action.MEMORY_CREATED if is_new else Action.MEMORY_UPDATED
    return Effect(action, target=f"memory {memory.memory_id}", facts={"approved": True})
