"""`!pause` and `!resume`: whether the bot answers people at all."""

from bot import operator_words
from bot.errors import UsageError
from bot.messages import Action, Effect, Reply
from bot.operator_command import OperatorCommand, OperatorContext


async def _pause(context: OperatorContext) -> Reply:
    if context.arguments:
        raise UsageError(operator_words.usage(PAUSE, context.prefix))
    if context.access.paused_since is None:
        await context.record(Effect(Action.ACCESS_CHANGED, facts={"bot": "paused"}))
        await context.access.pause()
    since = context.access.paused_since
    assert since is not None
    return Reply(operator_words.paused(since, context.prefix))


async def _resume(context: OperatorContext) -> Reply:
    if context.arguments:
        raise UsageError(operator_words.usage(RESUME, context.prefix))
    if context.access.paused_since is None:
        return Reply(operator_words.NOT_PAUSED)
    await context.record(Effect(Action.ACCESS_CHANGED, facts={"bot": "resumed"}))
    await context.access.resume()
    return Reply(operator_words.RESUMED)


PAUSE = OperatorCommand(
    name="pause",
    usage=("pause",),
    summary="answer nobody but operators here, until I am told to resume",
    run=_pause,
)
RESUME = OperatorCommand(
    name="resume", usage=("resume",), summary="answer everybody again", run=_resume
)
