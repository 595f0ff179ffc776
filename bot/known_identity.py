"""What `confidant identity forget` does and says: a person whose identity changed is met anew.

It is for a lone operator: in the audit room nobody can vouch for themselves.
"""

from datetime import UTC, datetime

from bot.changes import noted
from bot.config import Config
from bot.errors import AuditUnavailableError, StorageError
from bot.exchange import record
from bot.explaining import explained
from bot.journal import Journal
from bot.messages import Action, Effect
from bot.room_events import Forgotten
from storage import MasterKey, Storage, open_storage

WHAT_FORGETTING_MEANS = """\
The bot forgets the cross-signing identity that it knows {user_id} by. The one that their
homeserver shows when the bot meets them next is taken for theirs, and whoever has it gets their
memory. Somebody with power over their account or homeserver could have put it there: compare with
them in person that they did reset it, before you do this. Where another operator can compare emoji
with them and confirm with `!verified` in the audit room, that is safer."""
DONE = """\
The identity that {user_id} was known by is forgotten, and the audit log says so. Their memory and
rooms are as they were. Start the bot, and tell them to write to it: it is not going to tell them
itself. That it took the right identity is proved by a verification by emoji."""
UNKNOWN = (
    "The bot knows no identity of {user_id}, so nothing was changed: the one that they show when "
    "it meets them next is taken for theirs anyway. Is the id spelled as in their profile?"
)


async def forgotten(config: Config, user_id: str) -> str:
    """Forget whom a person was known as, on a stopped bot's data, and say what that means."""
    path = config.storage.path
    if not path.exists():
        raise StorageError(f"The bot has not run with the data directory {path} yet.")
    try:
        with explained():
            master_key = MasterKey.load(config.storage.master_key.get_secret_value(), path)
            async with open_storage(path, master_key) as storage:
                await _forget(storage, user_id)
    except AuditUnavailableError as error:
        why = f"It can't be recorded, so nothing was changed. {error.__cause__}"
        raise StorageError(why) from error
    return DONE.format(user_id=user_id)


async def _forget(storage: Storage, user_id: str) -> None:
    if await storage.rooms.identity(user_id) is None:
        raise StorageError(UNKNOWN.format(user_id=user_id))
    facts = {"identity": "forgotten", "by": "command line"}
    journal = Journal(storage.audit_log, now=_now)
    await record(Forgotten(user_id), Effect(Action.ACCESS_CHANGED, facts=facts), storage, journal)
    # The identity goes last: cut short before that, it can be done again.
    await storage.clear_state(noted(storage, user_id))
    await storage.rooms.forget_identity(user_id)


def _now() -> datetime:
    return datetime.now(UTC)
