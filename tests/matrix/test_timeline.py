"""Which events are new."""

from typing import Any

import pytest
from aiohttp import web

from bot.matrix.timeline import LONGEST_GAP, PAGE, missed, since_joining, without_doubles
from tests.matrix.test_http import serving

BOT = "@bot:example.org"


def said(name: str) -> dict[str, Any]:
    return {"event_id": name, "type": "m.room.message", "sender": "@ann:example.org"}


def own(membership: str, before: str | None = None) -> dict[str, Any]:
    event = {
        "event_id": membership + str(before),
        "type": "m.room.member",
        "state_key": BOT,
        "content": {"membership": membership},
    }
    return event | ({"unsigned": {"prev_content": {"membership": before}}} if before else {})


A, B, C = said("$a"), said("$b"), said("$c")
OTHER = {**own("join"), "state_key": "@ann:example.org"}


@pytest.mark.parametrize(
    ("events", "heard"),
    [
        ([A, B], [A, B]),
        ([A, OTHER, B], [A, B]),
        ([A, own("invite"), B, own("join", "invite"), C], [B, C]),
        ([A, own("join"), B], [B]),
        ([A, own("join", "join"), B], [A, B]),
        ([A, own("leave", "join"), B, own("invite", "leave"), own("join", "invite"), C], [C]),
        ([A, own("invite"), own("leave", "invite"), B, own("join", "leave"), C], [C]),
        ([own("invite"), A, own("join", "invite"), own("join", "join"), B], [A, B]),
        ([7, None, "x", A], [A]),
    ],
)
def test_only_what_came_after_being_asked_in_is_new(
    events: list[Any], heard: list[dict[str, Any]]
) -> None:
    found = since_joining(events, BOT)

    assert [event for event in found if event in (A, B, C)] == heard


def test_each_event_comes_once_where_it_came_first() -> None:
    assert without_doubles([A, B, A, C, B]) == [A, B, C]


@pytest.mark.parametrize(
    ("happened", "fetched"),
    [(7, 7), (PAGE, PAGE), (3 * PAGE + 1, 3 * PAGE + 1), (LONGEST_GAP + PAGE, LONGEST_GAP)],
)
async def test_a_gap_is_fetched_backwards_in_order_and_as_far_as_its_limit(
    happened: int, fetched: int
) -> None:
    async def page(request: web.Request) -> web.StreamResponse:
        newest = int(request.query["from"])
        oldest = max(newest - PAGE, 0)
        chunk = [said(f"${number}") for number in range(newest, oldest, -1)]
        return web.json_response({"chunk": chunk, **({"end": str(oldest)} if oldest else {})})

    pages: list[int] = []
    async with serving(page) as (http, seen):
        events, whole = await missed(
            http, "!r", since="0", until=str(happened), got_on=lambda: pages.append(len(seen))
        )

    newest = range(happened - fetched + 1, happened + 1)
    assert [event["event_id"] for event in events] == [f"${number}" for number in newest]
    assert whole is (fetched == happened)
    assert pages == list(range(1, len(seen) + 1)), "each page is a sign of life"
