"""What operators read in the audit room: numbers, rules, pseudonyms; of people nothing else."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from bot.operator_command import Access, Holding, OperatorCommand, People
from bot.pseudonyms import plain
from bot.replies import count
from bot.status import Status

NOT_RECORDED = (
    "I can't write into that person's part of the audit log that you looked them up, so I don't "
    "say who it is."
)
RESUMED = "▶️ I talk again. What people wrote meanwhile they have to send again; they were told."
NOT_PAUSED = "I am not paused: I talk with everybody who is listed."
MOST_SHOWN = 50  # rules of a kind in one answer


def unknown(name: str, near: str | None, prefix: str) -> str:
    """No command is called so."""
    meant = f"did you mean `{prefix}{near}`?" if near else f"`{prefix}help` lists what there is."
    return f"I don't know `{prefix}{name[:20]}` here; {meant}"


def personal(name: str, prefix: str) -> str:
    """A command about a person's own data, which nobody else may read."""
    return (
        f"`{prefix}{name}` is about you alone: send it in your direct chat with me. "
        f"`{prefix}help` lists what I do here."
    )


def help_page(commands: Sequence[OperatorCommand], prefix: str) -> str:
    """What operators can type."""
    rows = (
        f"- {' · '.join(f'`{prefix}{line}`' for line in one.usage)}: {one.summary}"
        for one in commands
    )
    return "\n".join(
        (
            "For operators, in this room alone; each is on the audit log, none shows what anybody "
            "said:",
            "",
            *rows,
        )
    )


def usage(command: OperatorCommand, prefix: str) -> str:
    """How a command is typed, to somebody who typed it wrongly."""
    typed = " or ".join(f"`{prefix}{line}`" for line in command.usage)
    return f"I don't understand that. Type {typed}: {command.summary}."


def no_pattern(name: str, prefix: str) -> str:
    """What stands behind `!allow`, `!block` or `!lift` is no Matrix id."""
    return (
        f"That is no Matrix id. Type it as text and not as a mention, such as `{prefix}{name} "
        f"@jane:example.org`, or `{prefix}{name} @*:example.org` for a whole server."
    )


def is_operator(pattern: str) -> str:
    """An operator was to be blocked."""
    return (
        f"`{plain(pattern)}` is an operator, and operators can't be blocked: "
        "take them out of `access.operators` first."
    )


def let_in(pattern: str, wider: Sequence[str]) -> str:
    """What became of an `!allow`."""
    if wider:
        blocks = ", ".join(f"`{plain(one)}`" for one in wider)
        return (
            f"⚠️ `{plain(pattern)}` is allowed, but a block of {blocks} shuts them out all the "
            "same: a block counts for more."
        )
    return f"✅ `{plain(pattern)}` may talk with me, from now on."


def shut_out(pattern: str) -> str:
    """What became of a `!block`."""
    return (
        f"⛔ I answer `{plain(pattern)}` no more, from now on. What I keep of people stays in "
        "their vaults."
    )


def lifted(pattern: str, prefix: str) -> str:
    """What became of a `!lift`."""
    return (
        f"↩️ What was allowed or blocked here for `{plain(pattern)}` is taken back: the "
        f"configuration counts, and what else `{prefix}allow` lists."
    )


def no_rule(pattern: str, prefix: str) -> str:
    """A `!lift` of what was never allowed or blocked, or not any more."""
    return (
        f"Nothing was allowed or blocked here for `{plain(pattern)}`, so there is nothing to take "
        f"back. `{prefix}allow` lists every rule: type one as it stands there."
    )


def rules(listed: Sequence[str], operators: Sequence[str], access: Access, prefix: str) -> str:
    """Whom the bot answers, and why."""
    rows = (
        ("Operators (access.operators)", operators),
        ("Listed (access.users)", listed),
        (f"Let in ({prefix}allow)", access.allowed),
        (f"Shut out ({prefix}block), which counts for more", access.blocked),
    )
    return "\n".join(f"- **{what}**: {_patterns(patterns)}" for what, patterns in rows)


def _patterns(patterns: Sequence[str]) -> str:
    shown = [f"`{plain(one)}`" for one in patterns[-MOST_SHOWN:]]
    more = len(patterns) - len(shown)
    return ", ".join([*shown, *([f"and {more} older ones"] if more else [])]) or "nobody"


def paused(since: datetime, prefix: str) -> str:
    """The bot is paused, now or already."""
    return (
        f"⏸️ I am paused since {_moment(since)}: I talk with nobody, and tell people so once a day. "
        "Commands about their own data go on, and so do erasing and this room's feed. "
        f"`{prefix}resume` ends it."
    )


def looked_up(pseudonym: str, user_id: str, prefix: str) -> str:
    """Who somebody is."""
    return (
        f"🔎 **{pseudonym}** is `{plain(user_id)}`. That you looked this up stands in their "
        f"`{prefix}audit`, under your name."
    )


def nobody(prefix: str) -> str:
    """A pseudonym that is nobody's, or nobody's any more."""
    return f"Nobody is called that. `{prefix}users` lists the names that there are."


def nothing_waits(number: str) -> str:
    """An operator compared what nobody waits for."""
    return (
        f"No verification waits for an answer under {number}: it has ended, it was answered, or "
        "the number is another."
    )


def people(found: People, page: int, pages: int, prefix: str) -> str:
    """A page of people."""
    if not found.total:
        return "Nobody has a vault yet."
    rows = "\n".join(_holding(one) for one in found.page)
    more = f"\n\n`{prefix}users {page + 1}` shows more." if page < pages else ""
    of = f", page {page} of {pages}" if pages > 1 else ""
    return f"👥 {count(found.total, 'person', 'people')}{of}:\n\n{rows}{more}"


def no_page(pages: int, prefix: str) -> str:
    """A page that there is not."""
    return f"There is no such page. Type `{prefix}users`, or a number up to {pages} behind it."


def _holding(one: Holding | None) -> str:
    if one is None:
        return "- ⚠️ a vault that can't be read"
    last = f"{one.last_said:%Y-%m-%d}" if one.last_said else "never"
    return (
        f"- **{one.pseudonym}**: {count(one.memories, 'memory', 'memories')}, "
        f"{count(one.messages, 'message', 'messages')}, last active {last}"
    )


def status(now: Status) -> str:
    """How the bot is, for a narrow screen."""
    problems = list(now.problems())
    head = "⚠️ Look here: " + "; ".join(problems) + "." if problems else "✅ All is well."
    paused_for = [f"⏸️ **Paused** since {_moment(now.paused_since)}"] if now.paused_since else []
    return "\n".join([head, "", *(f"- {one}" for one in [*paused_for, *_lines(now)])])


def _lines(now: Status) -> Iterator[str]:
    census, gateway = now.census, now.gateway
    yield f"**Up** {_span(now.at - now.started_at)}, since {_moment(now.started_at)}"
    yield f"**Last sync** {_ago(now.synced_at, now.at)}"
    yield (
        f"**Waiting**: {census.unfinished} to be answered, {census.waiting} without a key, "
        f"{census.unposted} for this room, {census.withdrawals + census.searches} to be withdrawn"
    )
    yield f"**Undecryptable** in 24 hours: {census.undecryptable}"
    yield (
        f"**Gateway** {_plain_host(now.gateway_host)}, model {_plain_host(now.model)}, "
        f"{_reached(gateway.connected_at, now.at)}"
    )
    yield (
        f"**Storage**: {count(census.vaults, 'vault', 'vaults')}, {_size(census.bytes)}, "
        f"{_size(census.free)} free; audit log of {census.audit_entries}"
    )
    yield f"**Last backup** {_ago(now.backed_up_at, now.at)}"
    yield " · ".join(f"{name} {number}" for name, number in now.versions)


def _plain_host(name: str) -> str:
    return f"`{plain(name)[:80]}`"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _ago(moment: datetime | None, now: datetime) -> str:
    return "never" if moment is None else f"{_span(now - moment)} ago"


def _reached(moment: datetime | None, now: datetime) -> str:
    return "never reached" if moment is None else f"last reached {_ago(moment, now)}"


def _span(span: timedelta) -> str:
    """A length of time in its largest unit: "3 d", "5 h", "12 min", "8 s"."""
    seconds = max(0, int(span.total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _size(size: int) -> str:
    """Bytes in the unit in which they are read: "840 kB", "3.2 MB", "78 GB"."""
    amount = size / 1_000
    for unit in ("kB", "MB"):
        if amount < 1_000:
            return f"{amount:.{0 if amount >= 10 else 1}f} {unit}"
        amount /= 1_000
    return f"{amount:.{0 if amount >= 10 else 1}f} GB"
