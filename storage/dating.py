"""When something of a file was said or done: not before 1970, and not later than now."""

from collections.abc import Mapping

from storage.incoming import Fields

FIRST = "1970-01-01T00:00:00.000000+00:00"  # that a message of Matrix can be from

DATED: Mapping[str, tuple[str, ...]] = {
    "turn": ("said_at",),
    "memory": ("created_at", "updated_at"),
    "memory_said": ("said_at",),
    "memory_revision": ("changed_at",),
    "memory_share": ("shared_at",),
    "memory_use": ("used_at",),
}
"""The times of each table that lie in the past."""


def dated(table: str, row: Fields, now: str) -> Fields:
    """A row with possible times: what is not over yet would never grow old."""
    return {**row, **{name: min(max(row[name], FIRST), now) for name in DATED[table]}}
