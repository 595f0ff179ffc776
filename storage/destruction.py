"""What there is to know of a vault before it is destroyed."""

from typing import Protocol

from storage.vault import Counts, Vault


class Plan(Protocol):
    """What has to be known of a vault when it is gone."""

    async def read(self, vault: Vault | None, vault_id: str, gone: Counts) -> None:
        """Take it from the vault, in which nothing happens meanwhile; None: it can't be opened."""
        ...

    async def write(self) -> None:
        """Put it where it survives; asked for a second time when the files have made room."""
        ...


class _NoPlan:
    """Nothing has to be known."""

    async def read(self, vault: Vault | None, vault_id: str, gone: Counts) -> None:
        return

    async def write(self) -> None:
        return


UNPLANNED = _NoPlan()
