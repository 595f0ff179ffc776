"""An export goes out and comes back through real clients: the bot's own file, and the person's."""

import pytest

from storage import seal
from tests.live.bots import Bot, Chat, open_chat
from tests.live.conftest import StartPeer
from tests.live.peers import Implementation


async def lived_in(chat: Chat) -> tuple[str, bytes]:
    """Something is remembered and exported: the event of that file, and the file."""
    await chat.ask("!memory add I play the oboe.")
    file = await chat.ask("!export", kind="m.file")
    await chat.heard()  # what is said of it
    return file.event_id, await chat.person.download(file)


@pytest.mark.parametrize("implementation", list(Implementation))
async def test_an_export_comes_back_from_the_bots_own_file_and_after_all_was_forgotten(
    start_peer: StartPeer, bot: Bot, implementation: Implementation
) -> None:
    chat = await open_chat(await start_peer(implementation), bot)
    event_id, content = await lived_in(chat)

    known = await chat.ask("!import", reply_to=event_id)
    await chat.ask("!forget everything")
    await chat.ask("yes")
    sent = await chat.person.send_file(chat.room_id, "export.zip", content)
    restored = await chat.ask("!import", reply_to=sent)

    assert "1 memory that I have already" in known.text
    assert "1 memory, 0 messages" in restored.text
    assert "as it was, with your settings" in restored.text
    assert "I play the oboe." in (await chat.ask("!memory")).text


async def test_an_encrypted_export_is_opened_with_its_passphrase(
    start_peer: StartPeer, bot: Bot
) -> None:
    chat = await open_chat(await start_peer(), bot)
    _, content = await lived_in(chat)
    sealed = seal(content, "correct horse battery")
    sent = await chat.person.send_file(chat.room_id, "export.zip.age", sealed)
    await chat.ask("!memory delete 1")

    question = await chat.ask("!import", reply_to=sent)
    told = await chat.ask("correct horse battery")

    assert "passphrase" in question.text
    assert "1 memory" in told.text
    assert "I play the oboe." in (await chat.ask("!memory")).text


async def test_a_message_that_is_no_file_is_not_taken(start_peer: StartPeer, bot: Bot) -> None:
    chat = await open_chat(await start_peer(), bot)
    message = await chat.ask("!memory")

    told = await chat.ask("!import", reply_to=message.event_id)

    assert "holds no file" in told.text
