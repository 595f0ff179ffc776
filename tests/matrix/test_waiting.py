"""What can't be read yet waits, also across restarts; what was read once is read nowhere else."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest

from bot.matrix.crypto_store import close_crypto_store, open_crypto_store
from bot.matrix.guard import Guard
from bot.matrix.http import Http, PageError, RequestError, UnavailableError
from bot.matrix.inquiring import ASK_AGAIN
from bot.matrix.key_requests import AT_ONCE as REQUESTS
from bot.matrix.key_requests import PER_SENDER
from bot.matrix.keys import DeviceKeyring
from bot.matrix.reading import Reader
from bot.matrix.recalling import AT_ONCE
from bot.matrix.session import Session
from bot.matrix.sharing import RoomKeys
from bot.matrix.trust import Trust
from bot.matrix.undecryptable import GRACE, Waiting
from bot.messages import RoomMessage
from bot.room_events import Batch, Redaction, Undecryptable
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
        self.failure: RequestError = UnavailableError("away")
        self.silent = False  # the homeserver of these people
        self.queries = 0

    async def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> tuple[int, Json]:
        assert path.endswith("/keys/query")
        self.queries += 1
        if self.failing and self.failing in path:
            raise self.failure
        return 200, {} if self.silent else together(*self.people)

    async def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, **options: Any
    ) -> Json:
        if self.failing and self.failing in f"{path} {body}":
            raise self.failure
        if "/sendToDevice/m.room_key_request/" in path:
            assert body is not None
            for user_id, devices in body["messages"].items():
                self.requests += [(user_id, one, content) for one, content in devices.items()]
            return {}
        self.fetched.append(path)
        event_id = path.rpartition("/")[2].replace("%24", "$")
        if event_id not in self.events:
            raise RequestError("not found", status=404, errcode="M_NOT_FOUND")
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
class Clock:
    """The time that waiting is measured by."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Bot:
    """What reads, with all that it keeps on disk."""

    storage: Storage
    guard: Guard
    reader: Reader
    clock: Clock
    tokens: int = 0
    changed: tuple[str, ...] = ()  # whose devices the next sync says have changed

    async def hears(self, *events: Json, keys: tuple[Json, ...] = ()) -> list[str]:
        """One sync: the words of the messages that it brings, accepted as the dispatcher does."""
        batch = await self.reads(*events, keys=keys)
        return [one.body for one in batch.events if isinstance(one, RoomMessage)]

    async def reads(self, *events: Json, keys: tuple[Json, ...] = (), room_id: str = ROOM) -> Batch:
        batch = await self.unaccepted(*events, keys=keys, room_id=room_id)
        messages = [one for one in batch.events if isinstance(one, RoomMessage)]
        ids = [(one.event_id, one.room_id) for one in messages]
        await self.storage.inbox.accept(
            ids, batch.token, waiting=batch.waiting, settled=batch.settled
        )
        return batch

    async def unaccepted(
        self, *events: Json, keys: tuple[Json, ...] = (), room_id: str = ROOM
    ) -> Batch:
        """One sync whose batch is lost in a crash, unless the caller accepts it."""
        self.tokens += 1
        sync = {
            "next_batch": f"s{self.tokens}",
            "rooms": {"join": {room_id: {"timeline": {"events": list(events)}}}},
            "to_device": {"events": list(keys)},
            "device_lists": {"changed": list(self.changed)},
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
            clock = Clock()
            reader = Reader(
                homeserver,
                guard,
                trust,
                device_keys=cast(DeviceKeyring, NoKeyring()),
                room_keys=RoomKeys(guard, homeserver, trust),
                waiting=Waiting(clock),
                remembered=rooms,
                readings=storage.readings,
                clock=clock,
            )
            yield Bot(storage, guard, reader, clock)
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


@pytest.mark.parametrize(
    "failure",
    [
        RequestError("its disk is slow", status=500, errcode="M_UNKNOWN"),
        RequestError("it asked another in vain", status=504, errcode="M_UNKNOWN"),
        PageError("a proxy's page", status=403),
        PageError("a proxy's page", status=404),
        UnavailableError("away"),
    ],
    ids=lambda failure: f"{failure.status} {failure.errcode}",
)
async def test_what_the_homeserver_fails_to_give_now_goes_on_waiting(
    world: World, ann: Somebody, failure: RequestError
) -> None:
    bot = await world.start()
    phone = Phone(bot.guard, ann, room_id=ROOM)
    await bot.hears(world.homeserver.said(phone.event("hello", "$1")))

    bot = await world.start()
    world.homeserver.failing, world.homeserver.failure = "/event/", failure
    meanwhile = await bot.hears(keys=(phone.room_key(),))
    kept, eager = await bot.storage.inbox.waiting(), bot.reader.recalling.is_eager
    world.homeserver.failing = ""

    assert (meanwhile, [one.event_id for one in kept], eager) == ([], ["$1"], False)
    assert await bot.hears() == ["hello"]


async def test_each_page_of_a_long_gap_is_a_sign_of_life(world: World, ann: Somebody) -> None:
    bot = await world.start()
    clock = count(100)
    bot.reader._clock = lambda: float(next(clock))
    signs: list[float] = []

    async def call(method: str, path: str, body: object = None, **options: Any) -> Json:
        signs.append(bot.reader.got_on_at)
        return {"chunk": [], "end": "" if len(signs) == 4 else f"page {len(signs)}"}

    world.homeserver.call = call  # type: ignore[method-assign]
    timeline = {"events": [], "limited": True, "prev_batch": "newest"}
    sync = {"next_batch": "s2", "rooms": {"join": {ROOM: {"timeline": timeline}}}}
    await bot.reader.read(sync, since="s1", watch=lambda event: None)

    assert [*signs, bot.reader.got_on_at] == [100.0, 101.0, 102.0, 103.0, 104.0]


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
    bot.clock.now = GRACE
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
    at_once = Counter(user for user, _, _ in world.homeserver.asked)
    for _ in range(3):
        await bot.hears()

    assert at_once == {EVE: REQUESTS - 1, ANN: 1}
    assert Counter(user for user, _, _ in world.homeserver.asked) == {EVE: PER_SENDER, ANN: 1}


async def test_few_requests_are_made_between_two_syncs_and_all_of_them_in_the_end(
    world: World, ann: Somebody
) -> None:
    bot = await world.start()
    crowd = [Phone(bot.guard, Somebody(f"@{n}:b"), room_id=ROOM) for n in range(3)]
    world.homeserver.people = tuple(phone.owner for phone in crowd)
    flood = [
        phone.event("", f"${phone.owner.user_id} {n}", session_id=f"session {n}")
        for phone in crowd
        for n in range(PER_SENDER)
    ]
    await bot.hears(*flood)

    made: list[Counter[str]] = []
    for _ in range(4):
        before = len(world.homeserver.requests)
        await bot.hears()
        made.append(Counter(user for user, _, _ in world.homeserver.requests[before:]))

    assert [each.total() for each in made] == [REQUESTS, REQUESTS, REQUESTS, 0]
    assert all(max(each.values()) - min(each.values()) <= 1 for each in made[:3]), "in turns"


async def test_requests_are_taken_back_a_few_at_a_time_while_others_are_made(
    world: World, ann: Somebody, eve: Somebody
) -> None:
    bot = await world.start()
    hers, phone = (Phone(bot.guard, one, room_id=ROOM) for one in (eve, ann))
    for n in range(PER_SENDER):
        await bot.hears(hers.event("", f"$eve{n}", session_id=f"session {n}"))
    await bot.hears()
    before = len(world.homeserver.requests)

    for n in range(PER_SENDER):
        bot.reader.waiting.remove(f"$eve{n}")
    bot.reader.waiting.add(ROOM, phone.event("hello", "$ann"))
    made = []
    for _ in range(3):
        await bot.hears()
        made.append(world.homeserver.asked[before:])
        before = len(world.homeserver.asked)

    taken_back = (EVE, hers.device.keys.device_id, "request_cancellation")
    half = [taken_back] * (REQUESTS // 2)
    assert made == [[*half, (ANN, "PHONE", "request")], half, []]


@pytest.mark.parametrize("action", ["request", "request_cancellation"])
async def test_a_request_that_is_refused_holds_up_no_other_one(
    world: World, ann: Somebody, eve: Somebody, action: str
) -> None:
    bot = await world.start()
    hers, phone = (Phone(bot.guard, one, room_id=ROOM) for one in (eve, ann))
    await bot.hears(hers.event("", "$eve", device_id="no device"), phone.event("hello", "$ann"))
    if action == "request_cancellation":
        await bot.hears()
        bot.reader.waiting.remove("$eve")
        bot.reader.waiting.remove("$ann")
        world.homeserver.requests.clear()

    world.homeserver.failing = "no device"
    world.homeserver.failure = RequestError("no such device", status=400, errcode="M_INVALID_PARAM")
    await bot.hears()
    world.homeserver.failing = ""
    await bot.hears()

    assert world.homeserver.asked == [(ANN, "PHONE", action)]


async def test_a_request_that_the_homeserver_was_away_for_is_made_later(
    world: World, ann: Somebody
) -> None:
    bot = await world.start()
    phone = Phone(bot.guard, ann, room_id=ROOM)
    await bot.hears(phone.event("hello", "$1"))

    world.homeserver.failing = "/sendToDevice/"
    await bot.hears()
    world.homeserver.failing = ""
    await bot.hears()

    assert world.homeserver.asked == [(ANN, "PHONE", "request")]


async def test_requests_are_made_though_nobody_tells_whose_devices_are_whose(
    world: World, ann: Somebody
) -> None:
    bot = await world.start()
    phone = Phone(bot.guard, ann, room_id=ROOM)
    world.homeserver.failing = "/keys/query"
    world.homeserver.failure = RequestError("no such user", status=400, errcode="M_INVALID_PARAM")
    await bot.hears(phone.event("hello", "$1"))

    await bot.hears()

    assert world.homeserver.asked == [(ANN, "PHONE", "request")]


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


async def test_events_of_an_unlisted_device_cost_one_question_and_are_dropped(
    world: World, ann: Somebody
) -> None:
    bot = await world.start()
    await bot.reader._trust.prepare([ANN])
    before = world.homeserver.queries
    hidden = Phone(bot.guard, Somebody(ANN, "HIDDEN"), room_id=ROOM)

    await bot.hears(*(hidden.event("", f"${n}") for n in range(50)), keys=(hidden.room_key(),))

    assert world.homeserver.queries == before + 1
    assert bot.guard.drops == {"event under another sender's name": 50}
    assert not bot.reader.waiting


async def test_who_is_on_a_silent_homeserver_is_asked_about_once_a_minute(
    world: World, ann: Somebody
) -> None:
    bot = await world.start()
    world.homeserver.silent = True
    phone = Phone(bot.guard, ann, room_id=ROOM)
    await bot.hears(*(phone.event(str(n), f"${n}") for n in range(9)), keys=(phone.room_key(),))
    at_first = world.homeserver.queries

    bot.clock.now = 1.0
    for n in range(3):
        await bot.hears(phone.event("more", f"$more{n}"))
    within_a_minute = world.homeserver.queries
    world.homeserver.silent = False
    bot.clock.now = ASK_AGAIN + 1.0
    heard = await bot.hears()

    assert at_first <= 2  # as one never heard of, and as the owner of an unknown device
    assert (within_a_minute, world.homeserver.queries) == (at_first, at_first + 1)
    assert heard == [*map(str, range(9)), "more", "more", "more"]


async def test_a_device_added_within_a_minute_of_the_last_question_is_heard(
    world: World, ann: Somebody
) -> None:
    bot = await world.start()
    hidden = Phone(bot.guard, Somebody(ANN, "HIDDEN"), room_id=ROOM)
    await bot.hears(hidden.event("", "$0"), keys=(hidden.room_key(),))
    new = Somebody(ANN, "NEW")
    phone = Phone(bot.guard, new, room_id=ROOM)
    world.homeserver.people = (new,)

    bot.clock.now = 1.0
    not_yet = await bot.hears(phone.event("hello", "$1"), keys=(phone.room_key(),))
    asked = world.homeserver.queries
    bot.clock.now = ASK_AGAIN + 1.0
    heard = await bot.hears()

    assert (not_yet, heard) == ([], ["hello"])
    assert world.homeserver.queries == asked + 1


async def test_a_change_of_devices_that_is_announced_is_asked_about_at_once(
    world: World, ann: Somebody
) -> None:
    bot = await world.start()
    hidden = Phone(bot.guard, Somebody(ANN, "HIDDEN"), room_id=ROOM)
    await bot.hears(hidden.event("", "$0"), keys=(hidden.room_key(),))
    new = Somebody(ANN, "NEW")
    phone = Phone(bot.guard, new, room_id=ROOM)
    world.homeserver.people = (new,)

    bot.clock.now = 1.0
    not_yet = await bot.hears(phone.event("hello", "$1"), keys=(phone.room_key(),))
    bot.clock.now = 2.0
    bot.changed = (ANN,)
    heard = await bot.hears()

    assert (not_yet, heard) == ([], ["hello"])


async def test_a_homeserver_that_fails_at_somebodys_keys_is_asked_once_a_sync(
    world: World, ann: Somebody
) -> None:
    bot = await world.start()
    phone = Phone(bot.guard, ann, room_id=ROOM)
    await bot.hears(keys=(phone.room_key(),))
    world.homeserver.failing = "/keys/query"
    before = world.homeserver.queries

    await bot.hears(*(phone.event("", f"${n}") for n in range(9)))

    assert world.homeserver.queries == before + 1


@pytest.mark.parametrize(("room_id", "heard"), [(ROOM, []), ("!elsewhere", ["hello"])])
async def test_what_is_taken_back_while_it_waits_is_not_heard_when_its_key_comes(
    world: World, ann: Somebody, room_id: str, heard: list[str]
) -> None:
    bot = await world.start()
    phone = Phone(bot.guard, ann, room_id=ROOM)
    await bot.hears(phone.event("hello", "$1"))
    redaction = {
        "type": "m.room.redaction",
        "event_id": "$2",
        "sender": ANN,
        "origin_server_ts": 1,
        "content": {"redacts": "$1"},
    }

    batch = await bot.reads(redaction, room_id=room_id)

    assert [type(one) for one in batch.events] == [Redaction]
    assert await bot.hears(keys=(phone.room_key(),)) == heard
    assert await bot.storage.inbox.waiting() == []
