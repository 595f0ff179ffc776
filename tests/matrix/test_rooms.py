"""The ways into rooms and out, against a homeserver that misbehaves."""

import math

import pytest

from bot.matrix import rooms
from bot.matrix.http import RequestError, TokenRevokedError, UnavailableError
from tests.matrix.test_http import LIMITED, answering, hanging_up, serving

JOINED = answering(200, {"room_id": "!r"})
LIST = answering(200, {"joined_rooms": []})
AWAY = answering(503, {})


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
