"""What a person tells the bot is readable nowhere but in the room and in their own vault's key."""

import asyncio
import secrets
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

from bot.demo.homeserver import Homeserver
from tests.live.bots import Bot, Chat, open_chat
from tests.live.conftest import StartBot, StartPeer
from tests.live.peers import Implementation, Peer


async def test_a_canary_told_to_the_bot_is_in_no_file_no_log_and_not_in_the_audit_room(
    start_peer: StartPeer, start_bot: StartBot, homeserver: Homeserver, tmp_path: Path
) -> None:
    canary = f"canary{secrets.token_hex(8)}"
    alice, jane = await asyncio.gather(
        start_peer(Implementation.JS_SDK, "alice"), start_peer(Implementation.LIBOLM, "jane")
    )
    bot = await start_bot(operators=[jane.user_id])
    audit_room = await jane.accept_invitation(sender=bot.user_id)
    chat = await open_chat(alice, bot)

    await chat.ask(f"My cat is called {canary}.")
    recalled = await chat.ask("What is my cat called?")
    await chat.ask(f"!memory add The password of my cat is {canary}.")
    await chat.ask(f"!{canary}")
    await _said_everywhere(chat, canary)
    await chat.ask("!memory")
    exported = await alice.download(await chat.ask("!export", kind="m.file"))
    while_running = found(canary, [*bot.data.rglob("*"), bot.log])
    await bot.restart()  # what came before the stop is in the room when the stop is
    feed = await _audit_feed(jane, audit_room, bot, until="bot.stopped")
    await bot.stop()

    assert canary in recalled.text, "it was told, or this test is blind"
    with ZipFile(BytesIO(exported)) as archive:
        saved = Path(archive.extract("export.json", tmp_path))
    assert found(canary, [saved]) == [saved], "it is found where it is, or this test is blind"
    assert list(bot.data.glob("vaults/*.db"))
    assert while_running == found(canary, [*bot.data.rglob("*"), bot.log]) == []
    assert found(canary, homeserver.data.rglob("*")) == []
    assert [one for one in (canary, _aloud(canary)[1:]) if one in feed] == []
    assert alice.user_id not in feed, "people appear under pseudonyms"
    done = ("memory.created", "message.answered", "settings.changed", "export.created", "head")
    assert [one for one in done if one not in feed] == []


async def _said_everywhere(chat: Chat, canary: str) -> None:
    """The canary as the argument of commands, as a file, an edit, and a reason."""
    for command in ("memory edit 1", "memory mode", "memory search", "forget", "retention"):
        await chat.ask(f"!{command} {canary}")
    for command in ("audit", "help", "model", "export", "memory pin", "private"):
        await chat.ask(f"!{command} {canary}")
    await chat.ask("!memory mode ask")
    await chat.ask("!memory mode auto")
    file = await chat.person.send_file(chat.room_id, f"{canary}.zip", canary.encode())
    await chat.ask(f"!import {canary}", reply_to=file)
    said = await chat.person.send(chat.room_id, f"Do you know {canary}?")
    await chat.heard()
    await chat.person.edit(chat.room_id, said, f"Do you know {canary}, too?")
    await chat.person.react(chat.room_id, said, _aloud(canary))


def _aloud(canary: str) -> str:
    """Another one, for what the homeserver reads anyway: a reaction is never encrypted."""
    return f"👍{canary[::-1]}"


async def _audit_feed(operator: Peer, room_id: str, bot: Bot, *, until: str) -> str:
    """Everything that an operator can read in the audit room, once that action shows up."""

    def everything() -> str | None:
        events = [one for one in operator.events if one.room_id == room_id]
        feed = "\n".join(str(one) for one in events if one.sender == bot.user_id)
        return feed if until in feed else None

    return await operator.wait_for(everything, f"{until} in the audit room")


def found(canary: str, paths: Iterable[Path]) -> list[Path]:
    """The files that hold the canary, in any of the spellings in which text is stored."""
    spellings = [canary.encode(), canary.encode("utf-16-le"), canary.encode().hex().encode()]
    return [
        path
        for path in paths
        if path.is_file() and any(one in path.read_bytes() for one in spellings)
    ]
