"""What operators decided while the bot runs: whom it answers, and whether it answers at all."""

from collections.abc import Callable
from datetime import datetime
from typing import Self

from storage.clock import from_text, to_text
from storage.database import Database
from storage.tenants import Tenants

PAUSED = "paused since"  # the name of a row

SET = """
    INSERT INTO access_rule (pattern_hash, pattern, verdict, set_at) VALUES (?, ?, ?, ?)
    ON CONFLICT (pattern_hash) DO UPDATE SET verdict = excluded.verdict, set_at = excluded.set_at
"""
KEEP = """
    INSERT INTO state (name, value) VALUES (?, ?)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""


class AccessRules:
    """The rules, held in RAM as they are kept: whoever is asked about is looked up without waiting.

    A pattern is allowed or blocked, never both: the later word counts.
    """

    def __init__(
        self, database: Database, *, tenants: Tenants, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._tenants = tenants
        self._now = now
        self._verdicts: dict[str, str] = {}
        self._paused_since: datetime | None = None

    @classmethod
    async def load(
        cls, database: Database, *, tenants: Tenants, now: Callable[[], datetime]
    ) -> Self:
        """The rules that are kept."""
        rules = cls(database, tenants=tenants, now=now)
        rows = await database.rows("SELECT pattern, verdict FROM access_rule ORDER BY set_at")
        rules._verdicts = {tenants.unseal(row["pattern"]): row["verdict"] for row in rows}
        since = await database.value("SELECT value FROM state WHERE name = ?", PAUSED)
        rules._paused_since = None if since is None else from_text(since)
        return rules

    @property
    def allowed(self) -> tuple[str, ...]:
        """Patterns of Matrix ids that were let in."""
        return self._with("allow")

    @property
    def blocked(self) -> tuple[str, ...]:
        """Patterns of Matrix ids that were shut out."""
        return self._with("block")

    @property
    def paused_since(self) -> datetime | None:
        """Since when nobody is to be answered; None while everybody is."""
        return self._paused_since

    async def allow(self, pattern: str) -> None:
        """Let in whom the pattern covers; it is blocked no more."""
        await self._set(pattern, "allow")

    async def block(self, pattern: str) -> None:
        """Shut out whom the pattern covers; it is allowed no more."""
        await self._set(pattern, "block")

    async def lift(self, pattern: str) -> None:
        """The pattern is neither allowed nor blocked any more."""
        async with self._database.transaction() as transaction:
            await transaction.execute(
                "DELETE FROM access_rule WHERE pattern_hash = ?", self._tenants.person(pattern)
            )
        self._verdicts.pop(pattern, None)

    async def pause(self) -> None:
        """Nobody is to be answered from now on, also after a restart."""
        since = self._paused_since or self._now()
        async with self._database.transaction() as transaction:
            await transaction.execute(KEEP, PAUSED, to_text(since))
        self._paused_since = since

    async def resume(self) -> None:
        """Everybody is answered again."""
        async with self._database.transaction() as transaction:
            await transaction.execute("DELETE FROM state WHERE name = ?", PAUSED)
        self._paused_since = None

    async def _set(self, pattern: str, verdict: str) -> None:
        key, sealed = self._tenants.person(pattern), self._tenants.seal(pattern)
        async with self._database.transaction() as transaction:
            await transaction.execute(SET, key, sealed, verdict, to_text(self._now()))
        self._verdicts.pop(pattern, None)  # it stands last now, as it will after a restart
        self._verdicts[pattern] = verdict

    def _with(self, verdict: str) -> tuple[str, ...]:
        return tuple(one for one, said in self._verdicts.items() if said == verdict)
