"""What watches over the audit rooms of all live tests finds what has no place there."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace

from bot.matrix.http import path
from bot.messages import Outgoing
from tests.live.audit_guard import AUDIT, Guard, words
from tests.live.bots import STARTED, Bot, open_chat
from tests.live.conftest import StartBot, StartPeer
from tests.live.overheard import audit_room_of
from tests.live.own_client import own_client
from tests.live.peers import Implementation
from tests.live.test_rooms import other_device


async def test_words_sentences_and_ids_from_elsewhere_are_found_in_every_kind_of_post(
    start_peer: StartPeer, start_bot: StartBot
) -> None:
    alice, bot = await start_peer(Implementation.JS_SDK), await start_bot()
    chat = await open_chat(alice, bot)
    await chat.person.send_event(chat.room_id, {"name": "Zanzibar"}, type_="m.room.name")
    question = await alice.send(chat.room_id, "My cat is called Quibbleton.\nI am at home now")
    answer = await chat.heard()
    await bot.stop()
    honest = Guard()
    assert honest.look(bot) == []
    assert min(honest.posts, honest.words, honest.sentences, honest.ids) > 0, honest

    entries = {"entries": [{"seq": 1, "facts": {"by": alice.user_id, "at": question}}]}
    await _say(bot, Outgoing("", "1 memory kept", "planted 1", fields={AUDIT: entries}))
    await _say(bot, Outgoing("", f"In {chat.room_id}: quibbleton", "planted 2"))
    await _say(bot, Outgoing("", f"{alice.user_id} said: I am at home now.", "planted 3"))
    await _say_openly(bot, f"📥 xQuibbletonx {answer.event_id}")
    _keep_for_later(bot, "Zanzibar")
    STARTED.remove(bot)  # it would be found there, too

    found = [one.split(" in ") for one in Guard().look(bot)]
    by_place = {where: {one for one, at in found if at == where} for _, where in found}
    localpart = alice.user_id[1:].partition(":")[0]
    ids = {alice.user_id, localpart, *words(localpart), question}
    assert sorted(map(sorted, by_place.values())) == sorted(
        map(
            sorted,
            [
                ids,
                {chat.room_id, "quibbleton"},
                {"I am at home now"},
                {"quibbleton", answer.event_id},
                {"zanzibar"},
            ],
        )
    )


async def _say(bot: Bot, said: Outgoing) -> None:
    """Post something in the audit room as the bot does."""
    async with own_client(bot) as client:
        await client.sender.send(replace(said, room_id=audit_room_of(bot)))


async def _say_openly(bot: Bot, text: str) -> None:
    """Post something there that nobody encrypted."""
    async with other_device(bot) as device:
        where = path("rooms", audit_room_of(bot), "send", "m.room.message", "planted 4")
        await device.http.call("PUT", where, {"msgtype": "m.notice", "body": text})


def _keep_for_later(bot: Bot, word: str) -> None:
    """Let the last entry, which is posted at the next start, hold it."""
    with closing(sqlite3.connect(bot.data / "shared.db")) as shared, shared:
        last = "UPDATE audit_feed SET facts = ? WHERE seq = (SELECT max(seq) FROM audit_feed)"
        assert shared.execute(last, (json.dumps({"name": word}),)).rowcount == 1
