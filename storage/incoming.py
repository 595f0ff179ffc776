"""Tables that come in a file: what each column may hold, checked before anything is written.

An export of this vault passes as it is. What does not fit is refused whole: a file that was changed
or cut off is not half believed.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from storage.audit_entry import detail_from
from storage.clock import from_text, to_text
from storage.errors import StorageFailure

Fields = Mapping[str, Any]
Tables = Mapping[str, Sequence[Fields]]
Fits = Callable[[object], bool]

SAID = 16 * 1024  # characters of one message, of a quote from it, and of what is remembered of it
ANSWERED = 1_000_000  # characters of one answer
NOTED = 100_000  # characters of what stands under an answer
COUNTED = 10**12  # tokens, or what else is counted
LARGEST = 10**15  # of a number that rows are told apart by, also below zero: see merge_plan.KEPT


class UnfitTables(StorageFailure):
    """What a file brings is no export of a vault, or no longer what it was; the text says why."""


def _text(most: int) -> Fits:
    return lambda value: isinstance(value, str) and len(value) <= most


def _id(value: object) -> bool:
    """What is compared and unique must be stored as it stands here."""
    return isinstance(value, str) and 0 < len(value) <= 300 and value.isprintable()


def _one_of(*names: str) -> Fits:
    return lambda value: isinstance(value, str) and value in names


def _number(least: int, most: int) -> Fits:
    return lambda value: type(value) is int and least <= value <= most


def _or_null(fits: Fits) -> Fits:
    return lambda value: value is None or fits(value)


def _hex(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value, re.ASCII) is not None


def _time(value: object) -> bool:
    """Times are compared as text, so they come in the one form that is written here."""
    if not isinstance(value, str) or len(value) != len("2026-01-01T00:00:00.000000+00:00"):
        return False
    try:
        return to_text(from_text(value)) == value
    except (ValueError, OverflowError):
        return False


def _day(value: object) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


_KIND, _BY = _one_of("direct", "shared"), _one_of("person", "model", "import")
_KEY, _PLACE = _number(1, LARGEST), _number(-LARGEST, LARGEST)
_COUNT, _NAME = _number(0, COUNTED), _text(500)

COLUMNS: Mapping[str, Mapping[str, Fits]] = {
    "turn": {
        "turn_id": _PLACE,
        "event_id": _id,
        "room_id": _id,
        "room_kind": _KIND,
        "thread_id": _or_null(_id),
        "role": _one_of("user", "assistant"),
        "text": _text(ANSWERED),
        "note": _text(NOTED),
        "said_at": _time,
        "answers_event_id": _or_null(_id),
        "model": _or_null(_NAME),
        "gateway_host": _or_null(_NAME),
        "prompt_tokens": _or_null(_COUNT),
        "completion_tokens": _or_null(_COUNT),
        "provider": _or_null(_NAME),
    },
    "turn_part": {"event_id": _id, "turn_id": _PLACE},
    "memory": {
        "memory_id": _KEY,
        "text": _text(SAID),
        "digest": _hex,
        "quote": _text(SAID),
        "origin": _BY,
        "status": _one_of("active", "pending", "superseded"),
        "source_event_id": _or_null(_id),
        "source_room_id": _or_null(_id),
        "room_kind": _KIND,
        "pinned": _number(0, 1),
        "created_at": _time,
        "updated_at": _time,
        "valid_until": _or_null(_time),
        "superseded_by": _or_null(_KEY),
        "notice_event_id": _or_null(_id),
        "replaces": _or_null(_KEY),
    },
    "memory_said": {
        "memory_id": _KEY,
        "event_id": _id,
        "room_id": _id,
        "quote": _text(SAID),
        "said_at": _time,
    },
    "memory_revision": {
        "revision_id": _KEY,
        "memory_id": _KEY,
        "text": _text(SAID),
        "changed_by": _BY,
        "changed_at": _time,
        "quote": _text(SAID),
        "source_event_id": _or_null(_id),
        "source_room_id": _or_null(_id),
        "valid_until": _or_null(_time),
    },
    "memory_share": {"memory_id": _KEY, "room_id": _id, "shared_at": _time},
    "memory_use": {"answer_event_id": _id, "memory_id": _KEY, "used_at": _time},
    "turn_use": {"answer_event_id": _id, "turn_id": _PLACE},
    "notice": {
        "event_id": _id,
        "room_id": _id,
        "became": _NAME,
        "source_event_id": _or_null(_id),
        "settled": _or_null(_number(0, 1)),
    },
    "setting": {"name": _text(1_000), "value": _text(10_000)},
    "usage": {
        "day": _day,
        "model": _NAME,
        "requests": _COUNT,
        "prompt_tokens": _COUNT,
        "completion_tokens": _COUNT,
    },
    "audit_detail": {
        "position": _PLACE,
        "commitment": _hex,
        "salt": _hex,
        "occurred_at": _time,
        "actor": _NAME,
        "action": _NAME,
        "target": _NAME,
        "outcome": _NAME,
        "facts": _text(SAID),
    },
}
"""Every table of an export, in the order in which rows may refer to others."""

_UNIQUE = (
    ("turn", ("turn_id",)),
    ("turn", ("event_id",)),
    ("turn_part", ("event_id",)),
    ("memory", ("memory_id",)),
    ("memory_said", ("memory_id", "event_id")),
    ("memory_revision", ("revision_id",)),
    ("memory_share", ("memory_id", "room_id")),
    ("memory_use", ("answer_event_id", "memory_id")),
    ("turn_use", ("answer_event_id", "turn_id")),
    ("setting", ("name",)),
    ("usage", ("day", "model")),
    ("audit_detail", ("position",)),
    ("audit_detail", ("commitment",)),
)
_REFERS = (
    ("turn_part", "turn_id", "turn"),
    ("turn_use", "turn_id", "turn"),
    ("memory", "superseded_by", "memory"),
    ("memory", "replaces", "memory"),
    *((f"memory_{one}", "memory_id", "memory") for one in ("said", "revision", "share", "use")),
)


def checked(tables: object) -> Tables:
    """The tables of an export, all of them, each row with all columns; or UnfitTables.

    A column that a row lacks is null: the file is from before there was that column.
    """
    if not isinstance(tables, dict) or not tables.keys() <= COLUMNS.keys():
        raise UnfitTables("it holds a table that I don't know")
    whole: dict[str, list[Fields]] = {}
    for table, columns in COLUMNS.items():
        rows = tables.get(table, [])
        if not isinstance(rows, list):
            raise UnfitTables(f"its table “{table}” is no list of rows")
        whole[table] = [_row(table, columns, row) for row in rows]
    _check_keys(whole)
    return whole


def _row(table: str, columns: Mapping[str, Fits], row: object) -> Fields:
    if not isinstance(row, dict) or not row.keys() <= columns.keys():
        raise UnfitTables(f"a row of its table “{table}” has other columns than mine")
    if row.keys() < columns.keys():
        row = {column: row.get(column) for column in columns}
    _check(table, columns, row)
    return row


def _check(table: str, columns: Mapping[str, Fits], row: Fields) -> None:
    for column, fits in columns.items():
        if not fits(row[column]):
            raise UnfitTables(f"a row of its table “{table}” holds no possible “{column}”")
    if table == "turn" and row["role"] == "user" and len(row["text"]) > SAID:
        raise UnfitTables("a message in it is longer than any that I take")
    if table == "audit_detail" and not _is_what_it_commits_to(row):
        raise UnfitTables("a row of its table “audit_detail” was changed")


def _is_what_it_commits_to(row: Fields) -> bool:
    try:
        commitment = detail_from({**row, "salt": bytes.fromhex(row["salt"])}).commitment
    except (ValueError, TypeError, RecursionError):
        return False
    return commitment.hex() == str(row["commitment"])


def _check_keys(tables: Tables) -> None:
    for table, columns in _UNIQUE:
        keys = [tuple(row[column] for column in columns) for row in tables[table]]
        if len(set(keys)) < len(keys):
            raise UnfitTables(f"its table “{table}” has the same row twice")
    for table, column, target in _REFERS:
        there = _values(tables[target], f"{target}_id")
        if not _values(tables[table], column) - {None} <= there:
            raise UnfitTables(f"a row of its table “{table}” belongs to one that is not in it")


def _values(rows: Iterable[Fields], column: str) -> set[Any]:
    return {row[column] for row in rows}


def binary(table: str, row: Fields) -> list[Any]:
    """The values of a row in the order of its columns, as they are stored."""
    columns = COLUMNS[table]
    return [
        bytes.fromhex(row[column]) if fits is _hex else row[column]
        for column, fits in columns.items()
    ]
