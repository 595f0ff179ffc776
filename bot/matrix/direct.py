"""Rooms that the bot makes: direct chats and the audit room, encrypted from birth."""

from collections.abc import Collection, Mapping
from typing import Any

from bot.matrix import rooms
from bot.matrix.guard import MEGOLM
from bot.matrix.http import Http, RequestError, TokenRevokedError, path
from bot.matrix.untrusted import items, text

ENCRYPTION = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": MEGOLM}}

NOT_MADE = (
    "I could not open a direct chat with you: a homeserver refused it or did not answer in time. "
    "Invite me to a new encrypted direct chat, or try again later."
)


async def direct_rooms(http: Http, bot: str, user_id: str) -> list[str]:
    """The rooms that m.direct calls a chat with this person; only a hint, anybody may be inside."""
    return [room for room in items(await _directory(http, bot), user_id) if isinstance(room, str)]


async def create_direct_room(http: Http, bot: str, user_id: str) -> str:
    """Invite the person into a new encrypted chat, and list it in m.direct.

    RequestError where that fails: what was made all the same is left again, or found later.
    """
    before = frozenset(await rooms.joined(http))
    wanted = {
        "preset": "trusted_private_chat",
        "is_direct": True,
        "invite": [user_id],
        "initial_state": [ENCRYPTION],
    }
    try:
        room_id = await _create(http, wanted)
    except TokenRevokedError:
        raise
    except RequestError as error:
        await _leave_unfinished(http, bot, before)
        raise RequestError(NOT_MADE, status=error.status, errcode=error.errcode) from None
    directory = await _directory(http, bot)
    chats = [room_id, *items(directory, user_id)]
    await http.call("PUT", _directory_path(bot), {**directory, user_id: chats})
    return room_id


async def _leave_unfinished(http: Http, bot: str, before: Collection[str]) -> None:
    """Leave rooms that were made meanwhile with nobody in them: the invite hung, maybe for ever."""
    for room_id in await rooms.joined(http):  # waits here while it is the homeserver that is away
        if room_id not in before and await rooms.members(http, room_id) == {bot}:
            await rooms.leave(http, room_id)


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
            "power_level_content_override": {
                "invite": 100,
                "state_default": 100,
                "events": {},  # homeservers let less power do for some, such as a room's name
                "kick": 100,
                "ban": 100,
            },
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
