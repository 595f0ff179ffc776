"""Writing the audit log: every effect as an entry; what can't be recorded stops the bot."""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime

from bot.errors import AuditUnavailableError
from bot.messages import Effect
from storage import AuditEntry, AuditLog, StorageFailure, Vault

log = logging.getLogger(__name__)

FORGOTTEN = "a forgotten person"


class Journal:
    """Turns effects into audit entries, in the vault of the person whom they concern."""

    def __init__(self, audit_log: AuditLog, *, now: Callable[[], datetime]) -> None:
        self._audit_log = audit_log
        self._now = now

    async def record(self, *effects: Effect, actor: str, vault: Vault | None = None) -> None:
        """Append an entry for each effect.

        Raises AuditUnavailableError when the log can't be written.
        """
        for entry in self._entries(effects, actor):
            log.debug("%s %s", entry.action, entry.outcome)
            try:
                await self._audit_log.append(entry, vault)
            except StorageFailure as error:
                raise AuditUnavailableError("the audit log can't be written") from error

    def _entries(self, effects: Iterable[Effect], actor: str) -> Iterable[AuditEntry]:
        for effect in effects:
            yield AuditEntry(
                occurred_at=self._now(),
                actor=actor,
                action=effect.action,
                outcome=effect.outcome,
                target=effect.target,
                facts=effect.facts,
            )
