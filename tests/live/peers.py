"""Second clients for the live tests: programs in other languages and libraries, driven by lines.

Both speak one protocol over their standard streams (see js/peer.mjs), so that a test written once
runs against two implementations of Matrix that share no code with the bot.
"""

import asyncio
import base64
import importlib.util
import itertools
import json
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from bot.demo.homeserver import Homeserver
from tests.live.events import Event, Message, edit_content, first_events, folded, text_content
from tests.live.node import node_command

HERE = Path(__file__).parent
PATIENCE = 30.0

T = TypeVar("T")


class Implementation(StrEnum):
    """Which independent client a peer is."""

    JS_SDK = "js-sdk"
    LIBOLM = "libolm"


class Peer:
    """A person with a client of their own; started by `run_peer`."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.user_id = ""
        self.device_id = ""
        self.invitations: list[Mapping[str, str]] = []
        self._events: dict[str, Event] = {}
        self._taken: set[str] = set()
        self._process = process
        self._log = log
        self._numbers = itertools.count(1)
        self._answers: dict[int, Mapping[str, Any]] = {}
        self._news = asyncio.Condition()
        self._ended = False

    @property
    def events(self) -> list[Event]:
        """Everything received, own events included, in order; each as it is known now."""
        return list(self._events.values())

    async def request(self, do: str, **options: Any) -> Any:
        """Have the program do something and return what it answers."""
        number = next(self._numbers)
        assert self._process.stdin is not None
        line = json.dumps({"id": number, "do": do, **options})
        self._process.stdin.write(line.encode() + b"\n")
        answer = await self.wait_for(lambda: self._answers.pop(number, None), f"answer to {do}")
        assert "error" not in answer, f"{answer['error']} (log: {self._log})"
        return answer["ok"]

    async def create_room(self, *invite: str, encrypted: bool = True, direct: bool = False) -> str:
        """Create a room, encrypted from birth unless told otherwise, and return its id."""
        options = {"invite": invite, "encrypted": encrypted, "direct": direct}
        return str((await self.request("create_room", **options))["room_id"])

    async def direct_chat(self, user_id: str, *, encrypted: bool = True) -> str:
        """Open a chat with one person and wait until they joined; returns its id."""
        room_id = await self.create_room(user_id, encrypted=encrypted, direct=True)
        await self.joined(room_id, user_id)
        return room_id

    async def joined(self, room_id: str, user_id: str) -> None:
        """Wait until that person is in the room."""
        await self.membership(room_id, user_id, "join")

    async def membership(self, room_id: str, user_id: str, membership: str) -> Event:
        """Wait until that person's membership is this one; returns the event that says so."""

        def found() -> Event | None:
            about_them = (
                event
                for event in reversed(self.events)
                if event.type == "m.room.member"
                and (event.room_id, event.state_key) == (room_id, user_id)
            )
            newest = next(about_them, None)
            return newest if newest and newest.content["membership"] == membership else None

        return await self.wait_for(found, f"{membership} of {user_id}")

    async def accept_invitation(self, *, sender: str) -> str:
        """Wait for an invitation from that person, join, and return the room's id."""
        invitation = await self.wait_for(
            lambda: next((one for one in self.invitations if one["sender"] == sender), None),
            f"invitation from {sender}",
        )
        self.invitations.remove(invitation)
        await self.request("join", room_id=invitation["room_id"])
        return invitation["room_id"]

    async def leave(self, room_id: str) -> None:
        """Leave a room."""
        await self.request("leave", room_id=room_id)

    async def send(
        self,
        room_id: str,
        text: str,
        *,
        reply_to: str | None = None,
        thread_id: str | None = None,
        mentions: Sequence[str] = (),
        encrypted: bool = True,
    ) -> str:
        """Send a text message, perhaps as a reply or in a thread; returns its event id."""
        content = text_content(text, reply_to=reply_to, thread_id=thread_id, mentions=mentions)
        return await self.send_event(room_id, content, encrypted=encrypted)

    async def edit(self, room_id: str, event_id: str, text: str) -> str:
        """Replace the text of an own message; returns the edit's event id."""
        return await self.send_event(room_id, edit_content(event_id, text))

    async def react(self, room_id: str, event_id: str, key: str) -> str:
        """React to a message; returns the reaction's event id."""
        relation = {"rel_type": "m.annotation", "event_id": event_id, "key": key}
        return await self.send_event(room_id, {"m.relates_to": relation}, type_="m.reaction")

    async def send_event(
        self,
        room_id: str,
        content: Mapping[str, Any],
        *,
        type_: str = "m.room.message",
        encrypted: bool = True,
    ) -> str:
        """Send any event; refused where it should be encrypted and the room is not."""
        options = {"room_id": room_id, "type": type_, "content": content, "clear": not encrypted}
        return str((await self.request("send", **options))["event_id"])

    async def send_file(self, room_id: str, filename: str, content: bytes) -> str:
        """Send an encrypted attachment; returns its event id."""
        file = await self.request("upload", content=base64.b64encode(content).decode())
        described = {"msgtype": "m.file", "body": filename, "filename": filename, "file": file}
        return await self.send_event(room_id, {**described, "info": {"size": len(content)}})

    async def redact(self, room_id: str, event_id: str) -> None:
        """Redact an event."""
        await self.request("redact", room_id=room_id, event_id=event_id)

    async def next_message(
        self, room_id: str, sender: str, *, kind: str | None = None, patience: float = PATIENCE
    ) -> Message:
        """The next finished message of that person in that room, in order, each one once.

        With `kind` messages of other kinds are passed over (and not returned later either).
        """

        def finished() -> Message | None:
            for event in first_events(self.events, room_id, sender):
                if event.event_id in self._taken:
                    continue
                message = folded(self.events, event)
                if message is None:
                    return None
                self._taken.add(event.event_id)
                if kind in (None, message.kind):
                    return message
            return None

        return await self.wait_for(finished, f"{kind or 'message'} from {sender}", patience)

    async def received(self, event_id: str) -> Event:
        """What this client made of that event, read or not."""
        return await self.wait_for(lambda: self._events.get(event_id), f"event {event_id}")

    def messages(self, room_id: str, sender: str) -> list[Message]:
        """All finished messages of that person in that room, taken or not."""
        events = first_events(self.events, room_id, sender)
        return [message for event in events if (message := folded(self.events, event))]

    async def download(self, message: Message) -> bytes:
        """The decrypted content of an encrypted attachment."""
        answer = await self.request("download", file=message.content["file"])
        return base64.b64decode(answer["base64"])

    async def devices(self, user_id: str) -> dict[str, bool]:
        """That person's devices, each with whether its owner signed it."""
        known = await self.request("devices", user_id=user_id)
        return {device["device_id"]: device["signed_by_owner"] for device in known}

    async def restart(self) -> None:
        """Stop the client's sync and start it again with the same device."""
        await self.request("restart")

    async def wait_for(
        self, what: Callable[[], T | None], name: str, patience: float = PATIENCE
    ) -> T:
        """Return what `what` gives as soon as it gives something; it is asked at every news."""
        try:
            async with asyncio.timeout(patience), self._news:
                while not (found := what()):
                    assert not self._ended, f"the peer ended, waiting for {name}: {self._log}"
                    await self._news.wait()
                return found
        except TimeoutError:
            raise AssertionError(self._nothing_came(name, patience)) from None

    def _nothing_came(self, name: str, patience: float) -> str:
        last = [
            f"{one.sender} {one.content.get('msgtype', one.type)} {one.reason or one.shield}"
            for one in self.events[-8:]
        ]
        return f"no {name} within {patience:.0f} s; last events: {last}; log: {self._log}"

    async def read(self) -> None:
        """Take in what the program says until it ends."""
        assert self._process.stdout is not None
        try:
            async for line in self._process.stdout:
                async with self._news:
                    self._take(json.loads(line))
                    self._news.notify_all()
        finally:
            async with self._news:
                self._ended = True
                self._news.notify_all()

    def _take(self, news: Mapping[str, Any]) -> None:
        if "event" in news:
            event = Event(**news["event"])
            self._events[event.event_id] = event
        elif "invite" in news:
            self.invitations.append(news["invite"])
        else:
            self._answers[news["id"]] = news


@asynccontextmanager
async def run_peer(
    homeserver: Homeserver,
    implementation: Implementation,
    localpart: str,
    *,
    folder: Path,
    strict: bool = True,
    signed: bool = True,
    password: str = "",
) -> AsyncIterator[Peer]:
    """Register a person and log in with that client, cross-signed by itself.

    `strict`: it shares keys only with devices that their owner signed, and (js-sdk) refuses to
    decrypt what others sent. Not `signed`: an insecure device. With a `password` the person is
    registered already. The client's log goes to `folder`.
    """
    if not password:
        await homeserver.register(localpart, password := f"password of {localpart}")
    log = folder / f"{quote(localpart, safe='')}.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *_command(implementation),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            limit=2**27,
        )
    peer = Peer(process, log)
    reading = asyncio.create_task(peer.read())
    try:
        account = {"url": homeserver.url, "user": localpart, "password": password}
        started = await peer.request("start", **account, strict=strict, signed=signed)
        peer.user_id, peer.device_id = started["user_id"], started["device_id"]
        yield peer
    finally:
        await _end(process)
        await reading


def _command(implementation: Implementation) -> Sequence[str | Path]:
    if implementation is Implementation.JS_SDK:
        return node_command(HERE / "js" / "peer.mjs")
    if importlib.util.find_spec("olm") is None:
        raise RuntimeError(
            "The libolm peer needs python-olm, which has no wheels for Python 3.13 or newer: "
            "run the tests with an older Python (UV_PYTHON=3.12 ./confidant test)."
        )
    return (sys.executable, HERE / "libolm_peer.py")


async def _end(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(5):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
