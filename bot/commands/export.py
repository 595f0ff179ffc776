"""`!export`: everything that the bot holds about you, as one file in your direct chat."""

import asyncio
import re
from asyncio import Lock
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial

from bot import export_words
from bot.archive.writing import Export
from bot.command import WITHIN_FOR_WORDS, Command, CommandContext, Question, Said
from bot.errors import UsageError
from bot.messages import Action, Attachment, Effect, Facts, Outcome, Reply, Where
from bot.witness import bearing, given
from storage import seal

LIMIT = 50_000_000  # bytes (SEC-02), also where the homeserver takes more
MANY = 5_000  # messages that take long enough to say so
LEAST = 10  # characters of a passphrase
PASSPHRASE = "passphrase"  # noqa: S105 - the word that asks for one

_DASHES = re.compile("^[-‐–—]+")  # phones make one of two


class Form(StrEnum):
    """What the file is; the value is what its name ends with."""

    ZIP = "zip"
    JSON = "json"
    HTML = "html"


@dataclass(frozen=True, slots=True)
class _Shape:
    content_type: str
    write: Callable[[Export], bytes]


SHAPES: Mapping[Form, _Shape] = {
    Form.ZIP: _Shape("application/zip", Export.as_zip),
    Form.JSON: _Shape("application/json", Export.as_json),
    Form.HTML: _Shape("text/html", Export.as_page),
}


async def _run(context: CommandContext) -> Said:
    words = {_DASHES.sub("", word) for word in context.arguments.lower().split()}
    forms = words - {PASSPHRASE}
    if forms not in (set(), {Form.JSON}, {Form.HTML}):
        raise UsageError(export_words.usage(context.prefix))
    form = Form(next(iter(forms), Form.ZIP))
    if PASSPHRASE not in words:
        return await _export(context, form)
    minutes = round(WITHIN_FOR_WORDS.total_seconds() / 60)
    name = _filename(form, context.now(), sealed=True)
    return Question(export_words.ask_passphrase(name, LEAST, minutes, context.prefix), about=form)


async def _answered(context: CommandContext, passphrase: str) -> Said:
    form = Form(context.arguments)
    if len(passphrase) < LEAST or len(passphrase.splitlines()) > 1:
        return Question(export_words.too_short(LEAST), about=form)
    return await _export(context, form, passphrase)


async def _export(context: CommandContext, form: Form, passphrase: str = "") -> Reply:
    counts, made_at = await context.vault.counts(), context.now()
    say = context.say if counts.turns >= MANY else _nothing
    await say(export_words.gathering(counts))
    disclosed, tables = await context.audit.disclosed(), await context.vault.export()
    head = await given(context.audit.head)
    await say(export_words.packing(counts))
    asked, note = context.message, head.note if head else ""
    write = partial(Export.of, besides=asked.event_id)
    export = await asyncio.to_thread(write, asked.sender, tables, disclosed, made_at, note)
    limit = min(LIMIT, await context.upload_limit() or LIMIT)
    content, lean = await _packed(context.turn, export, form, passphrase, limit)
    facts: Facts = {
        "bytes": len(content),
        "memories": counts.memories,
        "messages": counts.turns,
        "form": form,
        "passphrase": bool(passphrase),
    }
    if len(content) > limit:
        refused = Effect(Action.EXPORT_CREATED, Outcome.FAILED, facts=facts)
        text = export_words.too_large(
            len(content), limit, context.prefix, smallest=lean, theirs=limit < LIMIT
        )
        return Reply(text, effects=(refused,))
    await say(export_words.packed(len(content)))
    file = _attachment(form, made_at, content, sealed=bool(passphrase))
    text = export_words.exported(counts, len(content), file.filename if passphrase else "")
    if lean:
        text = f"{text}\n\n{export_words.lean(limit)}"
    done = Reply(text, attachment=file, effects=(Effect(Action.EXPORT_CREATED, facts=facts),))
    return bearing(done, head)


async def _packed(
    turn: Lock, export: Export, form: Form, passphrase: str, limit: int
) -> tuple[bytes, bool]:
    """The file as it is sent, and whether it is lean: a ZIP that would be larger than the limit."""
    content = await _sealed(turn, partial(SHAPES[form].write, export), passphrase)
    if form is not Form.ZIP or len(content) <= limit:
        return content, False
    return await _sealed(turn, partial(export.as_zip, views=False), passphrase), True


async def _sealed(turn: Lock, write: Callable[[], bytes], passphrase: str) -> bytes:
    content = await asyncio.to_thread(write)
    if not passphrase:
        return content
    async with turn:
        return await asyncio.to_thread(seal, content, passphrase)


def _attachment(form: Form, made_at: datetime, content: bytes, *, sealed: bool) -> Attachment:
    kind = "application/octet-stream" if sealed else SHAPES[form].content_type
    return Attachment(_filename(form, made_at, sealed=sealed), kind, content)


def _filename(form: Form, made_at: datetime, *, sealed: bool) -> str:
    return f"confidant-export-{made_at:%Y-%m-%d}.{form}{'.age' if sealed else ''}"


async def _nothing(text: str) -> None:
    """Of what is done in a moment nothing is said before."""


EXPORT = Command(
    name="export",
    usage=("export", "export html", "export json", "export --passphrase"),
    summary="take everything that I hold about you, as one file",
    where=Where.DIRECT,
    run=_run,
    answered=_answered,
)
