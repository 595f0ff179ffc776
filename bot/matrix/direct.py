"""Rooms that the bot makes: direct chats and the audit room, encrypted from birth."""

from collections.abc import Mapping
from typing import Any

from bot.matrix.guard import MEGOLM
from bot.matrix.http import Http, RequestError, path
from bot.matrix.untrusted import items, text

ENCRYPTION = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": MEGOLM}}


async def direct_rooms(http: Http, bot: str, user_id: str) -> list[str]:
    """The rooms that m.direct calls a chat with this person; only a hint, anybody may be inside."""
    return [room for room in items(await _directory(http, bot), user_id) if isinstance(room, str)]


async def create_direct_room(http: Http, bot: str, user_id: str) -> str:
    """Invite the person into a new encrypted chat, and list it in m.direct."""
    room_id = await _create(
        http,
        {
            "preset": "trusted_private_chat",
            "is_direct": True,
            "invite": [user_id],
            "initial_state": [ENCRYPTION],
        },
    )
    directory = await _directory(http, bot)
    rooms = [room_id, *items(directory, user_id)]
    await http.call("PUT", _directory_path(bot), {**directory, user_id: rooms})
    return room_id


async def create_audit_room(http: Http) -> str:
    """A room that only those invited read, from their joining on, and only the bot changes."""
    return await _create(
        http,
        {
            "preset": "private_chat",
            "name": "Confidant audit log",
            "topic": "Every action of the bot, without any content.",
            "initial_state": [
                ENCRYPTION,
                _state("m.room.history_visibility", {"history_visibility": "joined"}),
                _state("m.room.guest_access", {"guest_access": "forbidden"}),
            ],
            "power_level_content_override": {"invite": 100, "state_default": 100},
        },
    )


def _state(kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": kind, "state_key": "", "content": content}


async def _create(http: Http, wanted: Mapping[str, Any]) -> str:
    """Not repeated when the answer is lost: the room may exist by then."""
    body = {"visibility": "private", **wanted}
    return text(await http.call("POST", path("createRoom"), body, repeatable=False), "room_id")


async def _directory(http: Http, bot: str) -> dict[str, Any]:
    try:
        return await http.call("GET", _directory_path(bot))
    except RequestError as error:
        if error.status == 404:
            return {}
        raise


def _directory_path(bot: str) -> str:
    return path("user", bot, "account_data", "m.direct")
