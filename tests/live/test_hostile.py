"""A member sends what nobody should: the bot drops it, counts it, and answers everybody else."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from bot.demo.homeserver import Homeserver
from bot.matrix.events import ClearEvent
from bot.matrix.http import RequestError, path
from bot.messages import Outgoing
from tests.live.bots import Bot
from tests.live.conftest import StartBot
from tests.live.events import is_greeting
from tests.live.staging import asked
from tests.live.test_matrix_client import Person, World
from tests.matrix.mutating import CLEAR, OLM, TO_DEVICE, Mutator, Phone, envelope, words
from tests.responder import Exchange, Responder, answer, responder

EVENTS = 1_500  # that the homeserver took
AT_ONCE = 16
SEED = 20_261_124
SECONDS = 60.0
ENCRYPTION = {
    "type": "m.room.encryption",
    "state_key": "",
    "content": {"algorithm": "m.megolm.v1.aes-sha2"},
}
TOLD = re.compile(r"INFO bot\.matrix\.tally dropped .* \((\d+) since the start\): (.*)")


@dataclass
class Scene:
    """Ann, who is listed; Eve, who is not; the bot; and the rooms in which they meet."""

    world: World
    gateway: Responder
    bot: Bot
    ann: Person
    eve: Person
    chat: str  # of Ann and the bot
    hall: str  # of all three
    unasked: list[str] = field(default_factory=list)  # said elsewhere, while Ann waited for words

    async def ask(self, room_id: str, text: str) -> str:
        """Ann says something that the bot should answer; its next message there."""
        mention = self.bot.user_id if room_id == self.hall else None
        await self.ann.says(room_id, text, mention=mention)
        return await self.hear(room_id)

    async def hear(self, room_id: str) -> str:
        """The bot's next new message in that room, apart from its greeting."""

        def is_answer(event: ClearEvent) -> bool:
            by_bot = (event.sender, event.type) == (self.bot.user_id, "m.room.message")
            if not by_bot or "m.new_content" in event.content:
                return False
            if is_greeting(str(event.content["body"])):
                return False
            if event.room_id != room_id:
                self.unasked.append(str(event.content["body"]))
            return event.room_id == room_id

        return str((await seen(self.ann, is_answer)).content["body"])


async def seen(person: Person, wanted: Any) -> ClearEvent:
    """The next event that is wanted; those before it are passed over."""
    async with asyncio.timeout(SECONDS):
        while not wanted(event := await person.watched.get()):
            pass
    return event


async def repeat(exchange: Exchange) -> web.StreamResponse:
    """A model that says what it was asked."""
    return await answer(f"You said: {asked(exchange.captured.body)}")(exchange)


@pytest_asyncio.fixture(loop_scope="session")
async def scene(
    homeserver: Homeserver, start_bot: StartBot, tmp_path: Path
) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(responder())
        gateway.usual = repeat
        bot = await start_bot(
            gateway={"base_url": gateway.base_url, "model": gateway.models[0]},
            access={"users": [f"@ann-*:{homeserver.server_name}"]},
        )
        world = World(homeserver, tmp_path, stack)
        ann, eve = await world.person("ann"), await world.person("eve")
        chat = await ann.client.sender.direct_room(bot.user_id)
        await seen(ann, joins(bot.user_id, chat))
        hall = await room_of(ann, bot, eve)
        for person in (ann, eve):  # both give the bot the key of what they send
            await person.says(hall, "Good morning.")
        await ann.says(chat, "Good morning.")
        made = Scene(world, gateway, bot, ann, eve, chat, hall)
        assert await made.hear(chat) == "You said: Good morning."
        yield made


def joins(user_id: str, room_id: str) -> Any:
    def is_join(event: ClearEvent) -> bool:
        joined = event.content.get("membership") == "join"
        return joined and (event.sender, event.room_id) == (user_id, room_id)

    return is_join


async def room_of(host: Person, bot: Bot, guest: Person) -> str:
    """An encrypted room of three."""
    invited = [bot.user_id, guest.user_id]
    wanted = {"preset": "private_chat", "initial_state": [ENCRYPTION], "invite": invited}
    room_id = str((await host.http.call("POST", path("createRoom"), wanted))["room_id"])
    await seen(host, joins(bot.user_id, room_id))
    await guest.client.sender.join(room_id)
    await seen(host, joins(guest.user_id, room_id))
    return room_id


class Corpus:
    """What Eve sends: clear, mutated inside real Megolm ciphertext, and mutated around it."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._mutator = Mutator(SEED)
        self.taken = 0

    def __iter__(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Kind and content of one event after the other, without end."""
        scene, random = self._scene, self._mutator.random
        while True:
            room_id, chance = scene.hall, random.random()
            payload = {"type": "m.room.message", "room_id": room_id, "content": words("!memory")}
            if chance < 0.35:
                yield "m.room.encrypted", seal(scene.eve, room_id, self._mutator.mutate(payload))
            elif chance < 0.45:
                yield "m.room.encrypted", seal(scene.eve, room_id, self._mutator.value())
            elif chance < 0.7:
                sealed = {"content": seal(scene.eve, room_id, payload)}
                yield from self._clear("m.room.encrypted", self._mutator.mutate(sealed))
            else:
                event = random.choice(CLEAR)(_nobody(), room_id, "$")
                holder = {"content": event["content"]}
                yield from self._clear(event["type"], self._mutator.mutate(holder))

    def _clear(self, kind: str, holder: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        content = holder.get("content")
        if isinstance(content, dict):  # the homeserver takes nothing else
            yield kind, content

    async def send(self) -> None:
        """Send, several at once, until the homeserver has taken enough."""
        events = iter(self)

        async def sending() -> None:
            while self.taken < EVENTS:
                kind, content = next(events)
                target = path("rooms", self._scene.hall, "send", kind, secrets.token_hex(8))
                taken = await put(self._scene.eve, target, content)
                self.taken += taken  # read after the await: others have counted meanwhile

        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(sending())


def _nobody() -> Phone:
    """The kinds of clear events need a sender's name alone, which the homeserver replaces."""
    phone = Phone.__new__(Phone)
    phone.user_id = "@eve:b"
    return phone


def seal(person: Person, room_id: str, payload: Any) -> dict[str, Any]:
    """Sealed in this person's session, whatever nio thinks of its age."""
    person.guard.olm.outbound_group_sessions[room_id].max_messages = 1_000_000
    return person.seal(room_id, payload)


async def strangers_to_device_messages(stranger: Person, bot: Bot) -> int:
    """Send the bot what somebody could who shares no room with it; returns how many."""
    mutator = Mutator(SEED)
    key = stranger.guard.olm.account.identity_keys["curve25519"]
    olm = {"algorithm": OLM, "sender_key": key, "ciphertext": {key: {"type": 0, "body": "AwgA"}}}
    kinds = [*TO_DEVICE, envelope("m.room.encrypted", "@x:y", olm, "$")]
    sent = 0
    while sent < 150:
        template = mutator.random.choice(kinds)
        holder = mutator.mutate({"content": {**template["content"]}})
        messages = {"messages": {bot.user_id: {bot.device_id: holder.get("content")}}}
        target = path("sendToDevice", template["type"], secrets.token_hex(8))
        sent += await put(stranger, target, messages)
    return sent


async def put(person: Person, target: str, body: dict[str, Any]) -> bool:
    """Whether the homeserver took it; what is too large or not canonical reaches nobody."""
    try:
        await person.http.call("PUT", target, body, patience=0.0)
    except RequestError:
        return False
    return True


@pytest.mark.timeout(600)
async def test_a_member_who_sends_1500_hostile_events_stops_nobody(scene: Scene) -> None:
    corpus = Corpus(scene)
    mallory = await scene.world.person("mallory")

    await asyncio.gather(corpus.send(), strangers_to_device_messages(mallory, scene.bot))
    in_hall = [await scene.ask(scene.hall, f"Question {number}?") for number in range(3)]
    in_chat = [await scene.ask(scene.chat, f"Question {number}?") for number in range(3, 6)]
    await scene.bot.stop()
    log = scene.bot.log.read_text()

    assert corpus.taken >= EVENTS
    assert in_hall == [f"You said: Question {number}?" for number in range(3)]
    assert in_chat == [f"You said: Question {number}?" for number in range(3, 6)]
    assert "Traceback" not in log
    assert " ERROR " not in log
    told = TOLD.findall(log)
    assert int(told[-1][0]) > EVENTS // 10, told
    assert any("malformed encrypted event" in reasons for _, reasons in told)
    assert len(told) < 30, "a stranger can't fill the log"


async def test_nothing_forged_has_an_effect(scene: Scene) -> None:
    ann, eve, hall, chat = scene.ann, scene.eve, scene.hall, scene.chat
    level = {"type": "m.room.power_levels", "content": {"users": {eve.user_id: 100}}}
    left = {"type": "m.room.member", "content": {"membership": "leave"}}
    joined = {"type": "m.room.member", "content": {"membership": "join"}}

    def order(number: int, **more: Any) -> dict[str, Any]:
        content = {"msgtype": "m.text", "body": f"!memory add forged {number}", "m.mentions": {}}
        return {"type": "m.room.message", "room_id": hall, "content": content, **more}

    for sender, room_id, content in (
        (eve, hall, eve.seal(hall, {**level, "room_id": hall, "state_key": ""})),
        (eve, hall, eve.seal(hall, {**left, "room_id": hall, "state_key": eve.user_id})),
        (eve, hall, eve.seal(hall, {**left, "room_id": hall, "state_key": ann.user_id})),
        (eve, hall, eve.seal(hall, {**joined, "room_id": hall, "state_key": "@admin:localhost"})),
        (eve, hall, ann.seal(hall, order(1))),  # under Eve's name
        (eve, hall, {**eve.seal(hall, order(2)), **_keys_of(ann)}),
        (ann, hall, ann.seal(chat, order(3, room_id=chat))),  # of another room
        (ann, hall, ann.seal(hall, order(4, room_id=chat))),
        (ann, hall, ann.seal(hall, order(5, state_key=""))),
    ):
        await sender.send_raw(room_id, "m.room.encrypted", content)
    said = await ann.says(chat, "A word.")
    answered = await scene.hear(chat)
    edit = Outgoing(chat, "!memory add forged 6", "edit", generated=True, replaces=said)
    await ann.client.sender.send(edit)
    told = await scene.hear(chat)
    await ann.send_raw(chat, "m.room.message", order(7)["content"])  # in the clear
    refused = await scene.hear(chat)
    memories = await scene.ask(chat, "!memory")
    await ann.says(hall, "!memory add I play the oboe.", mention=scene.bot.user_id)
    private, public = await scene.hear(chat), await scene.hear(hall)

    assert answered == "You said: A word."
    assert told == "Edits run no command; send it as a new message."
    assert "came unencrypted into an encrypted room" in refused
    assert "I remember nothing about you yet" in memories
    assert "Kept as memory 1" in private
    assert scene.unasked == []
    assert public == "That is about you, so I have answered in our direct chat."


def _keys_of(person: Person) -> dict[str, str]:
    """What an event says of its sender's device, which anybody can write."""
    key = person.guard.olm.account.identity_keys["curve25519"]
    return {"sender_key": key, "device_id": person.client.device_id}
