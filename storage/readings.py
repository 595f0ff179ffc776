"""In which event each room message was read, so that the same ciphertext in another is known."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from storage.database import Database
from storage.sealing import digest


@dataclass(frozen=True, slots=True)
class Reading:
    """One message of one session of one device, and the event in which it came."""

    sender_key: str = field(repr=False)
    session_id: str
    index: int
    event_id: str


class Readings:
    """Readings of all time, as digests under a key: no name of a person or a room."""

    def __init__(self, database: Database, key: bytes) -> None:
        self._database = database
        self._key = key

    async def belongs_elsewhere(self, reading: Reading) -> bool:
        """Whether this message was read before, in another event."""
        event = await self._database.value(
            "SELECT event FROM reading WHERE session = ? AND message_index = ?",
            self._session(reading),
            reading.index,
        )
        return event not in (None, self._digest(reading.event_id))

    async def keep(self, readings: Iterable[Reading]) -> None:
        """Keep new readings, all or nothing; the first one of a message stays."""
        async with self._database.transaction() as transaction:
            for reading in readings:
                await transaction.execute(
                    "INSERT INTO reading (session, message_index, event) VALUES (?, ?, ?) "
                    "ON CONFLICT (session, message_index) DO NOTHING",
                    self._session(reading),
                    reading.index,
                    self._digest(reading.event_id),
                )

    def _session(self, reading: Reading) -> bytes:
        return self._digest(f"{reading.sender_key} {reading.session_id}")

    def _digest(self, what: str) -> bytes:
        return digest(what, key=self._key)
