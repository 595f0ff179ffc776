"""What was changed in a vault and is not in the audit log yet, so that no crash keeps it out.

Triggers note each change in its own transaction. Whoever records in the same opening of the vault
takes those notes back; what is left when nobody holds that opening any more was never recorded.
"""

import json
from collections.abc import Collection, Sequence
from contextvars import ContextVar

from storage.audit_entry import AuditDetail, detail_from
from storage.database import Database, Transaction

OCCASION: ContextVar[str] = ContextVar("occasion", default="")
"""The opening of a vault in which something is done, as a number of this process."""

BATCHES = {"retention.swept": ("forget.done", "memory.deleted")}
"""Actions of which one entry, without a target, stands for many others; each also for its own."""

_LEFT = """
    SELECT action, target FROM unrecorded WHERE occasion NOT IN (SELECT value FROM json_each(?))
    GROUP BY action, target ORDER BY min(position)
"""
_DROP_LEFT = """
    DELETE FROM unrecorded WHERE occasion NOT IN (SELECT value FROM json_each(?))
"""
_MARKED = """
    SELECT * FROM audit_detail WHERE commitment IN (SELECT commitment FROM unpublished)
    ORDER BY position
"""


async def note_occasion(transaction: Transaction) -> None:
    """Say of what was changed in a transaction in which opening of the vault that was."""
    occasion = OCCASION.get()
    if occasion:
        await transaction.execute(
            "UPDATE OR REPLACE unrecorded SET occasion = ? WHERE occasion = ''", occasion
        )


async def drop_noted(transaction: Transaction) -> None:
    """All that was changed in this opening is being recorded."""
    await transaction.execute("DELETE FROM unrecorded WHERE occasion IN ('', ?)", OCCASION.get())


async def noted(database: Database) -> set[tuple[str, str]]:
    """Actions and targets of what was changed in this opening and isn't recorded yet."""
    rows = await database.rows(
        "SELECT action, target FROM unrecorded WHERE occasion = ?", OCCASION.get()
    )
    return {(row["action"], row["target"]) for row in rows}


def besides(
    noted: Collection[tuple[str, str]], recorded: Collection[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Actions and targets of what was changed and none of the entries says: what went along."""
    actions = {action for action, _ in recorded}
    whole = {action for action, target in recorded if not target}
    whole |= {one for action in actions for one in BATCHES.get(action, ())}
    return sorted(
        (action, target)
        for action, target in noted
        if (action, target) not in recorded
        and action not in whole
        and not (action in actions and not target)
    )


async def note_instead(transaction: Transaction, action: str) -> None:
    """Let one action stand for all that this transaction changed."""
    await transaction.execute("DELETE FROM unrecorded WHERE occasion = ''")
    await transaction.execute("INSERT INTO unrecorded (action, target) VALUES (?, '')", action)


async def left(transaction: Transaction, alive: Collection[str]) -> list[tuple[str, str]]:
    """The same of all openings but those that are `alive`."""
    rows = await transaction.rows(_LEFT, json.dumps([*alive]))
    return [(row["action"], row["target"]) for row in rows]


async def drop_left(transaction: Transaction, alive: Collection[str]) -> None:
    """What was left is being recorded."""
    await transaction.execute(_DROP_LEFT, json.dumps([*alive]))


def marks(details: Sequence[AuditDetail]) -> list[bytes]:
    """The commitments of those details that are marked: not what was done with a message, which is
    taken up again, and recorded then."""
    return [one.commitment for one in details if not one.entry.action.startswith("message.")]


async def mark(transaction: Transaction, details: Sequence[AuditDetail]) -> None:
    """Remember which details must be published, until it is known that they are."""
    due = [(one,) for one in marks(details)]
    if due:
        await transaction.many("INSERT OR IGNORE INTO unpublished (commitment) VALUES (?)", due)


async def commitments(database: Database) -> list[bytes]:
    """Those that are marked."""
    return [row["commitment"] for row in await database.rows("SELECT commitment FROM unpublished")]


async def unmark(transaction: Transaction, commitments: Collection[bytes]) -> None:
    """These details are published."""
    if commitments:
        await transaction.many(
            "DELETE FROM unpublished WHERE commitment = ?", [(one,) for one in commitments]
        )


async def marked(transaction: Transaction) -> list[AuditDetail]:
    """The details that may not have been published, oldest first."""
    return [detail_from(row) for row in await transaction.rows(_MARKED)]
