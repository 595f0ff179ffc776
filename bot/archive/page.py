"""`index.html` of an export: one file that reads and searches the rest, offline.

What people wrote stands in it as JSON, in an element that browsers don't run, without a `<` that
could end it. The page's policy names the one script and the one style by their hashes.
"""

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

from bot.archive import json_text
from bot.audit_order_words import filled
from bot.audit_words import said
from storage import UNSENT

SCRIPTS = (
    "reading.js",
    "words.js",
    "drawing.js",
    "paging.js",
    "searching.js",
    "results.js",
    "activity.js",
    "overview.js",
    "messages.js",
    "memories.js",
    "log.js",
    "settings.js",
    "page.js",
)
SHOWN: Mapping[str, tuple[str, ...]] = {
    "turn": (
        "turn_id",
        "event_id",
        "room_id",
        "room_kind",
        "thread_id",
        "role",
        "text",
        "note",
        "said_at",
        "model",
        "gateway_host",
        "prompt_tokens",
        "completion_tokens",
        "provider",
    ),
    "turn_part": ("event_id", "turn_id"),
    "turn_use": ("answer_event_id", "turn_id"),
    "memory": (
        "memory_id",
        "text",
        "quote",
        "origin",
        "status",
        "source_event_id",
        "source_room_id",
        "pinned",
        "created_at",
        "updated_at",
        "valid_until",
        "superseded_by",
        "replaces",
    ),
    "memory_revision": (
        "memory_id",
        "text",
        "quote",
        "changed_by",
        "changed_at",
        "source_event_id",
    ),
    "memory_said": ("memory_id", "event_id", "quote", "said_at"),
    "memory_share": ("memory_id", "room_id", "shared_at"),
    "memory_use": ("answer_event_id", "memory_id"),
    "setting": ("name", "value"),
    "usage": ("day", "model", "requests", "prompt_tokens", "completion_tokens"),
}
"""The columns that the page shows, or finds its way by."""
ENTRY = (
    "seq",
    "occurred_at",
    "actor",
    "action",
    "target",
    "outcome",
    "facts",
    "said",
    "commitment",
    "salt",
)
"""The same of an entry; `said` is the place of its sentence among all that are needed."""
# What could end the element or be no text at all; JSON has another way to write each.
_SPECIAL = re.compile("[<>&\u2028\u2029\ud800-\udfff]")
_POLICY = (
    "default-src 'none'; script-src '{script}'; style-src '{style}'; base-uri 'none'; "
    "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)


def page(document: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> bytes:
    """The page that shows an export's document and the audit entries of its person."""
    return b"".join(pieces(document, entries))


def pieces(document: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> Iterator[bytes]:
    """The same page, never held as a whole."""
    parts = {"style": _source("page.css"), "script": "\n".join(map(_source, SCRIPTS))}
    parts["policy"] = _POLICY.format(script=_hash(parts["script"]), style=_hash(parts["style"]))
    # What looks like one of our marks in a message stays what it is.
    for at, piece in enumerate(re.split(r"\{\{(\w+)\}\}", _source("page.html"))):
        if at % 2 and piece == "data":
            yield from (some.encode() for some in _shown(document, entries))
        else:
            yield (parts[piece] if at % 2 else piece).encode()


def embedded(value: Any) -> str:
    """A value as JSON that can stand in a page without being anything but text there."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _SPECIAL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _shown(document: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """In pieces, because nobody else is answered while one is written."""
    kept = document["tables"]
    tables = {name: _table(kept.get(name, ()), columns) for name, columns in SHOWN.items()}
    sentences = [_sentence(one) for one in entries]
    places = {one: place for place, one in enumerate(dict.fromkeys(sentences))}
    told = [{**one, "said": places[words]} for one, words in zip(entries, sentences, strict=True)]
    tables["entry"] = _table(told, ENTRY)
    about = {
        "user_id": document["user_id"],
        "created_at": document["created_at"],
        "said": [*places],
        "audit_head": document.get("audit_head", ""),
    }
    pieces = {name: _one(value) for name, value in about.items()}
    return json_text.mapping({**pieces, "tables": json_text.mapping(tables)})


def _sentence(entry: Mapping[str, Any]) -> str:
    told = said(entry["action"], entry["outcome"], entry["facts"])
    return filled(told, actor=entry["actor"], target=entry["target"])


def _table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> json_text.Pieces:
    """Rows without the names of their columns, which would be half of the page."""
    shown = (_one([row.get(name) for name in columns]) for row in rows if not _is_unsent(row))
    return json_text.mapping({"columns": _one(columns), "rows": json_text.array(shown)})


def _one(value: Any) -> json_text.Pieces:
    return (embedded(value),)


def _is_unsent(row: Mapping[str, Any]) -> bool:
    return any(str(row.get(name)).startswith(UNSENT) for name in ("event_id", "answer_event_id"))


def _source(name: str) -> str:
    return files("bot.archive").joinpath("web", name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
