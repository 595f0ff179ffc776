"""One thing that is remembered about a person, and what it said before."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime

from storage.clock import from_text
from storage.rows import Row


@dataclass(frozen=True, slots=True)
class Memory:
    """One thing remembered, where it came from, and how often answers used it."""

    memory_id: int
    text: str = field(repr=False)
    quote: str = field(repr=False)  # the person's own words it rests on
    origin: str  # "person", "model" or "import"
    status: str  # "active", "pending" or "superseded"
    source_event_id: str | None
    source_room_id: str | None
    room_kind: str
    pinned: bool
    created_at: datetime
    updated_at: datetime
    uses: int
    shared_in: tuple[str, ...]  # the shared rooms in which the owner lets it be used
    replaces: int | None = None  # of a pending one: the memory that it would change
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    """What a memory said before somebody changed it, and what that rested on."""

    text: str = field(repr=False)
    changed_by: str
    changed_at: datetime
    quote: str = field(default="", repr=False)
    source_event_id: str | None = None
    source_room_id: str | None = None


def digest(text: str) -> bytes:
    """Equal for texts that differ in case and white space only."""
    return hashlib.sha256(" ".join(text.casefold().split()).encode("utf-8", "replace")).digest()


def memory_from(row: Row) -> Memory:
    """The Memory of a row of the view memory_listed."""
    return Memory(
        memory_id=row["memory_id"],
        text=row["text"],
        quote=row["quote"],
        origin=row["origin"],
        status=row["status"],
        source_event_id=row["source_event_id"],
        source_room_id=row["source_room_id"],
        room_kind=row["room_kind"],
        pinned=bool(row["pinned"]),
        created_at=from_text(row["created_at"]),
        updated_at=from_text(row["updated_at"]),
        uses=row["uses"],
        shared_in=tuple(json.loads(row["shared_in"])),
        replaces=row["replaces"],
        valid_until=from_text(row["valid_until"]) if row["valid_until"] else None,
    )


def revision_from(row: Row) -> Revision:
    """The Revision of a row of the table memory_revision."""
    return Revision(
        text=row["text"],
        changed_by=row["changed_by"],
        changed_at=from_text(row["changed_at"]),
        quote=row["quote"],
        source_event_id=row["source_event_id"],
        source_room_id=row["source_room_id"],
    )
