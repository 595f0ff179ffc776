"""`!who`: the Matrix id behind a pseudonym; the person can see that it was looked up."""

import re

from bot import operator_words
from bot.errors import UsageError
from bot.messages import Reply
from bot.operator_command import OperatorCommand, OperatorContext


async def _run(context: OperatorContext) -> Reply:
    pseudonym = context.arguments.strip("`").casefold()
    if not re.fullmatch(r"[a-z]{2,20}-[0-9]{2,12}", pseudonym):
        raise UsageError(operator_words.usage(WHO, context.prefix))
    user_id = await context.look_up(pseudonym)
    if user_id is None:
        return Reply(operator_words.nobody(context.prefix))
    return Reply(operator_words.looked_up(pseudonym, user_id, context.prefix))


WHO = OperatorCommand(
    name="who",
    usage=("who PSEUDONYM",),
    summary="the Matrix id behind a name such as fox-31; that person sees that you looked",
    run=_run,
)
