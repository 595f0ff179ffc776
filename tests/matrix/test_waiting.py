"""What can't be read yet waits, also across restarts; what was read once is read nowhere else."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from bot.matrix.crypto_store import close_crypto_store, open_crypto_store
from bot.matrix.guard import Guard
from bot.matrix.http import Http, RequestError, UnavailableError
from bot.matrix.keys import DeviceKeyring
from bot.matrix.reading import Reader
from bot.matrix.recalling import AT_ONCE
from bot.matrix.session import Session
from bot.matrix.sharing import RoomKeys
from bot.matrix.trust import Trust
from bot.matrix.undecryptable import GRACE, Waiting
from bot.messages import RoomMessage
from bot.room_events import Batch, Undecryptable
from storage import MasterKey, Storage, open_storage
from tests.matrix.people import Json, Somebody, together
from tests.matrix.phones import Phone

BOT, ANN, EVE, ROOM = "@bot:b", "@ann:b", "@eve:b", "!room"
KEY = MasterKey(bytes(32))


class Homeserver(Http):
    """Gives events by their ids, shows people's devices, keeps what is sent to devices."""

    def __init__(self, *people: Somebody) -> None:
        super().__init__("http://unused")
        self.people = people
        self.events: dict[str, Json] = {}
        self.fetched: list[str] = []
        self.requests: list[tuple[str, str, Json]] = []  # for whom, which device, what
        self.failing = ""

    async def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> tuple[int, Json]:
        assert path.endswith("/keys/query")
        if self.failing and self.failing in path:
            raise UnavailableError("away")
        return 200, together(*self.people)

    async def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, **options: Any
    ) -> Json:
        if self.failing and self.failing in path:
            raise UnavailableError("away")
        if "/sendToDevice/m.room_key_request/" in path:
            assert body is not None
            for user_id, devices in body["messages"].items():
                self.requests += [(user_id, one, content) for one, content in devices.items()]
            return {}
        self.fetched.append(path)
        event_id = path.rpartition("/")[2].replace("%24", "$")
        if event_id not in self.events:
            raise RequestError("not found", status=404)
        return self.events[event_id]

    def said(self, event: Json) -> Json:
        self.events[event["event_id"]] = event
        return event

    @property
    def asked(self) -> list[tuple[str, str, str]]:
        return [(user, device, one["action"]) for user, device, one in self.requests]


class NoKeyring:
    """The device's own keys are not what is tested here."""

    def learn(self, sync: Json) -> None:
        return

    async def replenish(self) -> None:
        return


@dataclass
class Bot:
    """What reads, with all that it keeps on disk; `now` is the time that waiting is measured by."""

    storage: Storage
    guard: Guard
    reader: Reader
    now: float = 0.0
    tokens: int = 0

    async def hears(self, *events: Json, keys: tuple[Json, ...] = ()) -> list[str]:
        """One sync: the words of the messages that it brings, accepted as the dispatcher does."""
        batch = await self.reads(*events, keys=keys)
        return [one.body for one in batch.events if isinstance(one, RoomMessage)]

    async def reads(self, *events: Json, keys: tuple[Json, ...] = ()) -> Batch:
        batch = await self.unaccepted(*events, keys=keys)
        messages = [one for one in batch.events if isinstance(one, RoomMessage)]
        ids = [(one.event_id, one.room_id) for one in messages]
        await self.storage.inbox.accept(
            ids, batch.token, waiting=batch.waiting, settled=batch.settled
        )
        return batch

    async def unaccepted(self, *events: Json, keys: tuple[Json, ...] = ()) -> Batch:
        """One sync whose batch is lost in a crash, unless the caller accepts it."""
        self.tokens += 1
        sync = {
            "next_batch": f"s{self.tokens}",
            "rooms": {"join": {ROOM: {"timeline": {"events": list(events)}}}},
            "to_device": {"events": list(keys)},
        }
        return await self.reader.read(
            json.loads(json.dumps(sync)), since="s", watch=lambda event: None
        )


@dataclass
class World:
    """A homeserver, and a bot that can be started again on the same files."""

    folder: Path
    homeserver: Homeserver
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start(self) -> Bot:
        await self.stack.aclose()
        bot = await self.stack.enter_async_context(running(self.folder, self.homeserver))
        bot.reader.recalling.expect(await bot.storage.inbox.waiting())
        return bot


@asynccontextmanager
async def running(folder: Path, homeserver: Homeserver) -> AsyncIterator[Bot]:
    client = open_crypto_store(Session(BOT, "BOTDEVICE"), folder / "c", KEY, must_exist=False)
    try:
        async with open_storage(folder / "data", KEY) as storage:
            guard, rooms = Guard(client), storage.rooms
            trust = Trust(client, homeserver, rooms, share_keys_with="cross-signed", own={})
            waiting = Waiting(lambda: bot.now)
            reader = Reader(
                homeserver,
                guard,
                trust,
                device_keys=cast(DeviceKeyring, NoKeyring()),
                room_keys=RoomKeys(guard, homeserver, trust),
                waiting=waiting,
                remembered=rooms,
                readings=storage.readings,
            )
            bot = Bot(storage, guard, reader)
            yield bot
    finally:
        close_crypto_store(client)


@pytest.fixture
def ann() -> Somebody:
    return Somebody(ANN)


@pytest.fixture
def eve() -> Somebody:
    return Somebody(EVE)


@pytest.fixture
async def world(tmp_path: Path, ann: Somebody, eve: Somebody) -> AsyncIterator[World]:
    created = World(tmp_path, Homeserver(ann, eve))
    yield created
    await created.stack.aclose()


async def test_a_replay_is_dropped_also_after_a_restart(world: World, ann: Somebody) -> None:
    bot = await world.start()
    phone = Phone(bot.guard, ann, room_id=ROOM)
    event = world.homeserver.said(phone.event("hello", "$1"))
    assert await bot.hears(event, keys=(phone.room_key(),)) == ["hello"]

    bot = await world.start()
    replayed = await bot.hears({**event, "event_id": "$2"})
    fetched = await bot.reader.open(ROOM, event)

    assert replayed == []
    assert bot.guard.drops == {"replayed event": 1}
    assert fetched is not None and fetched.content["body"] == "hello"


async def test_a_replay_in_the_same_sync_is_dropped(world: World, ann: Somebody) -> None:
    bot = await world.start()
    phone = Phone(bot.guard, ann, room_id=ROOM)
    event = phone.event("hello", "$1")

    heard = await bot.hears(event, {**event, "event_id": "$2"}, keys=(phone.room_key(),))

    assert heard == ["hello"]


async def test_an_event_read_before_a_crash_and_not_accepted_is_no_replay_of_itself(
    world: World, ann: Somebody
) -> None:
    bot = await world.start()
    phone = Phone(bot.guard, ann, room_id=ROOM)
    event = phone.event("hello", "$1")
    await bot.unaccepted(event, keys=(phone.room_key(),))

    bot = await world.start()
    replayed = await bot.hears({**event, "event_id": "$2"})
    heard = await bot.hears(event)

    assert (replayed, heard) == ([], ["hello"])


async def test_a_message_whose_key_comes_after_a_restart_is_heard(
    world: World, ann: Somebody
) -> None:
    bot = await world.start()
    phone = Phone(bot.guard, ann, room_id=ROOM)
    assert await bot.hears(world.homeserver.said(phone.event("hello", "$1"))) == []

    bot = await world.start()
    before = await bot.hears()
    heard = await bot.hears(keys=(phone.room_key(),))
    left = await bot.storage.inbox.waiting()

    assert (before, heard, left) == ([], ["hello"], [])
    assert await bot.storage.inbox.unfinished() == [("$1", ROOM)]
    assert await (await world.start()).hears() == []


async def test_a_message_whose_key_came_in_the_first_sync_after_a_restart_is_heard(
    world: World, ann: Somebody
) -> None:
    bot = await world.start()
    phone = Phone(bot.guard, ann, room_id=ROOM)
    await bot.hears(world.homeserver.said(phone.event("hello", "$1")))

    bot = await world.start()

    assert await bot.hears(keys=(phone.room_key(),)) == ["hello"]


async def test_a_crash_before_the_acceptance_leaves_a_late_message_waiting(
    world: World, ann: Somebody
) -> None:
    bot = await world.start()
    phone = Phone(bot.guard, ann, room_id=ROOM)
    await bot.hears(world.homeserver.said(phone.event("hello", "$1")))
    await bot.unaccepted(keys=(phone.room_key(),))

    bot = await world.start()

    assert await bot.hears() == ["hello"]


async def test_what_turns_out_to_be_no_message_waits_no_longer(world: World, ann: Somebody) -> None:
    bot = await world.start()
    phone = Phone(bot.guard, ann, room_id=ROOM)
    read, replay = phone.event("hello", "$1"), phone.event("unheard of", "$2")
    await bot.hears(read, {**read, "event_id": "$3"}, replay)

    heard = await bot.hears(keys=(phone.room_key(),))

    assert heard == ["hello", "unheard of"]
    assert await bot.storage.inbox.waiting() == []


async def test_what_the_homeserver_gives_no_more_waits_no_longer(
    world: World, ann: Somebody
) -> None:
    bot = await world.start()
    phone = Phone(bot.guard, ann, room_id=ROOM)
    await bot.hears(*(phone.event("hello", f"${number}") for number in range(3)))
    world.homeserver.events["$1"] = phone.event("another one", "$other")
    world.homeserver.said({**phone.event("", "$2"), "unsigned": {"redacted_because": {}}})

    bot = await world.start()
    await bot.hears()

    assert await bot.storage.inbox.waiting() == []
    assert bot.guard.drops == {"waiting event that is gone": 2}


async def test_a_message_of_a_device_not_yet_known_is_heard_once_its_keys_are_there(
    world: World, ann: Somebody
) -> None:
    bot = await world.start()
    phone = Phone(bot.guard, ann, room_id=ROOM)
    event = world.homeserver.said(phone.event("hello", "$1"))
    world.homeserver.failing = "/keys/query"
    unread = await bot.hears(event, keys=(phone.room_key(),))

    bot = await world.start()
    still_unread = await bot.hears()
    world.homeserver.failing = ""
    heard = await bot.hears()

    assert (unread, still_unread, heard) == ([], [], ["hello"])
    assert world.homeserver.asked == []  # its room key is here


async def test_what_waited_is_fetched_piece_by_piece_and_a_failure_holds_up_nothing(
    world: World, ann: Somebody
) -> None:
    bot = await world.start()
    phone = Phone(bot.guard, ann, room_id=ROOM)
    await bot.hears(
        *(world.homeserver.said(phone.event("", f"${number}")) for number in range(AT_ONCE + 1))
    )

    bot = await world.start()
    world.homeserver.failing = "/event/"
    await bot.hears()
    eager_while_failing = bot.reader.recalling.is_eager
    world.homeserver.failing = ""
    await bot.hears()
    fetched, eager = len(world.homeserver.fetched), bot.reader.recalling.is_eager
    await bot.hears()

    assert not eager_while_failing
    assert (fetched, eager) == (AT_ONCE, True)
    assert len(list(bot.reader.waiting)) == AT_ONCE + 1
    assert not bot.reader.recalling.is_eager


async def test_who_was_told_before_a_restart_is_not_told_again(world: World, ann: Somebody) -> None:
    bot = await world.start()
    phone = Phone(bot.guard, ann, room_id=ROOM)
    await bot.hears(*(world.homeserver.said(phone.event("", f"${n}")) for n in range(2)))
    await bot.storage.inbox.tell("$0")

    bot = await world.start()
    await bot.hears()
    bot.now = GRACE
    batch = await bot.reads()

    session = phone.session.session_id
    assert batch.events == (Undecryptable("$1", ROOM, ANN, session),)


async def test_a_missing_session_is_asked_for_once_and_the_request_is_taken_back(
    world: World, ann: Somebody
) -> None:
    bot = await world.start()
    phone = Phone(bot.guard, ann, room_id=ROOM)
    await bot.hears(phone.event("one", "$1"), phone.event("two", "$2"))
    at_once = world.homeserver.asked

    await bot.hears()
    await bot.hears()
    [(_, _, request)] = world.homeserver.requests
    await bot.hears(keys=(phone.room_key(),))

    assert at_once == []  # most keys come a moment later by themselves
    assert request == {
        "action": "request",
        "request_id": request["request_id"],
        "requesting_device_id": "BOTDEVICE",
        "body": {
            "algorithm": "m.megolm.v1.aes-sha2",
            "room_id": ROOM,
            "session_id": phone.session.session_id,
        },
    }
    assert world.homeserver.asked == [
        (ANN, "PHONE", "request"),
        (ANN, "PHONE", "request_cancellation"),
    ]
    assert world.homeserver.requests[1][2]["request_id"] == request["request_id"]


async def test_a_forwarded_key_that_was_asked_for_is_taken(world: World, ann: Somebody) -> None:
    bot = await world.start()
    phone = Phone(bot.guard, ann, room_id=ROOM)
    await bot.hears(phone.event("hello", "$1"))
    await bot.hears()

    heard = await bot.hears(keys=(phone.forwarded(),))

    assert heard == ["hello"]
    assert bot.guard.drops == {}
    assert bot.guard.olm.outgoing_to_device_messages == []


async def test_a_forwarded_key_survives_a_restart(world: World, ann: Somebody) -> None:
    bot = await world.start()
    phone = Phone(bot.guard, ann, room_id=ROOM)
    await bot.hears(world.homeserver.said(phone.event("hello", "$1")))
    await bot.hears()
    await bot.unaccepted(keys=(phone.forwarded(),))

    bot = await world.start()

    assert await bot.hears() == ["hello"]


async def test_a_forwarded_key_that_was_asked_for_before_a_restart_is_taken(
    world: World, ann: Somebody
) -> None:
    bot = await world.start()
    phone = Phone(bot.guard, ann, room_id=ROOM)
    await bot.hears(world.homeserver.said(phone.event("hello", "$1")))
    await bot.hears()

    bot = await world.start()
    heard = await bot.hears(keys=(phone.forwarded(),))

    assert heard == ["hello"]
    assert world.homeserver.asked == [(ANN, "PHONE", "request")]


async def test_what_was_asked_for_before_a_restart_is_asked_for_again(
    world: World, ann: Somebody
) -> None:
    bot = await world.start()
    phone = Phone(bot.guard, ann, room_id=ROOM)
    await bot.hears(world.homeserver.said(phone.event("hello", "$1")))
    await bot.hears()

    await (await world.start()).hears()

    assert world.homeserver.asked == [(ANN, "PHONE", "request")] * 2
    assert len({one["request_id"] for _, _, one in world.homeserver.requests}) == 1


async def test_a_forwarded_key_that_nobody_asked_for_is_dropped(
    world: World, ann: Somebody
) -> None:
    bot = await world.start()
    phone = Phone(bot.guard, ann, room_id=ROOM)
    await bot.reader._trust.prepare([ANN])

    await bot.hears(keys=(phone.forwarded(),))
    heard = await bot.hears(phone.event("hello", "$1"))

    assert heard == []
    assert bot.guard.drops == {"forwarded room key": 1}


FORWARDED = "m.forwarded_room_key"
CHANGES: list[Callable[[Phone, Phone], Json]] = [
    lambda ann, eve: ann.forwarded(sender_key=eve.curve25519),
    lambda ann, eve: ann.forwarded(sender_claimed_ed25519_key=eve.device.keys.ed25519),
    lambda ann, eve: ann.forwarded(room_id="!other"),
    lambda ann, eve: ann.forwarded(session_id=eve.session.session_id),
    lambda ann, eve: ann.forwarded(algorithm="m.megolm.v2"),
    lambda ann, eve: ann.forwarded(session_key=eve.exported()["session_key"]),
    lambda ann, eve: ann.forwarded(session_key="no key"),
    lambda ann, eve: eve.over_olm(FORWARDED, ann.exported()),
    lambda ann, eve: eve.over_olm(FORWARDED, {**ann.exported(), **eve.claims()}),
    lambda ann, eve: {**ann.forwarded(), "sender": EVE},
]


@pytest.mark.parametrize("change", CHANGES)
async def test_a_forwarded_key_of_anybody_but_the_sessions_own_device_is_dropped(
    world: World, ann: Somebody, eve: Somebody, change: Callable[[Phone, Phone], Json]
) -> None:
    bot = await world.start()
    phone, hers = (Phone(bot.guard, one, room_id=ROOM) for one in (ann, eve))
    await bot.hears(phone.event("hello", "$1"))
    await bot.hears()
    await bot.reader._trust.prepare([EVE])

    heard = await bot.hears(keys=(change(phone, hers),))

    assert heard == []
    assert not bot.guard.olm.inbound_group_store[ROOM]


async def test_a_forwarded_key_of_an_unknown_device_is_dropped(world: World, ann: Somebody) -> None:
    bot = await world.start()
    phone = Phone(bot.guard, ann, room_id=ROOM)
    await bot.hears(phone.event("hello", "$1"))
    await bot.hears()
    bot.guard.client.device_store[ANN]["PHONE"].ed25519 = "another"

    assert await bot.hears(keys=(phone.forwarded(),)) == []
    assert bot.guard.drops == {"forwarded room key": 1}


async def test_a_forwarded_key_never_replaces_a_better_one(world: World, ann: Somebody) -> None:
    bot = await world.start()
    phone = Phone(bot.guard, ann, room_id=ROOM)
    one, two = (world.homeserver.said(phone.event(f"{n}", f"${n}")) for n in (1, 2))
    await bot.hears(two)
    await bot.hears()

    worse = phone.over_olm(FORWARDED, phone.exported(index=1))
    heard = await bot.hears(keys=(phone.room_key(), worse))

    assert heard == ["2"]
    assert await bot.hears(one) == ["1"]


async def test_a_device_whose_channel_was_mended_is_asked_again(
    world: World, ann: Somebody
) -> None:
    bot = await world.start()
    phone = Phone(bot.guard, ann, room_id=ROOM)
    await bot.hears(phone.event("hello", "$1"))
    await bot.hears()
    mended: list[set[tuple[str, str]]] = []

    async def deliver_queued() -> None:
        mended.append(bot.guard.wedged())
        bot.guard.olm.wedged_devices.clear()

    bot.reader._room_keys.deliver_queued = deliver_queued  # type: ignore[method-assign]
    bot.guard.olm.wedged_devices.append(bot.guard.client.device_store[ANN]["PHONE"])
    await bot.hears()
    await bot.hears()

    assert mended == [{(ANN, "PHONE")}, set()]
    assert world.homeserver.asked == [(ANN, "PHONE", "request")] * 2


async def test_a_stranger_who_names_sessions_that_never_were_has_few_requests_made(
    world: World, ann: Somebody, eve: Somebody
) -> None:
    bot = await world.start()
    hers, phone = (Phone(bot.guard, one, room_id=ROOM) for one in (eve, ann))
    flood = [hers.event("", f"${n}", session_id=f"session {n}") for n in range(200)]
    await bot.hears(*flood, phone.event("hello", "$ann"))

    await bot.hears()

    asked = [user for user, _, _ in world.homeserver.asked]
    assert (asked.count(EVE), asked.count(ANN)) == (20, 1)


@pytest.mark.parametrize(
    "content",
    [
        {"session_id": 7},
        {"session_id": ""},
        {"session_id": "x" * 300},
        {"device_id": ["x"]},
        {"device_id": "x" * 300},
        {"sender_key": None},
    ],
)
async def test_a_malformed_event_is_asked_for_where_it_can_be_and_never_raises(
    world: World, ann: Somebody, content: Json
) -> None:
    bot = await world.start()
    phone = Phone(bot.guard, ann, room_id=ROOM)
    await bot.hears(phone.event("hello", "$1", **content))

    assert await bot.hears() == []

    wildcard = [(ANN, "*", "request")] if content == {"device_id": ["x"]} else []
    named = [(ANN, "PHONE", "request")] if "sender_key" in content else []
    assert world.homeserver.asked == wildcard + named


async def test_a_homeserver_that_refuses_requests_keeps_nobody_waiting(
    world: World, ann: Somebody
) -> None:
    bot = await world.start()
    phone = Phone(bot.guard, ann, room_id=ROOM)
    await bot.hears(phone.event("hello", "$1"))
    world.homeserver.failing = "/sendToDevice/"
    await bot.hears()

    heard = await bot.hears(keys=(phone.room_key(),))

    assert heard == ["hello"]
