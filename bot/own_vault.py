"""The one place where a vault is opened: that of whoever did something, and nobody else's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from storage import Storage, Vault


class Whose(Protocol):
    """Something that one person did, or that is done for one person."""

    @property
    def sender(self) -> str:
        """Who did it."""
        ...


class Said(Whose, Protocol):
    """Something that one person said."""

    @property
    def sent_at(self) -> datetime:
        """When, by the clock of their homeserver."""
        ...


@dataclass(frozen=True, slots=True)
class ByTheClock:
    """Nobody did anything: a job comes round to this person."""

    sender: str


@dataclass(frozen=True, slots=True)
class Concerned:
    """Another did something that concerns this person, which their audit entries say."""

    sender: str


@asynccontextmanager
async def own_vault(message: Said, storage: Storage) -> AsyncIterator[Vault]:
    """The vault of the sender, made on first use.

    VaultGone where they had everything forgotten since they said it.
    """
    async with storage.vaults.open(message.sender, said_at=message.sent_at) as vault:
        yield vault


@asynccontextmanager
async def known_vault(message: Whose, storage: Storage) -> AsyncIterator[Vault | None]:
    """The vault of the sender if they have one; nobody gets one by this."""
    async with storage.vaults.open_existing(message.sender) as vault:
        yield vault


async def behind(pseudonym: str, storage: Storage) -> Concerned | None:
    """Who is known to others by this name; looking that up is an audited action."""
    user_id = await storage.vaults.who(pseudonym)
    return None if user_id is None else Concerned(user_id)


async def everybody(storage: Storage) -> list[ByTheClock]:
    """Whoever has a vault, to go through them one after the other."""
    return [ByTheClock(user_id) for user_id in await storage.vaults.people()]
