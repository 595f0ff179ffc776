"""What becomes of the feed when the homeserver limits the bot and the bot is killed meanwhile."""

import asyncio
from collections import Counter

import pytest

from tests.live.audit_guard import AUDIT
from tests.live.bots import Bot, Chat, open_chat
from tests.live.conftest import StartBot, StartPeer
from tests.live.overheard import audit_room_of, overheard, rows
from tests.live.peers import Implementation
from tests.live.proxy import Proxy, Trouble, after, limited, unheard
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
    for passed in (0, 2):  # a head comes first; then that again, the next head, and entries
        await _killed_before_it_hears(bot, proxy, to_room, passed)
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
    posted, heads = _posted(bot)
    assert {due.pop(seq) for seq in waiting & due.keys()} <= {"bot.stopped"}
    assert posted == sorted(due), "each once, in order, and none missed"
    assert heads == sorted(set(heads)), "each once, and growing"
    done = Counter(due.values())
    assert (done["message.answered"], done["bot.started"], len(heads)) == (6, 5, 5), done


async def _killed_before_it_hears(
    bot: Bot, proxy: Proxy, to_room: tuple[str, ...], passed: int
) -> None:
    """Let it run until it has posted something, after so much else, and can't know that."""
    dead = asyncio.Event()

    async def die() -> None:
        await bot.kill()
        dead.set()

    proxy.on(after(passed, unheard(die)), *to_room, times=passed + 1)
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


def _posted(bot: Bot) -> tuple[list[int], list[int]]:
    """The entries and the sizes of heads in the audit room, whoever was in it by then."""
    room = audit_room_of(bot)
    contents = [one.content or {} for one in overheard(bot) if one.room_id == room]
    fields = [one[AUDIT] for one in contents if AUDIT in one]
    entries = [entry["seq"] for one in fields for entry in one.get("entries", [])]
    return entries, [int(one["head"].splitlines()[1]) for one in fields if "head" in one]
