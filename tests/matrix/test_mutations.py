"""A hundred thousand malformed syncs, events and messages: none of them stops the sync loop."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from bot.matrix.client import MatrixClient, _assembled
from bot.matrix.http import Http
from bot.matrix.untrusted import loads
from bot.messages import RoomMessage
from bot.room_events import Batch
from storage import MasterKey, Storage, open_storage
from tests.matrix.account import BOT, OwnDevice
from tests.matrix.mutating import (
    ANN,
    CHAT,
    CLEAR,
    EVE,
    HALL,
    STATE,
    TO_DEVICE,
    Json,
    Mutator,
    Phone,
    spoken,
    written,
)
from tests.matrix.people import Somebody, together

EVENTS = 90_000  # mutations of single events,
IN_ONE = 300  # so many of them in one response
RESPONSES = 10_000  # mutations of whole responses
SEED = 20_261_123

COUNTED = {
    "malformed event",
    "malformed encrypted event",
    "malformed to-device message",
    "encrypted event that claims to be state",
    "event of another room",
    "event under another sender's name",
    "replayed event",
}
"""What the corpus is dropped for, at least."""


COUNTS = {
    "device_one_time_keys_count": {"signed_curve25519": 50},
    "device_unused_fallback_key_types": ["signed_curve25519"],
}


class EndError(Exception):
    """Everything was served."""


class HostileHomeserver(Http):
    """Knows Ann and Eve, and answers each sync with what `responses` makes next."""

    def __init__(self, *people: Somebody) -> None:
        super().__init__("http://unused")
        self.people = people
        self.make: Callable[[], Json] = dict
        self.gap: list[Any] = []
        self.syncs = 0

    async def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> tuple[int, Json]:
        json.dumps(body).encode()
        answer = together(*self.people)
        for user_id in (body or {}).get("device_keys", {}):
            answer["device_keys"].setdefault(user_id, {})
        return 200, answer

    async def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, **options: Any
    ) -> Json:
        json.dumps(body).encode()
        if path.endswith("/sync"):
            self.syncs += 1
            response = loads(written(self.make()))
            return {**response, "next_batch": f"token {self.syncs}"}
        if path.endswith("/messages"):
            return {"chunk": self.gap, "end": ""}
        if path.endswith("/keys/upload"):
            return {"one_time_key_counts": {"signed_curve25519": 50}}
        return {}


class Scene:
    """The bot's client, whole, with an inbox behind it; Ann and Eve write to it."""

    def __init__(self, folder: Path, storage: Storage) -> None:
        people = [Somebody(ANN), Somebody(EVE)]
        self.mutator = Mutator(SEED)
        self.storage = storage
        self.homeserver = HostileHomeserver(*people)
        self.device = OwnDevice(folder, self.homeserver)
        self.guard = self.device.open.guard
        public = self.device.identity.public
        self.client: MatrixClient = _assembled(
            self.device.open, public, storage.rooms, storage.readings, "cross-signed"
        )
        self.ann, self.eve = (Phone(self.guard, one) for one in people)
        self.heard: list[RoomMessage] = []
        self.batches = 0
        self._numbers = 0

    async def read(self, responses: Callable[[], Json | None]) -> None:
        """Sync until there are no more responses."""

        def make() -> Json:
            if (response := responses()) is None:
                raise EndError
            return response

        async def receive(batch: Batch) -> None:
            self.batches += 1
            self.heard += [one for one in batch.events if isinstance(one, RoomMessage)]

        self.homeserver.make = make
        self.homeserver.syncs = self.batches = 0
        with pytest.raises(EndError):
            await self.client.sync_forever(
                receive, since="a token", watch=self.client.verifications.watch
            )
        ids = [(one.event_id, one.room_id) for one in self.heard]
        await self.storage.inbox.accept(ids, "a token")

    def name(self) -> str:
        """The id of one more event."""
        self._numbers += 1
        return f"$event-{self._numbers}"

    def keys(self) -> list[Json]:
        """Whoever comes new into a session is given its key."""
        return [
            phone.to_device(phone.room_key(room))
            for phone in (self.ann, self.eve)
            for room in (CHAT, HALL)
        ]

    def honest(self) -> Json:
        """A response with one message that everybody should hear."""
        self.ann.renew()
        event = self.ann.seal(spoken(CHAT, "still there?"), self.name())
        to_device = [self.ann.to_device(self.ann.room_key(CHAT))]
        return response(to_device, {CHAT: [event]})


def response(
    to_device: list[Any], timelines: Mapping[str, list[Any]], *, state: Any = (), **more: Any
) -> Json:
    """A sync as Synapse answers it."""
    invited = {"type": "m.room.member", "state_key": BOT, "sender": EVE}
    stripped = {**invited, "content": {"membership": "invite"}}
    joined = {
        room_id: {
            "state": {"events": list(state)},
            "timeline": {"events": events, "limited": False, "prev_batch": "p"},
            "ephemeral": {"events": []},
            "account_data": {"events": []},
            "unread_notifications": {},
            "summary": {},
        }
        for room_id, events in timelines.items()
    }
    return {
        "to_device": {"events": to_device},
        "device_lists": {"changed": [ANN], "left": []},
        "rooms": {
            "join": joined,
            "invite": {"!other:b": {"invite_state": {"events": [stripped]}}},
            "leave": {"!left:b": {"timeline": {"events": []}}},
        },
        "account_data": {"events": []},
        **more,
    }


class Corpus:
    """Events with one mutation each, dealt into responses."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._mutator = scene.mutator
        self._kinds: list[Callable[[Phone, str], Any]] = [
            *[self._outside] * 4,
            *[self._inside] * 5,
            self._raw,
            *[self._clear] * 3,
            self._clear_state,
            self._again,
        ]

    def next(self) -> Json | None:
        """One more response, as long as there are mutations left."""
        random, scene = self._mutator.random, self._scene
        if self._mutator.count >= EVENTS:
            return None
        timelines: dict[str, list[Any]] = {CHAT: [], HALL: []}
        self._scene.homeserver.gap = []
        to_device: list[Any] = scene.keys() if self._mutator.count < IN_ONE else []
        state: list[Any] = []
        end = min(self._mutator.count + IN_ONE, EVENTS)
        while self._mutator.count < end:
            phone = random.choice((scene.ann, scene.eve))
            chance = random.random()
            if chance < 0.1:
                to_device.append(self._to_device(phone))
            elif chance < 0.15:
                state.append(self._clear_state(phone, HALL))
            else:
                room_id = random.choice((CHAT, HALL))
                timelines[room_id].append(random.choice(self._kinds)(phone, room_id))
        made = response(to_device, timelines, state=state)
        made["rooms"]["join"][HALL]["timeline"]["limited"] = random.random() < 0.2
        return made

    def _outside(self, phone: Phone, room_id: str) -> Any:
        event = phone.seal(spoken(room_id), self._scene.name())
        if self._mutator.random.random() < 0.05:
            return self._mutator.swap()
        return self._mutator.mutate(event)

    def _inside(self, phone: Phone, room_id: str) -> Json:
        return phone.seal(self._mutator.mutate(spoken(room_id)), self._scene.name())

    def _raw(self, phone: Phone, room_id: str) -> Json:
        """Something else than a message in the ciphertext, or only the beginning of one."""
        name = self._scene.name()
        if self._mutator.random.random() < 0.5:
            return phone.seal(self._mutator.swap(), name)
        self._mutator.count += 1
        whole = json.dumps(spoken(room_id))
        return phone.seal(whole[: self._mutator.random.randrange(len(whole))], name)

    def _again(self, phone: Phone, room_id: str) -> Json:
        """The ciphertext of an honest event, in two events."""
        event = phone.seal(spoken(room_id), self._scene.name())
        self._scene.homeserver.gap.append({**event, "event_id": self._scene.name()})
        self._mutator.count += 1
        return event

    def _clear(self, phone: Phone, room_id: str) -> Any:
        kind = self._mutator.random.choice(CLEAR)
        return self._mutator.mutate(kind(phone, room_id, self._scene.name()))

    def _clear_state(self, phone: Phone, room_id: str) -> Any:
        kind = self._mutator.random.choice(STATE)
        return self._mutator.mutate(kind(phone, room_id, self._scene.name()))

    def _to_device(self, phone: Phone) -> Any:
        chance = self._mutator.random.random()
        if chance < 0.4:
            room_key = self._mutator.mutate(phone.room_key(HALL))
            return phone.to_device(room_key)
        if chance < 0.7:
            return self._mutator.mutate(phone.to_device(phone.room_key(HALL)))
        template = json.loads(json.dumps(self._mutator.random.choice(TO_DEVICE)))
        return self._mutator.mutate(template)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    data = tmp_path / "data"
    async with open_storage(data, MasterKey(bytes(32))) as storage:
        scene = Scene(tmp_path / "device", storage)
        yield scene
        scene.device.close()


def whole(scene: Scene) -> Json:
    """A response with something of everything in it, none of it mutated."""
    name = scene.name
    sealed = scene.ann.seal(spoken(CHAT), name())
    clear = [kind(scene.eve, HALL, name()) for kind in CLEAR]
    state = [kind(scene.eve, HALL, name()) for kind in STATE]
    requests = json.loads(json.dumps(TO_DEVICE))
    made = response(requests, {CHAT: [sealed], HALL: [*state, *clear]}, state=state)
    return {**made, **COUNTS} if scene.mutator.count % 25 == 0 else made  # making keys takes long


@pytest.mark.timeout(300)
async def test_no_mutated_event_stops_the_sync_loop_and_what_is_dropped_is_counted(
    scene: Scene,
) -> None:
    corpus = Corpus(scene)

    await scene.read(corpus.next)
    served, read, heard = scene.homeserver.syncs - 1, scene.batches, len(scene.heard)
    await scene.read(iter([scene.honest(), None]).__next__)

    assert scene.mutator.count == EVENTS
    assert read == served == EVENTS // IN_ONE
    assert heard > 0, "some mutations harm nothing, or this test is blind"
    assert scene.guard.drops.keys() >= COUNTED
    assert scene.guard.drops.total() > EVENTS // 10
    assert scene.heard[-1].body == "still there?"


@pytest.mark.timeout(300)
async def test_no_mutated_response_stops_the_sync_loop(scene: Scene) -> None:
    def mutated() -> Json | None:
        if scene.mutator.count == RESPONSES:
            return None
        changed: Json = scene.mutator.mutate(whole(scene))
        return changed

    await scene.read(iter([response(scene.keys(), {CHAT: [], HALL: []}), None]).__next__)
    await scene.read(mutated)
    served, read, heard = scene.homeserver.syncs - 1, scene.batches, len(scene.heard)
    await scene.read(iter([scene.honest(), None]).__next__)

    assert read == served == RESPONSES
    assert heard > RESPONSES // 2, "most of what was not mutated is heard"
    assert scene.heard[-1].body == "still there?"


def test_the_mutations_are_as_many_as_were_promised() -> None:
    assert EVENTS + RESPONSES == 100_000
