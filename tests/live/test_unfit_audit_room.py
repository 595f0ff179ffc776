"""The audit room is opened to others while the bot runs: it is silent there, and goes on later."""

import asyncio

import pytest

from bot.demo.homeserver import Homeserver
from bot.replies import UNFIT_ROOM
from tests.live.bots import Bot, open_chat
from tests.live.conftest import StartBot, StartPeer
from tests.live.peers import Implementation, Peer
from tests.live.test_audit_room import AUDIT
from tests.live.test_operators import ordered
from tests.live.test_rooms import HURRIED, Account, other_device

pytestmark = pytest.mark.asyncio(loop_scope="session")

QUIET = 15.0  # seconds, three times the pace of the feed


async def joinable_by(bots: Account, room: str, rule: str) -> None:
    """Let others than invited members in, or not any more."""
    await bots.state(room, "m.room.join_rules", {"join_rule": rule})


def commands_told(jane: Peer, room: str, bot: Bot) -> list[str]:
    """The commands that the feed has told an operator of."""
    return [
        str(entry["facts"].get("command"))
        for one in jane.events
        if (one.room_id, one.sender) == (room, bot.user_id) and AUDIT in one.content
        for entry in one.content[AUDIT].get("entries", [])
        if entry["action"] == "message.answered"
    ]


async def test_while_others_could_come_in_nothing_is_posted_or_obeyed_and_then_both_go_on(
    start_peer: StartPeer, start_bot: StartBot, homeserver: Homeserver
) -> None:
    alice, jane = await asyncio.gather(
        start_peer(Implementation.JS_SDK, "alice"), start_peer(Implementation.LIBOLM, "jane")
    )
    bot = await start_bot(operators=[jane.user_id], program=HURRIED)
    room = await jane.accept_invitation(sender=bot.user_id)
    chat = await open_chat(alice, bot)
    await chat.ask("!privacy")
    await jane.wait_for(lambda: commands_told(jane, room, bot) or None, "the feed", 60.0)
    users = await ordered(jane, bot, room, "!users", "👥")
    name = users.split("**")[1]
    async with other_device(bot) as bots:
        await joinable_by(bots, room, "public")
        refused = await ordered(jane, bot, room, f"!who {name}", "I take no orders")
        await chat.ask("!help")
        before = len([one for one in jane.events if one.room_id == room])
        await asyncio.sleep(QUIET)
        while_open = [one for one in jane.events if one.room_id == room][before:]
        told = commands_told(jane, room, bot)
        await joinable_by(bots, room, "invite")
        answered = await ordered(jane, bot, room, f"!who {name}", "🔎")
        await jane.wait_for(
            lambda: "help" in commands_told(jane, room, bot) or None, "the feed again", 60.0
        )

    assert refused == UNFIT_ROOM
    assert alice.user_id not in refused
    assert [one for one in while_open if one.sender == bot.user_id] == []
    assert "help" not in told
    assert alice.user_id in answered
