"""How much of what others send may stay in the crypto store: strangers must not be able to fill it.

A room key often comes before the invitation to its room does, so one that is not expected is kept
all the same, but only so many, and not in the backup before its room is known.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import nio
from nio.crypto import InboundGroupSession

OF_ONE_DEVICE = 100  # unexpected room keys; the oldest goes
UNEXPECTED = 1_000  # of all devices together; the oldest of whoever has most goes
OF_ONE_ROOM = 1_000  # of one device; a new one comes with 100 messages, or when somebody leaves
CHANNELS = 20  # Olm sessions of one device; clients use the newest

_Keys = dict[tuple[str, str], tuple[InboundGroupSession, str]]  # with who sent each; "" if unknown


class Bounds:
    """Counts what comes from elsewhere, and lets go of the oldest where it is too much."""

    def __init__(self, client: nio.AsyncClient) -> None:
        self._client = client
        self._sender = ""
        self._unexpected: dict[str, _Keys] = {}  # by the device's key
        self._rooms_known = False
        if client.store is not None:
            client.store.is_held_back = self._is_held_back

    @contextmanager
    def receiving(self, user_id: str, sender_key: str) -> Iterator[None]:
        """While something is received that this user's device is said to have sent."""
        self._sender = user_id
        try:
            yield
        finally:
            self._sender = ""
            self._limit_channels(sender_key)

    def settle(self, *, rooms_known: bool) -> None:
        """Let go from here what is expected by now; without the rooms, nothing is too much."""
        if rooms_known and not self._rooms_known:
            self._add_kept()
        self._rooms_known = rooms_known
        for sender_key, keys in list(self._unexpected.items()):
            for name, (session, user_id) in list(keys.items()):
                if self._is_expected(session.room_id, user_id):
                    del keys[name]
                    self._client.store.on_room_key(session)
            if not keys:
                del self._unexpected[sender_key]
        for sender_key in list(self._unexpected) if rooms_known else ():
            self._limit_unexpected(sender_key)

    def _add_kept(self) -> None:
        """What was unexpected before the start, or is of rooms that we left."""
        own = self._client.olm.account.identity_keys["curve25519"]
        for session in self._client.olm.inbound_group_store:
            if session.sender_key != own and session.room_id not in self._client.rooms:
                keys = self._unexpected.setdefault(session.sender_key, {})
                keys.setdefault((session.room_id, session.id), (session, ""))

    def _is_held_back(self, session: InboundGroupSession) -> bool:
        """Asked for each room key that was saved."""
        if not self._sender:
            return False
        if self._is_expected(session.room_id, self._sender):
            self._limit_room(session)
            return False
        keys = self._unexpected.setdefault(session.sender_key, {})
        keys[session.room_id, session.id] = (session, self._sender)
        if self._rooms_known:
            self._limit_unexpected(session.sender_key)
        return True

    def _is_expected(self, room_id: str, user_id: str) -> bool:
        room = self._client.rooms.get(room_id)
        return room is not None and (not user_id or user_id in room.users)

    def _limit_unexpected(self, sender_key: str) -> None:
        while len(self._unexpected[sender_key]) > OF_ONE_DEVICE:
            self._drop_oldest(sender_key)
        while sum(map(len, self._unexpected.values())) > UNEXPECTED:
            self._drop_oldest(max(self._unexpected, key=lambda one: len(self._unexpected[one])))

    def _drop_oldest(self, sender_key: str) -> None:
        keys = self._unexpected[sender_key]
        session, _ = keys.pop(next(iter(keys)))
        if not keys:
            del self._unexpected[sender_key]
        self._client.store.forget_room_key(session)

    def _limit_room(self, session: InboundGroupSession) -> None:
        keys = self._client.olm.inbound_group_store[session.room_id][session.sender_key]
        while len(keys) > OF_ONE_ROOM:
            self._client.store.forget_room_key(next(iter(keys.values())))

    def _limit_channels(self, sender_key: str) -> None:
        entries: dict[str, list[Any]] = self._client.olm.session_store._entries
        channels = entries.get(sender_key, [])
        self._client.store.forget_channels(channels[CHANNELS:])
        del channels[CHANNELS:]  # nio has the last used first
        if not channels:
            entries.pop(sender_key, None)  # nio makes one for every key that it is asked about
