"""The ways into rooms and out, against a homeserver that misbehaves."""

import asyncio
import math
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from bot.matrix import http as connection
from bot.matrix import rooms, upgrades
from bot.matrix.direct import create_direct_room
from bot.matrix.http import Http, RequestError, TokenRevokedError, UnavailableError
from bot.matrix.timeline import missed
from tests.matrix.test_http import LIMITED, Handler, answering, hanging_up, serving

JOINED = answering(200, {"room_id": "!r"})
LIST = answering(200, {"joined_rooms": []})
AWAY = answering(503, {})
BOT, ANN = "@bot:b", "@ann:b"
QUESTIONS: list[Callable[[Http], Awaitable[object]]] = [
    lambda http: rooms.members(http, "!r"),
    lambda http: rooms.is_encrypted(http, "!r"),
    lambda http: rooms.join_rule(http, "!r"),
    lambda http: rooms.history_visibility(http, "!r"),
    lambda http: upgrades.successor(http, "!r"),
    lambda http: upgrades.predecessor(http, "!r"),
]


def by_path(other: Handler = hanging_up, **handlers: Handler) -> Handler:
    """Answers by the last part of the path."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return await handlers.get(request.path.rpartition("/")[2], other)(request)

    return handler


def in_turn(*handlers: Handler) -> Handler:
    """The next of these each time, the last one for ever."""
    left = list(handlers)

    async def handler(request: web.Request) -> web.StreamResponse:
        return await (left.pop(0) if len(left) > 1 else left[0])(request)

    return handler


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute's patience is over at once."""
    monkeypatch.setattr(rooms, "DEAD", 0.0)
    monkeypatch.setattr(connection, "backoff", lambda tries: 0.001)


async def test_one_joins_through_the_homeserver_that_is_named() -> None:
    async with serving(LIMITED, JOINED) as (http, seen):
        assert await rooms.join(http, "!r", via="y.org") == "!r"

    assert [one.path_qs for one in seen] == [
        "/_matrix/client/v3/join/!r?via=y.org&server_name=y.org"
    ] * 2


async def test_who_leaves_says_why() -> None:
    async with serving(answering(200, {})) as (http, seen):
        await rooms.leave(http, "!r", reason="Because.")
        await rooms.leave(http, "!r")

    assert [await one.json() for one in seen] == [{"reason": "Because."}, {}]


@pytest.mark.parametrize("status", [403, 404, 500, 502, 504])
async def test_a_dead_room_is_given_up_at_once(status: int) -> None:
    dead = answering(status, {"errcode": "M_UNKNOWN"})
    async with serving(dead) as (http, seen):
        http.patience = math.inf
        with pytest.raises(RequestError) as raised:
            await rooms.join(http, "!r")

    assert not isinstance(raised.value, UnavailableError)
    assert len(seen) == 1


async def test_a_homeserver_that_was_away_is_asked_again() -> None:
    async with serving(hanging_up, AWAY, LIST, JOINED) as (http, seen):
        http.patience = math.inf
        assert await rooms.join(http, "!r") == "!r"

    assert [one.path.rpartition("/")[2] for one in seen] == [
        "!r",
        "joined_rooms",
        "joined_rooms",
        "!r",
    ]


async def test_a_room_about_which_no_answer_comes_is_given_up() -> None:
    async with serving(hanging_up, LIST, hanging_up, LIST) as (http, seen):
        http.patience = math.inf
        with pytest.raises(RequestError) as raised:
            await rooms.leave(http, "!r")

    assert not isinstance(raised.value, UnavailableError)
    assert len(seen) == 4


async def test_a_revoked_token_is_no_dead_room() -> None:
    async with serving(answering(401, {"errcode": "M_UNKNOWN_TOKEN"})) as (http, _):
        with pytest.raises(TokenRevokedError):
            await rooms.join(http, "!r")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("question", QUESTIONS)
async def test_a_room_that_is_never_told_of_is_given_up_while_the_homeserver_is_there(
    question: Callable[[Http], Awaitable[object]],
) -> None:
    homeserver = by_path(hanging_up, joined_rooms=LIST)
    async with serving(homeserver) as (http, seen):
        http.patience = math.inf
        async with asyncio.timeout(60):
            with pytest.raises(RequestError) as raised:
                await question(http)

    assert not isinstance(raised.value, UnavailableError)
    assert [one.path.rpartition("/")[2] for one in seen].count("joined_rooms") == 2


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("away", [hanging_up, AWAY, answering(404, {}), answering(502, {})])
async def test_what_is_asked_of_a_room_waits_for_a_homeserver_that_is_away(away: Handler) -> None:
    chunk = [{"state_key": ANN, "content": {"membership": "join"}}]
    async with serving(away, away, away, LIST, answering(200, {"chunk": chunk})) as (http, seen):
        http.patience = math.inf

        assert await rooms.members(http, "!r") == {ANN}

    assert len(seen) == 5


async def test_a_gap_about_which_no_answer_comes_is_told_as_far_as_it_came(
    impatient: None,
) -> None:
    page = answering(200, {"chunk": [{"event_id": "$1"}], "end": "older"})
    homeserver = by_path(messages=in_turn(page, hanging_up), joined_rooms=LIST)
    async with serving(homeserver) as (http, _):
        http.patience = math.inf

        found = await missed(http, "!r", since="a", until="b", got_on=lambda: None)

    assert found == ([{"event_id": "$1"}], False)


async def test_a_room_without_a_beginning_ends_the_search_for_it() -> None:
    async def empty(request: web.Request) -> web.StreamResponse:
        further = request.query["from"] + "x"
        return web.json_response({"chunk": [], "end": further if len(further) < 99 else ""})

    async with serving(empty) as (http, seen):
        found = await missed(http, "!r", since="a", until="b", got_on=lambda: None)

    assert found == ([], False)
    assert len(seen) == 60


@pytest.mark.parametrize(
    "failure", [hanging_up, answering(504, {}), answering(502, {"errcode": "M"})]
)
async def test_a_chat_that_could_not_be_made_is_an_apology_and_leaves_no_room_behind(
    failure: Handler,
) -> None:
    members = [{"state_key": BOT, "content": {"membership": "join"}}]
    left: list[str] = []

    async def leave(request: web.Request) -> web.StreamResponse:
        left.append(request.path)
        return web.json_response({})

    homeserver = by_path(
        createRoom=failure,
        joined_rooms=in_turn(
            answering(200, {"joined_rooms": ["!old"]}),
            AWAY,
            answering(200, {"joined_rooms": ["!old", "!new"]}),
        ),
        members=answering(200, {"chunk": members}),
        leave=leave,
    )
    async with serving(homeserver) as (http, _):
        http.patience = math.inf
        with pytest.raises(RequestError, match="try again later") as raised:
            await create_direct_room(http, BOT, ANN)

    assert not isinstance(raised.value, UnavailableError)
    assert left == ["/_matrix/client/v3/rooms/!new/leave"]


async def test_people_are_told_apart_by_whether_they_have_joined() -> None:
    chunk = [
        {"state_key": ANN, "content": {"membership": "join"}},
        {"state_key": "@bob:b", "content": {"membership": "invite"}},
        {"state_key": "@eve:b", "content": {"membership": "ban"}},
        {"state_key": 7, "content": []},
    ]

    answer = answering(200, {"chunk": chunk})
    async with serving(answer, answer) as (http, _):
        assert await rooms.people(http, "!r") == {ANN: "join", "@bob:b": "invite"}
        assert await rooms.members(http, "!r") == {ANN, "@bob:b"}


async def test_a_room_without_rules_has_those_of_the_spec_and_odd_ones_are_none_of_them() -> None:
    missing = answering(404, {"errcode": "M_NOT_FOUND"})
    odd = answering(200, {"join_rule": ["public"], "history_visibility": "joined\nx"})

    async with serving(missing) as (http, _):
        rules = [await rooms.join_rule(http, "!r"), await rooms.history_visibility(http, "!r")]
    async with serving(odd) as (http, _):
        strange = [await rooms.join_rule(http, "!r"), await rooms.history_visibility(http, "!r")]

    assert rules == ["invite", "shared"]
    assert strange == ["another", "another"]
