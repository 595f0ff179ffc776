"""`!help`: the list of commands, or how one of them is typed."""

from bot import replies
from bot.command import Command, CommandContext, named
from bot.errors import UsageError
from bot.messages import Reply, Where


async def _run(context: CommandContext) -> Reply:
    prefix = context.prefix
    words = context.arguments.lower().split()
    wanted = words[0].removeprefix(prefix)[:20] if words else ""
    if not wanted:
        return Reply(replies.help_page(context.commands, prefix))
    command = named(wanted, context.commands)
    if command is None:
        word = wanted if wanted.isascii() and wanted.isalpha() else "that"
        raise UsageError(replies.unknown_command(word, None, prefix))
    return Reply(replies.usage(command, prefix))


HELP = Command(
    name="help",
    usage=("help", "help COMMAND"),
    summary="what I can do, and how a command is typed",
    where=Where.HERE,
    run=_run,
)
