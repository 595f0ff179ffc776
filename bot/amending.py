"""What people do to what was said: they edit it, take it back, or say yes or no to it."""

from bot.room_events import Edit, Reaction, Redaction
from storage import Storage


class Amendments:
    """Carries through to what is kept what was done to messages in rooms."""

    def __init__(self, *, storage: Storage) -> None:
        self._storage = storage

    async def handle(self, event: Edit | Redaction | Reaction) -> None:
        """Do what an event asks for, and finish it."""
        await self._storage.inbox.finish(event.event_id)
