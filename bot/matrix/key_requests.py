"""Room keys that did not come are asked for, and taken from nobody but the device that made them.

A forwarded key is worth what its sender is worth: unlike a room key it bears no signature of its
session. nio takes them from the bot's own devices only, of which there is one. Here a key is taken
from the device that owns the session, which could have sent it as a room key as well.
"""

import logging
import secrets
from collections import Counter
from collections.abc import Awaitable, Collection, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from bot.errors import HomeserverError, HomeserverUnavailableError
from bot.matrix.guard import MEGOLM, Guard
from bot.matrix.http import Http, path
from bot.matrix.trust import Trust
from bot.matrix.untrusted import mapping, text

PER_SENDER = 20  # sessions; a stranger can name any number that never were
AT_ONCE = 20  # requests between two syncs, half of them at most to take others back
LONGEST_ID = 255

Json = Mapping[str, Any]
Session = tuple[str, str, str]
"""Room id, session id and user id."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A session that an event names, and the device that should have its key."""

    room_id: str
    session_id: str
    user_id: str
    device_id: str  # "*": all devices of this person

    @property
    def request_id(self) -> str:
        """The same whenever this session is asked for, also after a restart (Matrix spec)."""
        return sha256(f"{self.room_id} {self.session_id}".encode()).hexdigest()[:32]


class KeyRequests:
    """What was asked for, and has not come."""

    def __init__(self, guard: Guard, http: Http, trust: Trust) -> None:
        self._guard = guard
        self._http = http
        self._trust = trust
        self._asked: dict[Session, Wanted] = {}
        self._asked_before: set[Session] = set()
        guard.on_forwarded_key = self.take

    def recall(self, waiting: Iterable[tuple[str, Json]]) -> None:
        """Take answers to what was asked for before a restart; it is asked for again, too."""
        self._asked_before |= self._missing(waiting).keys() - self._asked.keys()

    async def follow(self, waiting: Iterable[tuple[str, Json]]) -> None:
        """Ask for each session that is missing, once; cancel what came or nobody waits for.

        That is a few requests, and the rest when it is called again. One that is refused counts as
        made: a stranger chose what stands in it, and the others must not wait for it.
        """
        missing = self._missing(waiting)
        self._asked_before &= missing.keys()
        over = [key for key in self._asked if key not in missing][: AT_ONCE // 2]
        for key in over:
            await _tried(self._send("request_cancellation", self._asked[key]))
            del self._asked[key]
        chosen = self._in_turns(missing)[: AT_ONCE - len(over)]
        # Without the senders' devices their answers could not be told from somebody else's.
        await _tried(self._trust.prepare({wanted.user_id for _, wanted in chosen}))
        for key, wanted in chosen:
            await _tried(self._ask(wanted))
            self._asked[key] = wanted

    def ask_again(self, devices: Collection[tuple[str, str]]) -> None:
        """Ask these devices once more: the channel by which their answers were lost is new."""
        for key, one in list(self._asked.items()):
            if any(one.user_id == user and one.device_id in ("*", id_) for user, id_ in devices):
                del self._asked[key]

    def take(self, sender: str, sender_key: str, payload: Json) -> bool:
        """Take a key that came over Olm, if it was asked for and is of the device that sends it."""
        content = mapping(payload, "content")
        session = (text(content, "room_id"), text(content, "session_id"), sender)
        signing_key = text(payload, "keys", "ed25519")
        if (
            session not in {*self._asked, *self._asked_before}
            or text(content, "algorithm") != MEGOLM
            or text(content, "sender_key") != sender_key
            or text(content, "sender_claimed_ed25519_key") != signing_key
        ):
            return False
        return self._guard.import_session(
            sender,
            curve25519=sender_key,
            ed25519=signing_key,
            room_id=session[0],
            session_id=session[1],
            exported=text(content, "session_key"),
        )

    def _missing(self, waiting: Iterable[tuple[str, Json]]) -> dict[Session, Wanted]:
        return {
            (one.room_id, one.session_id, one.user_id): one
            for room_id, event in waiting
            if not self._guard.has_key(room_id, event) and (one := _wanted(room_id, event))
        }

    def _in_turns(self, missing: Mapping[Session, Wanted]) -> list[tuple[Session, Wanted]]:
        """What to ask for: one of each person's, then a second; first of whom least was asked."""
        asked = Counter(one.user_id for one in self._asked.values())
        turns: list[tuple[int, Session, Wanted]] = []
        for key, wanted in missing.items():
            if key not in self._asked and asked[wanted.user_id] < PER_SENDER:
                turns.append((asked[wanted.user_id], key, wanted))
                asked[wanted.user_id] += 1
        return [(key, wanted) for _, key, wanted in sorted(turns, key=lambda one: one[0])]

    async def _ask(self, wanted: Wanted) -> None:
        body = {
            "algorithm": MEGOLM,
            "room_id": wanted.room_id,
            "session_id": wanted.session_id,
        }
        await self._send("request", wanted, body=body)

    async def _send(self, action: str, wanted: Wanted, **more: Json) -> None:
        request = {
            "action": action,
            "request_id": wanted.request_id,
            "requesting_device_id": self._guard.client.device_id,
            **more,
        }
        messages = {"messages": {wanted.user_id: {wanted.device_id: request}}}
        target = path("sendToDevice", "m.room_key_request", secrets.token_hex(16))
        await self._http.call("PUT", target, messages, patience=0.0)


async def _tried(request: Awaitable[None]) -> None:
    """Make a request whose refusal is nobody's concern; raises where the homeserver is away."""
    try:
        await request
    except HomeserverUnavailableError:
        raise
    except HomeserverError:
        _log.warning("a request about missing room keys was refused and dropped")


def _wanted(room_id: str, event: Json) -> Wanted | None:
    """What an event needs; None where it names nothing that could be asked for."""
    session_id, device_id = (text(event, "content", key) for key in ("session_id", "device_id"))
    if not 0 < len(session_id) <= LONGEST_ID or len(device_id) > LONGEST_ID:
        return None
    return Wanted(room_id, session_id, text(event, "sender"), device_id or "*")
