"""Files that are sent to break whoever imports them, each with the one sentence that answers it."""

import hashlib
import io
import json
import stat
import struct
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

from bot import import_words as words

NOON = "2026-01-01T12:00:00.000000+00:00"
TURN: Mapping[str, Any] = {
    "turn_id": 1,
    "event_id": "$1",
    "room_id": "!ann",
    "room_kind": "direct",
    "thread_id": None,
    "role": "user",
    "text": "hello",
    "note": "",
    "said_at": NOON,
    "answers_event_id": None,
    "model": None,
    "gateway_host": None,
    "prompt_tokens": None,
    "completion_tokens": None,
    "provider": None,
}
MEMORY: Mapping[str, Any] = {
    "memory_id": 1,
    "text": "I live in Oslo",
    "digest": "0" * 64,
    "quote": "",
    "origin": "person",
    "status": "active",
    "source_event_id": None,
    "source_room_id": None,
    "room_kind": "direct",
    "pinned": 0,
    "created_at": NOON,
    "updated_at": NOON,
    "valid_until": None,
    "superseded_by": None,
    "notice_event_id": None,
    "replaces": None,
}
DETAIL: Mapping[str, Any] = {
    "position": 1,
    "commitment": "0" * 64,
    "salt": "0" * 64,
    "occurred_at": NOON,
    "actor": "@ann:x.org",
    "action": "memory.created",
    "target": "",
    "outcome": "ok",
    "facts": "{}",
}


def document(**tables: Any) -> bytes:
    """An export of ours with these tables."""
    schema = {"schema": "org.confidant.export/1", "created_at": NOON, "user_id": "@ann:x.org"}
    return json.dumps({**schema, "tables": tables}).encode()


def packed(files: Mapping[str, bytes], **manifest: Any) -> bytes:
    """A ZIP file as ours are; `manifest` changes what its manifest says of a file."""
    said = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in files.items()
    }
    listed = json.dumps({"files": {**said, **manifest}}).encode()
    return bare({**files, "manifest.json": listed})


def bare(files: Mapping[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP file of exactly these files."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", kind) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def named(name: str, *, mode: int = 0) -> bytes:
    """ChatGPT's export with one more file of this name and kind."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("conversations.json", "[]")
        info = zipfile.ZipInfo("placeholder")
        info.filename, info.external_attr = name, mode << 16
        archive.writestr(info, "../../etc/passwd")
    return made.getvalue()


def _twice() -> bytes:
    """Two files of one name, which Python writes only with a warning."""
    return bare({"conversations.json": b"[]", "conversations.jsoN": b"[1]"}).replace(
        b"jsoN", b"json"
    )


def _listed(content: bytes, at: int, form: str, *values: int) -> bytes:
    """The first entry of the list of contents, changed at a place."""
    entry = content.index(b"PK\x01\x02")
    changed = bytearray(content)
    struct.pack_into(form, changed, entry + at, *values)
    return bytes(changed)


def _overlapping() -> bytes:
    """Two entries of the list that unpack the same bytes: how a small bomb becomes a large one."""
    content = bare({"conversations.json": b"[]" * 1000, "other": b"[]" * 1000})
    second = content.rindex(b"PK\x01\x02")
    changed = bytearray(content)
    struct.pack_into("<I", changed, second + 42, 0)
    return bytes(changed)


def _bomb() -> bytes:
    return bare({"conversations.json": bytes(150_000_000)})


def nested() -> bytes:
    """Eight files, each of which is read: together they would take 2.3 GB."""
    content = b"[" + b",".join([b'{"a":' * 500 + b"0" + b"}" * 500] * 3_000) + b"]"
    return bare({f"conversations-{number:03}.json": content for number in range(8)})


def of_keys(count: int) -> bytes:
    """What takes the most memory for its size: keys and words of four bytes a letter."""
    entries = (f'"{number:x}😀":"{number:x}😀"' for number in range(count))
    content = '[{"id":"c","mapping":{' + ",".join(entries) + "}}]"
    return bare({"conversations.json": content.encode()})


def of_wide_texts(count: int, last: str) -> bytes:
    """Small files that grow in memory: one character at the end makes all of a text as wide."""
    parts = json.dumps(["a" * 999_000 + "LAST"]).replace("LAST", last)
    said = '{"id":"NODE","author":{"role":"assistant"},"create_time":1,"content":{"content_type":'
    node = f'"NODE":{{"parent":null,"message":{said}"text","parts":{parts}}}}}}}'
    nodes = ",".join(
        f'{{"id":"c","mapping":{{{node.replace("NODE", f"FILE-{number}")}}}}}'
        for number in range(99)
    )
    return bare(
        {
            f"conversations-{file:03}.json": f"[{nodes}]".replace("FILE", str(file)).encode()
            for file in range(count)
        }
    )


def _many(count: int) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for number in range(count):
            archive.writestr(zipfile.ZipInfo(f"{number}"), b"")
    return made.getvalue()


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


GOOD = {"export.json": document(turn=[dict(TURN)]), "index.html": b"<p>"}
TALK = bare({"conversations.json": b"[]"})

ZIPS: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "cut off": (lambda: _cut(packed(GOOD)), words.DAMAGED_ZIP),
    "only a beginning": (lambda: b"PK\x03\x04", words.DAMAGED_ZIP),
    "without a file": (lambda: bare({}), words.UNKNOWN_ZIP),
    "of something else": (lambda: bare({"word/document.xml": b"<x/>"}), words.UNKNOWN_ZIP),
    "without a manifest": (lambda: bare(GOOD), words.INCOMPLETE),
    "without the export": (lambda: packed({"index.html": b"<p>"}), words.INCOMPLETE),
    "with a file not listed": (
        lambda: bare({**GOOD, "manifest.json": b'{"files": {}}'}),
        words.INCOMPLETE,
    ),
    "lacking a listed file": (lambda: packed(GOOD, extra={}), words.INCOMPLETE),
    "with a list as manifest": (lambda: bare({**GOOD, "manifest.json": b"[]"}), words.INCOMPLETE),
    "with a broken manifest": (lambda: bare({**GOOD, "manifest.json": b"{"}), words.NO_JSON),
    "of another hash": (
        lambda: packed(GOOD, **{"index.html": {"bytes": 3, "sha256": "0" * 64}}),
        words.WRONG_HASH,
    ),
    "of another size": (
        lambda: packed(
            GOOD,
            **{"index.html": {"bytes": 4, "sha256": hashlib.sha256(b"<p>").hexdigest()}},
        ),
        words.WRONG_HASH,
    ),
    "with a listed number": (lambda: packed(GOOD, **{"index.html": 1}), words.WRONG_HASH),
    "with a way up": (lambda: named("../conversations.json"), words.UNSAFE_NAME),
    "with a way up inside": (lambda: named("a/../../b"), words.UNSAFE_NAME),
    "with an absolute path": (lambda: named("/etc/passwd"), words.UNSAFE_NAME),
    "with a drive": (lambda: named("C:windows"), words.UNSAFE_NAME),
    "with a backslash": (lambda: named("..\\b"), words.UNSAFE_NAME),
    "with a zero in a name": (
        lambda: named("aXb").replace(b"aXb", b"a\x00b"),
        words.UNSAFE_NAME,
    ),
    "with a name that is no UTF-8": (
        lambda: named("aéb").replace("é".encode(), b"\xff\xfe"),
        words.DAMAGED_ZIP,
    ),
    "with a link": (lambda: named("link", mode=stat.S_IFLNK | 0o777), words.UNSAFE_NAME),
    "with a device": (lambda: named("disk", mode=stat.S_IFBLK | 0o666), words.UNSAFE_NAME),
    "with a name twice": (_twice, words.SAME_NAME_TWICE),
    "with a password": (lambda: _listed(TALK, 8, "<H", 1), words.LOCKED_ZIP),
    "that is a bomb": (_bomb, words.BOMB),
    "that is a bomb and says it is small": (
        lambda: _listed(_bomb(), 24, "<I", 100),
        words.DAMAGED_ZIP,
    ),
    "that says it is huge": (lambda: _listed(TALK, 24, "<I", 0xFFFFFFFE), words.BOMB),
    "with a place in 64 bits that is none": (
        lambda: _listed(TALK, 24, "<I", 0xFFFFFFFF),
        words.BOMB,
    ),
    "with a place behind its end": (lambda: _listed(TALK, 42, "<I", 10**6), words.BOMB),
    "with entries in one place": (_overlapping, words.BOMB),
    "of nested objects in eight files": (nested, words.TOO_LARGE_JSON),
    "of new keys without end": (lambda: of_keys(3_200_000), words.TOO_LARGE_JSON),
    "with 100,000 files": (lambda: _many(100_000), words.TOO_MANY_ENTRIES),
    "of another checksum": (lambda: _listed(TALK, 16, "<I", 1), words.DAMAGED_ZIP),
    "packed in another way": (
        lambda: bare({"conversations.json": b"[]"}, zipfile.ZIP_BZIP2),
        words.DAMAGED_ZIP,
    ),
    "in a ZIP": (lambda: packed({"export.json": packed(GOOD)}), words.NOT_UTF8),
    "in a ZIP of text": (lambda: packed({"export.json": bare({})}), words.NO_JSON),
}


def _row(row: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    return {**row, **changes}


def _turns(**changes: Any) -> bytes:
    return document(turn=[_row(TURN, **changes)])


def _memories(**changes: Any) -> bytes:
    return document(memory=[_row(MEMORY, **changes)])


TEXTS: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", words.NO_JSON),
    "a picture": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(99), words.NOT_UTF8),
    "cut off": (lambda: _cut(document(turn=[])), words.NO_JSON),
    "in UTF-16": (lambda: '{"schema": "é"}'.encode("utf-16"), words.NOT_UTF8),
    "in Latin-1": (lambda: '{"schema": "é"}'.encode("latin-1"), words.NOT_UTF8),
    "a number": (lambda: b"5", words.UNKNOWN_JSON),
    "a word": (lambda: b'"hello"', words.UNKNOWN_JSON),
    "something else": (lambda: b'{"a": []}', words.UNKNOWN_JSON),
    "not a number": (lambda: b'[{"create_time": NaN}]', words.IMPOSSIBLE_NUMBER),
    "endless": (lambda: b'[{"create_time": -Infinity}]', words.IMPOSSIBLE_NUMBER),
    "too great": (lambda: b"[1e999]", words.IMPOSSIBLE_NUMBER),
    "too long a number": (lambda: b"[" + b"9" * 5000 + b"]", words.IMPOSSIBLE_NUMBER),
    "too deep": (lambda: b"[" * 100_000, words.TOO_DEEP),
    "too deep in objects": (lambda: b'{"a":' * 100_000, words.TOO_DEEP),
    "too many values": (lambda: b"[" + b"0," * 10_000_000 + b"0]", words.TOO_LARGE_JSON),
    "too large": (lambda: b" " * 100_000_001, words.TOO_LARGE_JSON),
    "of a later version": (lambda: b'{"schema": "org.confidant.export/2"}', words.NEWER),
    "of another schema": (lambda: b'{"schema": "org.other/1"}', words.UNKNOWN_JSON),
    "of a schema that is a list": (lambda: b'{"schema": []}', words.UNKNOWN_JSON),
    "without tables": (
        lambda: b'{"schema": "org.confidant.export/1"}',
        words.unfit("it holds a table that I don't know"),
    ),
    "with a list as tables": (
        lambda: b'{"schema": "org.confidant.export/1", "tables": []}',
        words.unfit("it holds a table that I don't know"),
    ),
    "with a strange table": (
        lambda: document(sqlite_master=[]),
        words.unfit("it holds a table that I don't know"),
    ),
    "with an object as table": (
        lambda: document(turn={}),
        words.unfit("its table “turn” is no list of rows"),
    ),
    "with a list as row": (
        lambda: document(turn=[[]]),
        words.unfit("a row of its table “turn” has other columns than mine"),
    ),
    "with a strange column": (
        lambda: _turns(**{"text) VALUES (1); --": 1}),
        words.unfit("a row of its table “turn” has other columns than mine"),
    ),
    "lacking a column": (
        lambda: document(turn=[{"turn_id": 1}]),
        words.unfit("a row of its table “turn” holds no possible “event_id”"),
    ),
    "with an answer that was changed": (
        lambda: document(audit_detail=[dict(DETAIL)]),
        words.unfit("a row of its table “audit_detail” was changed"),
    ),
    "with facts that are a list": (
        lambda: document(audit_detail=[_row(DETAIL, facts="[1]")]),
        words.unfit("a row of its table “audit_detail” was changed"),
    ),
    "with a message too long": (
        lambda: _turns(text="x" * 16_385),
        words.unfit("a message in it is longer than any that I take"),
    ),
    "with a number twice": (
        lambda: document(turn=[dict(TURN), _row(TURN, event_id="$2")]),
        words.unfit("its table “turn” has the same row twice"),
    ),
    "with an event twice": (
        lambda: document(turn=[dict(TURN), _row(TURN, turn_id=2)]),
        words.unfit("its table “turn” has the same row twice"),
    ),
    "with a part of nothing": (
        lambda: document(turn_part=[{"event_id": "$1", "turn_id": 9}]),
        words.unfit("a row of its table “turn_part” belongs to one that is not in it"),
    ),
    "with a memory replaced by nothing": (
        lambda: _memories(superseded_by=9),
        words.unfit("a row of its table “memory” belongs to one that is not in it"),
    ),
    **{
        f"with an impossible {column} ({number})": (
            lambda column=column, value=value: _turns(**{column: value}),  # type: ignore[misc]
            words.unfit(f"a row of its table “turn” holds no possible “{column}”"),
        )
        for number, (column, value) in enumerate(
            [
                ("text", 7),
                ("text", None),
                ("text", "x" * 1_000_001),
                ("note", ["x"]),
                ("role", "system"),
                ("room_kind", "open"),
                ("turn_id", True),
                ("turn_id", 10**16),
                ("event_id", ""),
                ("event_id", "$" + "x" * 300),
                ("event_id", "$a\nb"),
                ("event_id", "$a\ud800"),
                ("said_at", "2026-01-01"),
                ("said_at", "2026-13-01T12:00:00.000000+00:00"),
                ("said_at", "2026-01-01T12:00:00.000000+01:00"),
                ("prompt_tokens", -1),
                ("prompt_tokens", 1.5),
            ]
        )
    },
    **{
        f"with an impossible {column} of a memory ({number})": (
            lambda column=column, value=value: _memories(**{column: value}),  # type: ignore[misc]
            words.unfit(f"a row of its table “memory” holds no possible “{column}”"),
        )
        for number, (column, value) in enumerate(
            [
                ("memory_id", 10**16),
                ("memory_id", 0),
                ("digest", "zz"),
                ("status", "shared"),
                ("origin", "system"),
                ("pinned", 2),
                ("text", "x" * 20_000),
            ]
        )
    },
}
