"""An encrypted file is imported with its passphrase, however often that is typed wrongly first."""

import asyncio
import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from bot import import_words as words
from bot.errors import BusyError
from storage import StorageFailure, WrongPassphrase, seal
from tests.hostile_exports import document
from tests.spine import ANN, BOB, Spine, spine
from tests.test_import import erased, exported, imported, lived_in, vault
from tests.test_questions import heard_by_the_model, is_export, stand_in

PASSPHRASE, WRONG = "correct horse battery", "incorrect battery"
SEALED = b"age-encryption.org/v1\n-> X25519 x\n"


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path) as wired:
        yield wired


async def test_an_encrypted_export_is_asked_about_until_it_opens(bot: Spine) -> None:
    await lived_in(bot)
    content = await asyncio.to_thread(seal, await exported(bot), PASSPHRASE)
    await erased(bot)

    question = await imported(bot, content, sender=ANN)
    wrong = await bot.text(WRONG)
    right = await bot.text(f" {PASSPHRASE} ")  # a phone adds spaces

    assert question == words.ENCRYPTED
    assert wrong == words.NOT_OPENED
    assert "**Imported:** 2 memories" in right
    assert "battery" not in heard_by_the_model(bot)
    assert "battery" not in json.dumps(await vault(bot))


async def test_a_wrong_passphrase_can_be_the_last_word(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(content: bytes, passphrase: str) -> bytes:
        raise WrongPassphrase

    monkeypatch.setattr("bot.commands.import_.unseal", closed)
    await imported(bot, SEALED, sender=ANN)

    assert await bot.text(WRONG) == words.NOT_OPENED
    await bot.say("cancel")

    assert ("import.applied", "ok") not in await bot.audited()
    assert await bot.text("good morning") == "I see."


async def test_what_no_passphrase_opens_is_not_asked_about_again(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def costly(content: bytes, passphrase: str) -> bytes:
        raise StorageFailure("That file asks for more work than I do to open one.")

    monkeypatch.setattr("bot.commands.import_.unseal", costly)
    await imported(bot, SEALED, sender=ANN)

    told = await bot.text(PASSPHRASE)

    assert told == words.unopened("That file asks for more work than I do to open one.", "!")
    assert "`age -d`" in told
    assert await bot.text("good morning") == "I see."


async def test_where_another_file_is_read_a_used_up_passphrase_is_told_what_to_type(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(content: bytes) -> object:
        raise BusyError

    monkeypatch.setattr("bot.commands.import_.unseal", lambda content, passphrase: document())
    monkeypatch.setattr("bot.commands.import_.read", busy)
    await imported(bot, SEALED, sender=ANN)

    told = await bot.text(PASSPHRASE)

    assert told == words.busy("!")
    assert "reply to your file with `!import` again" in told


async def test_who_waits_for_the_work_with_another_passphrase_waits_in_no_thread(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, begun, allowed = asyncio.get_running_loop(), asyncio.Event(), Event()

    def slow(content: bytes, passphrase: str) -> bytes:
        loop.call_soon_threadsafe(begun.set)
        assert allowed.wait(10)
        return stand_in(content, passphrase)

    monkeypatch.setattr("bot.commands.export.seal", slow)
    for person, room in ((ANN, "!ann"), (BOB, "!bob")):
        await bot.say("!export json --passphrase", person, room)
    loop.set_default_executor(ThreadPoolExecutor(2))

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(bot.say(PASSPHRASE, ANN, "!ann"))
        tasks.create_task(bot.say(PASSPHRASE, BOB, "!bob"))
        await begun.wait()
        await asyncio.sleep(0.2)  # the other comes as far: with the second thread, or without
        await asyncio.to_thread(allowed.set)

    sent = bot.homeserver.sent
    assert {one.room_id for one in sent if is_export([one], PASSPHRASE)} == {"!ann", "!bob"}
