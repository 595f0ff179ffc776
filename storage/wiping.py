"""Deleting takes two steps, rows and bytes; one that was cut short in between is caught up on."""

from storage.database import Database, Transaction
from storage.errors import StorageFailure

UNWIPED = "wipe is due"  # kept from the deletion to the end of the wipe


async def owe_wipe(transaction: Transaction) -> None:
    """Note that something was deleted of which the disk may still hold bytes."""
    await transaction.execute(
        "INSERT INTO setting (name, value) VALUES (?, 'yes') ON CONFLICT DO NOTHING", UNWIPED
    )


async def wipe(database: Database) -> None:
    """Wipe the disk; from then on it is not owed any more."""
    await database.wipe()
    async with database.transaction() as transaction:
        await transaction.execute("DELETE FROM setting WHERE name = ?", UNWIPED)


async def is_owed(transaction: Transaction) -> bool:
    """Whether a deletion was cut short before its bytes were gone."""
    return await transaction.row("SELECT 1 FROM setting WHERE name = ?", UNWIPED) is not None


async def owe_shared_wipe(transaction: Transaction) -> None:
    """The same in shared.db."""
    await transaction.execute(
        "INSERT INTO state (name, value) VALUES (?, 'yes') ON CONFLICT DO NOTHING", UNWIPED
    )


async def wipe_shared(database: Database) -> None:
    """Wipe shared.db if that is owed; where there is no room for it now, it stays owed."""
    if await database.row("SELECT 1 FROM state WHERE name = ?", UNWIPED) is None:
        return
    try:
        await database.wipe()
    except StorageFailure:
        # No room to write the file anew: what is left is zeroed, but for copies in gaps of pages.
        await database.truncate()
        return
    async with database.transaction() as transaction:
        await transaction.execute("DELETE FROM state WHERE name = ?", UNWIPED)
