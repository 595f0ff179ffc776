"""What the bot said is found by ids alone, whatever else a homeserver shows."""

import json
import tracemalloc
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web

from bot.errors import HomeserverError
from bot.matrix import own_events
from bot.matrix.guard import Guard
from bot.matrix.http import Http
from bot.matrix.own_events import edits_of, said_by
from bot.matrix.sender import Sender
from bot.matrix.sharing import RoomKeys
from storage import Rooms
from tests.matrix.test_http import Handler, answering, serving

BOT, NOON = "@bot:example.org", datetime(2026, 11, 23, 12, tzinfo=UTC)
MS = int(NOON.timestamp() * 1000)
FORBIDDEN = answering(403, {"errcode": "M_FORBIDDEN"})
NOT_HERE = answering(404, {"errcode": "M_NOT_FOUND"})


def event(event_id: str, *, at: int = MS, edits: str = "", **more: Any) -> dict[str, Any]:
    relation = {"m.relates_to": {"rel_type": "m.replace", "event_id": edits}} if edits else {}
    content = {"ciphertext": "x", **relation}
    return {
        "event_id": event_id,
        "sender": BOT,
        "type": "m.room.encrypted",
        "origin_server_ts": at,
        "content": content,
        **more,
    }


async def test_what_stands_before_an_event_is_found_oldest_first_whatever_the_clocks_say() -> None:
    chunk = [event("$fast", at=MS + 3_600_000), event("$old")]
    pages = answering(200, {"chunk": chunk})

    async with serving(answering(200, {"start": "t7"}), pages) as (http, seen):
        found = await said_by(http, "!r", BOT, until=NOON, before="$yes")

    assert found == ["$old", "$fast"]
    assert seen[0].path.endswith("/context/$yes")
    assert (seen[1].query["from"], seen[1].query["dir"]) == ("t7", "b")
    assert json.loads(seen[1].query["filter"])["senders"] == [BOT]


async def test_in_a_room_without_that_event_time_decides() -> None:
    chunk = [event("$later", at=MS + 1), event("$then"), event("$old", at=MS - 1)]

    async with serving(NOT_HERE, answering(200, {"chunk": chunk})) as (http, _):
        found = await said_by(http, "!r", BOT, until=NOON, before="$yes")

    assert found == ["$old", "$then"]


async def test_all_pages_are_read_also_behind_an_empty_one() -> None:
    pages = (
        answering(200, {"chunk": [event("$c")], "end": "1"}),
        answering(200, {"chunk": [], "end": "2"}),
        answering(200, {"chunk": [event("$a")]}),
    )

    async with serving(NOT_HERE, *pages) as (http, _):
        assert await said_by(http, "!r", BOT, until=NOON, before="$yes") == ["$a", "$c"]


async def test_others_redacted_ones_and_edits_of_what_stands_are_not_named() -> None:
    chunk: list[Any] = [
        event("$edit", edits="$first"),
        event("$orphan", edits="$gone"),
        event("$first"),
        event("$redacted", unsigned={"redacted_because": {"type": "m.room.redaction"}}),
        event("$empty") | {"content": {}},
        event("$ann") | {"sender": "@ann:example.org"},
        7,
        None,
    ]

    async with serving(NOT_HERE, answering(200, {"chunk": chunk})) as (http, _):
        found = await said_by(http, "!r", BOT, until=NOON, before="$yes")

    assert found == ["$first", "$orphan"]


async def test_edits_are_asked_for_where_the_homeserver_lists_them() -> None:
    pages = (
        answering(200, {"chunk": [event("$e2", edits="$a")], "next_batch": "n"}),
        answering(200, {"chunk": [event("$e1", edits="$a"), event("$x") | {"sender": "@ann:x"}]}),
    )

    async with serving(*pages) as (http, seen):
        assert await edits_of(http, "!r", "$a", BOT) == ["$e2", "$e1"]

    assert seen[0].path == "/_matrix/client/v1/rooms/!r/relations/$a/m.replace"
    assert seen[1].query["from"] == "n"


async def test_of_a_room_that_shows_us_nothing_any_more_there_is_nothing() -> None:
    async with serving(FORBIDDEN) as (http, _):
        assert await said_by(http, "!r", BOT, until=NOON, before="$yes") == []
        assert await edits_of(http, "!r", "$a", BOT) == []


async def test_a_homeserver_that_fails_has_not_said_that_there_is_nothing() -> None:
    async def failing(request: web.Request) -> web.StreamResponse:
        return web.json_response({"errcode": "M_UNRECOGNIZED"}, status=400)

    async with serving(failing) as (http, _):
        with pytest.raises(HomeserverError):
            await said_by(http, "!r", BOT, until=NOON, before="$yes")


async def test_of_very_many_the_newest_are_named_and_nothing_else_of_them_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(own_events, "MOST", 3)
    newest = [event("$e"), event("$" + "d" * 300), event("$c"), event("$b"), event("$a")]
    page = answering(200, {"chunk": newest, "end": "1"})

    async with serving(NOT_HERE, page, page) as (http, seen):
        said = await said_by(http, "!r", BOT, until=NOON, before="$yes")
        assert len(seen) == 2, "there is no need of another page"
    async with serving(page) as (http, seen):
        edits = await edits_of(http, "!r", "$x", BOT)

    assert (said, edits) == (["$b", "$c", "$e"], ["$e", "$c", "$b"])


async def test_events_are_dropped_page_by_page() -> None:
    padding, pages = "x" * 1_000_000, 40

    async def page(request: web.Request) -> web.StreamResponse:
        number = int(request.query.get("from", "0"))
        chunk = [event(f"${number}") | {"content": {"ciphertext": padding}}]
        end = {"end": str(number + 1)} if number < pages else {}
        return web.json_response({"chunk": chunk, **end})

    async with serving(page) as (http, _):
        await edits_of(http, "!r", "$x", BOT)
        tracemalloc.start()
        try:
            assert len(await edits_of(http, "!r", "$x", BOT)) == pages + 1
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert peak < pages * len(padding) / 2


def sender(http: Http) -> Sender:
    """The way out, as far as it needs no keys."""
    guard = cast(Guard, SimpleNamespace(client=SimpleNamespace(user_id=BOT)))
    return Sender(http, guard, cast(RoomKeys, None), cast(Rooms, None))


def members(*user_ids: str) -> Handler:
    """A room with these people."""
    joined = {"membership": "join"}
    return answering(200, {"chunk": [{"state_key": one, "content": joined} for one in user_ids]})


ANN = "@ann:example.org"


@pytest.mark.parametrize("inside", [(BOT, ANN), (BOT,)])
async def test_of_a_direct_chat_all_that_the_bot_said_is_named(inside: tuple[str, ...]) -> None:
    page = answering(200, {"chunk": [event("$a")]})

    async with serving(members(*inside), NOT_HERE, page) as (http, _):
        found = await sender(http).own_messages("!r", ANN, until=NOON, before="$yes")

    assert found == ["$a"]


@pytest.mark.parametrize("shown", [members(BOT, ANN, "@eve:example.org"), FORBIDDEN, NOT_HERE])
async def test_of_a_room_where_others_are_or_the_bot_is_not_nothing_is_named(
    shown: Handler,
) -> None:
    page = answering(200, {"chunk": [event("$a")]})

    async with serving(shown, NOT_HERE, page) as (http, seen):
        assert await sender(http).own_messages("!r", ANN, until=NOON, before="$yes") == []

    assert len(seen) == 1


async def test_who_is_in_a_room_that_the_homeserver_fails_at_is_not_said() -> None:
    async with serving(answering(400, {"errcode": "M_UNRECOGNIZED"})) as (http, _):
        with pytest.raises(HomeserverError):
            await sender(http).own_messages("!r", ANN, until=NOON, before="$yes")


async def test_an_event_of_its_own_is_redacted() -> None:
    redacted = answering(200, {"event_id": "$redaction"})

    async with serving(answering(200, event("$a")), redacted) as (http, seen):
        assert await sender(http).withdraw("!r", "$a", transaction_id="t")

    assert [(one.method, one.path) for one in seen] == [
        ("GET", "/_matrix/client/v3/rooms/!r/event/$a"),
        ("PUT", "/_matrix/client/v3/rooms/!r/redact/$a/t"),
    ]


@pytest.mark.parametrize(
    "shown",
    [
        answering(200, event("$a") | {"sender": "@ann:example.org"}),
        answering(200, event("$another")),
        answering(200, {"event_id": "$a"}),
        NOT_HERE,
        FORBIDDEN,
    ],
)
async def test_what_the_bot_did_not_send_is_never_redacted(shown: Handler) -> None:
    async with serving(shown) as (http, seen):
        assert not await sender(http).withdraw("!r", "$a", transaction_id="t")

    assert [one.method for one in seen] == ["GET"]


async def test_whose_an_event_is_that_the_homeserver_fails_to_show_is_not_said() -> None:
    async with serving(answering(400, {"errcode": "M_UNRECOGNIZED"})) as (http, seen):
        with pytest.raises(HomeserverError):
            await sender(http).withdraw("!r", "$a", transaction_id="t")

    assert [one.method for one in seen] == ["GET"]
