"""`!pause` and `!resume`: whether the bot talks with people at all."""

from bot import operator_words
from bot.errors import UsageError
from bot.messages import Action, Effect, Reply
from bot.operator_command import OperatorCommand, OperatorContext


async def _pause(context: OperatorContext) -> Reply:
    if context.arguments:
        raise UsageError(operator_words.usage(PAUSE, context.prefix))
    stands = context.access.paused_since is not None
    await context.change(_now("paused"), context.access.pause, stands=stands)
    since = context.access.paused_since
    assert since is not None
    return Reply(operator_words.paused(since, context.prefix))


async def _resume(context: OperatorContext) -> Reply:
    if context.arguments:
        raise UsageError(operator_words.usage(RESUME, context.prefix))
    stands = context.access.paused_since is None
    if stands and not context.again:
        return Reply(operator_words.NOT_PAUSED)
    await context.change(_now("resumed"), context.access.resume, stands=stands)
    return Reply(operator_words.RESUMED)


def _now(state: str) -> Effect:
    return Effect(Action.ACCESS_CHANGED, facts={"bot": state})


PAUSE = OperatorCommand(
    name="pause",
    usage=("pause",),
    summary="talk with nobody until I am told to resume; commands about people's own data go on",
    run=_pause,
)
RESUME = OperatorCommand(
    name="resume", usage=("resume",), summary="talk with everybody again", run=_resume
)
