"""What there is to know of a vault before it is destroyed."""

from dataclasses import dataclass
from typing import Protocol

from storage.vault import Vault


@dataclass(frozen=True, slots=True)
class Destroyed:
    """What a destroyed vault held, for the receipt; and how many answers stay among others."""

    memories: int = 0
    turns: int = 0
    audit_entries: int = 0
    bytes: int = 0
    imported_answers: int = 0
    private_answers: int = 0


class Plan(Protocol):
    """What has to be known of a vault when it is gone."""

    async def read(self, vault: Vault | None, vault_id: str, gone: Destroyed) -> None:
        """Take it from the vault, in which nothing happens meanwhile; None: it can't be opened."""
        ...

    async def write(self) -> None:
        """Put it where it survives; asked for a second time when the files have made room."""
        ...


class _NoPlan:
    """Nothing has to be known."""

    async def read(self, vault: Vault | None, vault_id: str, gone: Destroyed) -> None:
        return

    async def write(self) -> None:
        return


UNPLANNED = _NoPlan()
