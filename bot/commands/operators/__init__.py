"""The operators' commands, in the order in which `!help` shows them in the audit room."""

from bot.commands.operators.access import ALLOW, BLOCK, LIFT
from bot.commands.operators.help import HELP
from bot.commands.operators.pause import PAUSE, RESUME
from bot.commands.operators.status import STATUS
from bot.commands.operators.users import USERS
from bot.commands.operators.verified import MISMATCH, VERIFIED
from bot.commands.operators.who import WHO
from bot.operator_command import OperatorCommand

OPERATOR_COMMANDS: tuple[OperatorCommand, ...] = (
    HELP,
    STATUS,
    USERS,
    ALLOW,
    BLOCK,
    LIFT,
    PAUSE,
    RESUME,
    WHO,
    VERIFIED,
    MISMATCH,
)
