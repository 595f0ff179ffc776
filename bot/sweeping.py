"""Once a day, what has grown too old goes from everybody's vault: messages, and memories."""

import logging
from collections.abc import Callable
from datetime import datetime

from bot.config import Config
from bot.journal import Journal
from bot.messages import Action, Effect, Facts, Outcome
from bot.own_vault import Whose, everybody, known_vault
from bot.preferences import retention
from storage import Storage, StorageFailure, Vault

log = logging.getLogger(__name__)


class Sweeping:
    """Goes through everybody who has a vault; one that is damaged keeps nobody else's back.

    Messages go by the limit of each person, memories where they were valid only until a moment.
    What nobody approved in time goes in `bot/consent.py`, where that is told as well.
    """

    def __init__(
        self,
        *,
        config: Config,
        storage: Storage,
        journal: Journal,
        now: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._storage = storage
        self._journal = journal
        self._now = now

    async def sweep(self) -> None:
        """Erase and record it, person by person."""
        failed = 0
        await self._journal.of_the_bot(Effect(Action.RETENTION_SWEPT, Outcome.BEGUN))
        for person in await everybody(self._storage):
            try:
                await self._of(person)
            except StorageFailure:  # of a vault that was erased meanwhile, too
                failed += 1
        if failed:
            log.warning("%d vaults could not be swept; they are tried again tomorrow", failed)

    async def _of(self, message: Whose) -> None:
        async with known_vault(message, self._storage) as vault:
            if vault is None:
                return
            facts: Facts = {
                "messages": await self._messages(vault),
                "memories": len(await vault.memories.expire(self._now())),
            }
            if any(facts.values()):
                swept = Effect(Action.RETENTION_SWEPT, facts=facts)
                await self._journal.of_person(message.sender, vault, [swept])

    async def _messages(self, vault: Vault) -> int:
        span = await retention(vault, self._config)
        return await vault.taking_back.before(None if span is None else self._now() - span)
