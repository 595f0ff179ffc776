"""The connection to the homeserver, against a real socket that misbehaves."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from bot.matrix import http as connection
from bot.matrix.http import (
    LONGEST_WAIT,
    Http,
    PageError,
    RequestError,
    TokenRevokedError,
    UnavailableError,
    asked_wait,
    backoff,
    is_gone,
)
from bot.matrix.http import path as path_of
from bot.matrix.keyserver import refused
from bot.matrix.recalling import fetched
from bot.matrix.untrusted import name

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(*handlers: Handler) -> AsyncIterator[tuple[Http, list[web.Request]]]:
    """A homeserver that answers each request with the next handler, the last one for ever."""
    seen: list[web.Request] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        await request.read()  # kept by the request, for the test to look at
        return await handlers[min(len(seen), len(handlers)) - 1](request)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    http = Http(f"http://127.0.0.1:{port}")
    try:
        yield http, seen
    finally:
        await http.close()
        await runner.cleanup()


def answering(status: int, body: Any) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status)

    return handler


def sending(text: str, **more: Any) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(text=text, content_type="application/json", **more)

    return handler


async def hanging_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


OK = answering(200, {"event_id": "$1"})
LIMITED = answering(429, {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 1})


async def test_the_token_goes_in_a_header_and_the_body_as_json() -> None:
    async with serving(OK) as (http, seen):
        http.access_token = "secret"

        answer = await http.call("PUT", "/x", {"body": "é"}, query={"since": "a b&c"})

    assert answer == {"event_id": "$1"}
    assert seen[0].headers["Authorization"] == "Bearer secret"
    assert (await seen[0].read()).decode() == '{"body": "\\u00e9"}'
    assert seen[0].query == {"since": "a b&c"}
    assert "secret" not in str(seen[0].url)


@pytest.mark.parametrize(
    "failing",
    [
        LIMITED,
        hanging_up,
        answering(502, {}),
        sending("<html>"),
        sending('{"event_id": "$1'),
        sending("[]"),
    ],
)
async def test_a_passing_failure_is_tried_again(failing: Handler) -> None:
    async with serving(failing, OK) as (http, seen):
        assert await http.call("PUT", "/x", {}) == {"event_id": "$1"}

    assert len(seen) == 2


@pytest.mark.parametrize("wait", [10**12, -1, "soon", None, 1e400, 1e300, 0.5, [], {}, True])
async def test_a_rate_limit_is_waited_out_within_our_bounds(wait: Any) -> None:
    assert 0.1 <= asked_wait({"retry_after_ms": wait}) <= LONGEST_WAIT


async def test_a_rate_limit_without_a_time_is_waited_out_too() -> None:
    assert 0.1 <= asked_wait({}) <= LONGEST_WAIT


@pytest.mark.parametrize("status", [401, 403, 404, 405])
async def test_a_proxys_page_is_waited_out_once_the_bot_runs_and_final_before(status: int) -> None:
    async def page(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text="<h1>Not found</h1>", content_type="text/html")

    async with serving(page, OK) as (http, seen):
        with pytest.raises(RequestError):
            await http.call("PUT", "/x", {})  # a wrong homeserver.url is said at once
        assert len(seen) == 1
    async with serving(page, OK) as (http, seen):
        http.patience = math.inf

        assert await http.call("PUT", "/x", {}) == {"event_id": "$1"}
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("status", "body", "gone"),
    [
        (404, {"errcode": "M_NOT_FOUND"}, True),
        (403, {"errcode": "M_FORBIDDEN"}, True),
        (404, {}, False),
        (403, {}, False),
        (404, {"errcode": "M_UNRECOGNIZED"}, False),
        (500, {"errcode": "M_UNKNOWN"}, False),
        (500, {}, False),
        (502, {"errcode": "M_UNKNOWN"}, False),
        (503, {}, False),
    ],
)
async def test_only_the_homeservers_own_word_means_that_something_is_gone(
    status: int, body: dict[str, str], gone: bool
) -> None:
    async with serving(answering(status, body)) as (http, _):
        with pytest.raises(RequestError) as raised:
            await http.call("GET", "/x", patience=0.0)

    assert is_gone(raised.value) is gone
    assert isinstance(raised.value, PageError) is (body == {} and status in (403, 404))


@pytest.mark.parametrize(
    "failing", [answering(500, {"errcode": "M_UNKNOWN"}), answering(404, {}), answering(502, {})]
)
async def test_an_event_that_can_not_be_had_now_is_not_called_gone(failing: Handler) -> None:
    async with serving(failing, failing, answering(403, {"errcode": "M_FORBIDDEN"}), OK) as (
        http,
        _,
    ):
        for _ in range(2):
            with pytest.raises(RequestError):
                await fetched(http, "!r", "$1", patience=0.0)
        gone = await fetched(http, "!r", "$1", patience=0.0)
        event = await fetched(http, "!r", "$1")

    assert (gone, event) == (None, {"event_id": "$1"})


async def test_another_event_than_the_one_that_is_asked_for_is_none() -> None:
    async with serving(answering(200, {"event_id": "$an-old-command"})) as (http, _):
        assert await fetched(http, "!r", "$asked-for") is None


async def test_what_the_homeserver_refuses_itself_is_final_also_once_the_bot_runs() -> None:
    async with serving(answering(404, {"errcode": "M_NOT_FOUND"}), OK) as (http, seen):
        http.patience = math.inf
        with pytest.raises(RequestError):
            await http.call("GET", "/x")

    assert len(seen) == 1


async def test_a_rate_limit_longer_than_our_patience_fails_at_once() -> None:
    forever = answering(429, {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 10**12})
    async with serving(forever) as (http, seen), asyncio.timeout(30):
        with pytest.raises(UnavailableError) as raised:
            await http.call("PUT", "/x", {}, patience=10.0)

    assert (raised.value.status, len(seen)) == (429, 1)


async def test_what_must_not_happen_twice_is_only_repeated_when_it_was_refused() -> None:
    async with serving(LIMITED, answering(502, {}), OK) as (http, seen):
        with pytest.raises(RequestError):
            await http.call("POST", "/x", {}, repeatable=False)

    assert len(seen) == 2


async def test_a_refusal_is_final_and_names_no_content() -> None:
    refusal = answering(403, {"errcode": "M_FORBIDDEN", "error": "you said canary"})
    async with serving(refusal) as (http, seen):
        with pytest.raises(RequestError) as raised:
            await http.call("PUT", "/canary", {"body": "canary"})
        status, answer = await http.request("PUT", "/x", {})

    assert (raised.value.status, raised.value.errcode, len(seen)) == (403, "M_FORBIDDEN", 2)
    assert "canary" not in str(raised.value)
    assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")


async def test_a_revoked_token_is_told_apart() -> None:
    async with serving(answering(401, {"errcode": "M_UNKNOWN_TOKEN"})) as (http, _):
        with pytest.raises(TokenRevokedError, match="log"):
            await http.call("GET", "/x")


async def test_redirects_are_not_followed() -> None:
    async def away(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("/elsewhere")

    async with serving(away, OK) as (http, seen):
        http.access_token = "secret"
        with pytest.raises(RequestError, match="redirects"):
            await http.call("GET", "/x")

    assert len(seen) == 1


async def test_the_environments_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with serving(OK) as (http, seen):
        await http.call("GET", "/x", patience=0.0)

    assert len(seen) == 1


async def test_nobody_there_is_said_with_the_address() -> None:
    http = Http("http://127.0.0.1:9")
    with pytest.raises(UnavailableError, match=r"http://127\.0\.0\.1:9 can't be reached"):
        await http.call("GET", "/x", patience=0.0)
    await http.close()


async def test_a_request_ends_though_the_homeserver_says_nothing() -> None:
    released = asyncio.Event()

    async def silent(request: web.Request) -> web.StreamResponse:
        await released.wait()
        return web.Response()

    async with serving(silent) as (http, _):
        with pytest.raises(RequestError, match="did not answer in time"):
            await http.call("GET", "/x", seconds=0.05, patience=0.0)
        released.set()


async def test_a_download_ends_at_its_limit() -> None:
    async with serving(sending("x" * 1_000)) as (http, _):
        assert await http.download("/x", limit=1_000) == b"x" * 1_000
        with pytest.raises(RequestError, match="larger"):
            await http.download("/x", limit=999)


def test_ids_can_not_leave_their_place_in_a_path() -> None:
    hostile = path_of("rooms", "!../../../x?y#z:b", "state")

    assert hostile == "/_matrix/client/v3/rooms/%21..%2F..%2F..%2Fx%3Fy%23z%3Ab/state"


def test_attempts_come_ever_more_slowly_and_never_stop() -> None:
    waits = [backoff(tries) for tries in range(2_000)]

    assert waits[0] < 1
    assert all(wait <= LONGEST_WAIT * 1.3 for wait in waits)
    assert min(waits[10:]) > 10


@pytest.mark.parametrize(
    "away", [LIMITED, answering(502, {}), *(answering(page, {}) for page in (401, 403, 404, 405))]
)
async def test_it_is_known_when_the_homeserver_was_last_away_or_hidden(away: Handler) -> None:
    clock = time.monotonic  # as the workers have it: the watchdog compares them
    async with serving(OK, away, OK) as (http, _):
        http.patience = math.inf
        await http.call("GET", "/x")
        before = http.away_at
        begun = clock()
        await http.call("GET", "/x")
        known = http.away_at
        await http.call("GET", "/x")

    assert before < begun <= known == http.away_at <= clock()


@pytest.mark.parametrize(
    "words",
    [
        "**[Sign in here](https://evil.example)**",
        "m_forbidden",
        "M_" + "X" * 63,
        "M_FORBIDDEN\n",
        "M_FORBIDDEN evil.example",
        "\u0410",
        ["M_FORBIDDEN"],
    ],
)
async def test_no_word_of_the_homeservers_comes_into_a_sentence(words: object) -> None:
    answer = {"errcode": words, "error": "evil"}
    async with serving(answering(403, answer)) as (http, _):
        with pytest.raises(RequestError) as raised:
            await http.call("PUT", "/x", {})

    assert str(raised.value) == "The homeserver refused a request (PUT: 403)."
    assert str(refused("failed", 403, answer)) == "The homeserver failed (status 403)."


def test_a_name_in_a_sentence_is_one_word() -> None:
    assert name("@ann:example.org") == "@ann:example.org"
    assert [name(one) for one in ("", "a b", "[x](y)", "\x1b[2J", "*x*", "a" * 256)] == [
        "another"
    ] * 6


async def test_an_answer_without_a_status_is_none() -> None:
    async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b'{"error": "evil"}'
        writer.write(b"HTTP/1.1 000 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(nothing, "127.0.0.1", 0) as server:
        http = Http(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        with pytest.raises(UnavailableError, match="the connection broke"):
            await http.call("GET", "/x", patience=0.0)
        await http.close()


async def test_an_answer_ends_at_its_limit_and_is_not_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "LARGEST", 1_000)
    monkeypatch.setattr(connection, "LARGEST_SYNC", 2_000)
    async with serving(answering(200, {"x": "x" * 1_000})) as (http, seen):
        http.patience = math.inf
        with pytest.raises(RequestError, match="larger than 1000 bytes") as raised:
            await http.call("GET", "/x")
        assert len(seen) == 1
        assert len(await http.call("GET", path_of("sync"), query={"since": "x"})) == 1

    assert not isinstance(raised.value, UnavailableError)
