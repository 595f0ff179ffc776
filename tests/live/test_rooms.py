"""Invites in hundreds, rooms that move, rooms that empty, and a name that is a path."""

import asyncio
import json
import os
import secrets
import tomllib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.demo.homeserver import Homeserver
from bot.matrix import rooms, upgrades
from bot.matrix.http import Http, RequestError, path
from bot.membership import ROOMS_WITH_ONE as MOST
from bot.messages import Successor
from bot.tasks import task_group
from tests.live.bots import REPOSITORY, Bot, Chat, open_chat
from tests.live.conftest import StartBot, StartPeer
from tests.live.peers import Implementation

pytestmark = pytest.mark.asyncio(loop_scope="session")

INVITES = 500
HURRIED = (REPOSITORY / "tests" / "live" / "hurried.py",)
ENCRYPTED = {
    "type": "m.room.encryption",
    "state_key": "",
    "content": {"algorithm": "m.megolm.v1.aes-sha2"},
}


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who speaks to the homeserver by hand: for rooms and invites, not for words."""

    user_id: str
    http: Http

    async def make_room(self, **wanted: Any) -> str:
        """A new room; returns its id."""
        answer = await self.http.call("POST", path("createRoom"), wanted, repeatable=False)
        return str(answer["room_id"])

    async def memberships(self, user_id: str, room_ids: Sequence[str]) -> list[str]:
        """How somebody stands in these rooms of ours."""
        return [(await self._member(room_id, user_id))["membership"] for room_id in room_ids]

    async def becomes(self, user_id: str, membership: str, *room_ids: str) -> None:
        """Wait until somebody stands so in all these rooms."""
        await until(lambda: self._all_are(membership, user_id, room_ids))

    async def reason(self, user_id: str, room_id: str) -> str:
        """What somebody gave as the reason for how they stand in a room."""
        return str((await self._member(room_id, user_id)).get("reason", ""))

    async def state(self, room_id: str, kind: str, content: dict[str, Any]) -> None:
        """Set state in a room."""
        await self.http.call("PUT", path("rooms", room_id, "state", kind, ""), content)

    async def upgrade(self, room_id: str) -> str:
        """Move a room as clients do; returns the new room's id."""
        target = path("rooms", room_id, "upgrade")
        answer = await self.http.call("POST", target, {"new_version": "12"}, repeatable=False)
        return str(answer["replacement_room"])

    async def invite(self, room_id: str, bot: Bot) -> str:
        """Ask the bot into a room; returns the room's id."""
        asked = {"user_id": bot.user_id}
        await self.http.call("POST", path("rooms", room_id, "invite"), asked)
        return room_id

    async def leave(self, room_id: str) -> None:
        """Leave a room."""
        await self.http.call("POST", path("rooms", room_id, "leave"), {})

    async def is_in(self, room_id: str, *, not_in: str = "") -> None:
        """Wait until we are in a room, and in another not."""

        async def so() -> bool:
            joined = await rooms.joined(self.http)
            return room_id in joined and not_in not in joined

        await until(so)

    async def _all_are(self, membership: str, user_id: str, room_ids: Sequence[str]) -> bool:
        try:
            return set(await self.memberships(user_id, room_ids)) == {membership}
        except RequestError:
            return False

    async def _member(self, room_id: str, user_id: str) -> dict[str, Any]:
        return await self.http.call(
            "GET", path("rooms", room_id, "state", "m.room.member", user_id)
        )


async def until(is_so: Callable[[], Awaitable[bool]], seconds: float = 60.0) -> None:
    """Ask the homeserver again and again until it is so."""
    async with asyncio.timeout(seconds):
        while not await is_so():  # noqa: ASYNC110 (it becomes so in other processes)
            await asyncio.sleep(0.2)


@asynccontextmanager
async def account(homeserver: Homeserver, name: str) -> AsyncIterator[Account]:
    """A person who is registered and logged in."""
    localpart, password = f"{name}-{secrets.token_hex(4)}", secrets.token_hex(8)
    user_id = await homeserver.register(localpart, password)
    async with logged_in(homeserver.url, user_id, password) as person:
        yield person


@asynccontextmanager
async def logged_in(url: str, user_id: str, password: str) -> AsyncIterator[Account]:
    """Another log-in of somebody who is registered."""
    http = Http(url)
    try:
        wanted = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": user_id},
            "password": password,
        }
        http.access_token = (await http.call("POST", path("login"), wanted))["access_token"]
        yield Account(user_id, http)
    finally:
        await http.close()


@asynccontextmanager
async def other_device(bot: Bot) -> AsyncIterator[Account]:
    """The bot's account on a device of the test's."""
    settings = tomllib.loads(bot.config.read_text())["homeserver"]
    async with logged_in(settings["url"], bot.user_id, settings["password"]) as device:
        yield device


async def side_by_side(calls: Sequence[Awaitable[str]], at_once: int = 8) -> list[str]:
    """The results of many calls, a few of them running at a time."""
    slots = asyncio.Semaphore(at_once)

    async def one(call: Awaitable[str]) -> str:
        async with slots:
            return await call

    return await asyncio.gather(*map(one, calls))


@pytest.mark.timeout(900)  # a minute where the machine has nothing else to do
async def test_five_hundred_invites_neither_fill_the_bot_nor_delay_a_chat(
    homeserver: Homeserver, start_peer: StartPeer, start_bot: StartBot
) -> None:
    listed = {"users": ["@alice-*:localhost", "@bob-*:localhost"]}
    alice, bot = await asyncio.gather(start_peer(), start_bot(program=HURRIED, access=listed))
    async with (
        account(homeserver, "bob") as bob,
        account(homeserver, "eve") as eve,
        other_device(bot) as bots,
        task_group() as tasks,
    ):
        over = asyncio.Event()
        talking = tasks.create_task(_talk(await open_chat(alice, bot), over))
        bobs, eves = await asyncio.gather(_rooms_of(bob, MOST + 20), _rooms_of(eve, 50))
        sent = 0
        while sent < INVITES:  # those rejected are sent again
            joined = await rooms.joined(bots.http)
            asking = [bob.invite(room_id, bot) for room_id in bobs if room_id not in joined]
            asking += [eve.invite(room_id, bot) for room_id in eves]
            await side_by_side(asking)
            await until(lambda: _no_invite(bots), seconds=300.0)
            sent += len(asking)
        over.set()
        answers = await talking
        bobs_now = await bob.memberships(bot.user_id, bobs)
        eves_now = await eve.memberships(bot.user_id, eves)
        joined = await rooms.joined(bots.http)
        told = await bob.reason(bot.user_id, bobs[bobs_now.index("leave")])

    assert [one.split(".")[0] for one in answers] == [
        f"Kept as memory {number + 1}" for number in range(len(answers))
    ]
    assert Counter(bobs_now) == {"join": MOST, "leave": 20}
    assert Counter(eves_now) == {"leave": 50}
    assert len(joined) == MOST + 2, "and Alice's chat, and the audit room"
    assert str(MOST) in told


async def _rooms_of(person: Account, count: int) -> list[str]:
    return await side_by_side([person.make_room() for _ in range(count)])


async def _talk(chat: Chat, over: asyncio.Event) -> list[str]:
    """Ask three things at a time until it is over, as fast as a person; the answers."""
    answers: list[str] = []
    while not over.is_set():
        for number in range(3):
            await chat.person.send(chat.room_id, f"!memory add {number} of {len(answers)}")
        answers += [(await chat.heard()).text for _ in range(3)]
        await asyncio.sleep(1)
    return answers


async def _no_invite(bots: Account) -> bool:
    """Whether none waits; Synapse repeats its answer where the same is asked in the same way."""
    nothing = {"types": list[str]()}
    parts = {"timeline": {"limit": 1}, "state": nothing, "ephemeral": nothing}
    query = {"filter": json.dumps({"room": parts}), "timeout": str(secrets.randbelow(10_000))}
    sync = await bots.http.call("GET", path("sync"), query=query)
    return not sync.get("rooms", {}).get("invite")


async def test_invites_that_waited_are_answered_at_the_start_and_a_dead_one_is_gone(
    homeserver: Homeserver, start_bot: StartBot
) -> None:
    bot = await start_bot()
    await bot.stop()
    async with account(homeserver, "alice") as alice:
        dead = await alice.make_room(invite=[bot.user_id])
        await alice.leave(dead)  # no server is left that could let anybody in
        alive = await alice.make_room(invite=[bot.user_id])

        await bot.start()

        await alice.becomes(bot.user_id, "join", alive)
        async with other_device(bot) as bots:
            await until(lambda: _no_invite(bots))


@pytest.mark.parametrize("version", ["10", "12"])
async def test_an_upgrade_by_an_admin_is_followed(
    homeserver: Homeserver, bot: Bot, version: str
) -> None:
    async with account(homeserver, "alice") as alice:
        old = await alice.make_room(
            invite=[bot.user_id],
            preset="public_chat",
            room_version=version,
            initial_state=[ENCRYPTED],
        )
        await alice.becomes(bot.user_id, "join", old)

        new = await alice.upgrade(old)

        await alice.becomes(bot.user_id, "join", new)
        await alice.becomes(bot.user_id, "leave", old)
        assert await upgrades.successor(alice.http, old) == Successor(new, homeserver.server_name)


async def test_an_upgrade_that_needs_an_invite_is_finished_with_it(
    homeserver: Homeserver, bot: Bot
) -> None:
    async with account(homeserver, "alice") as alice:
        old = await alice.make_room(invite=[bot.user_id], preset="private_chat")
        await alice.becomes(bot.user_id, "join", old)

        new = await alice.invite(await alice.upgrade(old), bot)

        await alice.becomes(bot.user_id, "join", new)
        await alice.becomes(bot.user_id, "leave", old)


async def test_an_upgrade_while_the_bot_was_down_is_followed_at_its_start(
    homeserver: Homeserver, start_bot: StartBot
) -> None:
    bot = await start_bot()
    async with account(homeserver, "alice") as alice:
        old = await alice.make_room(invite=[bot.user_id], preset="public_chat")
        deserted = await alice.make_room(invite=[bot.user_id], preset="public_chat")
        await alice.becomes(bot.user_id, "join", old, deserted)
        await bot.stop()
        new = await alice.upgrade(old)
        await alice.leave(deserted)

        await bot.start()

        await alice.becomes(bot.user_id, "join", new)
        await alice.becomes(bot.user_id, "leave", old)
        async with other_device(bot) as bots:
            await bots.is_in(new, not_in=deserted)


async def test_an_upgrade_that_could_not_be_followed_is_tried_again_at_the_next_start(
    homeserver: Homeserver, start_bot: StartBot
) -> None:
    bot = await start_bot()
    async with account(homeserver, "alice") as alice:
        old = await alice.make_room(invite=[bot.user_id], preset="private_chat")
        await alice.becomes(bot.user_id, "join", old)
        new = await alice.upgrade(old)
        later = await alice.make_room(invite=[bot.user_id])
        await alice.becomes(bot.user_id, "join", later)  # so the upgrade was looked at
        await bot.stop()
        await alice.state(new, "m.room.join_rules", {"join_rule": "public"})

        await bot.start()

        await alice.becomes(bot.user_id, "join", new)
        await alice.becomes(bot.user_id, "leave", old)


async def test_a_tombstone_towards_a_room_that_knows_nothing_of_it_is_not_followed(
    homeserver: Homeserver, start_bot: StartBot
) -> None:
    bot = await start_bot()
    async with account(homeserver, "alice") as alice:
        old = await alice.make_room(invite=[bot.user_id], initial_state=[ENCRYPTED])
        marker = await alice.make_room(invite=[bot.user_id])
        trap = await alice.make_room(preset="public_chat", initial_state=[ENCRYPTED])
        plain = await alice.make_room(
            preset="public_chat", creation_content={"predecessor": {"room_id": old}}
        )
        await alice.becomes(bot.user_id, "join", old, marker)

        for wrong in (trap, plain):
            ended = {"body": "moved", "replacement_room": wrong}
            await alice.state(old, upgrades.TOMBSTONE, ended)
            await alice.becomes(bot.user_id, "leave", wrong)

        assert await alice.memberships(bot.user_id, [old]) == ["join"]


async def test_the_bot_leaves_a_room_when_everybody_else_has(
    homeserver: Homeserver, bot: Bot
) -> None:
    async with (
        account(homeserver, "alice") as alice,
        account(homeserver, "bob") as bob,
        other_device(bot) as bots,
    ):
        left = await alice.make_room(invite=[bot.user_id], preset="public_chat")
        kept = await alice.make_room(invite=[bot.user_id, bob.user_id])
        await alice.becomes(bot.user_id, "join", left, kept)
        await bob.http.call("POST", path("join", left), {})

        await alice.leave(kept)  # and Bob has not come yet
        await alice.leave(left)
        await bots.is_in(left)
        await bob.leave(left)

        await bots.is_in(kept, not_in=left)


async def test_somebody_whose_name_is_a_path_chats_and_no_file_lies_elsewhere(
    homeserver: Homeserver,
    start_peer: StartPeer,
    start_bot: StartBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own_tmp = tmp_path / "tmp"
    own_tmp.mkdir()
    monkeypatch.setenv("TMPDIR", str(own_tmp))
    bot = await start_bot()
    person = await start_peer(Implementation.JS_SDK, "../../../tmp/x")
    before = _outside(bot.data, tmp_path)

    chat = await open_chat(person, bot)
    talked = await chat.ask("Hello!", kind="m.text")
    await chat.ask("!memory add I live in a path")
    listed = await chat.ask("!memory")
    exported = await chat.ask("!export", kind="m.file")
    opened = _opened(bot)

    name = person.user_id.rpartition("/")[2].partition(":")[0]
    assert person.user_id.startswith("@../../../tmp/x-")
    assert talked.text
    assert exported.content["file"]
    assert "I live in a path" in listed.text
    assert _outside(bot.data, tmp_path) == before
    assert bot.data / "shared.db" in opened
    assert all(bot.data in file.parents for file in opened), opened
    assert _named(name, bot.data, bot.data / "vaults", Path("/tmp")) == []


def _outside(data: Path, folder: Path) -> set[Path]:
    """What lies in a folder and not in the data directory in it."""
    return {file for file in folder.rglob("*") if data not in file.parents}


def _named(name: str, *folders: Path) -> list[Path]:
    """What has this in its name, in these folders themselves."""
    return [file for folder in folders for file in folder.iterdir() if name in file.name]


def _opened(bot: Bot) -> set[Path]:
    """The files that a running bot has open for writing."""
    found = set()
    for descriptor in Path(f"/proc/{bot.pid}/fd").iterdir():
        flags = Path(f"/proc/{bot.pid}/fdinfo/{descriptor.name}").read_text().split()[3]
        file = descriptor.resolve()
        if int(flags, 8) & os.O_ACCMODE and file.is_file():
            found.add(file)
    return found
