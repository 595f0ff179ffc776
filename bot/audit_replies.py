"""What `!audit` answers: pages of entries, proofs, and what a check of the log found."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby

from bot.audit_view import Checked
from bot.audit_words import sentence
from bot.durations import in_words
from bot.messages import Outcome
from bot.replies import count
from storage import AuditEntry


def page(
    lines: Sequence[tuple[int, AuditEntry]],
    *,
    number: int,
    of: int,
    total: int,
    typed: str,
    prefix: str,
) -> str:
    """A page of a person's own audit entries, newest first; `typed` shows more of them."""
    entries = count(total, "entry", "entries")
    where = f"page {number} of {of}, {entries}" if of > 1 else entries
    days = "\n\n".join(
        f"**{day}**\n\n" + "\n".join(_line(*one) for one in some)
        for day, some in groupby(lines, lambda one: f"{one[1].occurred_at:%Y-%m-%d}")
    )
    more = f"`{typed} {number + 1}` shows older ones. " if number < of else ""
    return (
        f"What I did that concerns you, newest first (times in UTC; {where}):\n\n{days}\n\n"
        f"{more}`{prefix}audit proof {lines[0][0]}` proves an entry, `{prefix}audit verify` "
        "checks the whole log."
    )


def _line(seq: int, entry: AuditEntry) -> str:
    return f"- **#{seq}** · {entry.occurred_at:%H:%M} · {sentence(entry)}"


NO_ENTRIES = "There is no audit entry about you yet."


def nothing_found(kind: str, span: timedelta | None, prefix: str) -> str:
    """No entry of that kind, or of that time."""
    what = f" of the kind “{kind}”" if kind else ""
    when = f" from the last {in_words(span).removeprefix('1 ')}" if span else ""
    return f"There is no audit entry about you{what}{when}. `{prefix}audit` shows all there are."


def usage(prefix: str, given: str, near: str | None, kinds: Sequence[str]) -> str:
    """`!audit` with something that it does not take."""
    meant = f" Did you mean `{prefix}audit {near}`?" if near else ""
    return (
        f"“{given}” is nothing that I can look for in your log.{meant} Type `{prefix}audit`, "
        f"`{prefix}audit 2` for the second page, `{prefix}audit 7d` for the last seven days, or "
        f"a kind of action: {', '.join(f'`{one}`' for one in kinds)}. `{prefix}audit proof 12` "
        f"proves an entry, `{prefix}audit verify` checks the log."
    )


def proof_usage(prefix: str) -> str:
    """`!audit proof` without the number of an entry."""
    return (
        f"Type the number of an entry behind it, like `{prefix}audit proof 12`; `{prefix}audit` "
        "lists them."
    )


def no_such(seq: int, prefix: str) -> str:
    """A number that is not of the person's own entries, whether there is such an entry or not."""
    return f"Your log has no entry #{seq}. `{prefix}audit` lists those there are."


BEGINNING = "that I was about to do something for you, noted before it was done"


def proved(seq: int, entry: AuditEntry, filename: str) -> str:
    """Sent with a proof; how it ended what was begun is an entry of its own."""
    about = BEGINNING if entry.outcome == Outcome.BEGUN else sentence(entry)
    return (
        f"The proof of your entry **#{seq}** ({about}) is in this file: the entry with "
        "the salt that hides it in the public log, the path from it to the root of the log, and "
        "the head with that root, signed by me. Check it without me, with the page of Python that "
        f"lies in `contrib` of my source code: `python3 verify_audit.py --proof {filename}`. "
        "Whoever has the file can read the entry, so show it only to whom you want to convince."
    )


def head_line(size: int, root: bytes) -> str:
    """The head of the log, for a person to keep."""
    return (
        f"Head of my audit log: {count(size, 'entry', 'entries')}, `{root.hex()[:16]}…` (with this "
        "message you keep it, signed: if anybody rewrites the log, it shows)"
    )


def checked(found: Checked) -> str:
    """What was found right, and what that means."""
    every = count(found.entries, "entry", "entries")
    heads = count(found.heads, "signed head", "signed heads")
    covered = (
        f"the first {found.covered:,} are as {heads} had them" if found.heads else NO_HEAD_COVERS
    )
    room = (
        "those in the operators' room I could not read"
        if found.posted is None
        else f"{found.posted:,} of these from the operators' room{_foreign(found.foreign)}"
    )
    yours = {0: "no entry is about you", 1: "the one entry about you is in it"}.get(
        found.own, f"all {found.own:,} entries about you are in it"
    )
    return (
        f"**Checked: {every}; {covered} ({room}); {yours}.** {_unpublished(found.unpublished)}"
        f"{_LOOKED_AT if found.posted else _BY_ITSELF} It can't prove what was never written down, "
        "nor that the program which writes it is mine."
    )


NO_HEAD_COVERS = "no signed head covers any of them yet"
_LOOKED_AT = (
    "So nobody has edited, removed or added an entry among those; newer ones are sealed by the "
    "next head."
)
_BY_ITSELF = (
    "So what is there fits together. Whether somebody who has my data wrote it anew shows only "
    "against a head that others kept, such as that of an export of yours: my operator can compare "
    "it."
)


def _foreign(heads: int) -> str:
    """Of a bot that was here before with another key, or that somebody else put there."""
    are = count(heads, "other there is", "others there are")
    return f"; {are} not signed with my key and left out" if heads else ""


def _unpublished(notes: int) -> str:
    has = count(notes, "note in your vault has", "notes in your vault have")
    return (
        f"{has} no entry in the log: I was killed while I wrote, and what it was about I took up "
        "again. "
        if notes
        else ""
    )


def tampered(why: str, prefix: str) -> str:
    """The log was changed, and what to do."""
    return (
        f"**{why}** Ask my operator about it. Keep your exports and my receipts: each has a head "
        "of the log, signed by me, that shows what the log was then. "
        f"`{prefix}export` makes one of how it is now."
    )
