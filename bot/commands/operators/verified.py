"""`!verified` and `!mismatch`: what came of comparing emoji; bot/verifying.py takes the answer."""

import re

from bot import operator_words
from bot.errors import UsageError
from bot.operator_command import OperatorCommand, OperatorContext


async def _verified(context: OperatorContext) -> None:
    _checked(VERIFIED, context)


async def _mismatch(context: OperatorContext) -> None:
    _checked(MISMATCH, context)


def _checked(command: OperatorCommand, context: OperatorContext) -> None:
    """It was heard as soon as it came; what is no number of six digits was not."""
    if not re.fullmatch(r"[0-9]{6}", context.arguments):
        raise UsageError(operator_words.usage(command, context.prefix))


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
