"""Deleting takes two steps, rows and bytes; one that was cut short in between is caught up on."""

from storage.database import Database, Transaction

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
