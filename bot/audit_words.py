"""Audit entries in words, for the person whom they concern and for the audit room."""

from collections.abc import Mapping, Sequence

from storage import AuditEntry


def page(entries: Sequence[tuple[int, AuditEntry]]) -> str:
    """A person's own audit entries, newest first."""
    lines = "\n".join(f"- **{seq}** {_entry(entry)}" for seq, entry in entries)
    return f"What I did that concerns you, newest first (times in UTC):\n\n{lines}"


def _entry(entry: AuditEntry) -> str:
    """One entry in a line; ids of events and rooms say nothing to a person."""
    parts = [f"{entry.occurred_at:%Y-%m-%d %H:%M}", entry.action]
    parts += [entry.outcome] if entry.outcome != "ok" else []
    parts += [entry.target] if entry.target and entry.target[0] not in "$!" else []
    return " · ".join([*parts, *facts(entry.facts)])


def facts(given: Mapping[str, object]) -> list[str]:
    """The facts of an audit entry in words, for a person or for the audit room."""
    return [
        f"{value} ms" if name == "ms" else f"{name.replace('_', ' ')} {value}"
        for name, value in given.items()
    ]
