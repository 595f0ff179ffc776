"""Writing the audit log: every effect as an entry; what can't be recorded stops the bot."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from bot.errors import AuditUnavailableError
from bot.messages import Effect
from storage import (
    SYSTEM,
    AuditEntry,
    AuditLog,
    DetailsNotKept,
    StorageFailure,
    Vault,
    VaultGone,
)

log = logging.getLogger(__name__)

SOMEBODY = "somebody"


class Journal:
    """Turns effects into audit entries. `finishes` names the event whose handling they end.

    What is about to be done is recorded first, as `begun`; `begins` names the event because of
    which it is done, and what the inbox calls it where it must not be done twice.
    Who did it and to what stands in the vault of the person whom it concerns, and nowhere else:
    entries without a vault name nobody, so that nothing of a person outlives their vault.
    """

    def __init__(self, audit_log: AuditLog, *, now: Callable[[], datetime]) -> None:
        self._audit_log = audit_log
        self._now = now

    async def of_person(
        self,
        user_id: str,
        vault: Vault,
        effects: Sequence[Effect],
        *,
        begins: tuple[str, str] | None = None,
        finishes: str | None = None,
    ) -> None:
        """Record what concerned one person; without its details where their vault is damaged.

        Raises VaultGone when the vault was destroyed meanwhile, AuditUnavailableError when the
        log can't be written.
        """
        entries = [self._entry(effect, user_id, effect.target) for effect in effects]
        try:
            await self._audit_log.record(entries, vault, begins=begins, finishes=finishes)
        except VaultGone:
            raise
        except DetailsNotKept:
            log.error("audit details could not be kept in a vault")
            await self.of_somebody(effects, begins=begins, finishes=finishes)
        except StorageFailure as error:
            # The details are kept, and published later: as somebody's they would be there twice.
            raise _unavailable(error) from error

    async def of_another(self, actor: str, vault: Vault, effect: Effect) -> None:
        """Record with one person what another did that concerns them.

        Raises VaultGone or StorageFailure where it can't be kept there: then it must not be done.
        """
        await self._audit_log.record([self._entry(effect, actor, effect.target)], vault)

    async def of_somebody(
        self,
        effects: Sequence[Effect],
        *,
        begins: tuple[str, str] | None = None,
        finishes: str | None = None,
    ) -> None:
        """Record what concerned somebody without a vault: a stranger, or a forgotten person."""
        await self._record(SOMEBODY, effects, begins, finishes)

    async def of_the_bot(self, *effects: Effect) -> None:
        """Record what the bot did by itself."""
        await self._record(SYSTEM, effects, None, None)

    async def _record(
        self,
        actor: str,
        effects: Sequence[Effect],
        begins: tuple[str, str] | None,
        finishes: str | None,
    ) -> None:
        entries = [self._entry(effect, actor, "") for effect in effects]
        try:
            await self._audit_log.record(entries, begins=begins, finishes=finishes)
        except StorageFailure as error:
            raise _unavailable(error) from error

    def _entry(self, effect: Effect, actor: str, target: str) -> AuditEntry:
        return AuditEntry(
            occurred_at=self._now(),
            actor=actor,
            action=effect.action,
            outcome=effect.outcome,
            target=target,
            facts=effect.facts,
        )


def _unavailable(error: StorageFailure) -> AuditUnavailableError:
    return AuditUnavailableError(
        "The audit log can't be written, so the bot has stopped: what can't be recorded is not "
        f"done. {error}"
    )
