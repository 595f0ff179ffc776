"""Who has a vault: the rows of shared.db that lead from a user id to a file, a key slot, a name."""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from storage.clock import to_text
from storage.database import Database
from storage.errors import StorageFailure
from storage.rows import Row
from storage.sealing import MasterKey

# fmt: off
ANIMALS = (
    "ant", "badger", "bat", "bear", "beaver", "bee", "bison", "boar", "camel", "cat", "cheetah",
    "cobra", "crab", "crane", "crow", "deer", "dingo", "dog", "dolphin", "dove", "duck", "eagle",
    "elk", "falcon", "ferret", "finch", "fox", "frog", "gecko", "gibbon", "goat", "goose",
    "hamster", "hare", "hawk", "hedgehog", "heron", "horse", "ibex", "ibis", "jackal", "jay",
    "koala", "lark", "lemur", "leopard", "lion", "llama", "lynx", "magpie", "marmot", "mole",
    "moose", "moth", "mouse", "newt", "octopus", "orca", "otter", "owl", "panda", "parrot",
    "penguin", "pigeon", "puffin", "puma", "quail", "rabbit", "raccoon", "raven", "robin", "salmon",
    "seal", "shark", "sheep", "skunk", "sloth", "snail", "sparrow", "spider", "squid", "squirrel",
    "stork", "swan", "tapir", "tiger", "toad", "trout", "turtle", "walrus", "wasp", "weasel",
    "whale", "wolf", "wombat", "wren", "yak", "zebra"
)
# fmt: on


BURY = "INSERT OR IGNORE INTO tombstone (vault_id) VALUES (?)"


@dataclass(frozen=True, slots=True)
class Tenant:
    """One person's vault: its random name, the slot of its key, and the person's pseudonym."""

    vault_id: str
    slot: int
    pseudonym: str


class Tenants:
    """The tenant rows. A person is found by a keyed hash, and their id is kept sealed."""

    def __init__(
        self, database: Database, master_key: MasterKey, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._master_key = master_key
        self._hash_key = master_key.derive("tenants")
        self._now = now

    def person(self, user_id: str) -> bytes:
        """The keyed hash that stands for a user id."""
        return hmac.digest(self._hash_key, _encoded(user_id), hashlib.sha256)

    async def find(self, user_id: str) -> Tenant | None:
        """The person's tenant row."""
        row = await self._database.row(
            "SELECT * FROM tenant WHERE person = ?", self.person(user_id)
        )
        return None if row is None else _tenant(row)

    async def all(self) -> list[Tenant]:
        """Every tenant."""
        return [_tenant(row) for row in await self._database.rows("SELECT * FROM tenant")]

    async def people(self) -> list[tuple[str, Tenant]]:
        """Every tenant with the user id, which is unsealed for it."""
        rows = await self._database.rows("SELECT * FROM tenant ORDER BY created_at")
        return [(self._user_id(row["user_id"]), _tenant(row)) for row in rows]

    async def add(self, user_id: str, *, vault_id: str, slot: int) -> Tenant:
        """Write the row that makes a vault somebody's, under a pseudonym that is free."""
        async with self._database.transaction() as transaction:
            taken = await transaction.rows("SELECT pseudonym FROM tenant")
            pseudonym = free_pseudonym({row["pseudonym"] for row in taken})
            await transaction.execute(
                "INSERT INTO tenant (person, user_id, vault_id, slot, pseudonym, created_at) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                self.person(user_id),
                self._master_key.seal("tenant", _encoded(user_id)),
                *(vault_id, slot, pseudonym, to_text(self._now())),
            )
        return Tenant(vault_id, slot, pseudonym)

    async def remove(self, vault_id: str) -> None:
        """Erase the row, from the disk too; a tombstone keeps backups from bringing it back."""
        async with self._database.transaction() as transaction:
            if await transaction.execute("DELETE FROM tenant WHERE vault_id = ?", vault_id):
                await transaction.execute(BURY, vault_id)
        try:
            await self._database.wipe()
        except StorageFailure:
            # No room to write the file anew: what is left is zeroed, and its copies in gaps of
            # pages, if there are any, go with the next removal.
            await self._database.truncate()

    async def buried(self) -> frozenset[str]:
        """The vaults that were destroyed, here or before a restore."""
        rows = await self._database.rows("SELECT vault_id FROM tombstone")
        return frozenset(row["vault_id"] for row in rows)

    async def bury(self, vault_ids: Iterable[str]) -> None:
        """Take over tombstones from elsewhere."""
        async with self._database.transaction() as transaction:
            for vault_id in vault_ids:
                await transaction.execute(BURY, vault_id)

    async def user_id(self, pseudonym: str) -> str | None:
        """Whose pseudonym this is. Looking that up is an audited action."""
        sealed = await self._database.value(
            "SELECT user_id FROM tenant WHERE pseudonym = ?", pseudonym
        )
        return None if sealed is None else self._user_id(sealed)

    def _user_id(self, sealed: bytes) -> str:
        return self._master_key.unseal("tenant", sealed).decode("utf-8", "surrogatepass")


def free_pseudonym(taken: Collection[str]) -> str:
    """A random name like "fox-31" that nobody has; longer numbers once names get scarce."""
    numbers = 90
    while True:
        for _ in range(20):
            name = f"{secrets.choice(ANIMALS)}-{10 + secrets.randbelow(numbers)}"
            if name not in taken:
                return name
        numbers *= 10


def _tenant(row: Row) -> Tenant:
    return Tenant(row["vault_id"], row["slot"], row["pseudonym"])


def _encoded(user_id: str) -> bytes:
    return user_id.encode("utf-8", "surrogatepass")
