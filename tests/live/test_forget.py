"""Everything is forgotten, on a real homeserver: what the bot wrote is redacted there, too."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from bot.demo.homeserver import Homeserver, run_homeserver
from storage import MasterKey, open_storage
from tests.live.bots import Bot, Chat, open_chat
from tests.live.conftest import StartBot, StartPeer
from tests.live.events import Message
from tests.live.peers import Implementation
from tests.live.staging import Stage, ask, heard, staged

LIMITED = 5  # answers: with what else it says and redacts, more than the ten that Synapse grants


async def test_what_the_bot_wrote_is_redacted_with_its_edits_and_the_receipt_stands(
    start_peer: StartPeer, start_bot: StartBot, homeserver: Homeserver
) -> None:
    alice, bot = await start_peer(Implementation.JS_SDK), await start_bot()
    chat = await open_chat(alice, bot)
    await chat.ask("My cat is called Nori. Tell me a long story about it.")
    question = await alice.send(chat.room_id, "My dog is called Rex.")
    await chat.heard()
    await alice.edit(chat.room_id, question, "My dog is called Max.")
    await _until(lambda: len(_said(homeserver, chat)) > 3, "an answer was edited")
    await chat.ask("!memory")
    asked = await chat.ask("!forget everything")
    before = _said(homeserver, chat)
    receipt = await chat.ask("yes")
    finished = await _edited(chat, receipt, "I have removed everything")
    afterwards = await chat.ask("!memory")

    after = _said(homeserver, chat)
    left = [one for one in after if one not in _redacted(homeserver)]
    assert "2 memories" in asked.text
    assert receipt.text.startswith("**Done: everything is forgotten.")
    assert "could not be removed" not in finished.text
    assert not set(before) & set(left), "edits are events of their own"
    assert left[0] == receipt.event_id
    assert "nothing about you" in afterwards.text
    await chat.ask("Hello again")
    await bot.stop()
    assert "Nori" not in await _kept(bot, alice.user_id)


async def test_a_part_that_is_forgotten_leaves_the_room_and_the_rest_stays(
    start_peer: StartPeer, start_bot: StartBot, homeserver: Homeserver
) -> None:
    alice, bot = await start_peer(Implementation.JS_SDK), await start_bot()
    chat = await open_chat(alice, bot)
    stays = await chat.ask("My cat is called Miso.")
    goes = await chat.ask("My dog is called Rex.")
    await chat.ask("!forget last")
    told = await chat.ask("yes")

    await _until(lambda: goes.event_id in _redacted(homeserver), "the answer was redacted")
    assert "1 memory" in told.text
    assert not {stays.event_id, told.event_id} & _redacted(homeserver)


async def test_killed_while_it_withdraws_under_synapses_limits_it_goes_on(
    node_packages: None, tmp_path: Path
) -> None:
    async with (
        run_homeserver(tmp_path / "limited", rate_limits=True) as limited,
        staged(limited, tmp_path) as stage,
    ):
        chat = await _answered(stage, LIMITED)
        said = set(_said(limited, chat))
        await _agree(chat)
        receipt = await _receipt(chat)
        await _edited(chat, receipt, "At the pace that the homeserver allows", patience=60)
        await _until(lambda: len(said & _redacted(limited)) >= 3, "some were redacted", 120)

        await stage.bot.kill()
        in_between = len(said & _redacted(limited))
        await stage.bot.start()
        await _until(lambda: said <= _redacted(limited), "all were redacted", 240)
        finished = await _edited(chat, receipt, "I have removed everything", patience=60)

        assert in_between < len(said)
        said_now = chat.person.messages(chat.room_id, stage.bot.user_id)
        receipts = [one.event_id for one in said_now if "is forgotten" in one.text]
        assert receipts == [receipt.event_id]
        assert "could not be removed" not in finished.text
        assert receipt.event_id not in _redacted(limited)


async def _answered(stage: Stage, count: int) -> Chat:
    [chat] = await stage.chats(1)
    for number in range(count):
        await ask(chat, [7 * number + 1])
        await heard(chat, 1, patience=60)
    return chat


async def _agree(chat: Chat) -> None:
    await chat.person.send(chat.room_id, "!forget everything")
    await heard(chat, 1, kind="m.notice", patience=60)
    await chat.person.send(chat.room_id, "yes")


async def _receipt(chat: Chat) -> Message:
    person, bot = chat.person, chat.bot.user_id
    return await person.next_message(chat.room_id, bot, kind="m.notice", patience=60)


async def _edited(chat: Chat, message: Message, word: str, *, patience: float = 30) -> Message:
    """The same message, once it says that."""

    def found() -> Message | None:
        said = chat.person.messages(chat.room_id, chat.bot.user_id)
        return next(
            (one for one in said if one.event_id == message.event_id and word in one.text), None
        )

    return await chat.person.wait_for(found, f"a receipt with {word}", patience)


async def _until(so: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Look into the homeserver until it is so: it tells nobody."""
    for _ in range(int(seconds * 10)):
        if so():
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {what}")


def _said(homeserver: Homeserver, chat: Chat) -> list[str]:
    """The ids of all that the bot sent there, edits too, in order."""
    return _rows(
        homeserver,
        "SELECT event_id FROM events WHERE room_id = ? AND sender = ? "
        "AND type = 'm.room.encrypted' ORDER BY stream_ordering",
        (chat.room_id, chat.bot.user_id),
    )


def _redacted(homeserver: Homeserver) -> set[str]:
    return set(_rows(homeserver, "SELECT redacts FROM redactions", ()))


def _rows(homeserver: Homeserver, query: str, parameters: tuple[str, ...]) -> list[str]:
    with closing(sqlite3.connect(f"{homeserver.database.as_uri()}?mode=ro", uri=True)) as database:
        return [row[0] for row in database.execute(query, parameters)]


async def _kept(bot: Bot, person: str) -> str:
    key = MasterKey.load("", bot.data)
    async with open_storage(bot.data, key) as storage, storage.vaults.open(person) as vault:
        return str(await vault.export())
