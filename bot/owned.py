"""What is said of a vault is shown while there is that vault; else it leaves the room again."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from bot.errors import HomeserverError
from storage import Vault, VaultGone, Withdrawals


class Owner(Protocol):
    """Whose something is that is being sent."""

    def ensure(self) -> None:
        """Raise VaultGone where nothing of it may be shown any more."""
        ...

    async def orphaned(self, event_ids: Sequence[str]) -> None:
        """See to it that what was shown of it leaves the room."""
        ...


class Nobody:
    """Of what holds nothing of anybody's: it may always be shown."""

    def ensure(self) -> None:
        """It may."""

    async def orphaned(self, event_ids: Sequence[str]) -> None:
        """Nothing of it has to leave."""


NOBODY = Nobody()


@dataclass(frozen=True, slots=True)
class OfVault:
    """Of what somebody's vault holds, until that is erased."""

    vault: Vault
    room_id: str  # where it is said
    withdrawals: Withdrawals

    def ensure(self) -> None:
        """Raise VaultGone where the vault is erased."""
        self.vault.ensure()

    async def orphaned(self, event_ids: Sequence[str]) -> None:
        """Let what was shown be withdrawn: nothing is kept that would lead to it."""
        await self.withdrawals.add([(event_id, self.room_id) for event_id in event_ids])


def owner_of(vault: Vault | None, room_id: str, withdrawals: Withdrawals) -> Owner:
    """Whose a reply is that is said in a room, because of this vault or of none."""
    return OfVault(vault, room_id, withdrawals) if vault else NOBODY


@asynccontextmanager
async def while_kept(said: Sequence[str], owner: Owner) -> AsyncIterator[None]:
    """See to it that what is `said` in here leaves the room if its vault is erased meanwhile."""
    try:
        try:
            yield
        except HomeserverError:
            owner.ensure()  # else nothing would lead to what was sent before that failed
            raise
    except VaultGone:
        await owner.orphaned(said)
        raise
