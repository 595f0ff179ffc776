"""Known failures, each carrying the sentence that a person reads.

Anything that is not a BotError is a bug: it is caught in one place (`bot/handler.py`), answered
with a fixed sentence and a reference, and never shown.
"""


class BotError(Exception):
    """A failure we know; `str(error)` is the sentence for the person who waits."""


class ConfigError(BotError):
    """The configuration can't be used; one line a mistake, each naming its key."""


class UsageError(BotError):
    """A command was typed wrongly; says what was wrong and what to type instead."""


class BusyError(BotError):
    """Something is done only once at a time, and is being done."""


class QuotaError(BotError):
    """This person has used up what the operator grants for a day."""


class HomeserverError(BotError):
    """The homeserver refused or could not be reached; nothing was sent."""


class HomeserverUnavailableError(HomeserverError):
    """The homeserver can't be reached or asks for patience; trying again later will do."""


class HomeserverHiddenError(HomeserverError):
    """A proxy's page keeps coming instead of the homeserver's answers; it hides the others, too."""


class UnencryptedRoomError(HomeserverError):
    """Sending would have put plaintext where only ciphertext may go."""


class AttachmentError(HomeserverError):
    """The file that somebody pointed to is none that can be taken; says why."""


class FileTooLargeError(HomeserverError):
    """The homeserver, or a proxy before it, takes no file of that size; nothing was sent."""


class AudienceChangedError(HomeserverError):
    """Somebody else could read what was meant for the people who were there; nothing was sent."""


class GatewayError(BotError):
    """The model gateway failed; the person's message is kept and may be asked again."""


class StorageError(BotError):
    """Something in the data directory can't be opened, read or written."""


class AuditUnavailableError(Exception):
    """The audit log can't be written. Not a BotError: what can't record doesn't act, it stops."""
