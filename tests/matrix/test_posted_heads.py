"""The heads in the audit room are read from the homeserver, which may show anything."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.errors import HomeserverError
from bot.matrix import posted_heads as module
from bot.matrix.events import ClearEvent
from bot.matrix.posted_heads import posted_heads
from tests.matrix.test_http import answering, serving
from tests.matrix.test_own_events import BOT, FORBIDDEN, event

AUDIT = "org.confidant.audit"


class Reader:
    """Opens events whose contents a test gives."""

    def __init__(self, contents: Mapping[str, Mapping[str, Any]]) -> None:
        self._contents = contents
        self.opened: list[str] = []

    async def __call__(self, room_id: str, given: Mapping[str, Any]) -> ClearEvent | None:
        event_id = given["event_id"]
        self.opened.append(event_id)
        content = self._contents.get(event_id)
        if content is None:
            return None
        clear = ClearEvent(
            event_id, room_id, BOT, "m.room.message", datetime.now(UTC), encrypted=True, content={}
        )
        return replace(clear, content=content)


async def test_heads_are_found_newest_first_on_all_pages_between_other_notices() -> None:
    reader = Reader(
        {
            "$3": {AUDIT: {"head": "three"}},
            "$2": {AUDIT: {"entries": []}, "body": "a notice"},
            "$1": {AUDIT: {"head": "one"}},
        }
    )
    first = answering(200, {"chunk": [event("$3"), event("$2")], "end": "t2"})
    second = answering(200, {"chunk": [event("$1")]})

    async with serving(first, second) as (http, _):
        assert await posted_heads(http, reader, "!r", BOT) == ["three", "one"]


async def test_others_redacted_ones_and_edits_are_not_opened() -> None:
    chunk = [
        event("$strangers", sender="@eve:x"),
        event("$redacted", unsigned={"redacted_because": {"type": "m.room.redaction"}}),
        event("$edit", edits="$3"),
        "nothing",
    ]
    reader = Reader({})

    async with serving(answering(200, {"chunk": chunk})) as (http, _):
        assert await posted_heads(http, reader, "!r", BOT) == []

    assert reader.opened == []


async def test_what_cannot_be_read_is_counted_and_no_obstacle(
    caplog: pytest.LogCaptureFixture,
) -> None:
    contents: dict[str, dict[str, Any]] = {
        "$ok": {AUDIT: {"head": "ok"}},
        "$odd": {AUDIT: [{"head": "x"}]},
        "$number": {AUDIT: {"head": 7}},
        "$long": {AUDIT: {"head": "x" * 20_000}},
    }
    chunk = [event(name) for name in ("$gone", "$lost", *contents)]

    async with serving(answering(200, {"chunk": chunk})) as (http, _):
        assert await posted_heads(http, Reader(contents), "!r", BOT) == ["ok"]

    assert [one.getMessage() for one in caplog.records] == [
        "2 of the bot's events in the audit room can't be read any more"
    ]


async def test_there_is_an_end_to_what_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"${number}" for number in range(9)]
    reader = Reader({name: {AUDIT: {"head": name}} for name in names})
    page = answering(200, {"chunk": [event(name) for name in names], "end": "t"})

    monkeypatch.setattr(module, "MOST", 4)
    async with serving(page) as (http, _):
        assert await posted_heads(http, reader, "!r", BOT) == names[:4]
    monkeypatch.setattr(module, "MOST_EVENTS", 2)
    async with serving(page) as (http, _):
        assert await posted_heads(http, reader, "!r", BOT) == names[:2]


async def test_of_a_room_that_shows_us_nothing_there_are_no_heads() -> None:
    async with serving(FORBIDDEN) as (http, _):
        assert await posted_heads(http, Reader({}), "!r", BOT) == []


async def test_a_homeserver_that_fails_has_not_said_that_there_are_none() -> None:
    failing = answering(400, {"errcode": "M_UNKNOWN"})

    async with serving(failing) as (http, _):
        with pytest.raises(HomeserverError):
            await posted_heads(http, Reader({}), "!r", BOT)
