"""What the homeserver says about a room at the moment of asking."""

from bot.matrix.http import Http, RequestError, path
from bot.matrix.untrusted import items, text


async def members(http: Http, room_id: str) -> frozenset[str]:
    """Everybody joined or invited."""
    answer = await http.call(
        "GET", path("rooms", room_id, "members"), query={"not_membership": "leave"}
    )
    return frozenset(
        text(event, "state_key")
        for event in items(answer, "chunk")
        if text(event, "content", "membership") in ("join", "invite")
    )


async def joined(http: Http) -> list[str]:
    """The rooms that we are in."""
    answer = await http.call("GET", path("joined_rooms"))
    return [room_id for room_id in items(answer, "joined_rooms") if isinstance(room_id, str)]


async def is_encrypted(http: Http, room_id: str) -> bool:
    """Whether encryption was ever turned on here: it can't be turned off."""
    try:
        await http.call("GET", path("rooms", room_id, "state", "m.room.encryption", ""))
    except RequestError as error:
        if error.status == 404 and error.errcode == "M_NOT_FOUND":
            return False
        raise
    return True
