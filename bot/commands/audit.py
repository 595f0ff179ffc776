"""`!audit`: every action of the bot that concerned you, what proves it, and that none changed."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from bot import audit_replies
from bot.audit_view import HEAD
from bot.command import Command, CommandContext, first_word, number
from bot.durations import parse_duration
from bot.errors import BusyError, UsageError
from bot.messages import Action, Attachment, Reply, Where
from storage import AuditTampered

PAGE = 20
OF_NOBODY = frozenset({"audit", "backup", "bot"})  # what the bot does for all and itself
KINDS = tuple(
    kind
    for kind in dict.fromkeys(action.partition(".")[0] for action in Action)
    if kind not in OF_NOBODY
)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is looked for: a page of the entries of a kind and a span of time."""

    page: int = 1
    kind: str = ""
    span: timedelta | None = None


async def _run(context: CommandContext) -> Reply:
    word, rest = first_word(context.arguments.lower())
    if word == "proof":
        return await _proof(context, rest)
    if word == "verify" and not rest:
        return await _verify(context)
    return await _page(context, _wanted(context))


def _wanted(context: CommandContext) -> _Wanted:
    wanted = _Wanted()
    for word in context.arguments.lower().split():
        page = number(word)
        if page:
            wanted = replace(wanted, page=page)
        elif word in KINDS:
            wanted = replace(wanted, kind=word)
        else:
            wanted = replace(wanted, span=_span(context, word))
    return wanted


def _span(context: CommandContext, word: str) -> timedelta:
    try:
        return parse_duration(word)
    except ValueError:
        given = word[:20]
        near = difflib.get_close_matches(given, (*KINDS, "proof", "verify"), n=1)
        meant = near[0] if near else None
        raise UsageError(audit_replies.usage(context.prefix, given, meant, KINDS)) from None


async def _page(context: CommandContext, wanted: _Wanted) -> Reply:
    since = None if wanted.span is None else context.now() - wanted.span
    entries = await context.audit.entries(
        kind=wanted.kind, since=since, besides=context.message.event_id
    )
    if not entries:
        return Reply(_nothing(context, wanted))
    pages = -(-len(entries) // PAGE)
    page = min(wanted.page, pages)
    text = audit_replies.page(
        entries[(page - 1) * PAGE : page * PAGE],
        number=page,
        of=pages,
        total=len(entries),
        typed=_typed(context, wanted),
        prefix=context.prefix,
    )
    return Reply(text, repeats=True)


def _nothing(context: CommandContext, wanted: _Wanted) -> str:
    if not wanted.kind and wanted.span is None:
        return audit_replies.NO_ENTRIES
    return audit_replies.nothing_found(wanted.kind, wanted.span, context.prefix)


def _typed(context: CommandContext, wanted: _Wanted) -> str:
    """The command without a page, for the one that shows the next."""
    words: Sequence[str] = [one for one in context.arguments.lower().split() if number(one) is None]
    return " ".join([f"{context.prefix}audit", *words])


async def _proof(context: CommandContext, given: str) -> Reply:
    seq = number(given)
    if seq is None:
        raise UsageError(audit_replies.proof_usage(context.prefix))
    found = await context.audit.proof(seq)
    if found is None:
        raise UsageError(audit_replies.no_such(seq, context.prefix))
    entry, content = found
    file = Attachment(f"audit-proof-{seq}.json", "application/json", content)
    return Reply(audit_replies.proved(seq, entry, file.filename), attachment=file, repeats=True)


async def _verify(context: CommandContext) -> Reply:
    try:
        checked = await context.audit.verify()
        head = await context.audit.head()
    except BusyError as error:
        return Reply(str(error))
    except AuditTampered as found:
        return Reply(audit_replies.tampered(str(found), context.prefix))
    line = audit_replies.head_line(head.checkpoint.size, head.checkpoint.root)
    return Reply(f"{audit_replies.checked(checked)}\n\n{line}", fields={HEAD: head.note})


AUDIT = Command(
    name="audit",
    usage=("audit", "audit PAGE", "audit memory", "audit 7d", "audit proof N", "audit verify"),
    summary="every action of mine that concerned you, with its proof",
    where=Where.DIRECT,
    run=_run,
)
