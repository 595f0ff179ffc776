"""Times in the database: UTC, ISO 8601, always the same width, so that they sort as text."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The time now, aware, in UTC."""
    return datetime.now(UTC)


def to_text(moment: datetime) -> str:
    """The moment as every `*_at` column holds it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def from_text(text: str) -> datetime:
    """The moment that `to_text` wrote."""
    return datetime.fromisoformat(text)
