"""The part of `!memory` with which a person decides what is remembered: mode, approvals, digest."""

from collections.abc import Mapping, Sequence

from bot import approving, consent_words, preferences
from bot.command import CommandContext
from bot.errors import UsageError
from bot.memory_input import Subcommand, numbers
from bot.messages import Action, Effect, Reply
from bot.preferences import Mode
from storage import Memory

ALL = "all"


async def _mode(context: CommandContext, given: str) -> Reply:
    allowed, prefix = context.processing.memory_allowed, context.prefix
    if not given:
        present = await preferences.mode(context.vault, context.config)
        return Reply(consent_words.modes(present, prefix, memory_allowed=allowed))
    try:
        chosen = Mode(given.lower())
    except ValueError:
        raise UsageError(consent_words.mode_wanted(given, prefix)) from None
    await preferences.choose_mode(context.vault, chosen)
    text = consent_words.mode_chosen(chosen, prefix, memory_allowed=allowed)
    return Reply(text, effects=(_changed("memory mode", chosen),))


async def _digest(context: CommandContext, given: str) -> Reply:
    prefix, word = context.prefix, given.lower()
    if not word:
        return Reply(
            consent_words.digest_state(prefix, on=await preferences.wants_digest(context.vault))
        )
    if word not in ("on", "off"):
        raise UsageError(consent_words.digest_wanted(given, prefix))
    await preferences.choose_digest(context.vault, context.now(), on=word == "on")
    text = consent_words.digest_chosen(prefix, on=word == "on")
    return Reply(text, effects=(_changed("digest", word),))


async def _pending(context: CommandContext, given: str) -> Reply:
    proposals = await context.vault.pending.all()
    former = await approving.former(context.vault, proposals)
    texts = {number: one.text for number, one in former.items()}
    return Reply(consent_words.waiting(proposals, texts, context.prefix), repeats=True)


async def _approve(context: CommandContext, given: str) -> Reply:
    chosen, missing = await _chosen(context, given, "memory approve 7")
    done = await approving.decide(context.vault, chosen, yes=True)
    text = consent_words.approved(done.remembered, context.prefix)
    return _decided(context, text, missing, done)


async def _reject(context: CommandContext, given: str) -> Reply:
    chosen, missing = await _chosen(context, given, "memory reject 7")
    done = await approving.decide(context.vault, chosen, yes=False)
    return _decided(context, consent_words.rejected(done.rejected), missing, done)


async def _chosen(
    context: CommandContext, given: str, example: str
) -> tuple[Sequence[Memory], Sequence[int]]:
    """The proposals that a person named, and the numbers that name none; at least one is there."""
    proposals = await context.vault.pending.all()
    if not proposals:
        raise UsageError(consent_words.nothing_waits(context.prefix))
    if given.lower() == ALL:
        return proposals, ()
    wanted = numbers(context, given, example)
    chosen = [one for one in proposals if one.memory_id in wanted]
    missing = [one for one in wanted if one not in {two.memory_id for two in chosen}]
    if not chosen:
        raise UsageError(consent_words.no_such(missing, context.prefix))
    return chosen, missing


def _decided(
    context: CommandContext, text: str, missing: Sequence[int], done: approving.Decided
) -> Reply:
    missing = sorted([*missing, *done.missed])
    rest = consent_words.no_such(missing, context.prefix) if missing else ""
    if not (done.remembered or done.rejected):  # another client was faster
        raise UsageError(rest)
    return Reply("\n\n".join(filter(None, (text, rest))), repeats=True, effects=done.effects)


def _changed(setting: str, value: str) -> Effect:
    return Effect(Action.SETTINGS_CHANGED, facts={"setting": setting, "value": str(value)})


CONSENTING: Mapping[str, Subcommand] = {
    "mode": _mode,
    "pending": _pending,
    "approve": _approve,
    "reject": _reject,
    "digest": _digest,
}
