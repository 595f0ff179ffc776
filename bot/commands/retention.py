"""`!retention`: how long messages are kept; memories stay until they are deleted."""

from datetime import timedelta

from bot import preferences
from bot.command import Command, CommandContext
from bot.durations import brief, in_words, parse_duration
from bot.errors import UsageError
from bot.messages import Action, Effect, Reply, Where


async def _run(context: CommandContext) -> Reply:
    word = context.arguments.casefold()
    if not word:
        return Reply(await _state(context))
    chosen = None if word == preferences.OFF else _span(context, word)
    most = context.config.memory.retention
    if most is not None and (chosen is None or chosen > most):
        raise UsageError(
            f"My operator lets messages be kept for {in_words(most)} at most, so I have changed "
            f"nothing. Type `{context.prefix}retention {brief(most)}`, or less."
        )
    await preferences.choose_retention(context.vault, chosen)
    facts = {"retention": preferences.OFF if chosen is None else brief(chosen)}
    changed = Effect(Action.SETTINGS_CHANGED, facts=facts)
    return Reply(await _state(context), effects=(changed,))


def _span(context: CommandContext, given: str) -> timedelta:
    try:
        return parse_duration(given)
    except ValueError:
        raise UsageError(
            f"“{given[:20]}” is no time that I know. Type `{context.prefix}retention 30d` for 30 "
            f"days (12h and 8w work as well), or `{context.prefix}retention off` to keep messages "
            "until you delete them."
        ) from None


async def _state(context: CommandContext) -> str:
    prefix, most = context.prefix, context.config.memory.retention
    span = await preferences.retention(context.vault, context.config)
    kept = "until you delete them" if span is None else f"for {in_words(span)}"
    then = "" if span is None else " Once a day I erase from the disk what is older."
    longest = "" if most is None else f" (my operator allows {in_words(most)} at most)"
    return (
        f"**Your messages and my answers are kept {kept}**{longest}.{then} Memories made from them "
        f"stay: `{prefix}memory` lists them, `{prefix}memory delete N` deletes one.\n\n"
        f"To change it, type for example `{prefix}retention 30d`, or `{prefix}retention off`."
    )


RETENTION = Command(
    name="retention",
    usage=("retention", "retention 30d", "retention off"),
    summary="how long your messages are kept",
    where=Where.DIRECT,
    run=_run,
)
