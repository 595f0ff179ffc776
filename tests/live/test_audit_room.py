"""The audit room on a real homeserver: for members alone, everything once, heads over crashes."""

import asyncio
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bot.demo.homeserver import Homeserver
from bot.matrix import rooms
from bot.matrix.http import RequestError
from storage import read_audit_log
from tests.live.bots import Bot, open_chat, settings_for
from tests.live.conftest import StartBot, StartPeer
from tests.live.events import Event
from tests.live.own_client import own_client
from tests.live.peers import Implementation, Peer
from tests.live.proxy import Proxy, limited, unheard
from tests.live.test_rooms import ENCRYPTED, Account, account, other_device

pytestmark = pytest.mark.asyncio(loop_scope="session")

AUDIT = "org.confidant.audit"
BURST = 12


def _state(kind: str, **content: str) -> dict[str, Any]:
    return {"type": kind, "state_key": "", "content": content}


PUBLIC = _state("m.room.join_rules", join_rule="public")
RESTRICTED = _state("m.room.join_rules", join_rule="restricted")
KNOCK = _state("m.room.join_rules", join_rule="knock")
WORLD = _state("m.room.history_visibility", history_visibility="world_readable")


@pytest.mark.parametrize(
    ("state", "reasons"),
    [
        pytest.param([], ["not encrypted"], id="unencrypted"),
        pytest.param([ENCRYPTED, PUBLIC], ["without an invitation"], id="public"),
        pytest.param([ENCRYPTED, RESTRICTED], ["without an invitation"], id="restricted"),
        pytest.param([ENCRYPTED, WORLD], ["read its history"], id="world-readable"),
        pytest.param(
            [PUBLIC, WORLD],
            ["not encrypted", "without an invitation", "read its history"],
            id="all",
        ),
    ],
)
async def test_a_configured_room_that_others_could_read_is_refused_at_the_start(
    homeserver: Homeserver, tmp_path: Path, state: list[dict[str, Any]], reasons: list[str]
) -> None:
    async with account(homeserver, "jane") as jane:
        name, password = f"bot-{secrets.token_hex(4)}", secrets.token_hex(8)
        user_id = await homeserver.register(name, password)
        room = await jane.make_room(preset="private_chat", invite=[user_id], initial_state=state)
        settings = settings_for(homeserver, user_id, password, operators=[jane.user_id])
        bot = Bot(user_id, tmp_path, {**settings, "audit": {"room": room}})

        process = await bot.begin()
        await bot.ready_or_ended()

        assert await process.wait() == 2
        said = [one for one in bot.log.read_text().splitlines() if one.startswith("audit.room:")]
        assert len(said) == len(reasons), said
        assert all(reason in line for reason, line in zip(reasons, said, strict=True)), said


@pytest.mark.parametrize("rules", [[], [KNOCK]], ids=["invite", "knock"])
async def test_a_configured_room_for_those_who_were_let_in_is_used(
    homeserver: Homeserver, start_peer: StartPeer, tmp_path: Path, rules: list[dict[str, Any]]
) -> None:
    async with account(homeserver, "owner") as owner:
        jane = await start_peer(Implementation.LIBOLM, "jane")
        name, password = f"bot-{secrets.token_hex(4)}", secrets.token_hex(8)
        user_id = await homeserver.register(name, password)
        room = await owner.make_room(
            preset="private_chat",
            invite=[user_id, jane.user_id],
            initial_state=[ENCRYPTED, *rules],
        )
        await jane.accept_invitation(sender=owner.user_id)
        settings = settings_for(homeserver, user_id, password, operators=[jane.user_id])
        bot = Bot(user_id, tmp_path, {**settings, "audit": {"room": room}})
        try:
            await bot.start()
            await _until_heads(jane, room, bot, 1)  # she was there before
        finally:
            await bot.stop()


async def test_the_room_that_the_bot_makes_is_changed_by_nobody_else_and_refused_when_it_was(
    homeserver: Homeserver, start_bot: StartBot
) -> None:
    async with account(homeserver, "jane") as jane:
        bot = await start_bot(operators=[jane.user_id])
        async with other_device(bot) as bots:
            room = await _joined_audit_room(jane, bots)
            for kind, content in (
                ("m.room.name", {"name": "Mine"}),
                ("m.room.topic", {"topic": "mine"}),
                ("m.room.join_rules", {"join_rule": "public"}),
                ("m.room.history_visibility", {"history_visibility": "world_readable"}),
                ("org.example.other", {}),
            ):
                with pytest.raises(RequestError) as refused:
                    await jane.state(room, kind, content)
                assert refused.value.errcode == "M_FORBIDDEN"

            await bots.state(room, "m.room.join_rules", {"join_rule": "public"})
        await bot.stop()
        process = await bot.begin()
        await bot.ready_or_ended()
        ended = await process.wait()
        await bot.kill()  # so that nobody expects it to end well

        assert ended == 2
        assert "audit.room: people come into that room without" in bot.log.read_text()


async def test_heads_and_entries_are_posted_once_over_lost_answers_limits_kills_and_restarts(
    start_peer: StartPeer, start_bot: StartBot, proxy: Proxy
) -> None:
    jane = await start_peer(Implementation.LIBOLM, "jane")
    bot = await start_bot(operators=[jane.user_id], homeserver={"url": proxy.url})
    room = await jane.accept_invitation(sender=bot.user_id)

    to_room = ("PUT", f"/rooms/{room}/send")
    proxy.on(limited(retry_after_ms=200), *to_room, times=2)
    dead = asyncio.Event()

    async def die() -> None:
        await bot.kill()
        dead.set()

    await bot.stop()
    proxy.on(unheard(die), *to_room, times=1)
    await bot.begin()
    async with asyncio.timeout(60):
        await dead.wait()
    await bot.start()
    await _until_told(jane, room, bot, "bot.stopped", 1)
    await bot.restart()
    seqs = await _until_told(jane, room, bot, "bot.stopped", 2)
    heads = await _until_heads(jane, room, bot, 2)  # what came before she did, she can't read
    await bot.stop()

    sizes = [int(note.splitlines()[1]) for note in heads]
    assert sizes == sorted(set(sizes)), "each once, and growing"
    assert len(seqs) == len(set(seqs)), "no entry twice"
    told = set(range(min(seqs), max(seqs) + 1))
    assert told - set(seqs) == told & _untold(bot), "and none missed"
    assert (await _read_back(bot, room))[: len(heads)] == heads[::-1]


async def test_a_burst_is_folded_into_few_lines_and_every_entry_is_in_the_fields(
    start_peer: StartPeer, start_bot: StartBot
) -> None:
    alice, jane = await asyncio.gather(
        start_peer(Implementation.JS_SDK, "alice"), start_peer(Implementation.LIBOLM, "jane")
    )
    bot = await start_bot(operators=[jane.user_id])
    room = await jane.accept_invitation(sender=bot.user_id)
    chat = await open_chat(alice, bot)

    for number in range(BURST):
        await alice.send(chat.room_id, f"!help {number}")
    for _ in range(BURST):
        await chat.heard()
    await jane.wait_for(lambda: _answered(jane, room, bot) >= BURST or None, "all entries")

    lines = [one for event in _posted(jane, room, bot) for one in event.content["body"].split("\n")]
    counts = [
        int(found[1] or 1)
        for one in lines
        if (found := re.search(r"💬 (?:(\d+) m|M)essages? answered for \S+ [a-z]+-\d+", one))
    ]
    assert sum(counts) == _answered(jane, room, bot) == BURST
    assert len(counts) <= BURST // 2, lines


async def _joined_audit_room(jane: Account, bots: Account) -> str:
    """The room that the bot asked an operator into."""
    [room] = await rooms.joined(bots.http)
    await rooms.join(jane.http, room)
    return room


def _posted(jane: Peer, room: str, bot: Bot) -> list[Event]:
    """Every notice of the feed that an operator has read."""
    return [
        one
        for one in jane.events
        if (one.room_id, one.sender) == (room, bot.user_id) and AUDIT in one.content
    ]


def _entries(jane: Peer, room: str, bot: Bot) -> list[Mapping[str, Any]]:
    return [
        entry for one in _posted(jane, room, bot) for entry in one.content[AUDIT].get("entries", [])
    ]


def _answered(jane: Peer, room: str, bot: Bot) -> int:
    return sum(one["action"] == "message.answered" for one in _entries(jane, room, bot))


async def _until_heads(jane: Peer, room: str, bot: Bot, count: int) -> list[str]:
    """The notes of all heads, once there are so many."""

    def heads() -> list[str] | None:
        found = [one.content[AUDIT]["head"] for one in _posted(jane, room, bot) if _is_head(one)]
        return found if len(found) >= count else None

    return await jane.wait_for(heads, f"{count} heads", 60.0)


def _is_head(event: Event) -> bool:
    return "head" in event.content[AUDIT]


async def _until_told(jane: Peer, room: str, bot: Bot, action: str, count: int) -> list[int]:
    """The numbers of all entries, once an action was told so often."""

    def seqs() -> list[int] | None:
        found = _entries(jane, room, bot)
        enough = sum(one["action"] == action for one in found) >= count
        return [one["seq"] for one in found] if enough else None

    return await jane.wait_for(seqs, f"{action} {count} times", 60.0)


def _untold(bot: Bot) -> set[int]:
    """The entries that have no place in a notice: of heads, and of what was about to be done."""
    return {
        one.seq
        for one in read_audit_log(bot.data)
        if one.outcome == "begun" or one.action == "audit.head"
    }


async def _read_back(bot: Bot, room: str) -> list[str]:
    """The heads as the bot itself reads them, from the homeserver."""
    async with own_client(bot) as client:
        return await client.sender.posted_heads(room)
