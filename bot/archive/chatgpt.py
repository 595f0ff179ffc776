"""`conversations.json` as ChatGPT's own export has it, which Open WebUI and LibreChat read.

A conversation is a tree of messages by their ids; ours are one branch each. Open WebUI takes the
messages in the order of the object, LibreChat follows `parent` and wants `metadata` everywhere.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from bot.archive import json_text

Row = Mapping[str, Any]

TITLE = 60  # characters
ROOT = "root"


def conversations(turns: Sequence[Row]) -> Iterator[str]:
    """The JSON of all conversations: one a room, and one a thread in it; oldest first."""
    grouped = defaultdict[tuple[str, str | None], list[Row]](list)
    for turn in turns:
        grouped[turn["room_id"], turn["thread_id"]].append(turn)
    return json_text.array(_conversation(*place, said) for place, said in grouped.items())


def _conversation(room_id: str, thread_id: str | None, turns: Sequence[Row]) -> Iterator[str]:
    number = str(uuid.uuid5(uuid.NAMESPACE_URL, f"matrix:{room_id}/{thread_id or ''}"))
    models = [turn["model"] for turn in turns if turn["model"]]
    about = {
        "title": _title(turns),
        "create_time": _seconds(turns[0]),
        "update_time": _seconds(turns[-1]),
        "current_node": turns[-1]["event_id"],
        "conversation_id": number,
        "id": number,
        "default_model_slug": models[-1] if models else None,
        "moderation_results": [],
        "is_archived": False,
    }
    head = {name: json_text.row(value) for name, value in about.items()}
    return json_text.mapping({**head, "mapping": json_text.mapping(_nodes(turns))})


def _nodes(turns: Sequence[Row]) -> Iterator[tuple[str, json_text.Pieces]]:
    first = {"id": ROOT, "message": None, "parent": None, "children": [turns[0]["event_id"]]}
    yield ROOT, json_text.row(first)
    parents = [ROOT, *(turn["event_id"] for turn in turns)]
    for (parent, event_id), turn, after in zip(
        pairwise(parents), turns, [*turns[1:], None], strict=True
    ):
        node = {
            "id": event_id,
            "message": _message(turn),
            "parent": parent,
            "children": [] if after is None else [after["event_id"]],
        }
        yield event_id, json_text.row(node)


def _message(turn: Row) -> dict[str, Any]:
    return {
        "id": turn["event_id"],
        "author": {"role": turn["role"], "name": None, "metadata": {}},
        "create_time": _seconds(turn),
        "update_time": None,
        "content": {"content_type": "text", "parts": [turn["text"]]},
        "status": "finished_successfully",
        "end_turn": True,
        "weight": 1.0,
        "metadata": {"model_slug": turn["model"]} if turn["model"] else {},
        "recipient": "all",
    }


def _title(turns: Sequence[Row]) -> str:
    """The beginning of the first thing that the person said there."""
    said = next((turn for turn in turns if turn["role"] == "user"), turns[0])
    words = " ".join(said["text"].split())
    return words if len(words) <= TITLE else words[: TITLE - 1].rstrip() + "…"


def _seconds(turn: Row) -> float:
    return datetime.fromisoformat(turn["said_at"]).timestamp()
