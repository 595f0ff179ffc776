"""The commands, in the order in which `!help` shows them."""

import difflib
from collections.abc import Sequence

from bot.command import Command
from bot.commands.audit import AUDIT
from bot.commands.export import EXPORT
from bot.commands.forget import FORGET
from bot.commands.help import HELP
from bot.commands.import_ import IMPORT
from bot.commands.memory import MEMORY
from bot.commands.privacy import PRIVACY
from bot.commands.private import PRIVATE
from bot.commands.retention import RETENTION
from bot.commands.verify import VERIFY
from bot.commands.why import WHY

COMMANDS: tuple[Command, ...] = (
    HELP,
    MEMORY,
    WHY,
    EXPORT,
    IMPORT,
    FORGET,
    PRIVATE,
    RETENTION,
    PRIVACY,
    AUDIT,
    VERIFY,
)


def nearest(name: str, commands: Sequence[Command] = COMMANDS) -> str | None:
    """The name that was probably meant, or None when nothing is near."""
    return next(iter(difflib.get_close_matches(name, [one.name for one in commands], n=1)), None)
