"""The only way out: every event is encrypted, or belongs where nothing was ever encrypted."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from bot.errors import HomeserverError, HomeserverUnavailableError, UnencryptedRoomError
from bot.matrix import content, direct, rooms, upgrades
from bot.matrix.guard import Guard
from bot.matrix.http import Http, RequestError, path
from bot.matrix.media import upload_encrypted
from bot.matrix.recalling import fetched
from bot.matrix.sharing import RoomKeys
from bot.matrix.untrusted import text
from bot.messages import Device, Outgoing, Room, Successor
from storage import Rooms

TYPING_MS = 30_000


class Sender:
    """Sends, joins and leaves. What it decides by is asked of the homeserver at that moment."""

    def __init__(
        self,
        http: Http,
        guard: Guard,
        keys: RoomKeys,
        remembered: Rooms,
        expect: Callable[[str], None] = lambda room_id: None,
    ) -> None:
        self._http = http
        self._guard = guard
        self._keys = keys
        self._remembered = remembered
        self._expect = expect  # hears of rooms in which something will be said soon
        self._user_id: str = guard.client.user_id
        self._finding = asyncio.Lock()

    async def room(self, room_id: str) -> Room:
        """Who may read in a room, and whether it is encrypted."""
        members = await rooms.members(self._http, room_id)
        return Room(room_id, members, await self._is_encrypted(room_id))

    async def send(self, outgoing: Outgoing) -> str:
        """Send one event and return its id; the same transaction id twice is the same event.

        Raises UnencryptedRoomError for a file that would be readable on the homeserver,
        AudienceChangedError where others would read what is meant for a few, and HomeserverError
        where it can't be sent.
        """
        encrypted = await self._is_encrypted(outgoing.room_id)
        file: Mapping[str, Any] | None = None
        if outgoing.attachment is not None:
            if not encrypted:
                raise UnencryptedRoomError("Files are sent in encrypted rooms only.")
            file = await upload_encrypted(self._http, outgoing.attachment)
        said = content.message(outgoing, file)
        kind = "m.room.message"
        if encrypted:
            said = await self._keys.encrypt(
                outgoing.room_id, kind, said, outgoing.audience, outgoing.also_for
            )
            kind = "m.room.encrypted"
        return await self._put(outgoing.room_id, "send", kind, outgoing.transaction_id, said)

    async def verification(
        self,
        room_id: str,
        kind: str,
        content: Mapping[str, Any],
        *,
        transaction_id: str,
        also_for: Device | None,
    ) -> None:
        """Send one step of a verification; it holds no word of anybody's."""
        if await self._is_encrypted(room_id):
            content = await self._keys.encrypt(room_id, kind, content, also_for=also_for)
            kind = "m.room.encrypted"
        await self._put(room_id, "send", kind, transaction_id, content)

    async def redact(self, room_id: str, event_id: str, *, transaction_id: str) -> None:
        """Take back an event."""
        await self._put(room_id, "redact", event_id, transaction_id, {})

    async def typing(self, room_id: str, *, active: bool) -> None:
        """Show or hide that the bot is typing; a courtesy, so its failure is nobody's concern.

        Meanwhile whoever will read what it types gets the key for it.
        """
        if active:
            self._expect(room_id)
        body = {"typing": True, "timeout": TYPING_MS} if active else {"typing": False}
        target = path("rooms", room_id, "typing", self._user_id)
        with contextlib.suppress(RequestError):
            await self._http.call("PUT", target, body, seconds=3.0, patience=0.0)

    async def join(self, room: str, *, via: str = "") -> str:
        """Join a room by its id or alias, or accept its invite; returns its id.

        `via` is a homeserver that is in the room. HomeserverError where it can't be joined.
        """
        return await rooms.join(self._http, room, via=via)

    async def leave(self, room_id: str, *, reason: str = "") -> None:
        """Leave a room, or reject an invite; members, or who invited, can read the reason."""
        await rooms.leave(self._http, room_id, reason=reason)

    async def joined(self) -> frozenset[str]:
        """The rooms that the bot is in."""
        return frozenset(await rooms.joined(self._http))

    def known_members(self, room_id: str) -> frozenset[str]:
        """Who was in a room at the last sync; empty for one that no sync has shown yet."""
        return self._guard.members(room_id)

    async def successor(self, room_id: str) -> Successor | None:
        """Where a room goes on, if somebody said so who may."""
        return await upgrades.successor(self._http, room_id)

    async def predecessor(self, room_id: str) -> str:
        """The room that this one says it continues, empty if none."""
        return await upgrades.predecessor(self._http, room_id)

    async def sent_by_me(self, room_id: str, event_id: str) -> bool:
        """Whether an event is the bot's own."""
        try:
            event = await rooms.ask(self._http, path("rooms", room_id, "event", event_id))
        except HomeserverUnavailableError:
            raise
        except RequestError:
            return False
        return text(event, "sender") == self._user_id

    async def sender_of(self, room_id: str, event_id: str) -> str | None:
        """Who sent an event, redacted or not; None where the homeserver says that it is gone."""
        return text(await fetched(self._http, room_id, event_id), "sender") or None

    async def direct_room(self, user_id: str, *, besides: str = "") -> str:
        """The encrypted direct chat with exactly this person, made if there is none.

        `besides` is a room that is for something else, whoever is in it: the audit room.
        """
        async with self._finding:  # two questions at once must not make two chats
            found = await self._found_direct_room(user_id, besides)
            if found is None:
                found = await direct.create_direct_room(self._http, self._user_id, user_id)
                await self._remembered.remember_encrypted(found)
            return found

    async def create_audit_room(self) -> str:
        """A new encrypted room for the audit log, with nobody in it yet."""
        room_id = await direct.create_audit_room(self._http)
        await self._remembered.remember_encrypted(room_id)
        return room_id

    async def invite(self, room_id: str, user_id: str) -> None:
        """Ask somebody into a room of ours."""
        await self._http.call("POST", path("rooms", room_id, "invite"), {"user_id": user_id})

    async def _found_direct_room(self, user_id: str, besides: str) -> str | None:
        pair = frozenset({self._user_id, user_id})
        listed = await direct.direct_rooms(self._http, self._user_id, user_id)
        joined = await rooms.joined(self._http)
        # Asking about every room would be slow: those that the sync knows to be others are left.
        likely = [room_id for room_id in joined if self._guard.members(room_id) in (pair, set())]
        for room_id in [room_id for room_id in listed if room_id in joined] + likely:
            if await self._is_private(room_id, pair):
                return room_id
        return None

    async def _is_private(self, room_id: str, pair: frozenset[str]) -> bool:
        try:
            room = await self.room(room_id)
        except HomeserverUnavailableError:
            raise
        except RequestError:
            return False  # we are not in it any more
        return room.encrypted and room.members == pair

    async def _is_encrypted(self, room_id: str) -> bool:
        """Once encrypted is always encrypted: a homeserver can't talk us out of it."""
        if await self._remembered.ever_encrypted(room_id):
            return True
        encrypted = await rooms.is_encrypted(self._http, room_id)
        if encrypted:
            await self._remembered.remember_encrypted(room_id)
        return encrypted

    async def _put(
        self, room_id: str, verb: str, what: str, transaction_id: str, body: Mapping[str, Any]
    ) -> str:
        target = path("rooms", room_id, verb, what, transaction_id)
        event_id = text(await self._http.call("PUT", target, body), "event_id")
        if not event_id:
            raise HomeserverError("The homeserver took a message but gave it no id.")
        return event_id
