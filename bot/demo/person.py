"""A person at a Matrix client of their own, for the demo: says lines, sees what the bot answers."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.config import Homeserver
from bot.demo.showing import shown
from bot.matrix.client import MatrixClient, open_client
from bot.matrix.events import ClearEvent
from bot.messages import Attachment, Outgoing
from bot.room_events import Batch
from storage import MasterKey, open_storage

LIVE = "org.matrix.msc4357.live"


@dataclass(frozen=True, slots=True)
class File:
    """A file that came, its size in bytes, and what became of it here."""

    name: str
    size: int
    kept: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """Something that somebody else said in a room, as it reads now."""

    event_id: str
    room_id: str
    sender: str
    text: str
    file: File | None
    finished: bool


def seen(event: ClearEvent) -> Seen | None:
    """What a person sees of an event: a message, or an earlier one that now reads differently."""
    if event.type != "m.room.message":
        return None
    edits = event.relation.get("rel_type") == "m.replace"
    content: Any = event.content.get("m.new_content", {}) if edits else event.content
    info = content.get("info", {})
    is_file = content.get("msgtype") == "m.file"
    return Seen(
        str(event.relation["event_id"]) if edits else event.event_id,
        event.room_id,
        event.sender,
        shown(content),
        File(str(content.get("filename", "")), int(info.get("size", 0))) if is_file else None,
        LIVE not in event.content and LIVE not in content,
    )


class Person:
    """One account with a cross-signed device of its own; `on_seen` hears all that others say."""

    def __init__(self, client: MatrixClient) -> None:
        self._client = client
        self.user_id = client.user_id
        self.on_seen: Callable[[Seen], None] = lambda _: None

    async def direct_chat(self, other: str) -> str:
        """The encrypted direct chat with somebody, made if there is none."""
        return await self._client.sender.direct_room(other)

    async def say(self, room_id: str, text: str, *, reply_to: str | None = None) -> None:
        """Send one line, perhaps as a reply to an event."""
        words = Outgoing(room_id, text, secrets.token_hex(16), spoken=True, reply_to=reply_to)
        await self._client.sender.send(words)

    async def send(self, room_id: str, file: Attachment) -> str:
        """Send a file, encrypted; returns its event id."""
        sent = Outgoing(room_id, "", secrets.token_hex(16), spoken=True, attachment=file)
        return await self._client.sender.send(sent)

    async def fetch(self, message: Seen, *, limit: int) -> Attachment:
        """The file of a message, decrypted; AttachmentError where it can't be had."""
        return await self._client.sender.attachment(
            message.room_id, message.event_id, senders={message.sender}, limit=limit
        )

    async def join_invited(self) -> None:
        """Accept every invite that waits."""
        for invite in await self._client.pending_invites():
            await self._client.sender.join(invite.room_id)

    async def sync(self, ready: asyncio.Event) -> None:
        """Follow the homeserver for ever."""

        async def receive(batch: Batch) -> None:
            return

        async def is_ready() -> None:
            ready.set()

        await self._client.sync_forever(receive, since=None, ready=is_ready, watch=self._watch)

    def _watch(self, event: ClearEvent) -> None:
        message = seen(event)
        if message is not None and message.sender != self.user_id:
            self.on_seen(message)


@asynccontextmanager
async def person(url: str, user_id: str, password: str, data: Path) -> AsyncIterator[Person]:
    """Log in as a person whose keys lie in `data`."""
    account = Homeserver.model_validate({"url": url, "user_id": user_id, "password": password})
    key = MasterKey.load("", data)
    async with (
        open_storage(data, key) as storage,
        open_client(
            account,
            data=data,
            master_key=key,
            rooms=storage.rooms,
            readings=storage.readings,
            share_keys_with="cross-signed",
            device_name="Confidant demo",
        ) as client,
    ):
        yield Person(client)
