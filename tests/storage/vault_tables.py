"""Generated vaults, as tables of an export: everything that a vault can hold at once.

They are put into a vault as they stand, without the code that brings in what a file holds.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from storage import Vault
from storage.audit_entry import AuditDetail, AuditEntry, canonical
from storage.clock import to_text
from storage.dating import FIRST
from storage.incoming import COLUMNS
from storage.remembered import digest
from storage.taking_back import UNSENT

Row = dict[str, Any]
Generated = dict[str, list[Row]]
Excepted = Callable[[Generated, str | None, str], Generated]

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
BINARY = ("digest", "commitment", "salt")
ROOMS = ("!ann:x.org", "!all:x.org", "!other:x.org")
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.sampled_from(
        [
            "I live in Oslo",
            "i  LIVE in oslo",
            "אני גר באוסלו",
            "السلام عليكم",
            "東京に住む",
            "a\x00b",
            "👩‍👩‍👧",
            "",
        ]
    ),
)
SECONDS = st.integers(0, 10**6) | st.just(10**9)  # the last is later than any now
TIMES = SECONDS.map(lambda seconds: to_text(BEGUN + timedelta(seconds=seconds)))
PAST = {"said_at", "created_at", "updated_at", "changed_at", "shared_at", "used_at"}
COUNTS = st.integers(0, 10**6)
SETTLED = st.integers(0, 1)
CHOICES = {
    "memory.mode": "ask",
    "retention": "30d",
    "private !all:x.org": "on",
    "private !other:x.org": "off",
    "digest": "on",
    "digest sent": "2026-01-01T12:00:00+00:00",
}
STATES = {  # what the bot notes among them
    "greeted in shared": "yes",
    "question !other:x.org": "{}",
}


def _maybe(draw: st.DrawFn, strategy: st.SearchStrategy[Any]) -> Any:
    return draw(st.none() | strategy)


@st.composite
def vaults(draw: st.DrawFn) -> Generated:
    """The tables of somebody's vault, with every row that refers to another one's there."""
    tables: Generated = {table: [] for table in COLUMNS}
    _talk(draw, tables)
    _memories(draw, tables)
    for answer in [row for row in tables["turn"] if row["role"] == "assistant"]:
        _used(draw, tables, answer)
    made = CHOICES | STATES
    chosen = sorted(draw(st.sets(st.sampled_from(sorted(made)))))
    tables["setting"] = [{"name": name, "value": made[name]} for name in chosen]
    tables["usage"] = [_usage(draw, day) for day in range(1, 1 + draw(st.integers(0, 3)))]
    tables["audit_detail"] = [_detail(draw, number) for number in range(draw(st.integers(0, 3)))]
    return tables


def _talk(draw: st.DrawFn, tables: Generated) -> None:
    first = draw(st.sampled_from([1, 7, -40]))  # what came in a file once stands below zero
    for number in range(1, 1 + draw(st.integers(0, 5))):
        room, said_at = draw(st.sampled_from(ROOMS)), draw(TIMES)
        kind = "shared" if room == "!all:x.org" else "direct"
        place = {"room_id": room, "room_kind": kind, "thread_id": _maybe(draw, st.just("$root"))}
        question = {**_turn(draw, f"$q{number}", said_at), **place}
        rows = [question, _answer(draw, question, draw(st.sampled_from(["$a", UNSENT])))]
        if draw(st.booleans()):
            rows.append(_answer(draw, question, f"{UNSENT}$edit-of-"))
        for row in rows:
            row["turn_id"] = first + len(tables["turn"])
            tables["turn"].append(row)
            if row["event_id"][0] == "$" and draw(st.booleans()):
                part = {"event_id": f"$p-of-{row['event_id']}", "turn_id": row["turn_id"]}
                tables["turn_part"].append(part)


def _answer(draw: st.DrawFn, question: Row, event: str) -> Row:
    """To a question; its event is still to come where it was never sent."""
    said = _turn(draw, f"{event}{question['event_id']}", draw(TIMES))
    place = {name: question[name] for name in ("room_id", "room_kind", "thread_id")}
    cost = {"prompt_tokens": draw(COUNTS), "completion_tokens": 1}
    by = {"model": "m", "gateway_host": "h", "provider": _maybe(draw, st.just("somebody"))}
    answers = {"role": "assistant", "answers_event_id": question["event_id"], "note": draw(TEXTS)}
    return {**said, **place, **answers, **by, **cost}


def _turn(draw: st.DrawFn, event_id: str, said_at: str) -> Row:
    nothing = dict.fromkeys(
        ("answers_event_id", "model", "gateway_host", "provider", "prompt_tokens")
    )
    said = {"event_id": event_id, "role": "user", "text": draw(TEXTS), "said_at": said_at}
    return {**said, "note": "", **nothing, "completion_tokens": None}


def _memories(draw: st.DrawFn, tables: Generated) -> None:
    numbers = sorted(draw(st.sets(st.integers(1, 30), max_size=5)))
    for number in numbers:
        row = _memory(draw, number)
        if draw(st.booleans()):
            row["notice_event_id"] = f"$n{number}"
            became = draw(st.sampled_from(["approved", "rejected", "expired"]))
            notice = {"event_id": f"$n{number}", "room_id": ROOMS[0], "became": became}
            state = {"source_event_id": row["source_event_id"], "settled": draw(SETTLED)}
            tables["notice"].append({**notice, **state})
        others = [one for one in numbers if one != number]
        if others and row["status"] == "superseded":
            row["superseded_by"] = _maybe(draw, st.sampled_from(others))
        if others and row["status"] == "pending":
            row["replaces"] = _maybe(draw, st.sampled_from(others))
        tables["memory"].append(row)
        if draw(st.booleans()):
            said = {"memory_id": number, "event_id": f"$s{number}", "room_id": ROOMS[0]}
            tables["memory_said"].append({**said, "quote": draw(TEXTS), "said_at": draw(TIMES)})
        if draw(st.booleans()):
            shared = {"memory_id": number, "room_id": "!all:x.org", "shared_at": draw(TIMES)}
            tables["memory_share"].append(shared)
        for _ in range(draw(st.integers(0, 2))):
            revision = _revision(draw, number)
            tables["memory_revision"].append(
                {"revision_id": len(tables["memory_revision"]) + 1, **revision}
            )


def _memory(draw: st.DrawFn, number: int) -> Row:
    text, source = draw(TEXTS), _maybe(draw, st.just(f"$q{number}"))
    kind = draw(st.sampled_from(["direct", "shared"]))
    return {
        "memory_id": number,
        "text": text,
        "digest": digest(text).hex(),
        "quote": draw(TEXTS),
        "origin": draw(st.sampled_from(["person", "model", "import"])),
        "status": draw(st.sampled_from(["active", "active", "pending", "superseded"])),
        "source_event_id": source,
        "source_room_id": None if source is None else "!all:x.org",
        "room_kind": kind,
        "pinned": draw(st.integers(0, 1)),
        "created_at": draw(TIMES),
        "updated_at": draw(TIMES),
        "valid_until": _maybe(draw, TIMES),
        "superseded_by": None,
        "notice_event_id": None,
        "replaces": None,
    }


def _revision(draw: st.DrawFn, number: int) -> Row:
    return {
        "memory_id": number,
        "text": draw(TEXTS),
        "changed_by": draw(st.sampled_from(["person", "model", "import"])),
        "changed_at": draw(TIMES),
        "quote": draw(TEXTS),
        "source_event_id": _maybe(draw, st.just("$older")),
        "source_room_id": _maybe(draw, st.sampled_from(ROOMS)),
        "valid_until": _maybe(draw, TIMES),
    }


def _used(draw: st.DrawFn, tables: Generated, answer: Row) -> None:
    uses = {"answer_event_id": answer["event_id"]}
    for memory in tables["memory"]:
        if draw(st.booleans()):
            use = {**uses, "memory_id": memory["memory_id"], "used_at": draw(TIMES)}
            tables["memory_use"].append(use)
    for turn in tables["turn"]:
        if turn["turn_id"] < answer["turn_id"] and draw(st.booleans()):
            tables["turn_use"].append({**uses, "turn_id": turn["turn_id"]})


def _usage(draw: st.DrawFn, day: int) -> Row:
    counts = {name: draw(COUNTS) for name in ("requests", "prompt_tokens", "completion_tokens")}
    return {"day": f"2026-01-0{day}", "model": draw(st.sampled_from(["m", "n"])), **counts}


def _detail(draw: st.DrawFn, number: int) -> Row:
    at = BEGUN + timedelta(seconds=draw(COUNTS))
    facts: dict[str, Any] = {"n": draw(st.none() | st.booleans() | COUNTS)}
    entry = AuditEntry(at, "@ann:x.org", "memory.created", "ok", f"memory {number}", facts)
    salt = hashlib.sha256(str(number).encode()).digest()
    return {
        "position": number + 1,
        "commitment": AuditDetail(entry, salt).commitment.hex(),
        "salt": salt.hex(),
        "occurred_at": to_text(at),
        "actor": entry.actor,
        "action": entry.action,
        "target": entry.target,
        "outcome": entry.outcome,
        "facts": canonical(facts).decode(),
    }


async def put(vault: Vault, tables: Generated) -> None:
    """Write these rows into a vault that has none of them."""
    async with vault._database.transaction() as transaction:
        await transaction.execute("PRAGMA defer_foreign_keys = ON")
        for table, rows in tables.items():
            for row in rows:
                columns, marks = ", ".join(row), ", ".join("?" * len(row))
                values = [bytes.fromhex(row[one]) if one in BINARY else row[one] for one in row]
                insert = f"INSERT INTO {table} ({columns}) VALUES ({marks})"
                await transaction.execute(insert, *values)


def _young(tables: Generated, since: str | None, now: str) -> Generated:
    old = {
        row["answers_event_id"] or row["event_id"]
        for row in tables["turn"]
        if since is not None and row["said_at"] < since
    }
    return _without(tables, lambda turn: (turn["answers_event_id"] or turn["event_id"]) in old)


def _sent(tables: Generated, since: str | None, now: str) -> Generated:
    return _without(tables, lambda turn: turn["event_id"].startswith(UNSENT))


def _without(tables: Generated, goes: Callable[[Row], bool]) -> Generated:
    """The tables without some turns, and what hangs on these."""
    gone = [turn for turn in tables["turn"] if goes(turn)]
    events, numbers = ({one[name] for one in gone} for name in ("event_id", "turn_id"))
    hangs = {
        name: [
            row
            for row in tables[name]
            if row.get("turn_id") not in numbers and row.get("answer_event_id") not in events
        ]
        for name in ("turn", "turn_part", "turn_use", "memory_use")
    }
    return {**tables, **hangs}


def _unasked(tables: Generated, since: str | None, now: str) -> Generated:
    memories = [{**row, "notice_event_id": None} for row in tables["memory"]]
    return {**tables, "memory": memories, "notice": []}


def _over(tables: Generated, since: str | None, now: str) -> Generated:
    def over(row: Row) -> Row:
        return {**row, **{name: now for name in PAST & row.keys() if row[name] > now}}

    return {name: [over(row) for row in rows] for name, rows in tables.items()}


def _begun(tables: Generated, since: str | None, now: str) -> Generated:
    def begun(row: Row) -> Row:
        return {**row, **{name: max(row[name], FIRST) for name in PAST & row.keys()}}

    return {name: [begun(row) for row in rows] for name, rows in tables.items()}


EXCEPTIONS: Mapping[str, Excepted] = {
    "Messages older than messages are kept": _young,
    "Answers that were never sent": _sent,
    "Notices that ask about a memory": _unasked,
    "Times that are still to come, in whose place now is set": _over,
    "Times before 1970, in whose place its beginning is set": _begun,
}
"""How each exception of storage.NOT_RESTORED looks."""


def restored(tables: Generated, now: datetime, since: str | None = None) -> Generated:
    """What an empty vault is after such an export came into it: all of it, but for exceptions."""
    for exception in EXCEPTIONS.values():
        tables = exception(tables, since, to_text(now))
    return tables


def through_json(tables: Any) -> Any:
    """What a file holds of them."""
    return json.loads(json.dumps(tables))
