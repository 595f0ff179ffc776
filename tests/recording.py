"""What an entry takes out of a vault's notes of changes is said by entries, in every test."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import pytest

from storage import AuditDetail, Vault
from storage.audit_entry import BEGUN

Change = tuple[str, str]  # an action and its target

WHOLE = {
    "retention.swept": ("forget.done", "memory.deleted"),
    "memory.deleted": ("memory.deleted",),  # what nobody approved in time
    "import.applied": ("import.applied",),
    "forget.done": ("forget.done",),
    "settings.changed": ("settings.changed",),
}
"""The actions of which one entry, about nothing by itself, says all changes of these kinds."""


def unsaid(changed: Collection[Change], said: Collection[Change]) -> list[Change]:
    """The changes that no entry says."""
    batches = {one for action, target in said if not target for one in WHOLE.get(action, ())}
    return sorted(one for one in changed if one not in said and one[0] not in batches)


@contextmanager
def recording() -> Iterator[None]:
    """Fail in the end where a change was taken for recorded that no entry said."""
    keep, missing = Vault.keep_audit_details, list[Change]()

    async def watched(self: Vault, details: Sequence[AuditDetail]) -> None:
        done = [one.entry for one in details if one.entry.outcome != BEGUN]
        if done:
            said = {(str(one.action), one.target) for one in done}
            missing.extend(unsaid(await self.noted(), said))
        await keep(self, details)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Vault, "keep_audit_details", watched)
        yield
    assert missing == [], "changed, and in no entry"
