"""`!privacy`: who can read this, who runs it, and what is kept, from the live configuration."""

from bot import preferences, privacy
from bot.command import Command, CommandContext
from bot.messages import Reply, Where


async def _run(context: CommandContext) -> Reply:
    vault = context.vault
    return Reply(
        privacy.statement(
            context.processing,
            await vault.counts(),
            context.message,
            context.room,
            retention=await preferences.retention(vault, context.config),
            private=await preferences.is_private(vault, context.message.room_id),
            prefix=context.prefix,
        )
    )


PRIVACY = Command(
    name="privacy",
    usage=("privacy",),
    summary="who can read this, who runs it, and what is kept about you",
    where=Where.DIRECT,
    run=_run,
)
