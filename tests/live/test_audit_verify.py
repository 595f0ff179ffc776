"""`confidant audit verify` on a log that a bot has written and witnessed on a real homeserver."""

import asyncio
import sys

import pytest

from bot.command_line import FAILED, OK
from storage import read_audit_key, read_audit_log
from tests.live.bots import REPOSITORY, Bot, open_chat
from tests.live.conftest import StartBot, StartPeer
from tests.live.overheard import audit_room_of, rows
from tests.live.own_client import own_client
from tests.live.peers import Implementation
from tests.live.test_rooms import until
from tests.storage.signed_logs import defenceless, rehash, sign_again

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOTED = "SELECT value FROM state WHERE name = 'audit_head.posted'"
REWRITTEN = "The audit log was rewritten: its first"


async def test_a_history_signed_again_with_the_real_key_is_found_from_the_heads_of_the_room(
    start_peer: StartPeer, start_bot: StartBot
) -> None:
    alice, bot = await start_peer(Implementation.JS_SDK), await start_bot()
    chat = await open_chat(alice, bot)
    await chat.ask("!memory add I like tea")
    await _until_posted(bot, beyond=0)
    running = await _verify(bot)
    await bot.restart()  # whose head is of what was kept before
    await _until_posted(bot, beyond=_kept(bot))
    await bot.stop()

    honest, with_room = await _verify(bot), await _verify(bot, "--room")
    posted = await _posted(bot)
    _rewrite(bot)
    rewritten, with_room_now = await _verify(bot), await _verify(bot, "--room")
    await bot.start()
    said = await chat.ask("!audit verify")

    assert [code for code, *_ in (running, honest, with_room, rewritten)] == [OK] * 4
    assert with_room[1].endswith(f", {len(posted)} of these from outside.\n")
    assert len(posted) >= 2
    assert rewritten[1] == honest[1], "it fits itself, and every head that the bot has kept"
    code, out, why = with_room_now
    assert (code, out, why.count("\n"), why.count(". ")) == (FAILED, "", 1, 0), why
    assert why.startswith(f"confidant: {REWRITTEN}"), why
    assert said.text.startswith(f"**{REWRITTEN}"), said.text


async def _verify(bot: Bot, *options: str) -> tuple[int | None, str, str]:
    """The exit code and what was said of the log, and of what is wrong."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "audit", "verify", "--config", str(bot.config), *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=REPOSITORY,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


def _kept(bot: Bot) -> int:
    """The number of the entry that a memory was kept."""
    return max(one.seq for one in read_audit_log(bot.data) if one.action == "memory.created")


def _rewrite(bot: Bot) -> None:
    """Let the memory never have been kept, and sign that."""
    seq = _kept(bot)
    with defenceless(bot.data) as file:
        file.execute("UPDATE audit_entry SET action = 'memory.used' WHERE seq = ?", (seq,))
        rehash(file)
        sign_again(file, read_audit_key(bot.data, ""))


async def _posted(bot: Bot) -> list[str]:
    """The heads in the audit room of the stopped bot."""
    async with own_client(bot) as client:
        return await client.sender.posted_heads(audit_room_of(bot))


async def _until_posted(bot: Bot, *, beyond: int) -> None:
    """Wait until a head of more entries than that was posted."""

    async def so() -> bool:
        noted = rows(bot.data / "shared.db", NOTED)
        return bool(noted) and int(noted[0][0].split()[0]) > beyond

    await until(so)
