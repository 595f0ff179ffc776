"""How the bot is: what an operator wants to know of it, in numbers and names of programs."""

import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version

from bot.config import Config
from bot.evidence import Observation
from storage import Census, Storage, last_backup

DAY = timedelta(days=1)
QUIET = timedelta(minutes=3)  # without a sync: a poll is 30 seconds
FULL = 500_000_000  # bytes free on the disk: less is too little
MANY = 100  # events, or entries, that wait


@dataclass(frozen=True, slots=True)
class Status:
    """The bot at one moment; every time in UTC, None for never since the start."""

    at: datetime
    started_at: datetime
    synced_at: datetime | None
    paused_since: datetime | None
    backed_up_at: datetime | None
    census: Census
    gateway: Observation
    gateway_host: str
    model: str
    versions: tuple[tuple[str, str], ...]

    def problems(self) -> Iterator[str]:
        """What an operator should look at, as clauses."""
        census = self.census
        if self.at - (self.synced_at or self.started_at) > QUIET:
            yield "the homeserver does not answer"
        if self.gateway.connected_at is None:
            yield "the gateway was not reached since the start"
        if census.free < FULL:
            yield "the disk is almost full"
        if census.unfinished > MANY:
            yield "many messages wait for their answers"
        if census.unposted > MANY:
            yield "the audit room is far behind"


class Health:
    """Looks at the parts that can tell."""

    def __init__(
        self,
        *,
        config: Config,
        storage: Storage,
        observed: Callable[[], Observation],
        synced: Callable[[], datetime | None],
        gateway_host: str,
        now: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._storage = storage
        self._observed = observed
        self._synced = synced
        self._gateway_host = gateway_host
        self._now = now
        self._started_at = now()

    async def status(self) -> Status:
        """How all is now."""
        at = self._now()
        census = await self._storage.census(since=at - DAY)
        return Status(
            at=at,
            started_at=self._started_at,
            synced_at=self._synced(),
            paused_since=self._storage.access.paused_since,
            backed_up_at=await last_backup(self._storage),
            census=census,
            gateway=self._observed(),
            gateway_host=self._gateway_host,
            model=self._config.gateway.model,
            versions=(
                ("Confidant", version("matrix-confidant")),
                ("Python", platform.python_version()),
                ("SQLite", census.sqlite),
                ("SQLCipher", census.sqlcipher),
                ("matrix-nio", version("matrix-nio")),
            ),
        )
