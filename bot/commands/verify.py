"""`!verify`: the bot's device and identity, and how a person checks that they are the real ones."""

from bot import replies
from bot.command import Command, CommandContext
from bot.messages import Reply, Where


async def _run(context: CommandContext) -> Reply:
    return Reply(replies.identity(await context.identity(), context.processing.operator))


VERIFY = Command(
    name="verify",
    usage=("verify",),
    summary="who I am to your client, and how to check that I am not somebody else",
    where=Where.HERE,
    run=_run,
)
