"""An export reaches its owner and nobody else: whatever is forged, whoever comes in meanwhile."""

import io
import json
import secrets
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest_asyncio
from aiohttp import web

from bot.asking_words import INTERRUPTED
from bot.demo.homeserver import Homeserver
from bot.matrix.events import ClearEvent
from bot.matrix.media import download_encrypted
from bot.replies import IN_DIRECT_CHAT
from bot.room_events import Invite, Undecryptable
from tests import age_program
from tests.live.bots import Bot
from tests.live.conftest import StartBot
from tests.live.events import is_greeting
from tests.live.proxy import Fault, Passing, Proxy, altered, hanging
from tests.live.staging import Stage
from tests.live.test_canary import found
from tests.live.test_hostile import joins, room_of, seen
from tests.live.test_matrix_client import Person, World
from tests.responder import answer

PASSPHRASE = "correct horse battery staple"
LIMIT = 50_000_000


@dataclass(frozen=True, slots=True)
class Three:
    """A bot behind a proxy, Ann, who is in a direct chat with it, and Eve."""

    bot: Bot
    proxy: Proxy
    ann: Person
    eve: Person

    async def chat(self) -> str:
        room_id = await self.ann.client.sender.direct_room(self.bot.user_id)
        await seen(self.ann, joins(self.bot.user_id, room_id))
        return room_id

    async def hear(self) -> ClearEvent:
        """The bot's next message to Ann, wherever."""

        def is_message(event: ClearEvent) -> bool:
            by_bot = (event.sender, event.type) == (self.bot.user_id, "m.room.message")
            return by_bot and not is_greeting(str(event.content.get("body")))

        return await seen(self.ann, is_message)

    async def let_in(self, room_id: str) -> None:
        """Ann invites Eve, who joins."""
        await self.ann.client.sender.invite(room_id, self.eve.user_id)
        await self.eve.client.sender.join(room_id)


@pytest_asyncio.fixture(loop_scope="session")
async def three(
    homeserver: Homeserver, start_bot: StartBot, proxy: Proxy, tmp_path: Path
) -> AsyncIterator[Three]:
    async with AsyncExitStack() as stack:
        bot = await start_bot(homeserver={"url": proxy.url})
        world = World(homeserver, tmp_path, stack)
        yield Three(bot, proxy, await world.person("ann"), await world.person("eve"))


def files(person: Person) -> list[ClearEvent]:
    """The files among what somebody could read since they last looked."""
    events = [person.watched.get_nowait() for _ in range(person.watched.qsize())]
    return [one for one in events if one.content.get("msgtype") == "m.file"]


def without(user_id: str) -> Callable[[dict[str, Any]], None]:
    """A sync in which somebody has left every room that they are in."""
    gone = {"type": "m.room.member", "state_key": user_id, "sender": user_id}

    def change(sync: dict[str, Any]) -> None:
        for room in sync.get("rooms", {}).get("join", {}).values():
            state = room.setdefault("state", {}).setdefault("events", [])
            timeline = room.setdefault("timeline", {}).setdefault("events", [])
            for event in (*state, *timeline):
                if (event["type"], event.get("state_key")) == ("m.room.member", user_id):
                    event["content"] = {"membership": "leave"}
            left = {"event_id": f"${secrets.token_hex(16)}", "origin_server_ts": 1}
            timeline.append({**gone, **left, "content": {"membership": "leave"}})
            room["summary"] = {"m.joined_member_count": 2, "m.invited_member_count": 0}

    return change


def meanwhile(happens: Callable[[], Awaitable[None]]) -> Fault:
    """Something happens just before the homeserver gets this request."""

    async def fault(passing: Passing) -> web.StreamResponse:
        await happens()
        return (await passing.forward()).response()

    return fault


async def test_a_room_of_three_that_a_forged_sync_makes_look_like_two_gets_no_export(
    three: Three,
) -> None:
    chat = await three.chat()
    forged = three.proxy.on(altered(without(three.eve.user_id)), "GET", "/sync")
    hall = await room_of(three.ann, three.bot, three.eve)
    await forged.met(3)

    await three.ann.says(hall, "!export json")
    file, words, line = [await three.hear() for _ in range(3)]

    assert [one.room_id for one in (file, words, line)] == [chat, chat, hall]
    assert line.content["body"] == IN_DIRECT_CHAT
    assert file.content["msgtype"] == "m.file"
    assert chat != hall
    assert files(three.eve) == []


async def test_whoever_comes_in_while_the_file_is_uploaded_gets_nothing(three: Three) -> None:
    chat = await three.chat()
    upload = three.proxy.on(meanwhile(lambda: three.let_in(chat)), "POST", "/upload", times=1)

    await three.ann.says(chat, "!export json")
    told = await three.hear()

    assert upload.count == 1
    assert "Somebody else came into this room" in told.content["body"]
    assert files(three.ann) == files(three.eve) == []


async def test_whoever_comes_in_as_the_message_is_sent_has_no_key_to_it(three: Three) -> None:
    chat = await three.chat()
    await three.ann.says(chat, "!help")
    await three.hear()
    sending = three.proxy.on(
        meanwhile(lambda: three.let_in(chat)), "PUT", "/send/m.room.encrypted/", times=1
    )

    await three.ann.says(chat, "!export json")
    file = await three.hear()
    assert await three.eve.next(Invite) == Invite(chat, three.ann.user_id)
    unread = await three.eve.next(Undecryptable)

    assert sending.count == 1
    assert file.content["msgtype"] == "m.file"
    exported = await download_encrypted(three.ann.http, file.content, limit=LIMIT)
    assert json.loads(exported.content)["user_id"] == three.ann.user_id
    assert unread.event_id == file.event_id
    assert files(three.eve) == []


async def test_nothing_of_an_export_is_readable_in_the_media_store_or_in_any_file(
    stage: Stage, homeserver: Homeserver, tmp_path: Path
) -> None:
    canary = f"canary{secrets.token_hex(8)}"
    (own_tmp := tmp_path / "tmp").mkdir()
    stage.bot.environment = {"TMPDIR": str(own_tmp)}
    [chat] = await stage.chats(1)
    await chat.ask(f"!memory add My cat is called {canary}.")

    plain = await stage.person.download(await chat.ask("!export json", kind="m.file"))
    packed = await stage.person.download(await chat.ask("!export", kind="m.file"))
    kept = found(canary, [*homeserver.data.rglob("*"), *stage.bot.data.rglob("*")])
    left = [*own_tmp.rglob("*")]
    await stage.bot.stop()
    logged = found(canary, [stage.bot.log, homeserver.log])

    assert canary in plain.decode()
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert canary.encode() in archive.read("export.json")
        assert canary.encode() in archive.read("index.html")
    assert any(one.is_file() for one in homeserver.media.rglob("*")), "or this test is blind"
    assert kept == left == logged == []


async def test_a_passphrase_is_asked_for_and_is_kept_nowhere_though_the_bot_restarts(
    stage: Stage, homeserver: Homeserver, tmp_path: Path
) -> None:
    stage.gateway.usual = answer("I see.")
    [chat] = await stage.chats(1)
    asked = await chat.ask("!export --passphrase")
    await stage.bot.restart()

    file = await chat.ask(PASSPHRASE, kind="m.file")
    told = await chat.heard()
    talked = await chat.ask("Good morning.", kind="m.text")
    await stage.bot.stop()

    (sealed := tmp_path / "sealed").write_bytes(await stage.person.download(file))
    assert "Which passphrase shall encrypt your export?" in asked.text
    assert str(file.content["filename"]).endswith(".zip.age")
    assert "delete your message with the passphrase" in told.text
    assert talked.text == "I see."
    assert age_program.decrypt(sealed, opened := tmp_path / "opened.zip", PASSPHRASE)
    assert zipfile.ZipFile(opened).testzip() is None
    assert PASSPHRASE not in str([one.body for one in stage.gateway.requests])
    assert found(PASSPHRASE, [*stage.bot.data.rglob("*"), stage.bot.log]) == []


async def test_a_passphrase_that_a_kill_came_across_is_not_taken_for_talk(
    stage: Stage, proxy: Proxy
) -> None:
    stage.gateway.usual = answer("I see.")
    [chat] = await stage.chats(1)
    await chat.ask("!export --passphrase")
    uploading = proxy.on(hanging(), "POST", "/upload", times=1)

    await stage.person.send(chat.room_id, PASSPHRASE)
    await uploading.met()
    await stage.bot.kill()
    await stage.bot.start()
    told = await chat.heard()

    assert told.text == INTERRUPTED
    assert stage.gateway.chats == []
