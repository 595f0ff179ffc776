"""The only way out: every event is encrypted, or belongs where nothing was ever encrypted."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Set
from datetime import datetime
from typing import Any

from bot.errors import HomeserverError, HomeserverUnavailableError, UnencryptedRoomError
from bot.matrix import content, direct, own_events, rooms, upgrades
from bot.matrix.events import ClearEvent
from bot.matrix.guard import Guard
from bot.matrix.http import Http, RequestError, is_gone, path
from bot.matrix.media import upload_encrypted, upload_limit
from bot.matrix.posted_heads import posted_heads
from bot.matrix.recalling import fetched
from bot.matrix.received_files import Open, received_file
from bot.matrix.sharing import RoomKeys
from bot.matrix.untrusted import text
from bot.messages import Attachment, Device, Outgoing, Room, RoomRules, Sessions, Successor
from storage import Rooms

TYPING_MS = 30_000


async def _nothing(room_id: str, event: Mapping[str, Any]) -> ClearEvent | None:
    """Where nothing is read, no file is either."""
    return None


class Sender:
    """Sends, joins and leaves. What it decides by is asked of the homeserver at that moment."""

    def __init__(
        self,
        http: Http,
        guard: Guard,
        keys: RoomKeys,
        remembered: Rooms,
        expect: Callable[[str], None] = lambda room_id: None,
        *,
        read: Open = _nothing,
    ) -> None:
        self._http = http
        self._guard = guard
        self._keys = keys
        self._remembered = remembered
        self._expect = expect  # hears of rooms in which something will be said soon
        self._read = read
        self._user_id: str = guard.client.user_id
        self._finding = asyncio.Lock()

    async def room(self, room_id: str) -> Room:
        """Who may read in a room, and whether it is encrypted."""
        people = await rooms.people(self._http, room_id)
        invited = frozenset(one for one in people if people[one] == "invite")
        return Room(room_id, frozenset(people), await self._is_encrypted(room_id), invited)

    async def rules(self, room_id: str) -> RoomRules:
        """Who may come into a room and read there."""
        encrypted = await self._is_encrypted(room_id)
        join_rule = await rooms.join_rule(self._http, room_id)
        history = await rooms.history_visibility(self._http, room_id)
        return RoomRules(encrypted, join_rule, history)

    async def sessions(self, user_ids: Collection[str]) -> Mapping[str, Sessions]:
        """Of each of these people, how many sessions get the keys of a room that they are in."""
        return await self._keys.sessions(user_ids)

    async def send(self, outgoing: Outgoing) -> str:
        """Send one event and return its id; the same transaction id twice is the same event.

        Raises UnencryptedRoomError for a file that would be readable on the homeserver,
        FileTooLargeError for one that it does not take, AudienceChangedError where others would
        read what is meant for a few, and HomeserverError where it can't be sent.
        """
        encrypted = await self._is_encrypted(outgoing.room_id)
        file: Mapping[str, Any] | None = None
        if outgoing.attachment is not None:
            if not encrypted:
                raise UnencryptedRoomError("Files are sent in encrypted rooms only.")
            file = await upload_encrypted(self._http, outgoing.attachment)
            outgoing.wanted()
        said = content.message(outgoing, file)
        kind = "m.room.message"
        if encrypted:
            said = await self._keys.encrypt(
                outgoing.room_id, kind, said, outgoing.audience, outgoing.also_for
            )
            kind = "m.room.encrypted"
        return await self._put(outgoing.room_id, "send", kind, outgoing.transaction_id, said)

    async def upload_limit(self) -> int | None:
        """How many bytes a file may have that is sent; None where the homeserver doesn't say."""
        return await upload_limit(self._http)

    async def attachment(
        self, room_id: str, event_id: str, *, senders: Set[str], limit: int
    ) -> Attachment:
        """The encrypted file that one of these people sent; AttachmentError says why it is none."""
        return await received_file(
            self._http, self._read, room_id, event_id, senders=senders, limit=limit
        )

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

    async def own_messages(
        self, room_id: str, person: str, *, until: datetime, before: str
    ) -> list[str]:
        """The ids of all that the bot said and that still stands, before an event of the room.

        In a room without that event, up to a moment; in one where anybody but this person and the
        bot is, nothing: others are answered there as well.
        """
        me, http = self._user_id, self._http
        try:
            others = await rooms.members(http, room_id) - {me, person}
        except RequestError as error:
            if is_gone(error):
                return []
            raise
        if others:
            return []
        return await own_events.said_by(http, room_id, me, until=until, before=before)

    async def own_edits(self, room_id: str, event_id: str) -> list[str]:
        """The ids of the bot's edits of an event."""
        return await own_events.edits_of(self._http, room_id, event_id, self._user_id)

    async def posted_heads(self, room_id: str) -> list[str]:
        """The notes of the signed heads that the bot posted in the audit room, newest first."""
        return await posted_heads(self._http, self._read, room_id, self._user_id)

    async def withdraw(self, room_id: str, event_id: str, *, transaction_id: str) -> bool:
        """Take back an event of the bot's own.

        False where the homeserver says that this can never be, or that it is somebody else's: an
        id alone, wherever it was kept, is not proof of whose an event is.
        """
        if await self.sender_of(room_id, event_id) != self._user_id:
            return False
        try:
            await self.redact(room_id, event_id, transaction_id=transaction_id)
        except RequestError as error:
            if is_gone(error):
                return False
            raise
        return True

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
            async with contextlib.aclosing(self._direct_rooms(user_id, besides)) as chats:
                found = await anext(chats, None)
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

    async def direct_rooms(self, user_id: str, *, besides: str = "") -> list[str]:
        """Every encrypted direct chat with exactly this person."""
        return [room_id async for room_id in self._direct_rooms(user_id, besides)]

    async def _direct_rooms(self, user_id: str, besides: str) -> AsyncGenerator[str, None]:
        pair = frozenset({self._user_id, user_id})
        listed = await direct.direct_rooms(self._http, self._user_id, user_id)
        joined = await rooms.joined(self._http)
        # Asking about every room would be slow: those that the sync knows to be others are left.
        likely = [room_id for room_id in joined if self._guard.members(room_id) in (pair, set())]
        first = [room_id for room_id in listed if room_id in joined]
        for room_id in dict.fromkeys([*first, *likely]):
            if room_id != besides and await self._is_private(room_id, pair):
                yield room_id

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
