"""An operator commands the bot in a real audit room, and people in their chats feel it."""

import asyncio
import re

from bot.demo.homeserver import Homeserver
from bot.replies import NOT_ALLOWED, paused
from tests.live.bots import Bot, open_chat
from tests.live.conftest import StartBot, StartPeer
from tests.live.peers import Implementation, Peer


async def ordered(operator: Peer, bot: Bot, room_id: str, line: str, until: str) -> str:
    """What an operator is answered, among the notices of the feed."""
    await operator.send(room_id, line)
    while until not in (notice := await operator.next_message(room_id, bot.user_id)).text:
        pass
    return notice.text


async def test_an_operator_pauses_blocks_looks_up_and_people_see_what_concerns_them(
    start_peer: StartPeer, start_bot: StartBot, homeserver: Homeserver
) -> None:
    alice, jane = await asyncio.gather(
        start_peer(Implementation.JS_SDK, "alice"), start_peer(Implementation.LIBOLM, "jane")
    )
    bot = await start_bot(operators=[jane.user_id])
    room = await jane.accept_invitation(sender=bot.user_id)
    chat = await open_chat(alice, bot)
    await chat.ask("My cat is called Canary.")
    shown = [
        await ordered(jane, bot, room, "!help", "For operators"),
        await ordered(jane, bot, room, "!status", "**Up**"),
        await ordered(jane, bot, room, "!users", "👥"),
    ]

    await ordered(jane, bot, room, "!pause", "I am paused")
    await bot.restart()
    told = await chat.ask("Are you there?")
    kept = await chat.ask("!memory add I live in Oslo")
    await ordered(jane, bot, room, "!resume", "I talk again")
    await ordered(jane, bot, room, f"!block {alice.user_id}", "no more")
    blocked = await chat.ask("And now?")
    await ordered(jane, bot, room, f"!allow {alice.user_id}", "may talk with me")
    answered = await chat.ask("And again?", kind="m.text")
    [pseudonym] = re.findall(r"([a-z]+-\d+)\W+\d+ memor\w+, 2 messages", shown[2])
    who = await ordered(jane, bot, room, f"!who {pseudonym}", "🔎")
    log = await chat.ask("!audit")

    assert re.search(r"Last sync\W+\d+ s ago", shown[1]), shown[1]
    assert "SQLCipher" in shown[1]
    assert "last reached" in shown[1]
    assert told.text == paused("!")
    assert "Kept as memory" in kept.text
    assert blocked.text == NOT_ALLOWED
    assert answered.text
    assert alice.user_id in who
    assert f"Told {jane.user_id}, an operator, who is behind" in log.text.replace("`", "")
    feed = "\n".join(str(one) for one in jane.events if one.room_id == room)
    assert "Canary" not in feed
