"""The check in every spine that what was changed is recorded does find what isn't."""

from pathlib import Path

import pytest

from storage import AuditEntry, Vault
from storage.audit_entry import salted
from tests.recording import Change, unsaid
from tests.spine import ANN, Spine, spine


async def add(vault: Vault) -> None:
    await vault.memories.add("likes tea", origin="person", room_kind="direct")


async def say_something_else(bot: Spine, vault: Vault, outcome: str) -> None:
    """Keep an entry as the audit log would that does not look what else was changed."""
    entry = AuditEntry(bot.clock(), ANN, "settings.changed", outcome)
    await vault.keep_audit_details([salted(entry)])


async def test_a_change_that_no_entry_says_is_found(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="in no entry"):
        async with spine(tmp_path) as bot, bot.storage.vaults.open(ANN) as vault:
            await add(vault)
            await say_something_else(bot, vault, "ok")


async def test_what_goes_along_is_recorded_by_the_log_itself(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        async with bot.storage.vaults.open(ANN) as vault:
            await add(vault)
            await say_something_else(bot, vault, "begun")
            entry = AuditEntry(bot.clock(), ANN, "message.answered", "failed", "$said")
            await bot.storage.audit_log.append(entry, vault)

        assert (await bot.audited())[-2:] == [
            ("message.answered", "failed"),
            ("memory.created", "ok"),
        ]


GONE = ("memory.deleted", "memory 2")


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ({GONE}, []),
        ({("memory.deleted", "memory 1")}, [GONE]),
        ({("memory.deleted", "")}, []),
        ({("retention.swept", "")}, []),
        ({("forget.done", "")}, [GONE]),
        (set(), [GONE]),
    ],
)
def test_only_batches_stand_for_what_they_do_not_name(
    said: set[Change], left: list[Change]
) -> None:
    assert unsaid({GONE}, said) == left
