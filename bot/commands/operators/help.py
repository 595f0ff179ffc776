"""`!help` in the audit room: the commands for operators."""

from bot import operator_words
from bot.messages import Reply
from bot.operator_command import OperatorCommand, OperatorContext


async def _run(context: OperatorContext) -> Reply:
    return Reply(operator_words.help_page(context.commands, context.prefix))


HELP = OperatorCommand(
    name="help", usage=("help",), summary="what I do for operators here", run=_run
)
