"""Which events are new."""

from typing import Any

import pytest

from bot.matrix.timeline import since_joining, without_doubles

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
