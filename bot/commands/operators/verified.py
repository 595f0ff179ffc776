"""`!verified` and `!mismatch`: what came of comparing emoji, for the verification that waits."""

import re

from bot import operator_words
from bot.errors import UsageError
from bot.messages import Reply
from bot.operator_command import OperatorCommand, OperatorContext


async def _verified(context: OperatorContext) -> Reply | None:
    return await _compared(VERIFIED, context, same=True)


async def _mismatch(context: OperatorContext) -> Reply | None:
    return await _compared(MISMATCH, context, same=False)


async def _compared(
    command: OperatorCommand, context: OperatorContext, *, same: bool
) -> Reply | None:
    """Hand it on; how the verification ends is told when it has (`bot/verifying.py`)."""
    if not re.fullmatch(r"[0-9]{6}", context.arguments):
        raise UsageError(operator_words.usage(command, context.prefix))
    if await context.compared(int(context.arguments), same=same):
        return None
    return Reply(operator_words.nothing_waits(context.arguments))


VERIFIED = OperatorCommand(
    name="verified",
    usage=("verified NUMBER",),
    summary="the emoji of a verification are the same on both sides",
    run=_verified,
)
MISMATCH = OperatorCommand(
    name="mismatch",
    usage=("mismatch NUMBER",),
    summary="the emoji of a verification differ",
    run=_mismatch,
)
