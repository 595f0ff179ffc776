"""What the bot said in a room, found again by ids alone: to be taken back, nothing is decrypted."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

from bot.matrix import rooms
from bot.matrix.http import Http, RequestError, is_gone, path
from bot.matrix.untrusted import items, mapping, number, text

Json = Mapping[str, Any]

PAGE = 500
MOST_PAGES = 2_000  # a page may be empty, but there is an end to what is believed
MOST = 100_000  # ids of one room, the newest: two weeks of redactions at their slow pace
LONGEST = 255  # characters of an id; longer ones are nobody's
EDIT = "m.replace"
SAID = ("m.room.message", "m.room.encrypted", "m.reaction")


async def said_by(
    http: Http, room_id: str, user_id: str, *, until: datetime, before: str
) -> list[str]:
    """The ids of what somebody said before an event and what still stands, oldest first.

    In a room without that event it is what was said up to a moment: clocks differ, places don't.
    An edit belongs to what it edits, and is named only where that does not stand any more.
    """
    query = {"filter": json.dumps({"senders": [user_id], "types": SAID})}
    target, found = path("rooms", room_id, "messages"), dict[str, str]()
    start = await _place(http, room_id, before)
    async with aclosing(_events(http, target, query, start)) as events:
        async for event in events:
            if _stands(event, user_id) and (start or _said_at(event) <= until):
                found[text(event, "event_id")] = _edited(event)
            if len(found) == MOST:
                break
    return [one for one, edited in reversed(found.items()) if edited not in found]


async def encrypted_by(http: Http, room_id: str, user_id: str) -> AsyncGenerator[Json, None]:
    """Every encrypted event of somebody in a room that still stands, newest first."""
    query = {"filter": json.dumps({"senders": [user_id], "types": ["m.room.encrypted"]})}
    async with aclosing(_events(http, path("rooms", room_id, "messages"), query, "")) as events:
        async for event in events:
            if _stands(event, user_id) and not _edited(event):
                yield mapping(event)


async def _place(http: Http, room_id: str, event_id: str) -> str:
    """Where an event stands in a room, as the place to go back from; empty where it doesn't."""
    target = path("rooms", room_id, "context", event_id)
    try:
        return text(await rooms.ask(http, target, query={"limit": "0"}), "start")
    except RequestError as error:
        if is_gone(error):
            return ""
        raise


async def edits_of(http: Http, room_id: str, event_id: str, user_id: str) -> list[str]:
    """The ids of somebody's edits of an event: each holds a text of its own, as it was then."""
    target = path("rooms", room_id, "relations", event_id, EDIT).replace("/v3/", "/v1/")
    found = list[str]()
    async with aclosing(_events(http, target, {}, "")) as events:
        async for event in events:
            if _stands(event, user_id):
                found.append(text(event, "event_id"))
            if len(found) == MOST:
                break
    return found


async def _events(
    http: Http, target: str, query: dict[str, str], position: str
) -> AsyncGenerator[object, None]:
    """All events back from a place, newest first; none of what is not shown to us."""
    for _ in range(MOST_PAGES):
        start = {"from": position} if position else {}
        asked = {**query, **start, "dir": "b", "limit": str(PAGE)}
        try:
            answer = await rooms.ask(http, target, query=asked)
        except RequestError as error:
            if is_gone(error):
                return
            raise
        for event in items(answer, "chunk"):
            yield event
        before, position = position, text(answer, "end") or text(answer, "next_batch")
        if position in ("", before):
            return


def _stands(event: object, user_id: str) -> bool:
    """Whether it is this person's and not redacted yet."""
    redacted = mapping(event, "unsigned", "redacted_because") or not mapping(event, "content")
    named = 0 < len(text(event, "event_id")) <= LONGEST
    return text(event, "sender") == user_id and named and not redacted


def _edited(event: object) -> str:
    """What it edits, empty if nothing."""
    relation = mapping(event, "content", "m.relates_to")
    return text(relation, "event_id")[:LONGEST] if text(relation, "rel_type") == EDIT else ""


def _said_at(event: object) -> datetime:
    return datetime.fromtimestamp(number(event, "origin_server_ts") / 1000, UTC)
