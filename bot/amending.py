"""What people do to what was said: they edit it, take it back, or say yes or no to it."""

from bot.consent import Consent
from bot.editing import Edits
from bot.redacting import Redactions
from bot.room_events import Edit, Reaction, Redaction


class Amendments:
    """Carries through to what is kept what was done to messages in rooms."""

    def __init__(self, *, redactions: Redactions, edits: Edits, consent: Consent) -> None:
        self._redactions = redactions
        self._edits = edits
        self._consent = consent

    async def handle(self, event: Edit | Redaction | Reaction) -> None:
        """Do what an event asks for, and finish it."""
        match event:
            case Redaction():
                await self._redactions.handle(event)
            case Edit():
                await self._edits.handle(event)
            case Reaction():
                await self._consent.decide(event)
