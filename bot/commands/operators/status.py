"""`!status`: how the bot is."""

from bot import operator_words
from bot.errors import UsageError
from bot.messages import Reply
from bot.operator_command import OperatorCommand, OperatorContext


async def _run(context: OperatorContext) -> Reply:
    if context.arguments:
        raise UsageError(operator_words.usage(STATUS, context.prefix))
    return Reply(operator_words.status(await context.status()))


STATUS = OperatorCommand(
    name="status",
    usage=("status",),
    summary="health, queues, gateway, storage and versions",
    run=_run,
)
