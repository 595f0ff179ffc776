"""Two clients of ours on a real homeserver, over real end-to-end encryption."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
import pytest_asyncio
from pydantic import SecretStr

from bot.config import Homeserver as Account
from bot.demo.homeserver import Homeserver
from bot.errors import HomeserverError, StorageError, UnencryptedRoomError
from bot.matrix.client import MatrixClient, open_client
from bot.matrix.events import ClearEvent
from bot.matrix.guard import Guard
from bot.matrix.http import Http, path
from bot.matrix.media import download_encrypted
from bot.messages import Attachment, Outgoing, RoomMessage
from bot.room_events import Batch, Edit, Invite, RoomEvent, Undecryptable
from storage import MasterKey, open_storage
from tests.live.conftest import StartPeer
from tests.live.peers import Implementation

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECONDS = 30.0
E = TypeVar("E")


@dataclass
class Person:
    """Somebody with a client, and what it has received."""

    client: MatrixClient
    token: str | None = None
    events: asyncio.Queue[RoomEvent] = field(default_factory=asyncio.Queue)
    watched: asyncio.Queue[ClearEvent] = field(default_factory=asyncio.Queue)
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def user_id(self) -> str:
        return self.client.user_id

    @property
    def http(self) -> Http:
        return self.client._http

    @property
    def guard(self) -> Guard:
        return self.client._reader._guard

    async def sync(self, since: str | None) -> None:
        seen: list[ClearEvent] = []  # shown only when all that came with it has been handed over

        async def receive(batch: Batch) -> None:
            self.token = batch.token
            for event in batch.events:
                self.events.put_nowait(event)
            while seen:
                self.watched.put_nowait(seen.pop(0))

        async def ready() -> None:
            self.ready.set()

        await self.client.sync_forever(receive, since=since, ready=ready, watch=seen.append)

    async def next(self, kind: type[E]) -> E:
        """The next thing handed over, which is of this kind."""
        async with asyncio.timeout(SECONDS):
            event = await self.events.get()
        assert isinstance(event, kind)
        return event

    async def sees(self, event_id: str) -> ClearEvent:
        """A readable event, whatever it is."""
        async with asyncio.timeout(SECONDS):
            while (event := await self.watched.get()).event_id != event_id:
                pass
        return event

    async def says(self, room_id: str, words: str, **more: Any) -> str:
        outgoing = Outgoing(room_id, words, secrets.token_hex(8), generated=True, **more)
        return await self.client.sender.send(outgoing)

    async def send_raw(self, room_id: str, kind: str, content: dict[str, Any]) -> str:
        """An event as it is, whether or not a client of ours would send it."""
        target = path("rooms", room_id, "send", kind, secrets.token_hex(8))
        return str((await self.http.call("PUT", target, content))["event_id"])

    def seal(self, room_id: str, payload: dict[str, Any]) -> dict[str, Any]:
        """An encrypted payload that says what it likes."""
        session = self.guard.olm.outbound_group_sessions[room_id]
        return {
            "algorithm": "m.megolm.v1.aes-sha2",
            "sender_key": self.guard.olm.account.identity_keys["curve25519"],
            "ciphertext": session.encrypt(json.dumps(payload)),
            "session_id": session.id,
            "device_id": self.client.device_id,
        }


@asynccontextmanager
async def opened(account: Account, data: Path) -> AsyncIterator[MatrixClient]:
    key = MasterKey(bytes(32))
    async with (
        open_storage(data, key) as storage,
        open_client(
            account,
            data=data,
            master_key=key,
            rooms=storage.rooms,
            readings=storage.readings,
            share_keys_with="cross-signed",
            device_name="test",
        ) as client,
    ):
        yield client


@asynccontextmanager
async def online(account: Account, data: Path, since: str | None = None) -> AsyncIterator[Person]:
    """A client that is syncing."""
    async with opened(account, data) as client:
        person = Person(client)
        syncing = asyncio.create_task(person.sync(since))
        try:
            async with asyncio.timeout(SECONDS):
                await person.ready.wait()
            yield person
        finally:
            syncing.cancel()
            await asyncio.gather(syncing, return_exceptions=True)


@dataclass
class World:
    homeserver: Homeserver
    folder: Path
    stack: AsyncExitStack

    async def account(self, name: str) -> Account:
        password = secrets.token_hex(8)
        user_id = await self.homeserver.register(f"{name}-{secrets.token_hex(4)}", password)
        values = {"url": self.homeserver.url, "user_id": user_id, "password": password}
        return Account.model_validate(values)

    def data(self, account: Account) -> Path:
        return self.folder / account.user_id[1:].partition(":")[0]

    async def person(self, name: str) -> Person:
        account = await self.account(name)
        return await self.stack.enter_async_context(online(account, self.data(account)))

    def stored(self) -> bytes:
        """Every byte that the homeserver keeps."""
        files = [file for file in self.homeserver.data.rglob("*") if file.is_file()]
        return b"".join(file.read_bytes() for file in files)


@pytest_asyncio.fixture(loop_scope="session")
async def world(homeserver: Homeserver, tmp_path: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        yield World(homeserver, tmp_path, stack)


async def chat(one: Person, other: Person) -> str:
    """An encrypted direct chat that both are in."""
    room_id = await one.client.sender.direct_room(other.user_id)
    assert await other.next(Invite) == Invite(room_id, one.user_id)
    await other.client.sender.join(room_id)
    return room_id


async def test_what_one_says_the_other_reads_and_the_homeserver_does_not(world: World) -> None:
    ann, bot = await world.person("ann"), await world.person("bot")
    room_id, canary = await chat(ann, bot), f"canary{secrets.token_hex(8)}"

    await ann.says(room_id, f"hello {canary}")
    heard = await bot.next(RoomMessage)
    await bot.says(room_id, f"{canary} yourself", reply_to=heard.event_id)
    answer = await ann.next(RoomMessage)

    assert (heard.sender, heard.body, heard.encrypted) == (ann.user_id, f"hello {canary}", True)
    assert (answer.body, answer.reply_to) == (f"{canary} yourself", heard.event_id)
    assert canary.encode() not in world.stored()


async def test_a_restart_keeps_the_device_and_reads_what_was_said_before(world: World) -> None:
    ann, account = await world.person("ann"), await world.account("bot")
    async with online(account, world.data(account)) as bot:
        room_id = await chat(ann, bot)
        event_id = await ann.says(room_id, "before the restart")
        await bot.next(RoomMessage)
        device_id, token = bot.client.device_id, bot.token

    async with opened(account, world.data(account)) as client:
        fetched = await client.fetch(room_id, event_id)
        devices = await client._http.call("GET", path("devices"))
    async with online(account, world.data(account), since=token) as bot:
        await ann.says(room_id, "after the restart")
        heard = await bot.next(RoomMessage)

    assert client.device_id == bot.client.device_id == device_id
    assert [one["display_name"] for one in devices["devices"]].count("test") == 1
    assert isinstance(fetched, RoomMessage)
    assert (fetched.body, fetched.recovered) == ("before the restart", True)
    assert heard.body == "after the restart"


async def test_what_was_said_while_the_bot_was_down_comes_in_order_and_whole(world: World) -> None:
    ann, account = await world.person("ann"), await world.account("bot")
    async with online(account, world.data(account)) as bot:
        room_id = await chat(ann, bot)
        await ann.says(room_id, "first")
        await bot.next(RoomMessage)
        token = bot.token
    said = [f"message {number}" for number in range(250)]
    for words in said:
        await ann.says(room_id, words)

    async with online(account, world.data(account), since=token) as bot:
        heard = [(await bot.next(RoomMessage)).body for _ in said]

    assert heard == said


async def test_the_first_sync_hands_over_nothing_old(world: World) -> None:
    ann, account = await world.person("ann"), await world.account("bot")
    async with online(account, world.data(account)) as bot:
        room_id = await chat(ann, bot)
        await ann.says(room_id, "old")
        await bot.next(RoomMessage)

    async with online(account, world.data(account), since=None) as bot:
        await ann.says(room_id, "new")
        heard = await bot.next(RoomMessage)

    assert heard.body == "new"


async def test_the_same_transaction_id_is_the_same_event(world: World) -> None:
    ann, bot = await world.person("ann"), await world.person("bot")
    room_id = await chat(ann, bot)
    answer = Outgoing(room_id, "once", "transaction", generated=True)

    first = await bot.client.sender.send(answer)
    second = await bot.client.sender.send(answer)
    await bot.says(room_id, "next")

    assert first == second
    assert [(await ann.next(RoomMessage)).body for _ in range(2)] == ["once", "next"]


async def test_edits_notices_and_threads_keep_their_relations(world: World) -> None:
    ann, bot = await world.person("ann"), await world.person("bot")
    room_id = await chat(ann, bot)
    root = await ann.says(room_id, "root")
    await bot.next(RoomMessage)

    live = await bot.says(room_id, "grow", thread_id=root, live=True)
    edit = await bot.says(room_id, "grown", replaces=live, mention=ann.user_id)
    notice = await bot.client.sender.send(Outgoing(room_id, "aside", "notice"))
    begun, edited, aside = await ann.sees(live), await ann.sees(edit), await ann.sees(notice)
    in_thread, grown = await ann.next(RoomMessage), await ann.next(Edit)

    assert begun.content["org.matrix.msc4357.live"] == {}
    assert (in_thread.body, in_thread.thread_id, in_thread.reply_to) == ("grow", root, None)
    assert edited.content["m.new_content"]["body"] == "grown"
    assert edited.relation == {"rel_type": "m.replace", "event_id": live}
    assert "org.matrix.msc4357.live" not in edited.content
    assert aside.content["msgtype"] == "m.notice"
    assert aside.content["m.mentions"] == edited.content["m.mentions"] == {}
    assert (grown.replaces, grown.message.body) == (live, "grown")
    assert ann.events.empty()  # the notice is no message to answer


async def test_a_file_travels_encrypted(world: World) -> None:
    ann, bot = await world.person("ann"), await world.person("bot")
    room_id = await chat(ann, bot)
    canary = f"canary{secrets.token_hex(8)}".encode()
    file = Attachment("export.json", "application/json", canary * 1_000)

    event_id = await bot.says(room_id, "", attachment=file)
    content = (await ann.sees(event_id)).content
    received = await download_encrypted(ann.http, content, limit=1_000_000)

    assert received == file
    assert canary not in world.stored()
    assert b"export.json" not in world.stored()


async def test_a_file_is_refused_where_nothing_is_encrypted(world: World) -> None:
    ann = await world.person("ann")
    room_id = await plain_room(ann)
    file = Attachment("export.json", "application/json", b"{}")

    with pytest.raises(UnencryptedRoomError):
        await ann.says(room_id, "", attachment=file)


async def plain_room(person: Person) -> str:
    """A room without encryption."""
    answer = await person.http.call("POST", path("createRoom"), {"preset": "private_chat"})
    return str(answer["room_id"])


async def test_a_room_once_encrypted_gets_no_plaintext_whatever_the_server_says(
    world: World,
) -> None:
    ann = await world.person("ann")
    room_id, canary = await plain_room(ann), f"canary{secrets.token_hex(8)}"
    await ann.client.sender._remembered.remember_encrypted(room_id)

    event_id = await ann.says(room_id, canary)

    assert (await ann.sees(event_id)).encrypted
    assert canary.encode() not in world.stored()


async def test_plaintext_is_delivered_as_what_it_is(world: World) -> None:
    ann, bot = await world.person("ann"), await world.person("bot")
    room_id = await chat(ann, bot)

    await ann.send_raw(room_id, "m.room.message", {"msgtype": "m.text", "body": "in the clear"})
    heard = await bot.next(RoomMessage)

    assert (heard.body, heard.encrypted) == ("in the clear", False)


async def test_what_was_said_between_invite_and_joining_is_heard(world: World) -> None:
    ann, bot = await world.person("ann"), await world.person("bot")
    room_id = await ann.client.sender.direct_room(bot.user_id)
    invite = await bot.next(Invite)
    await ann.says(room_id, "are you there?")

    pending = await bot.client.pending_invites()
    await bot.client.sender.join(room_id)
    heard = await bot.next(RoomMessage)

    assert pending == [invite]
    assert heard.body == "are you there?"


async def test_an_invite_asked_for_at_a_start_is_not_handed_over_again(world: World) -> None:
    ann, account = await world.person("ann"), await world.account("bot")
    async with online(account, world.data(account)) as before:
        token = before.token
    room_id = await ann.client.sender.direct_room(account.user_id)

    async with opened(account, world.data(account)) as client:
        pending = await client.pending_invites()
        bot = Person(client)
        syncing = asyncio.create_task(bot.sync(token))
        await asyncio.wait_for(bot.ready.wait(), SECONDS)
        syncing.cancel()

    assert pending == [Invite(room_id, ann.user_id)]
    assert bot.events.empty()


async def test_what_was_said_before_the_invite_is_not_heard(world: World) -> None:
    ann, bot = await world.person("ann"), await world.person("bot")
    room_id = await plain_room(ann)
    await ann.says(room_id, "among ourselves")
    await ann.http.call("POST", path("rooms", room_id, "invite"), {"user_id": bot.user_id})
    await bot.next(Invite)
    await bot.client.sender.join(room_id)

    await ann.says(room_id, "hello bot")
    heard = await bot.next(RoomMessage)

    assert heard.body == "hello bot"


async def test_a_room_is_described_as_the_server_sees_it_now(world: World) -> None:
    ann, bot, eve = [await world.person(name) for name in ("ann", "bot", "eve")]
    room_id = await chat(ann, bot)

    alone = await bot.client.sender.room(room_id)
    await ann.http.call("POST", path("rooms", room_id, "invite"), {"user_id": eve.user_id})
    invited = await bot.client.sender.room(room_id)

    assert alone.encrypted
    assert alone.members == {ann.user_id, bot.user_id}
    assert invited.members == {ann.user_id, bot.user_id, eve.user_id}


async def test_the_direct_chat_is_found_again_until_somebody_else_is_in_it(world: World) -> None:
    ann, bot, eve = [await world.person(name) for name in ("ann", "bot", "eve")]
    room_id = await chat(ann, bot)

    found = await bot.client.sender.direct_room(ann.user_id)
    await ann.http.call("POST", path("rooms", room_id, "invite"), {"user_id": eve.user_id})
    made = await bot.client.sender.direct_room(ann.user_id)
    again = await bot.client.sender.direct_room(ann.user_id)

    assert found == room_id
    assert made != room_id
    assert made == again


async def test_the_audit_room_is_private_from_birth(world: World) -> None:
    operator, bot = await world.person("operator"), await world.person("bot")

    room_id = await bot.client.sender.create_audit_room()
    await bot.client.sender.invite(room_id, operator.user_id)
    await operator.next(Invite)
    room = await bot.client.sender.room(room_id)
    state = [
        await bot.http.call("GET", path("rooms", room_id, "state", kind, ""))
        for kind in ("m.room.join_rules", "m.room.history_visibility")
    ]

    assert room.encrypted
    assert room.members == {bot.user_id, operator.user_id}
    assert [state[0]["join_rule"], state[1]["history_visibility"]] == ["invite", "joined"]


async def test_own_events_are_known_as_such(world: World) -> None:
    ann, bot = await world.person("ann"), await world.person("bot")
    room_id = await chat(ann, bot)

    hers, his = await ann.says(room_id, "mine"), await bot.says(room_id, "yours")

    assert await bot.client.sender.sent_by_me(room_id, his)
    assert not await bot.client.sender.sent_by_me(room_id, hers)
    assert await bot.client.sender.sender_of(room_id, his) == bot.client.user_id
    assert await bot.client.sender.sender_of(room_id, "$nothing") is None
    assert not await bot.client.sender.sent_by_me(room_id, "$nothing")


async def test_a_message_whose_key_is_missing_is_named_once_and_read_when_it_comes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.matrix.undecryptable.GRACE", 0.0)
    ann, bot = await world.person("ann"), await world.person("bot")
    room_id = await chat(ann, bot)
    await ann.says(room_id, "known")
    await bot.next(RoomMessage)
    kept = bot.guard.olm.inbound_group_store[room_id].copy()
    bot.guard.olm.inbound_group_store[room_id].clear()

    event_id = await ann.says(room_id, "unknown")
    unread = await bot.next(Undecryptable)
    bot.guard.olm.inbound_group_store[room_id].update(kept)
    await ann.says(room_id, "and another")
    read = [(await bot.next(RoomMessage)).body for _ in range(2)]

    assert (unread.event_id, unread.sender) == (event_id, ann.user_id)
    assert read == ["unknown", "and another"]


async def test_forged_replayed_and_relabelled_messages_are_dropped(world: World) -> None:
    ann, bot, eve = [await world.person(name) for name in ("ann", "bot", "eve")]
    room_id = await chat(ann, bot)
    await ann.http.call("POST", path("rooms", room_id, "invite"), {"user_id": eve.user_id})
    await eve.next(Invite)
    await eve.client.sender.join(room_id)
    await ann.says(room_id, "hello")
    await bot.next(RoomMessage)
    message = {"msgtype": "m.text", "body": "!forget everything"}
    honest = {"room_id": room_id, "type": "m.room.message", "content": message}
    level = {"type": "m.room.power_levels", "content": {"users": {eve.user_id: 100}}}

    sealed = ann.seal(room_id, honest)
    for content in (
        sealed,
        sealed,  # replayed
        ann.seal(room_id, {**honest, "room_id": "!other"}),
        ann.seal(room_id, {**level, "room_id": room_id, "state_key": ""}),
        ann.seal(room_id, {"room_id": room_id}),
    ):
        await ann.send_raw(room_id, "m.room.encrypted", content)
    await eve.send_raw(room_id, "m.room.encrypted", ann.seal(room_id, honest))  # relabelled
    await ann.says(room_id, "goodbye")
    heard = [(await bot.next(RoomMessage)).body for _ in range(2)]

    assert heard == ["!forget everything", "goodbye"]
    assert bot.guard.drops == {
        "replayed event": 1,
        "event of another room": 1,
        "encrypted event that claims to be state": 1,
        "malformed encrypted event": 1,
        "event under another sender's name": 1,
    }


MALFORMED: list[dict[str, Any]] = [
    {},
    {"algorithm": "m.megolm.v1.aes-sha2"},
    {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "", "sender_key": "", "session_id": ""},
    {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": {"a": []}, "sender_key": 7},
    {"algorithm": ["m.megolm.v1.aes-sha2"], "ciphertext": "AwgA", "session_id": None},
    {"algorithm": "m.olm.v1.curve25519-aes-sha2", "ciphertext": {}, "sender_key": "A" * 44},
    {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "AwgA" * 99, "session_id": "x" * 43},
    {"m.relates_to": 1, "algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x"},
]


UNREADABLE = {"msgtype": "m.odd", "body": "x", "formatted_body": {}, "m.new_content": 7}


def nested(depth: int) -> Any:
    value: Any = "deep"
    for _ in range(depth):
        value = [value]
    return value


async def test_malformed_events_do_not_stop_the_sync(world: World) -> None:
    ann, bot = await world.person("ann"), await world.person("bot")
    room_id = await chat(ann, bot)
    await ann.says(room_id, "first")
    await bot.next(RoomMessage)

    for content in MALFORMED:
        await ann.send_raw(room_id, "m.room.encrypted", content)
        await ann.send_raw(room_id, "m.room.message", {**UNREADABLE, **content})
    session = ann.guard.olm.outbound_group_sessions[room_id]
    for raw in ("[]", "null", '"text"', "{", "\x00", "[" * 9_000 + "]" * 9_000, '{"a":' * 9_000):
        content = {**ann.seal(room_id, {}), "ciphertext": session.encrypt(raw)}
        await ann.send_raw(room_id, "m.room.encrypted", content)
    await ann.send_raw(room_id, "m.room.message", {**UNREADABLE, "extra": nested(120)})
    await ann.says(room_id, "last")

    assert (await bot.next(RoomMessage)).body == "last"


async def test_malformed_to_device_messages_do_not_stop_the_sync(world: World) -> None:
    ann, bot = await world.person("ann"), await world.person("bot")
    room_id = await chat(ann, bot)
    own_key = bot.guard.olm.account.identity_keys["curve25519"]
    key = ann.guard.olm.account.identity_keys["curve25519"]
    olm = "m.olm.v1.curve25519-aes-sha2"
    hostile: list[tuple[str, dict[str, Any]]] = [
        ("m.room.encrypted", content)
        for content in (
            *MALFORMED,
            {"algorithm": olm, "sender_key": key, "ciphertext": []},
            {"algorithm": olm, "sender_key": key, "ciphertext": {own_key: {"type": 0, "body": ""}}},
            {"algorithm": olm, "sender_key": key, "ciphertext": {own_key: {"type": 9, "body": 1}}},
            {
                "algorithm": olm,
                "sender_key": key,
                "ciphertext": {own_key: {"type": 1, "body": "é"}},
            },
            {"algorithm": olm, "sender_key": "A" * 44, "ciphertext": {own_key: {"type": 0}}},
        )
    ]
    hostile += [("m.key.verification.start", {"from_device": 1}), ("m.room_key_request", {})]

    for kind, content in hostile:
        target = path("sendToDevice", kind, secrets.token_hex(8))
        body = {"messages": {bot.user_id: {bot.client.device_id: content}}}
        await ann.http.call("PUT", target, body)
    await ann.says(room_id, "still there?")

    assert (await bot.next(RoomMessage)).body == "still there?"


async def test_one_time_keys_are_replenished_after_the_last_was_claimed(world: World) -> None:
    ann, bot = await world.person("ann"), await world.person("bot")
    body = {"one_time_keys": {bot.user_id: {bot.client.device_id: "signed_curve25519"}}}

    async def claim() -> tuple[str, bool]:
        answer = await ann.http.call("POST", path("keys", "claim"), body)
        keys = answer["one_time_keys"][bot.user_id][bot.client.device_id]
        ((key_id, key),) = keys.items()
        return key_id, key.get("fallback", False)

    claimed = [await claim() for _ in range(55)]
    room_id = await chat(ann, bot)
    await ann.says(room_id, "hello")
    await bot.next(RoomMessage)
    later = [await claim() for _ in range(40)]

    assert [fallback for _, fallback in claimed] == [False] * 50 + [True] * 5
    assert not any(fallback for _, fallback in later)
    assert len({key_id for key_id, _ in [*claimed[:50], *later]}) == 90


async def test_a_revoked_token_ends_in_one_clear_sentence(world: World) -> None:
    account = await world.account("bot")
    async with opened(account, world.data(account)) as client:
        await client._http.call("POST", path("logout"), {})

        async def receive(batch: Batch) -> None:
            raise AssertionError("nothing comes")

        with pytest.raises(HomeserverError, match="no longer accepts the bot's access token"):
            await client.sync_forever(receive, since=None)


async def test_a_revoked_token_is_renewed_at_the_next_start_on_the_same_device(
    world: World,
) -> None:
    ann, account = await world.person("ann"), await world.account("bot")
    async with online(account, world.data(account)) as bot:
        room_id, device_id = await chat(ann, bot), bot.client.device_id
        await bot.http.call("POST", path("logout"), {})

    async with online(account, world.data(account)) as bot:
        await ann.says(room_id, "back again?")

        assert (await bot.next(RoomMessage)).body == "back again?"
        assert bot.client.device_id == device_id


Change = Callable[[Account], Account]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda a: a.model_copy(update={"password": SecretStr("x")}), "does not accept the passw"),
        (lambda a: a.model_copy(update={"password": SecretStr("")}), "no way to log in"),
        (lambda a: a.model_copy(update={"access_token": SecretStr("x")}), "access token"),
        (lambda a: a.model_copy(update={"user_id": "@nobody:localhost"}), "does not accept"),
    ],
)
async def test_a_refused_log_in_says_what_to_correct(
    world: World, change: Change, sentence: str
) -> None:
    account = await world.account("bot")

    with pytest.raises(HomeserverError, match=sentence):
        async with opened(change(account), world.folder / "refused"):
            pass


async def test_an_unreachable_homeserver_is_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.matrix.session.PATIENCE", 0.0)
    account = (await world.account("bot")).model_copy(update={"url": "http://127.0.0.1:9"})

    with pytest.raises(HomeserverError, match=r"http://127\.0\.0\.1:9 can't be reached"):
        async with opened(account, world.data(account)):
            pass


async def test_somebody_elses_token_or_data_is_refused(world: World) -> None:
    ann, bot = await world.account("ann"), await world.account("bot")
    async with opened(ann, world.data(ann)) as client:
        token = SecretStr(client._http.access_token)
    with_token = bot.model_copy(update={"access_token": token})

    with pytest.raises(HomeserverError, match="belongs to @ann"):
        async with opened(with_token, world.data(bot)):
            pass
    with pytest.raises(HomeserverError, match="data directory belongs to @ann"):
        async with opened(bot, world.data(ann)):
            pass


async def test_a_token_in_the_configuration_is_used(world: World) -> None:
    account = await world.account("bot")
    http = Http(account.url)
    who = {"type": "m.id.user", "user": account.user_id}
    password = account.password.get_secret_value()
    login = {"type": "m.login.password", "identifier": who, "password": password}
    answer = await http.call("POST", path("login"), login)
    await http.close()
    token = SecretStr(answer["access_token"])
    with_token = account.model_copy(update={"access_token": token, "password": SecretStr("")})

    async with opened(with_token, world.data(account)) as client:
        assert client.device_id == answer["device_id"]
    async with opened(with_token, world.data(account)) as client:
        assert client.device_id == answer["device_id"]


async def test_a_lost_crypto_store_refuses_to_start(world: World) -> None:
    account = await world.account("bot")
    async with opened(account, world.data(account)):
        pass
    (world.data(account) / "crypto" / "olm.db").unlink()

    with pytest.raises(StorageError, match="is gone"):
        async with opened(account, world.data(account)):
            pass


async def test_files_are_private_and_hold_no_text(world: World) -> None:
    ann, account = await world.person("ann"), await world.account("bot")
    canary = f"canary{secrets.token_hex(8)}"
    async with online(account, world.data(account)) as bot:
        room_id = await chat(ann, bot)
        await ann.says(room_id, canary)
        await bot.next(RoomMessage)
        await bot.says(room_id, canary)
        files = [file for file in world.data(account).rglob("*") if file.is_file()]
        modes = {file.name: file.stat().st_mode & 0o777 for file in files}
        contents = b"".join(file.read_bytes() for file in files)

    assert set(modes.values()) == {0o600}
    assert {"session", "olm.db", "identity"} <= modes.keys()
    assert (world.data(account) / "crypto").stat().st_mode & 0o777 == 0o700
    assert canary.encode() not in contents


async def test_twenty_messages_at_once_into_a_fresh_room_all_arrive(world: World) -> None:
    ann, bot = await world.person("ann"), await world.person("bot")
    room_id = await chat(ann, bot)

    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(ann.says(room_id, f"message {number}"))
    heard = {(await bot.next(RoomMessage)).body for _ in range(20)}

    assert heard == {f"message {number}" for number in range(20)}


async def test_a_restart_of_the_homeserver_is_ridden_out(tmp_path: Path) -> None:
    from bot.demo.homeserver import run_homeserver

    async with AsyncExitStack() as stack:
        homeserver = await stack.enter_async_context(run_homeserver(tmp_path / "homeserver"))
        world = World(homeserver, tmp_path, stack)
        ann, bot = await world.person("ann"), await world.person("bot")
        room_id = await chat(ann, bot)
        await homeserver.stop()
        saying = asyncio.create_task(ann.says(room_id, "said while it was down"))
        await homeserver.start()

        await saying
        assert (await bot.next(RoomMessage)).body == "said while it was down"


@pytest.mark.parametrize("implementation", list(Implementation))
async def test_other_implementations_understand_us_and_we_them(
    world: World, start_peer: StartPeer, implementation: Implementation
) -> None:
    peer = await start_peer(implementation, "alice", strict=True)
    account = await world.account("bot")
    content = secrets.token_bytes(10_000)

    async with online(account, world.data(account)) as bot:
        room_id = await peer.create_room(bot.user_id, direct=True)
        await bot.next(Invite)
        await bot.client.sender.join(room_id)
        await peer.joined(room_id, bot.user_id)
        question = await peer.send(room_id, "hello")
        heard = await bot.next(RoomMessage)
        live = await bot.says(room_id, "**gro", reply_to=question, live=True)
        await bot.says(room_id, "**grown**", replaces=live)
        answer = await peer.next_message(room_id, bot.user_id)
        await bot.says(room_id, "", attachment=Attachment("a.bin", "text/plain", content))
        file = await peer.next_message(room_id, bot.user_id)
        sent_back = await peer.send_file(room_id, "b.bin", content)
        received = await bot.sees(sent_back)
        token = bot.token
    async with online(account, world.data(account), since=token) as bot:
        await peer.send(room_id, "after a restart")
        again = await bot.next(RoomMessage)
        await bot.says(room_id, "welcome back")
        last = await peer.next_message(room_id, bot.user_id)
        downloaded = await download_encrypted(bot.http, received.content, limit=20_000)

    assert (heard.event_id, heard.body, heard.encrypted) == (question, "hello", True)
    assert (answer.text, answer.content["formatted_body"]) == (
        "**grown**",
        "<strong>grown</strong>",
    )
    assert await peer.download(file) == downloaded.content == content
    assert (again.body, last.text) == ("after a restart", "welcome back")
    assert {last.event.shield, answer.event.shield} == {"none"}


async def test_the_sync_shows_each_time_it_comes_round_that_it_lives(world: World) -> None:
    ann, bot = await world.person("ann"), await world.person("bot")
    room_id = await chat(ann, bot)
    before = bot.client.alive_at

    for words in ("hello", "again"):  # the second is brought by a sync that begins after the first
        await ann.says(room_id, words)
        await bot.next(RoomMessage)

    assert bot.client.alive_at > before
