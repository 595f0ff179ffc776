"""`!allow`, `!block` and `!lift`: who may talk with the bot, over the configuration."""

import re
from functools import partial

from bot import operator_words
from bot.access import covered, operates
from bot.errors import UsageError
from bot.messages import Action, Effect, Reply
from bot.operator_command import OperatorCommand, OperatorContext

_PATTERN = re.compile(r"@(?:\*|[^\s:*]+):[A-Za-z0-9.:\[\]-]+")
LONGEST = 255  # bytes of a Matrix id


async def _allow(context: OperatorContext) -> Reply:
    if not context.arguments:
        return _rules(context)
    pattern, access = _typed("allow", context), context.access
    listed = context.config.access
    if covered(pattern, (*listed.users, *listed.operators)):
        make = partial(access.lift, pattern)  # a rule of its own would outlive the listing
        stands = not _has_rule(pattern, context)
    else:
        make, stands = partial(access.allow, pattern), pattern in access.allowed
    await context.change(_changed("allow", pattern), make, stands=stands)
    wider = [one for one in access.blocked if covered(pattern, [one])]
    still = [] if operates(pattern, context.config) else wider
    return Reply(operator_words.let_in(pattern, still))


async def _block(context: OperatorContext) -> Reply:
    if not context.arguments:
        return _rules(context)
    pattern = _typed("block", context)
    if operates(pattern, context.config):
        raise UsageError(operator_words.is_operator(pattern))
    make, stands = partial(context.access.block, pattern), pattern in context.access.blocked
    await context.change(_changed("block", pattern), make, stands=stands)
    return Reply(operator_words.shut_out(pattern))


async def _lift(context: OperatorContext) -> Reply:
    pattern = _typed("lift", context)
    stands = not _has_rule(pattern, context)
    if stands and not context.again:
        raise UsageError(operator_words.no_rule(pattern, context.prefix))
    make = partial(context.access.lift, pattern)
    await context.change(_changed("lift", pattern), make, stands=stands)
    return Reply(operator_words.lifted(pattern, context.prefix))


def _has_rule(pattern: str, context: OperatorContext) -> bool:
    return pattern in (*context.access.allowed, *context.access.blocked)


def _rules(context: OperatorContext) -> Reply:
    access = context.config.access
    return Reply(
        operator_words.rules(access.users, access.operators, context.access, context.prefix)
    )


def _typed(name: str, context: OperatorContext) -> str:
    """The pattern that was typed, perhaps marked as code."""
    pattern = context.arguments.strip("`")
    if not _PATTERN.fullmatch(pattern) or len(pattern.encode("utf-8", "replace")) > LONGEST:
        raise UsageError(operator_words.no_pattern(name, context.prefix))
    return pattern


def _changed(rule: str, pattern: str) -> Effect:
    return Effect(Action.ACCESS_CHANGED, target=pattern, facts={"rule": rule})


ALLOW = OperatorCommand(
    name="allow",
    usage=("allow", "allow @NAME:SERVER", "allow @*:SERVER"),
    summary="whom I answer; let somebody in, or take back a block",
    run=_allow,
)
BLOCK = OperatorCommand(
    name="block",
    usage=("block", "block @NAME:SERVER", "block @*:SERVER"),
    summary="whom I answer; shut somebody out, which counts for more than being listed",
    run=_block,
)
LIFT = OperatorCommand(
    name="lift",
    usage=("lift @NAME:SERVER", "lift @*:SERVER"),
    summary="take back what was allowed or blocked here",
    run=_lift,
)
