"""ChatGPT's conversations.json as messages of a vault: what was said in the branch that was shown.

A conversation is a tree: each node holds a message, perhaps none, and names its parent; editing a
question begins another branch, and `current_node` is where the shown one ends.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from operator import itemgetter
from typing import Any

from bot.archive.left_out import LeftOut
from storage import ANSWERED, SAID

LATEST = 4_102_444_800  # seconds; no conversation is from after 2099
ID = 200  # characters
Node = Mapping[str, Any]
Turn = dict[str, Any]


def conversations(files: Iterable[list[Any]]) -> tuple[list[Turn], Mapping[LeftOut, int]]:
    """The turns of all conversations, oldest conversation first, and what was left out.

    Of each file no more than its turns is held while the next one is read.
    """
    left_out: Counter[LeftOut] = Counter()
    told = [one for some in map(partial(_told, left_out), files) for one in some]
    turns: dict[str, Turn] = {}
    for turn in chain.from_iterable(turns for _, turns in sorted(told, key=itemgetter(0))):
        if turn["event_id"] in turns:
            left_out[LeftOut.REPEATED] += 1
        else:
            turns[turn["event_id"]] = turn | {"turn_id": len(turns) + 1}
    return list(turns.values()), {why: number for why, number in left_out.items() if number}


def _told(left_out: Counter[LeftOut], found: list[Any]) -> list[tuple[float, list[Turn]]]:
    """The turns of each conversation of a file that has any, with when it began."""
    return [
        (_time(one.get("create_time")) or 0, turns)
        for one in map(_object, found)
        if (turns := list(_turns(one, left_out)))
    ]


def _turns(conversation: Node, left_out: Counter[LeftOut]) -> Iterator[Turn]:
    name = _id(conversation.get("conversation_id")) or _id(conversation.get("id"))
    mapping = conversation.get("mapping")
    if not name or not isinstance(mapping, dict):
        left_out[LeftOut.BROKEN] += 1
        return
    begun = _time(conversation.get("create_time")) or _time(conversation.get("update_time"))
    for message in _branch(mapping, conversation.get("current_node")):
        text = _text(message, left_out)
        event, said_at = _id(message.get("id")), _time(message.get("create_time")) or begun
        if not text:
            continue
        if not event or said_at is None:
            left_out[LeftOut.BROKEN] += 1
            continue
        yield _turn(message, text, event=event, conversation=name, said_at=said_at)


def _branch(mapping: Node, end: object) -> list[Node]:
    """The messages from the beginning to the current node, or to the last of all."""
    node = end if isinstance(end, str) and end in mapping else next(reversed(list(mapping)), None)
    seen: dict[str, Node] = {}
    while isinstance(node, str) and node in mapping and node not in seen:
        seen[node] = _object(mapping[node])
        node = seen[node].get("parent")
    messages = [_object(one.get("message")) for one in reversed(seen.values())]
    return [one for one in messages if one]


def _text(message: Node, left_out: Counter[LeftOut]) -> str:
    """What a person or the model said, empty where that is nothing to keep; it is counted why."""
    role = _object(message.get("author")).get("role")
    content = _object(message.get("content"))
    parts = content.get("parts")
    parts = parts if isinstance(parts, list) else []
    if role == "system" or message.get("weight") == 0:
        left_out[LeftOut.HIDDEN] += bool(any(parts))
        return ""
    spoken = content.get("content_type") in ("text", "multimodal_text")
    if role not in ("user", "assistant") or not spoken or _is_to_a_tool(message):
        left_out[LeftOut.TOOLS] += 1
        return ""
    said = [_said(part) for part in parts]
    other = [part for part in parts if not isinstance(part, str)]
    left_out[LeftOut.PICTURES] += sum(not _said(part) for part in other)
    text = "\n".join(one for one in said if one.strip())
    left_out[LeftOut.EMPTY] += not text and not other
    most = SAID if role == "user" else ANSWERED
    left_out[LeftOut.SHORTENED] += len(text) > most
    return text[:most]


def _is_to_a_tool(message: Node) -> bool:
    return message.get("recipient", "all") not in ("all", None)


def _said(part: object) -> str:
    """A part is words, or an object; of what was spoken aloud that holds the words."""
    if isinstance(part, dict) and part.get("content_type") == "audio_transcription":
        part = part.get("text")
    return part if isinstance(part, str) else ""


def _turn(message: Node, text: str, *, event: str, conversation: str, said_at: float) -> Turn:
    model = _object(message.get("metadata")).get("model_slug")
    return {
        "event_id": f"import chatgpt {event}",
        "room_id": f"import {conversation}",
        "room_kind": "direct",
        "thread_id": None,
        "role": _object(message.get("author"))["role"],
        "text": text,
        "note": "",
        "said_at": datetime.fromtimestamp(said_at, UTC).isoformat(timespec="microseconds"),
        "answers_event_id": None,
        "model": model if isinstance(model, str) and len(model) <= ID else None,
        "gateway_host": None,
        "prompt_tokens": None,
        "completion_tokens": None,
        "provider": None,
    }


def _object(value: object) -> Node:
    return value if isinstance(value, dict) else {}


def _id(value: object) -> str:
    fits = isinstance(value, str) and 0 < len(value) <= ID and value.isprintable()
    return str(value) if fits else ""


def _time(value: object) -> float | None:
    """Seconds since 1970, as a number; None for what is no possible time."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value < LATEST else None
