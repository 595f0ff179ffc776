"""The same export by what people ask for: each memory with its history, each message as a line."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from storage import AuditDetail

Row = Mapping[str, Any]
Tables = Mapping[str, Sequence[Row]]


def memories(tables: Tables) -> Iterator[dict[str, Any]]:
    """Each memory with what it said before, where it comes from, is shared and was used."""
    revisions = _by(tables["memory_revision"], "memory_id")
    said = _by(tables["memory_said"], "memory_id")
    shares = _by(tables["memory_share"], "memory_id")
    uses = _by(tables["memory_use"], "memory_id")
    for row in tables["memory"]:
        number = row["memory_id"]
        yield {
            "memory": number,
            "text": row["text"],
            "status": row["status"],
            "origin": row["origin"],
            "pinned": bool(row["pinned"]),
            "created_at": row["created_at"],
            "updated_at": row["updated_at"],
            "valid_until": row["valid_until"],
            "room_kind": row["room_kind"],
            "source": _source(row),
            "said_again": [
                {**_picked(one, "event_id", "room_id", "said_at"), "quote": one["quote"]}
                for one in said[number]
            ],
            "revisions": [
                {
                    **_picked(one, "text", "changed_by", "changed_at", "valid_until"),
                    "source": _source(one),
                }
                for one in revisions[number]
            ],
            "superseded_by": row["superseded_by"],
            "would_change": row["replaces"],
            "shared_in": [_picked(one, "room_id", "shared_at") for one in shares[number]],
            "uses": [_picked(one, "answer_event_id", "used_at") for one in uses[number]],
        }


def messages(tables: Tables) -> Iterator[dict[str, Any]]:
    """Each message, in the order in which they were said; answers with what they used."""
    parts = _by(tables["turn_part"], "turn_id")
    used_memories = _by(tables["memory_use"], "answer_event_id")
    used_messages = _by(tables["turn_use"], "answer_event_id")
    events = {row["turn_id"]: row["event_id"] for row in tables["turn"]}
    for row in tables["turn"]:
        message = {name: value for name, value in row.items() if name != "turn_id"}
        message["further_event_ids"] = [one["event_id"] for one in parts[row["turn_id"]]]
        if row["role"] == "assistant":
            used = used_messages[row["event_id"]]
            message["used_memories"] = [one["memory_id"] for one in used_memories[row["event_id"]]]
            message["used_messages"] = [events[one["turn_id"]] for one in used]
        yield message


def audit_entry(seq: int, detail: AuditDetail) -> dict[str, Any]:
    """One entry as it stands in the log, with what shows that its public half is about this."""
    proof = {"commitment": detail.commitment.hex(), "salt": detail.salt.hex()}
    return {"seq": seq, **detail.fields, **proof}


def _source(row: Row) -> dict[str, Any] | None:
    """The message that a text comes from; None for what was typed."""
    if row["source_event_id"] is None:
        return None
    return {
        "event_id": row["source_event_id"],
        "room_id": row["source_room_id"],
        "quote": row["quote"],
    }


def _picked(row: Row, *names: str) -> dict[str, Any]:
    return {name: row[name] for name in names}


def _by(rows: Sequence[Row], name: str) -> defaultdict[Any, list[Row]]:
    grouped = defaultdict[Any, list[Row]](list)
    for row in rows:
        grouped[row[name]].append(row)
    return grouped
