"""`!verify`: the bot's device and identity, and how a person checks that they are the real ones."""

from bot.command import Command, CommandContext
from bot.messages import OwnIdentity, Reply, Where, in_groups

SIGNED = "My identity has signed this device, as your client should see it."
NOT_SIGNED = (
    "**The homeserver does not show this device as signed by my identity.** Tell my operator, and "
    "tell me nothing private until it does."
)


async def _run(context: CommandContext) -> Reply:
    return Reply(_statement(await context.identity(), context.processing.operator))


def _statement(own: OwnIdentity, operator: str) -> str:
    return (
        f"I am `{own.user_id}`.\n\n"
        f"- device: `{own.device_id}`\n"
        f"- its fingerprint (session key): `{in_groups(own.fingerprint)}`\n"
        f"- my identity (master key): `{in_groups(own.master_key)}`\n\n"
        f"{SIGNED if own.cross_signed else NOT_SIGNED}\n\n"
        "To be sure that I am not somebody else, get the fingerprint from "
        f"{operator or 'whoever runs me'} by another way than this room, and compare it with what "
        "your client shows for my device (in Element: my profile → my session → verify manually). "
        "A fingerprint that you have from me alone proves nothing. Or begin a verification by "
        "emoji in your client: my operator sees mine, and compares them with you."
    )


VERIFY = Command(
    name="verify",
    usage=("verify",),
    summary="who I am to your client, and how to check that I am not somebody else",
    where=Where.HERE,
    run=_run,
)
