"""Who has a vault: the rows of shared.db that lead from a user id to a file, a key slot, a name."""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from storage.clock import from_text, to_text
from storage.database import Database, Transaction
from storage.rows import Row
from storage.sealing import MasterKey
from storage.wiping import owe_shared_wipe, wipe_shared

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
RETIRE = "INSERT OR IGNORE INTO retired_pseudonym (name_hash) VALUES (?)"


# The later moment counts, whichever comes first.
MARK = """
    INSERT INTO forgotten (person, until, forgotten_at) VALUES (?, ?, ?)
    ON CONFLICT (person) DO UPDATE SET
        until = max(until, excluded.until),
        forgotten_at = max(forgotten_at, excluded.forgotten_at)
"""


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
        return [(self.unseal(row["user_id"]), _tenant(row)) for row in rows]

    async def add(self, user_id: str, *, vault_id: str, slot: int) -> Tenant:
        """Write the row that makes a vault somebody's, under a pseudonym that nobody ever had."""
        async with self._database.transaction() as transaction:
            pseudonym = await self._unused_pseudonym(transaction)
            await transaction.execute(
                "INSERT INTO tenant (person, user_id, vault_id, slot, pseudonym, created_at) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                self.person(user_id),
                self.seal(user_id),
                *(vault_id, slot, pseudonym, to_text(self._now())),
            )
        return Tenant(vault_id, slot, pseudonym)

    async def remove(self, vault_id: str) -> None:
        """Erase the row, from the disk too; a tombstone keeps backups from bringing it back.

        Where no plan has said until when the person is forgotten, it is now.
        """
        async with self._database.transaction() as transaction:
            rows = await transaction.rows(
                "DELETE FROM tenant WHERE vault_id = ? RETURNING user_id, pseudonym, EXISTS ("
                "SELECT 1 FROM forgetting WHERE forgetting.vault_id = tenant.vault_id) AS planned",
                vault_id,
            )
            for row in rows:
                await transaction.execute(BURY, vault_id)
                await transaction.execute(RETIRE, self._named(row["pseudonym"]))
                await self.unlearn(transaction, self.unseal(row["user_id"]))
                if not row["planned"]:
                    await self.mark(transaction, self.unseal(row["user_id"]), self._now())
                await owe_shared_wipe(transaction)
        await wipe_shared(self._database)

    async def unlearn(self, transaction: Transaction, user_id: str) -> None:
        """By which identity the person was known is forgotten, and what was noted about that."""
        await transaction.execute("DELETE FROM identity WHERE user_id = ?", user_id)
        await transaction.execute(
            "DELETE FROM state WHERE name LIKE '% ' || ?", self.person(user_id).hex()
        )

    async def mark(self, transaction: Transaction, user_id: str, until: datetime) -> None:
        """What the person said until then is forgotten."""
        await transaction.execute(MARK, self.person(user_id), to_text(until), to_text(self._now()))

    async def forgotten_until(self, user_id: str) -> datetime | None:
        """Until when what the person said is forgotten."""
        value = await self._database.value(
            "SELECT until FROM forgotten WHERE person = ?", self.person(user_id)
        )
        return None if value is None else from_text(value)

    async def is_forgotten(self, user_id: str, said_at: datetime) -> bool:
        """Whether what the person said at a moment is forgotten."""
        until = await self.forgotten_until(user_id)
        return until is not None and said_at <= until

    async def sweep(self, before: datetime) -> int:
        """Drop the moments of who was forgotten before; how many."""
        async with self._database.transaction() as transaction:
            return await transaction.execute(
                "DELETE FROM forgotten WHERE forgotten_at < ?", to_text(before)
            )

    async def buried(self) -> frozenset[str]:
        """The vaults that were destroyed, here or before a restore."""
        rows = await self._database.rows("SELECT vault_id FROM tombstone")
        return frozenset(row["vault_id"] for row in rows)

    async def bury(self, vault_ids: Iterable[str]) -> None:
        """Take over tombstones from elsewhere."""
        async with self._database.transaction() as transaction:
            for vault_id in vault_ids:
                await transaction.execute(BURY, vault_id)

    async def retire(self, pseudonyms: Iterable[str]) -> None:
        """Give nobody a name that was given out elsewhere."""
        async with self._database.transaction() as transaction:
            for pseudonym in pseudonyms:
                await transaction.execute(RETIRE, self._named(pseudonym))

    async def take_over(self, forgotten: Iterable[Row]) -> None:
        """Take over until when people are forgotten, too."""
        async with self._database.transaction() as transaction:
            for row in forgotten:
                await transaction.execute(MARK, row["person"], row["until"], row["forgotten_at"])

    async def user_id(self, pseudonym: str) -> str | None:
        """Whose pseudonym this is. Looking that up is an audited action."""
        sealed = await self._database.value(
            "SELECT user_id FROM tenant WHERE pseudonym = ?", pseudonym
        )
        return None if sealed is None else self.unseal(sealed)

    async def _unused_pseudonym(self, transaction: Transaction) -> str:
        rows = await transaction.rows("SELECT pseudonym FROM tenant")
        gone = await transaction.rows("SELECT name_hash FROM retired_pseudonym")
        taken, retired = {row["pseudonym"] for row in rows}, {row["name_hash"] for row in gone}
        while self._named(pseudonym := free_pseudonym(taken)) in retired:
            taken.add(pseudonym)
        return pseudonym

    def _named(self, pseudonym: str) -> bytes:
        return hmac.digest(self._hash_key, b"pseudonym " + pseudonym.encode(), hashlib.sha256)

    def seal(self, user_id: str) -> bytes:
        """The user id as a row may hold it."""
        return self._master_key.seal("tenant", _encoded(user_id))

    def unseal(self, sealed: bytes) -> str:
        """The user id that was sealed."""
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
