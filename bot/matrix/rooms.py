"""What the homeserver says about a room at the moment of asking, and the ways in and out."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bot.matrix.http import Http, RequestError, TokenRevokedError, UnavailableError, path
from bot.matrix.untrusted import items, name, text

DEAD = 30.0  # seconds without an answer about one room, twice: its servers are gone


async def people(http: Http, room_id: str) -> dict[str, str]:
    """Everybody in a room, by whether they "join"ed or have an "invite"."""
    target = path("rooms", room_id, "members")
    answer = await ask(http, target, query={"not_membership": "leave"})
    found = {
        text(event, "state_key"): text(event, "content", "membership")
        for event in items(answer, "chunk")
    }
    return {one: found[one] for one in found if found[one] in ("join", "invite")}


async def members(http: Http, room_id: str) -> frozenset[str]:
    """Everybody joined or invited."""
    return frozenset(await people(http, room_id))


async def joined(http: Http) -> list[str]:
    """The rooms that we are in."""
    answer = await http.call("GET", path("joined_rooms"))
    return [room_id for room_id in items(answer, "joined_rooms") if isinstance(room_id, str)]


async def is_encrypted(http: Http, room_id: str) -> bool:
    """Whether encryption was ever turned on here: it can't be turned off."""
    return await _state(http, room_id, "m.room.encryption") is not None


async def join_rule(http: Http, room_id: str) -> str:
    """Who may come in (m.room.join_rules); without the event, who is invited."""
    found = await _state(http, room_id, "m.room.join_rules")
    return "invite" if found is None else name(text(found, "join_rule"))


async def history_visibility(http: Http, room_id: str) -> str:
    """Who may read what was said (m.room.history_visibility); without the event, all members."""
    found = await _state(http, room_id, "m.room.history_visibility")
    return "shared" if found is None else name(text(found, "history_visibility"))


async def _state(http: Http, room_id: str, kind: str) -> dict[str, Any] | None:
    """The content of a room's state; None where the homeserver says that there is none."""
    try:
        return await ask(http, path("rooms", room_id, "state", kind, ""))
    except RequestError as error:
        if error.status == 404 and error.errcode == "M_NOT_FOUND":
            return None
        raise


async def join(http: Http, room: str, *, via: str = "") -> str:
    """Join by id or alias, through that homeserver if one is named; returns the room's id."""
    ask = {"via": via, "server_name": via} if via else None  # the second for Matrix < 1.12
    return text(await _change(http, path("join", room), {}, query=ask), "room_id")


async def leave(http: Http, room_id: str, *, reason: str = "") -> None:
    """Leave, or reject an invite, for a reason that the others can read."""
    body = {"reason": reason} if reason else {}
    await _change(http, path("rooms", room_id, "leave"), body)


async def ask(http: Http, target: str, *, query: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What the homeserver says about one room, of which it may first have to ask others.

    RequestError where it refuses, or answers everything but this.
    """
    patience = min(DEAD, http.patience)
    return await _while_there(
        http, lambda: http.call("GET", target, query=query, seconds=DEAD, patience=patience)
    )


async def _change(
    http: Http, target: str, body: Mapping[str, Any], *, query: Mapping[str, str] | None = None
) -> dict[str, Any]:
    return await _while_there(
        http,
        lambda: http.call("POST", target, body, query=query, seconds=DEAD, repeatable=False),
    )


async def _while_there(
    http: Http, attempt: Callable[[], Awaitable[dict[str, Any]]]
) -> dict[str, Any]:
    """Two tries, each while the homeserver is there: a dead room must not hold up others."""
    left = 2
    while left:
        try:
            return await attempt()
        except TokenRevokedError:
            raise
        except RequestError as error:
            if error.errcode and not isinstance(error, UnavailableError):
                raise  # without an errcode, it may not be the homeserver that speaks
            await joined(http)  # waits here while it is the homeserver that is away
            left -= error.status != 429
    raise RequestError("The homeserver gave no answer about a room.")
