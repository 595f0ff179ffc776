"""`!audit`: every action of the bot that concerned you."""

from bot import replies
from bot.command import Command, CommandContext
from bot.errors import UsageError
from bot.messages import Reply, Where

SHOWN = 10
MOST = 100


async def _run(context: CommandContext) -> Reply:
    wanted = context.arguments or str(SHOWN)
    plain = wanted.isdecimal() and wanted.isascii() and len(wanted) <= len(str(MOST))
    if not plain or not 1 <= int(wanted) <= MOST:
        raise UsageError(replies.audit_usage(context.config.service.command_prefix, MOST))
    entries = await context.entries(int(wanted))
    return Reply(replies.audit_page(entries) if entries else replies.NO_ENTRIES)


AUDIT = Command(
    name="audit",
    usage=("audit", "audit N"),
    summary="every action of mine that concerned you",
    where=Where.DIRECT,
    run=_run,
)
