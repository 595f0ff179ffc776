"""`!export`: everything that the bot holds about you, as one file in your direct chat."""

import json

from bot import replies
from bot.command import Command, CommandContext
from bot.errors import UsageError
from bot.messages import Action, Attachment, Effect, Outcome, Reply, Where

SCHEMA = "org.confidant.export/1"
LIMIT = 50_000_000  # bytes (SEC-02); also what homeservers take by default


async def _run(context: CommandContext) -> Reply:
    if context.arguments.lower() not in ("", "json"):
        raise UsageError(replies.export_usage(context.prefix))
    made_at = context.now()
    counts = await context.vault.counts()
    document = {
        "schema": SCHEMA,
        "created_at": made_at.isoformat(),
        "user_id": context.message.sender,
        "tables": await context.vault.export(),
    }
    content = json.dumps(document, ensure_ascii=False, indent=1).encode()
    if len(content) > LIMIT:
        facts = {"bytes": len(content)}
        refused = Effect(Action.EXPORT_CREATED, Outcome.FAILED, facts=facts)
        text = replies.export_too_large(len(content), LIMIT, context.prefix)
        return Reply(text, effects=(refused,))
    filename = f"confidant-export-{made_at:%Y-%m-%d}.json"
    facts = {"bytes": len(content), "memories": counts.memories, "messages": counts.turns}
    return Reply(
        replies.exported(counts, len(content)),
        attachment=Attachment(filename, "application/json", content),
        effects=(Effect(Action.EXPORT_CREATED, facts=facts),),
    )


EXPORT = Command(
    name="export",
    usage=("export",),
    summary="take everything that I hold about you, as one file",
    where=Where.DIRECT,
    run=_run,
)
