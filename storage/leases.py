"""A vault that is open, and who uses it."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

from storage.database import Database
from storage.vault import Vault

Settle = Callable[[Vault, str, Collection[str]], Awaitable[None]]
"""Records what was changed in a vault, whose it is, and in none of the openings that go on."""


@dataclass(slots=True)
class Lease:
    """An open vault in the pool, and the openings in which it is used.

    It is `owing` while something may have been changed that nobody will record who holds it.
    """

    database: Database
    vault: Vault
    owing: bool
    users: set[str] = field(default_factory=set)
