"""`!privacy`: who can read this, who runs it, and what is kept: from configuration and evidence."""

from bot import preferences, privacy, privacy_data, privacy_gateway, privacy_room
from bot.command import Command, CommandContext
from bot.errors import HomeserverError, UsageError
from bot.messages import Reply, Where
from bot.privacy_data import Held
from bot.privacy_room import Readers


async def _run(context: CommandContext) -> Reply:
    prefix, stated = context.prefix, context.processing
    seen = context.evidence.gateway()
    match context.arguments.lower():
        case "":
            readers, held = await _readers(context), await _held(context)
            return Reply(privacy.overview(stated, seen, readers, held, prefix))
        case "room":
            return Reply(privacy_room.page(await _readers(context), prefix))
        case "gateway":
            embeds = bool(context.config.gateway.embedding_model)
            return Reply(privacy_gateway.page(stated, seen, embeds=embeds))
        case "data":
            return Reply(privacy_data.page(await _held(context), stated, prefix))
    raise UsageError(
        f"There is no such page. Type `{prefix}privacy` for all of it in short, or "
        f"`{prefix}privacy room`, `{prefix}privacy gateway` or `{prefix}privacy data` for more."
    )


async def _readers(context: CommandContext) -> Readers:
    """What the homeserver says at this moment; where it doesn't, the page says so."""
    me, room = context.config.homeserver.user_id, context.room
    try:
        own = await context.identity()
        sessions = await context.evidence.sessions(room.members - {me}) if room.encrypted else None
    except HomeserverError:
        own, sessions = None, None
    everybody = context.config.privacy.share_keys_with == "all"
    gateway = not context.processing.builtin
    return Readers(context.message, room, me, sessions, own, everybody, gateway)


async def _held(context: CommandContext) -> Held:
    vault = context.vault
    return Held(
        await vault.counts(),
        await preferences.retention(vault, context.config),
        await preferences.is_private(vault, context.message.room_id),
        await context.evidence.last_backup(),
    )


PRIVACY = Command(
    name="privacy",
    usage=("privacy", "privacy room|gateway|data"),
    summary="who can read this, who runs it, and what is kept about you",
    where=Where.DIRECT,
    run=_run,
)
