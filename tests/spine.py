"""The spine on real storage, with a homeserver and a model that only remember."""

import json
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Mapping,
    Sequence,
    Set,
)
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from bot.beside import daily, withdrawing
from bot.completions import ChatMessage, Completion, Tool, ToolCall
from bot.config import Config, load_config
from bot.conversing import ChatModel
from bot.embedding import Embedder
from bot.errors import AttachmentError, HomeserverError, HomeserverUnavailableError
from bot.evidence import Observation
from bot.greeting import HELLO
from bot.handler import Handler
from bot.messages import (
    Attachment,
    Outgoing,
    OwnIdentity,
    Room,
    RoomMessage,
    RoomRules,
    Sessions,
    Standing,
    Successor,
)
from bot.pacing import Pacing
from bot.room_events import Edit, Kept, Redaction, RoomEvent
from bot.spine import spine as wired
from bot.withdrawing import Withdrawing
from storage import AuditEntry, AuditLog, MasterKey, Storage, Vault, open_storage
from tests.recording import recording

BOT, ANN, BOB, EVE = "@bot:x.org", "@ann:x.org", "@bob:x.org", "@eve:elsewhere.org"
AUDIT_ROOM = "!audit"


@dataclass(frozen=True)
class FixedRules:
    """Whom operators let in and shut out, as a test has it."""

    allowed: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()


NO_RULES = FixedRules()


class FakeHomeserver:
    """Rooms as a test sets them; remembers what is sent, and into which room."""

    def __init__(self) -> None:
        self.rooms: dict[str, Room] = {}
        self.room_rules = RoomRules(True, join_rule="invite", history_visibility="joined")
        self.sent: list[Outgoing] = []
        self.greetings: list[Outgoing] = []  # apart, so that each test may begin with somebody new
        self.kept: dict[str, Kept] = {}  # what can be fetched again, by event id
        self.files: dict[tuple[str, str], tuple[str, Attachment]] = {}  # by room and event id
        self.takes_files_of: int | None = None  # bytes, if it says so
        self.senders: dict[str, str] = {}  # who sent what, by event id
        self.events: dict[str, str] = {}  # by transaction id: what is sent twice is there once
        self.inside: set[str] = set()  # the rooms that the bot is in, as far as a test cares
        self.entered: list[str] = []
        self.left: list[str] = []
        self.reasons: dict[str, str] = {}  # said on leaving, by room
        self.unseen: set[str] = set()  # rooms that no sync has shown yet
        self.successors: dict[str, Successor] = {}
        self.predecessors: dict[str, str] = {}
        self.said_at: dict[str, datetime] = {}  # when the bot said what, by event id
        self.redacted: list[str] = []
        self.takes = 0.0  # seconds for a redaction
        self.clock, self.stopwatch = Clock(), Stopwatch()
        self.away = False
        self.broken: Exception | None = None
        self.broken_rooms: dict[str, Exception] = {}
        self.searching: Exception | None = (
            None  # raised where somebody's direct chats are looked for
        )
        self.cross_signed = True
        self.heads: list[str] | None = None  # in the audit room, if they can be read
        self.waiting: set[int] = set()  # numbers of verifications in which emoji are compared
        self.compared: list[tuple[int, bool]] = []
        self.devices: dict[str, Sessions] = {}  # of people that have not just one verified session

    async def room(self, room_id: str) -> Room:
        return self.rooms[room_id]

    async def rules(self, room_id: str) -> RoomRules:
        return self.room_rules

    async def send(self, outgoing: Outgoing) -> str:
        self._fail(outgoing.room_id)
        if HELLO in outgoing.text[:60]:
            return self._greet(outgoing)
        if outgoing.transaction_id not in self.events:
            self.sent.append(outgoing)
            later = timedelta(microseconds=len(self.events) + 1)  # than what it answers
            self.said_at[f"$sent-{len(self.events)}"] = self.clock() + later
        return self.events.setdefault(outgoing.transaction_id, f"$sent-{len(self.events)}")

    def ids(self) -> dict[str, Outgoing]:
        """All that was sent, by event id."""
        by_transaction = {one.transaction_id: one for one in self.sent}
        return {self.events[key]: one for key, one in by_transaction.items()}

    def standing(self, room_id: str) -> list[str]:
        """What can be read of the bot in a room, edits by themselves among it."""
        return [
            one.text
            for event_id, one in self.ids().items()
            if one.room_id == room_id and event_id not in self.redacted
        ]

    async def own_messages(
        self, room_id: str, person: str, *, until: datetime, before: str
    ) -> list[str]:
        self._fail(room_id)
        if self.rooms[room_id].members - {BOT, person}:
            return []
        return [
            event_id
            for event_id, one in self.ids().items()
            if one.room_id == room_id and one.replaces is None
            if self.said_at[event_id] <= until and event_id not in self.redacted
        ]

    async def own_edits(self, room_id: str, event_id: str) -> list[str]:
        if event_id in self.redacted:
            return []  # a homeserver need not know any more
        sent = self.ids().items()
        return [one for one, edit in sent if edit.replaces == event_id and one not in self.redacted]

    async def withdraw(self, room_id: str, event_id: str, *, transaction_id: str) -> bool:
        self._fail(room_id)
        self.stopwatch.seconds += self.takes
        if BOT not in self.rooms[room_id].members:
            return False
        if event_id not in self.redacted:
            self.redacted.append(event_id)
        return True

    def _fail(self, room_id: str) -> None:
        """Fail as the test wants it, everywhere or in this room."""
        error = self.broken or self.broken_rooms.get(room_id)
        if error:
            raise error

    def _greet(self, outgoing: Outgoing) -> str:
        if outgoing.transaction_id not in {one.transaction_id for one in self.greetings}:
            self.greetings.append(outgoing)
        return f"$sent-greeting-{outgoing.transaction_id}"

    async def typing(self, room_id: str, *, active: bool) -> None:
        return

    async def joined(self) -> frozenset[str]:
        return frozenset(self.inside)

    def known_members(self, room_id: str) -> frozenset[str]:
        seen = room_id in self.rooms and room_id not in self.unseen
        return self.rooms[room_id].members if seen else frozenset()

    async def join(self, room: str, *, via: str = "") -> str:
        if self.away:
            raise HomeserverUnavailableError("away")
        if room not in self.rooms:
            raise HomeserverError("no such room")
        self.inside.add(room)
        self.entered.append(room)
        return room

    async def leave(self, room_id: str, *, reason: str = "") -> None:
        if self.away:
            raise HomeserverUnavailableError("away")
        self.inside.discard(room_id)
        self.left.append(room_id)
        self.reasons[room_id] = reason

    async def successor(self, room_id: str) -> Successor | None:
        return self.successors.get(room_id)

    async def predecessor(self, room_id: str) -> str:
        if room_id not in self.inside:
            raise HomeserverError("not a member")
        return self.predecessors.get(room_id, "")

    async def direct_room(self, user_id: str, *, besides: str) -> str:
        wanted = frozenset({BOT, user_id})
        rooms = [one for one in self.rooms.values() if one.room_id != besides]
        return next(one.room_id for one in rooms if one.members == wanted)

    async def direct_rooms(self, user_id: str, *, besides: str) -> list[str]:
        if self.searching:
            raise self.searching
        wanted = frozenset({BOT, user_id})
        rooms = [one for one in self.rooms.values() if one.room_id != besides]
        return [one.room_id for one in rooms if one.members == wanted and one.encrypted]

    async def sent_by_me(self, room_id: str, event_id: str) -> bool:
        return event_id.startswith("$sent-")

    async def sender_of(self, room_id: str, event_id: str) -> str | None:
        if self.broken:
            raise self.broken
        return self.senders.get(event_id)

    async def sessions(self, user_ids: Collection[str]) -> Mapping[str, Sessions]:
        if self.away:
            raise HomeserverUnavailableError("away")
        return {one: self.devices.get(one, Sessions(1, 0)) for one in user_ids}

    async def upload_limit(self) -> int | None:
        return self.takes_files_of

    async def attachment(
        self, room_id: str, event_id: str, *, senders: Set[str], limit: int
    ) -> Attachment:
        if self.broken:
            raise self.broken
        sender, file = self.files.get((room_id, event_id), ("", None))
        if sender and sender not in senders:
            raise AttachmentError("The message that you replied to is somebody else's.")
        if file is None:
            raise AttachmentError("The message that you replied to holds no file.")
        if len(file.content) > limit:
            raise AttachmentError(f"The file is larger than {limit} bytes.")
        return file

    async def posted_heads(self) -> Sequence[str]:
        if self.heads is None:
            raise HomeserverError("not a member")
        return self.heads

    async def compare(self, number: int, *, same: bool) -> bool:
        if number not in self.waiting:
            return False
        self.waiting.discard(number)
        self.compared.append((number, same))
        return True

    async def identity(self) -> OwnIdentity:
        return OwnIdentity(BOT, "BOTDEVICE", "abcdefghij", "klmnopqrst", self.cross_signed)


class ScriptedModel:
    """Answers with what a test put in; keeps every request."""

    def __init__(self) -> None:
        self.requests: list[Sequence[ChatMessage]] = []
        self.tools: list[tuple[str, ...]] = []
        self.answers: list[str | Completion | Exception] = []
        self.meanwhile: Callable[[], Awaitable[None]] | None = None
        self.refuses_tools = False

    def takes_tools(self, model: str | None = None) -> bool:
        return not self.refuses_tools

    @property
    def last_prompt(self) -> str:
        """All that the model was given last."""
        return "\n".join(one.content for one in self.requests[-1])

    async def stream(
        self,
        messages: Sequence[ChatMessage],
        *,
        model: str | None = None,
        tools: Sequence[Tool] = (),
        person: str = "",
    ) -> AsyncGenerator[str | Completion, None]:
        self.requests.append(messages)
        self.tools.append(tuple(tool.name for tool in tools))
        if self.meanwhile:
            await self.meanwhile()
        answer = self.answers.pop(0) if self.answers else "I see."
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, str):
            answer = Completion(answer, "scripted", prompt_tokens=10, completion_tokens=5)
        yield answer.text
        yield answer


def remembers(text: str, quote: str, *, saying: str = "Nice.") -> Completion:
    """A completion that also calls `remember`."""
    arguments = f'{{"text": "{text}", "quote": "{quote}"}}'
    return Completion(saying, "scripted", tool_calls=(ToolCall("c1", "remember", arguments),))


def calls(*called: tuple[str, Mapping[str, object]], saying: str = "") -> Completion:
    """A completion that calls tools by name, with these arguments."""
    made = tuple(
        ToolCall(f"c{number}", name, json.dumps(arguments))
        for number, (name, arguments) in enumerate(called, start=1)
    )
    return Completion(saying, "scripted", made, prompt_tokens=10, completion_tokens=5)


@dataclass
class Spine:
    """Everything between the dispatcher and the homeserver, for one test."""

    config: Config
    storage: Storage
    homeserver: FakeHomeserver
    model: ScriptedModel
    handler: Handler
    clock: "Clock"
    stopwatch: "Stopwatch"
    daily: Mapping[str, Callable[[], Awaitable[None]]]
    withdrawing: Withdrawing
    seen: "Seen"
    numbers: "count[int]" = field(default_factory=count)

    async def say(
        self,
        body: str,
        sender: str = ANN,
        room_id: str = "!ann",
        *,
        encrypted: bool = True,
        mentions_bot: bool = False,
        reply_to: str | None = None,
        event_id: str = "",
        device_id: str = "PHONE",
        standing: Standing = Standing.OWNED,
    ) -> list[Outgoing]:
        """What the bot sends because of this message."""
        message = RoomMessage(
            event_id or f"$said-{next(self.numbers)}",
            room_id,
            sender,
            body,
            self.clock(),
            encrypted,
            mentions_bot=mentions_bot,
            reply_to=reply_to,
            device_id=device_id,
            standing=standing,
        )
        self.homeserver.senders[message.event_id] = sender
        return await self.give(message)

    def message(self, body: str, *, event_id: str, sender: str = ANN) -> RoomMessage:
        """A message of now in somebody's direct chat."""
        room_id = f"!{sender[1:4]}"
        return RoomMessage(event_id, room_id, sender, body, self.clock(), True, device_id="PHONE")

    async def edit(
        self,
        replaces: str,
        body: str,
        sender: str = ANN,
        room_id: str = "!ann",
        *,
        encrypted: bool = True,
        standing: Standing = Standing.OWNED,
        recovered: bool = False,
        event_id: str = "",
    ) -> list[Outgoing]:
        """What the bot sends because a message was edited."""
        message = RoomMessage(
            event_id or f"$edit-{next(self.numbers)}",
            room_id,
            sender,
            body,
            self.clock(),
            encrypted,
            standing=standing,
            recovered=recovered,
        )
        return await self.give(Edit(message, replaces))

    async def redact(
        self, redacts: str, sender: str = ANN, room_id: str = "!ann"
    ) -> list[Outgoing]:
        """What the bot sends because a message was taken back: nothing, ever."""
        event_id = f"$redaction-{next(self.numbers)}"
        await self.storage.inbox.accept([(event_id, room_id)], "s")
        return await self.give(Redaction(event_id, room_id, sender, redacts))

    async def give(self, event: RoomEvent) -> list[Outgoing]:
        """What the bot sends because of this event."""
        before = len(self.homeserver.sent)
        await self.handler.handle(event)
        return self.homeserver.sent[before:]

    async def text(self, body: str, sender: str = ANN, room_id: str = "!ann") -> str:
        """The one text that answers this message, as it reads in the end."""
        sent = [one for one in await self.say(body, sender, room_id) if one.attachment is None]
        assert [one.replaces for one in sent].count(None) == 1
        return sent[-1].text

    async def audited(self, sender: str = ANN) -> list[tuple[str, str]]:
        """Actions and outcomes in a person's own audit entries, oldest first; no intents."""
        async with self.storage.vaults.open(sender) as vault:
            entries = await disclosed(self.storage.audit_log, vault)
        done = [entry for _, entry in reversed(entries) if entry.outcome != "begun"]
        return [(entry.action, entry.outcome) for entry in done]


async def disclosed(log: AuditLog, vault: Vault) -> list[tuple[int, AuditEntry]]:
    """A person's own entries with their numbers, newest first, if the log vouches for them."""
    return [(seq, detail.entry) for seq, detail in reversed(await log.disclosed(vault))]


@dataclass
class Seen:
    """What is seen of the gateway, as a test has it."""

    observation: Observation = Observation()  # noqa: RUF009  frozen

    def __call__(self) -> Observation:
        return self.observation


class Clock:
    """A time that moves only when a test moves it."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def forward(self, **by: float) -> None:
        self.time += timedelta(**by)


class Stopwatch:
    """Seconds that pass only by sleeping, and then at once."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def configured(**sections: dict[str, str]) -> Config:
    """A configuration for tests, with keys of sections on top of it."""
    environ = {
        "CONFIDANT_HOMESERVER__URL": "https://x.org",
        "CONFIDANT_HOMESERVER__USER_ID": BOT,
        "CONFIDANT_GATEWAY__BASE_URL": "http://127.0.0.1:1/v1",
        "CONFIDANT_GATEWAY__MODEL": "scripted",
        "CONFIDANT_PRIVACY__GATEWAY_TRAINING": "never",
        "CONFIDANT_ACCESS__USERS": '["@*:x.org"]',
    }
    for section, keys in sections.items():
        environ |= {f"CONFIDANT_{section}__{key}".upper(): text for key, text in keys.items()}
    return load_config(None, environ)


@asynccontextmanager
async def spine(
    path: Path,
    config: Config | None = None,
    *,
    gateway: ChatModel | None = None,
    embedder: Embedder | None = None,
    pool_size: int = 64,
) -> AsyncIterator[Spine]:
    """A spine with two direct chats (`!ann`, `!bob`) and a shared room (`!all`), in which all that
    is changed has to be recorded.

    A `gateway` answers in the place of the scripted model.
    """
    config = config or configured()
    clock, homeserver, model = Clock(), FakeHomeserver(), ScriptedModel()
    homeserver.rooms = {
        "!ann": Room("!ann", frozenset({BOT, ANN}), encrypted=True),
        "!bob": Room("!bob", frozenset({BOT, BOB}), encrypted=True),
        "!eve": Room("!eve", frozenset({BOT, EVE}), encrypted=True),
        "!all": Room("!all", frozenset({BOT, ANN, BOB, EVE}), encrypted=True),
        "!open": Room("!open", frozenset({BOT, ANN}), encrypted=False),
    }
    key = MasterKey.load("ab" * 32, path)
    async with open_storage(path, key, now=clock, pool_size=pool_size) as storage:

        async def fetch(room_id: str, event_id: str) -> Kept | None:
            return homeserver.kept.get(event_id)

        stopwatch, seen = Stopwatch(), Seen()
        homeserver.clock, homeserver.stopwatch = clock, stopwatch
        handler = wired(
            config,
            storage,
            homeserver,
            gateway or model,
            fetch=fetch,
            identity=homeserver.identity,
            gateway_host="127.0.0.1",
            observed=seen,
            audit_room=AUDIT_ROOM,
            pacing=Pacing(now=stopwatch, sleep=stopwatch.sleep),
            now=clock,
            embedder=embedder,
            posted_heads=homeserver.posted_heads,
            compared=homeserver.compare,
        )
        jobs = daily(config, storage, homeserver, audit_room=AUDIT_ROOM, now=clock)
        leaving = withdrawing(
            config,
            storage,
            homeserver,
            gateway_host="127.0.0.1",
            audit_room=AUDIT_ROOM,
            now=clock,
            clock=stopwatch,
            sleep=stopwatch.sleep,
        )
        with recording():
            yield Spine(
                config, storage, homeserver, model, handler, clock, stopwatch, jobs, leaving, seen
            )
