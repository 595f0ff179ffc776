"""Every command, typed by a person in a real client and answered by the real bot."""

import json
from collections.abc import Awaitable, Callable
from io import BytesIO
from zipfile import ZipFile

import pytest

from bot.commands import COMMANDS
from tests.live.bots import Bot, Chat, open_chat
from tests.live.conftest import StartPeer
from tests.live.peers import Implementation


async def _help(chat: Chat) -> None:
    overview = await chat.ask("!help")
    one = await chat.ask("!help memory")

    assert all(f"!{command.name}" in overview.text for command in COMMANDS)
    assert "!memory edit N TEXT" in one.text


async def _memory(chat: Chat) -> None:
    assert "nothing about you" in (await chat.ask("!memory")).text
    assert "memory 1" in (await chat.ask("!memory add I play the oboe.")).text
    assert "I play the oboe." in (await chat.ask("!memory list")).text
    assert "memory show 99" not in (await chat.ask("!memory show 99")).text
    await chat.ask("!memory edit 1 I play the bassoon.")
    shown = (await chat.ask("!memory show 1")).text
    assert "bassoon" in shown
    assert "oboe" in shown, "what it said before"
    assert "1" in (await chat.ask("!memory delete 1")).text
    assert "nothing about you" in (await chat.ask("!memory")).text


async def _why(chat: Chat) -> None:
    await chat.ask("!memory add My cat is called Miso.")
    answered = await chat.ask("What is my cat called?")

    told = (await chat.ask("!why")).text

    assert "My cat is called Miso." in told
    assert "!memory show 1" in told
    assert answered.event_id in told


async def _export(chat: Chat) -> None:
    await chat.ask("!memory add I play the oboe.")

    file = await chat.ask("!export")
    words = await chat.heard()
    with ZipFile(BytesIO(await chat.person.download(file))) as archive:
        document = json.loads(archive.read("export.json"))

    assert (file.kind, words.kind) == ("m.file", "m.notice")
    assert file.content["filename"].startswith("confidant-export-")
    assert "url" not in file.content, "the attachment is encrypted"
    assert document["user_id"] == chat.person.user_id
    assert "I play the oboe." in json.dumps(document["tables"])


async def _import(chat: Chat) -> None:
    talk = {"id": "c1", "create_time": 1_700_000_000.0, "mapping": {"n1": {"message": ASKED}}}
    file = await chat.person.send_file(
        chat.room_id, "conversations.json", json.dumps([talk]).encode()
    )

    alone = await chat.ask("!import")
    told = await chat.ask("!import", reply_to=file)

    assert "I don't know which file" in alone.text
    assert "0 memories, 1 message" in told.text
    assert "Otto" in (await chat.ask("What is my zebra called?")).text


ASKED = {
    "id": "m1",
    "author": {"role": "user"},
    "content": {"content_type": "text", "parts": ["My zebra is called Otto."]},
}


async def _forget(chat: Chat) -> None:
    await chat.ask("!memory add I play the oboe.")
    await chat.ask("!memory add I play the bassoon.")

    assert "1 memory (1)" in (await chat.ask("!forget 1")).text
    assert "1 memory (1)" in (await chat.ask("yes")).text
    assert "yes" in (await chat.ask("!forget everything")).text
    kept = await chat.ask("!memory")
    assert "yes" in (await chat.ask("!forget everything")).text
    receipt = await chat.ask("yes")
    afterwards = await chat.ask("!memory")

    assert "bassoon" in kept.text, "anything but yes leaves it as it is"
    assert "oboe" not in kept.text
    assert "forgotten" in receipt.text
    assert "nothing about you" in afterwards.text


async def _private(chat: Chat) -> None:
    begun = await chat.ask("!private on")
    await chat.ask("My bird is called Kiwi.")
    await chat.ask("!private off")

    assert "Private from now on." in begun.text
    assert "Kiwi" not in (await chat.ask("!memory")).text


async def _retention(chat: Chat) -> None:
    told = await chat.ask("!retention 30d")

    assert "for 30 days" in told.text


async def _privacy(chat: Chat) -> None:
    told = (await chat.ask("!privacy")).text

    assert "the live tests" in told, "the operator of this bot's configuration"
    assert "(**proved**" in told, "its gateway is on this machine"

    members = (await chat.ask("!privacy room")).text

    assert "(you): 1 session can read what I say" in members
    assert "as signed by my identity" in members


async def _audit(chat: Chat) -> None:
    await chat.ask("!memory add I play the oboe.")

    entries = (await chat.ask("!audit")).text

    assert "Kept a memory: memory " in entries
    assert "oboe" not in entries


async def _verify(chat: Chat) -> None:
    told = (await chat.ask("!verify")).text

    signed = (await chat.person.devices(chat.bot.user_id))[chat.bot.device_id]
    assert chat.bot.user_id in told
    assert chat.bot.device_id in told
    assert "My identity has signed this device" in told
    assert signed


TALKS: dict[str, Callable[[Chat], Awaitable[None]]] = {
    "help": _help,
    "memory": _memory,
    "why": _why,
    "export": _export,
    "import": _import,
    "forget": _forget,
    "private": _private,
    "retention": _retention,
    "privacy": _privacy,
    "audit": _audit,
    "verify": _verify,
}


def test_every_command_is_tried_here() -> None:
    assert list(TALKS) == [command.name for command in COMMANDS]


@pytest.mark.parametrize("name", TALKS)
async def test_a_command_does_what_it_says(start_peer: StartPeer, bot: Bot, name: str) -> None:
    # The two implementations take turns: what differs between them is not the command.
    turn = list(TALKS).index(name) % 2
    alice = await start_peer(list(Implementation)[turn])

    await TALKS[name](await open_chat(alice, bot))


async def test_an_unknown_command_gets_one_line_and_a_guess(
    start_peer: StartPeer, bot: Bot
) -> None:
    chat = await open_chat(await start_peer(), bot)

    told = await chat.ask("!memroy")

    assert (told.kind, "did you mean `!memory`?" in told.text) == ("m.notice", True)
    assert "\n" not in told.text
