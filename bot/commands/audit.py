"""`!audit`: every action of the bot that concerned you."""

from bot import audit_words, replies
from bot.command import Command, CommandContext, number
from bot.errors import UsageError
from bot.messages import Reply, Where

SHOWN = 10
MOST = 100


async def _run(context: CommandContext) -> Reply:
    wanted = number(context.arguments or str(SHOWN))
    if wanted is None or not 1 <= wanted <= MOST:
        raise UsageError(replies.audit_usage(context.prefix, MOST))
    entries = await context.entries(wanted)
    return Reply(audit_words.page(entries) if entries else replies.NO_ENTRIES)


AUDIT = Command(
    name="audit",
    usage=("audit", "audit N"),
    summary="every action of mine that concerned you",
    where=Where.DIRECT,
    run=_run,
)
