"""What must survive a restart about rooms and people's identities, so that neither can weaken."""

from collections.abc import Callable
from datetime import datetime

from storage.clock import to_text, utc_now
from storage.database import Database


class Rooms:
    """Rooms that are encrypted for good, and the identities first met."""

    def __init__(self, database: Database, now: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._now = now

    async def remember_encrypted(self, room_id: str) -> None:
        """From now on the room counts as encrypted, for ever."""
        async with self._database.transaction() as transaction:
            await transaction.execute(
                "INSERT INTO encrypted_room (room_id, seen_at) VALUES (?, ?) "
                "ON CONFLICT (room_id) DO NOTHING",
                room_id,
                to_text(self._now()),
            )

    async def ever_encrypted(self, room_id: str) -> bool:
        """Whether the room was ever seen encrypted."""
        row = await self._database.row("SELECT 1 FROM encrypted_room WHERE room_id = ?", room_id)
        return row is not None

    async def encrypted_rooms(self) -> frozenset[str]:
        """Every room that was ever seen encrypted."""
        rows = await self._database.rows("SELECT room_id FROM encrypted_room")
        return frozenset(row["room_id"] for row in rows)

    async def identity(self, user_id: str) -> str | None:
        """The cross-signing master key that a person is known by."""
        value = await self._database.value(
            "SELECT master_key FROM identity WHERE user_id = ?", user_id
        )
        return None if value is None else str(value)

    async def remember_identity(self, user_id: str, master_key: str) -> None:
        """Trust on first use: only a person not known yet is remembered."""
        async with self._database.transaction() as transaction:
            await transaction.execute(
                "INSERT INTO identity (user_id, master_key, seen_at) VALUES (?, ?, ?) "
                "ON CONFLICT (user_id) DO NOTHING",
                user_id,
                master_key,
                to_text(self._now()),
            )

    async def replace_identity(self, user_id: str, master_key: str) -> None:
        """Trust a new key instead of the known one, once somebody decided so."""
        async with self._database.transaction() as transaction:
            await transaction.execute(
                "INSERT INTO identity (user_id, master_key, seen_at) VALUES (?, ?, ?) "
                "ON CONFLICT (user_id) DO UPDATE SET "
                "master_key = excluded.master_key, seen_at = excluded.seen_at",
                user_id,
                master_key,
                to_text(self._now()),
            )

    async def forget_identity(self, user_id: str) -> None:
        """Trust on first use once more: the next key that is met counts as the first."""
        async with self._database.transaction() as transaction:
            await transaction.execute("DELETE FROM identity WHERE user_id = ?", user_id)
