"""`!privacy`: who can read this, who runs it, and what is kept, from the live configuration."""

from bot import privacy
from bot.command import Command, CommandContext
from bot.messages import Reply, Where


async def _run(context: CommandContext) -> Reply:
    counts = await context.vault.counts()
    return Reply(
        privacy.statement(
            context.processing, counts, context.message, context.room, prefix=context.prefix
        )
    )


PRIVACY = Command(
    name="privacy",
    usage=("privacy",),
    summary="who can read this, who runs it, and what is kept about you",
    where=Where.DIRECT,
    run=_run,
)
