"""`!users`: who has a vault, by pseudonym, and how much is in it."""

from bot import operator_words
from bot.command import number
from bot.errors import UsageError
from bot.messages import Reply
from bot.operator_command import OperatorCommand, OperatorContext

PAGE = 20  # people in one answer


async def _run(context: OperatorContext) -> Reply:
    page = number(context.arguments or "1")
    if page is None or page < 1:
        raise UsageError(operator_words.usage(USERS, context.prefix))
    found = await context.people((page - 1) * PAGE, PAGE)
    pages = max(1, -(-found.total // PAGE))
    if page > pages:
        raise UsageError(operator_words.no_page(pages, context.prefix))
    return Reply(operator_words.people(found, page, pages, context.prefix))


USERS = OperatorCommand(
    name="users",
    usage=("users", "users PAGE"),
    summary="who has a vault, by pseudonym: memories, messages, last active day",
    run=_run,
)
