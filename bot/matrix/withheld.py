"""Devices that get no key are told why, so that their clients can tell their people.

Told behind the messages and never before them: what fails here holds up nobody.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from bot.errors import HomeserverError
from bot.matrix.channels import Channels
from bot.matrix.guard import MEGOLM

AT_ONCE = 100  # devices in one request
WAITING = 200  # requests that may wait; the oldest are dropped
EVENT = "m.room_key.withheld"
UNVERIFIED = "Keys are shared only with sessions that their owner has verified."
NO_CHANNEL = "This session has no one-time key left for a secure channel to it."

UserAndDevice = tuple[str, str]

_log = logging.getLogger(__name__)


class Withheld:
    """Who was told what (Matrix spec, m.room_key.withheld): once for each session and device."""

    def __init__(self, channels: Channels, *, sender_key: str) -> None:
        self._channels = channels
        self._common = {"algorithm": MEGOLM, "sender_key": sender_key}
        self._told: dict[str, tuple[str, set[UserAndDevice]]] = {}
        self._without_channel: set[UserAndDevice] = set()
        self._waiting: deque[tuple[Mapping[str, str], list[UserAndDevice]]] = deque(maxlen=WAITING)
        self._news = asyncio.Event()

    def unverified(self, room_id: str, session_id: str, devices: Iterable[UserAndDevice]) -> None:
        """These devices get no key of this session, because their owner hasn't signed them."""
        known, told = self._told.get(room_id, ("", set()))
        told = told if known == session_id else set()
        about = {"room_id": room_id, "session_id": session_id}
        new = set(devices) - told
        self._tell({**about, "code": "m.unverified", "reason": UNVERIFIED}, new)
        self._told[room_id] = session_id, told | new

    def no_channel(self, devices: Iterable[UserAndDevice], *, open_to: set[UserAndDevice]) -> None:
        """These devices can't be reached; those of `open_to` can, and would be told anew."""
        self._without_channel -= open_to
        new = set(devices) - self._without_channel
        self._tell({"code": "m.no_olm", "reason": NO_CHANNEL}, new)
        self._without_channel |= new

    async def run(self) -> None:
        """Tell them, for as long as the bot runs."""
        while True:
            await self._news.wait()
            self._news.clear()
            await self.deliver()

    async def deliver(self) -> None:
        """Tell all who wait; what the homeserver refuses is dropped."""
        while self._waiting:
            content, devices = self._waiting.popleft()
            try:
                await self._channels.send(EVENT, _body(content, devices))
            except HomeserverError as error:
                _log.info("some devices will not hear why they got no key: %s", error)

    def _tell(self, content: Mapping[str, str], devices: Iterable[UserAndDevice]) -> None:
        waiting = sorted(devices)
        for start in range(0, len(waiting), AT_ONCE):
            self._waiting.append(({**self._common, **content}, waiting[start : start + AT_ONCE]))
            self._news.set()


def _body(content: Mapping[str, str], devices: Iterable[UserAndDevice]) -> dict[str, Any]:
    messages: dict[str, dict[str, Any]] = {}
    for user_id, device_id in devices:
        messages.setdefault(user_id, {})[device_id] = content
    return {"messages": messages}
