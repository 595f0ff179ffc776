"""A sync response becomes a Batch: keys first, then rooms, then every event in its order."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from bot.errors import HomeserverError
from bot.matrix.departures import departures
from bot.matrix.events import ClearEvent, clear_event, invite, kept
from bot.matrix.guard import DeviceUnknown, Guard, KeyMissing, Rejected
from bot.matrix.http import Http, TokenRevokedError
from bot.matrix.inquiring import Inquiry
from bot.matrix.key_requests import KeyRequests
from bot.matrix.keys import DeviceKeyring, StaleStoreError
from bot.matrix.recalling import Recalling
from bot.matrix.replays import KnownReadings, Replays
from bot.matrix.sharing import RoomKeys
from bot.matrix.timeline import missed, since_joining, without_doubles
from bot.matrix.trust import Trust
from bot.matrix.undecryptable import Waiting
from bot.matrix.untrusted import items, mapping, member, text, too_deep
from bot.room_events import Batch, Gap, Invite, Redaction, RoomEvent
from storage import Rooms

Json = Mapping[str, Any]
Watch = Callable[[ClearEvent], None]
_New = tuple[list[Gap], list[Any]]

STEP = 25  # to-device messages at a time: about 15 ms

_log = logging.getLogger(__name__)


class Reader:
    """Takes one sync response after the other."""

    def __init__(
        self,
        http: Http,
        guard: Guard,
        trust: Trust,
        *,
        device_keys: DeviceKeyring,
        room_keys: RoomKeys,
        waiting: Waiting,
        remembered: Rooms,
        readings: KnownReadings,
        expect: Callable[[str], None] = lambda room_id: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._guard = guard
        self._trust = trust
        self._inquiry = Inquiry(trust, clock)
        self._device_keys = device_keys
        self._room_keys = room_keys
        self._remembered = remembered
        self._known_encrypted: set[str] = set()
        self._expect = expect  # hears of rooms in which something will be said soon
        self._begun = False
        self._told: frozenset[Invite] = frozenset()
        self._user_id: str = guard.client.user_id
        self._replays = Replays(readings)
        self._key_requests = KeyRequests(guard, http, trust)
        self.waiting = waiting
        self.recalling = Recalling(http, guard, waiting)
        self._clock = clock
        self.got_on_at = clock()  # the last room, or page of a gap: a response can take long

    async def read(self, sync: Json, *, since: str | None, watch: Watch) -> Batch:
        """What is new in this response; without `since` everything in it is old."""
        joined = mapping(sync, "rooms", "join")
        if await self.recalling.go_on():
            self._key_requests.recall(self.waiting)
        await self._take_keys(sync)
        busy = [room_id for room_id, room in joined.items() if self._is_busy(room_id, room)]
        for room_id, room in joined.items():
            self._guard.follow(room_id, [*_state(room), *_timeline(room)])
        for room_id in mapping(sync, "rooms", "leave"):
            self._guard.leave(room_id)
        await self._remember_encrypted()
        await self._maintain()
        for room_id in busy:
            self._expect(room_id)
        self._begun = True
        # All that may fail comes before anything is taken from those that wait.
        new = {room_id: await self._new(room_id, joined[room_id], since) for room_id in joined}
        self._inquiry.begin()
        events: list[RoomEvent] = [one for one in self._invites(sync) if one not in self._told]
        self._told = frozenset()
        for room_id, room in joined.items():
            events += self._departures(room_id, room)
        for clear in [clear async for clear in self._late()]:
            events += self._messages(clear, watch)
        for room_id, (gaps, timeline) in new.items():
            events += gaps
            for event in timeline:
                events += self._messages(await self._opened(room_id, event), watch)
        events += self.waiting.overdue()
        await self._replays.keep()
        begun, settled = self.waiting.changes()
        return Batch(tuple(events), text(sync, "next_batch"), begun, settled)

    def pending(self, sync: Json) -> list[Invite]:
        """The invites that wait; the next response that is read does not repeat them."""
        invites = list(self._invites(sync))
        self._told = frozenset(invites)
        return invites

    def _invites(self, sync: Json) -> Iterable[Invite]:
        """Who asks the bot into which room."""
        for room_id, room in mapping(sync, "rooms", "invite").items():
            found = invite(room_id, items(room, "invite_state", "events"), bot=self._user_id)
            if found is not None:
                yield found

    def _departures(self, room_id: str, room: object) -> Iterable[RoomEvent]:
        events = [*_state(room), *_timeline(room)]
        members = self._guard.members(room_id)
        return departures(room_id, events, members=members, bot=self._user_id)

    async def open(self, room_id: str, event: Json) -> ClearEvent | None:
        """One event, decrypted if its key is there; raises where nobody tells whose devices are."""
        sender = text(event, "sender")
        await self._trust.prepare([sender])  # "not now" is not "never" here
        self._inquiry.renew([sender])
        try:
            return await self._readable(room_id, event)
        except KeyMissing:
            if sender in self._trust.unreachable and self._guard.has_key(room_id, event):
                raise HomeserverError("The sender's homeserver does not answer.") from None
            return None

    def _is_busy(self, room_id: str, room: object) -> bool:
        """Whether the bot has just come in, or somebody types: a key will soon be wanted."""
        entered = self._begun and room_id not in self._guard.client.rooms
        return entered or bool(_typing(room) - {self._user_id})

    async def _take_keys(self, sync: Json) -> None:
        """First of all: what follows in this response is encrypted with them."""
        messages = items(sync, "to_device", "events")
        for some in (messages[at : at + STEP] for at in range(0, len(messages) or 1, STEP)):
            self._guard.receive_to_device(some, rooms_known=self._begun)
            await asyncio.sleep(0)  # a flood of them must not hold up anybody
        changed = [*items(sync, "device_lists", "changed"), *items(sync, "device_lists", "left")]
        names = [user_id for user_id in changed if isinstance(user_id, str)]
        self._trust.invalidate(names)
        self._inquiry.renew(names)
        self._device_keys.learn(sync)

    async def _maintain(self) -> None:
        """Keep others able to reach us; if it fails now, the next sync tries again."""
        try:
            await self._device_keys.replenish()
            repaired = self._guard.wedged()
            await self._room_keys.deliver_queued()
            self._key_requests.ask_again(repaired)
            await self._key_requests.follow(self.waiting)
        except (TokenRevokedError, StaleStoreError):
            raise
        except HomeserverError as error:
            _log.warning("keys will be exchanged later: %s", error)

    async def _remember_encrypted(self) -> None:
        rooms = self._guard.client.rooms.values()
        seen = {room.room_id for room in rooms if room.encrypted} - self._known_encrypted
        for room_id in seen:
            await self._remembered.remember_encrypted(room_id)
        self._known_encrypted |= seen

    async def _new(self, room_id: str, room: object, since: str | None) -> _New:
        """The events of one room since the last sync, the gap filled, none from before joining."""
        if since is None:
            return [], []
        self._got_on()
        events, whole = _timeline(room), True
        if member(room, "timeline", "limited") is True:
            before, whole = await self._gap(room_id, room, since)
            events = without_doubles([*before, *events])
        new = since_joining(events, self._user_id)
        if whole or len(new) < len(events):  # what was before the bot was asked in is not missed
            return [], new
        self._guard.drops["gap"] += 1
        _log.warning("a gap in a room's timeline could not be filled to its beginning")
        read = len(events)
        return [Gap(f"gap {read} {room_id} {since}", room_id, read)], new  # told once a gap

    async def _gap(self, room_id: str, room: object, since: str) -> tuple[list[Any], bool]:
        until = text(room, "timeline", "prev_batch")
        return await missed(self._http, room_id, since=since, until=until, got_on=self._got_on)

    def _got_on(self) -> None:
        self.got_on_at = self._clock()

    async def _opened(self, room_id: str, event: Any) -> ClearEvent | None:
        try:
            return await self._readable(room_id, event)
        except KeyMissing:
            self.waiting.add(room_id, event)
            return None

    async def _late(self) -> AsyncIterator[ClearEvent]:
        """Waiting events whose key has come."""
        for room_id, event in self.waiting:
            try:
                clear = await self._readable(room_id, event)
            except KeyMissing:
                continue
            self.waiting.remove(text(event, "event_id"))
            if clear is not None:
                yield clear

    async def _readable(self, room_id: str, event: Any) -> ClearEvent | None:
        """The event in the clear, None if it is nothing to read; KeyMissing if not yet."""
        if not isinstance(event, dict) or too_deep(event):
            self._guard.drops["malformed event"] += 1
            return None
        if member(event, "unsigned", "redacted_because") is not None:
            return None
        if text(event, "type") != "m.room.encrypted":
            return clear_event(event, room_id)
        try:
            clear = await self._decrypted(room_id, event)
            if clear.reading and await self._replays.is_one(clear.reading):
                raise self._guard.replayed()
            return clear
        except Rejected as rejected:
            _log.debug("dropped an event: %s", str(rejected))  # INFO has the counts: see tally.py
            return None

    async def _decrypted(self, room_id: str, event: Json) -> ClearEvent:
        """Decrypt; where the sender's device is not known, ask the homeserver and try again."""
        sender = text(event, "sender")
        try:
            return await self._judged(self._guard.decrypt(room_id, event))
        except DeviceUnknown:
            await self._inquiry.anew(sender)
        try:
            return await self._judged(self._guard.decrypt(room_id, event))
        except DeviceUnknown:
            raise self._guard.relabelled() from None

    async def _judged(self, clear: ClearEvent) -> ClearEvent:
        """With what its device is worth now; KeyMissing while nobody can tell."""
        await self._inquiry.know(clear.sender)
        standing = self._trust.standing(clear.sender, clear.device_id)
        if standing is None:
            raise KeyMissing
        return replace(clear, standing=standing)

    def _messages(self, clear: ClearEvent | None, watch: Watch) -> list[RoomEvent]:
        if clear is None:
            return []
        watch(clear)
        found = kept(clear, bot=self._user_id)
        if isinstance(found, Redaction):
            self.waiting.withdraw(found.room_id, found.redacts)
        return [found] if found else []


def _state(room: object) -> list[Any]:
    return items(room, "state", "events")


def _timeline(room: object) -> list[Any]:
    return items(room, "timeline", "events")


def _typing(room: object) -> set[str]:
    """Who is typing, as far as this sync tells."""
    events = [one for one in items(room, "ephemeral", "events") if text(one, "type") == "m.typing"]
    found = [one for event in events for one in items(event, "content", "user_ids")]
    return {one for one in found if isinstance(one, str)}
