"""What becomes of the feed when the homeserver limits the bot and the bot is killed meanwhile."""

import asyncio
from collections import Counter

import pytest

from tests.live.audit_guard import AUDIT
from tests.live.bots import Bot, Chat, open_chat
from tests.live.conftest import StartBot, StartPeer
from tests.live.overheard import audit_room_of, overheard, rows
from tests.live.peers import Implementation
from tests.live.proxy import Proxy, Trouble, limited, unheard
from tests.live.test_rooms import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

ENTRIES = "SELECT seq, action, outcome FROM audit_entry"
WAITING = "SELECT seq FROM audit_feed"


async def test_from_the_first_entry_on_each_is_posted_once_over_limits_kills_and_lost_answers(
    start_peer: StartPeer, start_bot: StartBot, proxy: Proxy
) -> None:
    alice = await start_peer(Implementation.JS_SDK)
    bot = await start_bot(homeserver={"url": proxy.url})
    chat = await open_chat(alice, bot)
    to_room = ("PUT", f"/rooms/{audit_room_of(bot)}/send")

    limits = proxy.on(limited(retry_after_ms=300), *to_room)
    await _talk(chat, limits)
    await bot.kill()  # while it waits for the limit
    limits.end()
    await _killed_before_it_hears(bot, proxy, to_room)
    await bot.start()
    await _all_posted(bot)
    limits = proxy.on(limited(), *to_room)
    await _talk(chat, limits)
    await bot.stop()  # as an operator does, while it waits for the limit
    limits.end()
    await bot.start()
    await _all_posted(bot)
    await bot.stop()

    due = {
        seq: action
        for seq, action, outcome in rows(bot.data / "shared.db", ENTRIES)
        if outcome != "begun" and (action, outcome) != ("audit.head", "ok")
    }
    waiting = {seq for [seq] in rows(bot.data / "shared.db", WAITING)}
    posted = _posted(bot)
    assert {due.pop(seq) for seq in waiting & due.keys()} <= {"bot.stopped"}
    assert posted == Counter(due.keys()), "each once, and none missed"
    done = Counter(due.values())
    assert (done["message.answered"], done["bot.started"]) == (6, 4), done


async def _killed_before_it_hears(bot: Bot, proxy: Proxy, to_room: tuple[str, ...]) -> None:
    """Let it run until the room has something of which it does not know that it was posted."""
    dead = asyncio.Event()

    async def die() -> None:
        await bot.kill()
        dead.set()

    proxy.on(unheard(die), *to_room, times=1)
    await bot.begin()
    async with asyncio.timeout(60):
        await dead.wait()


async def _talk(chat: Chat, limits: Trouble) -> None:
    """Have something to be posted, and more behind it, while nothing can be."""
    for number in range(3):
        await chat.ask(f"!help {number}")
    await limits.met(2)


async def _all_posted(bot: Bot) -> None:
    async def so() -> bool:
        return not rows(bot.data / "shared.db", WAITING)

    await until(so, 120)


def _posted(bot: Bot) -> Counter[int]:
    """How often each entry stands in the audit room, whoever was in it by then."""
    room = audit_room_of(bot)
    contents = [one.content or {} for one in overheard(bot) if one.room_id == room]
    entries = [entry for one in contents for entry in one.get(AUDIT, {}).get("entries", [])]
    return Counter(entry["seq"] for entry in entries)
