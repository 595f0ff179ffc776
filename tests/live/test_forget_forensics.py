"""After `!forget everything` a running bot's files, log and temporary folder hold no word of it.

What tests/test_forget_forensics.py proves of 200 lives without Matrix is here proved of the crypto
store as well, by one life with everything in it.
"""

import asyncio
import io
import json
import secrets
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from zipfile import ZipFile

import pytest

from bot.demo.homeserver import Homeserver
from storage import AuditDetail, read_audit_heads, read_audit_key, verify_audit_log
from storage.audit_entry import detail_from
from tests.hostile_exports import MEMORY, TURN, document
from tests.live.bots import Chat, open_chat
from tests.live.conftest import StartBot, StartPeer
from tests.live.peers import Implementation
from tests.test_forget_audit import guesses, linked
from tests.test_forget_audit import leads as found_in
from tests.test_forget_forensics import spellings

TRUST = {"encrypted_room", "identity"}
"""Which rooms were seen encrypted, and by which identity a member of one is known from now on."""


async def test_no_word_is_left_in_any_file_nor_in_the_log_nor_in_the_crypto_store(
    start_peer: StartPeer,
    start_bot: StartBot,
    homeserver: Homeserver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    canary, kept = (f"canary{secrets.token_hex(8)}" for _ in range(2))
    alice, bob = await asyncio.gather(
        start_peer(Implementation.JS_SDK, "alice"), start_peer(Implementation.LIBOLM, "bob")
    )
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    for name in ("TMPDIR", "SQLITE_TMPDIR"):
        monkeypatch.setenv(name, str(temporary))
    untouched = temporary.stat().st_mtime_ns
    bot = await start_bot()
    chat, others = await open_chat(alice, bot), await open_chat(bob, bot)
    await others.ask(f"My dog is called {kept}.")
    audited = await _live(chat, canary)
    known, salts = [one.entry for one in audited], [one.salt for one in audited]
    assert len(linked(bot.data, known, salts)) == len(audited) > 0, "or this test is blind"
    heads = [one.note for one in read_audit_heads(bot.data)]

    await _forget(chat)
    await _until(lambda: not _rows(bot.data)["forgetting"], "the job is over")
    while_running = _found(canary, [*bot.data.rglob("*"), bot.log])
    recalled = await others.ask("What is my dog called?")
    await bot.stop()

    (planted := bot.data / "planted").write_text(canary)
    assert _found(canary, [*bot.data.rglob("*"), bot.log]) == [planted], "or this test is blind"
    assert while_running == []
    assert kept in recalled.text, "nobody else lost a word"
    assert temporary.stat().st_mtime_ns == untouched
    assert _found(canary, homeserver.data.rglob("*")) == []
    rows = {name: str(rows) for name, rows in _rows(bot.data).items() if name not in TRUST}
    leads = [name for name in rows if chat.room_id in rows[name] or alice.user_id in rows[name]]
    assert leads == []
    assert verify_audit_log(bot.data, read_audit_key(bot.data, "").verifier_key, heads).heads
    assert linked(bot.data, known, guesses(bot.data, alice.user_id, "")) == set()
    assert found_in(bot.data, [one.hex() for one in salts]) == []


async def _live(chat: Chat, canary: str) -> list[AuditDetail]:
    """Leave the word wherever a word can be left; the audit entries that were taken along."""
    await chat.ask(f"My cat is called {canary}.")
    assert canary in (await chat.ask("What is my cat called?")).text, "or this test is blind"
    await chat.ask(f"!memory add The password of my cat is {canary}.")
    await chat.ask(f"!memory edit 1 {canary} is my cat.")
    await chat.ask(f"!{canary}")
    await chat.ask(f"!memory search {canary}")
    await chat.ask("!why")
    audited = await _take_along_and_bring_back(chat, canary)
    question = await chat.person.send(chat.room_id, f"My dog is called {canary}.")
    await chat.heard()
    await chat.person.edit(chat.room_id, question, f"My fish is called {canary}.")
    await chat.ask(f"!private What of {canary}?")
    return audited


async def _take_along_and_bring_back(chat: Chat, canary: str) -> list[AuditDetail]:
    """Have exports sent, one with a passphrase, and import a file; the word is in all of it."""
    exported = await chat.person.download(await chat.ask("!export", kind="m.file"))
    await chat.heard()
    await chat.ask("!export json --passphrase")
    await chat.ask(f"{canary} opens it", kind="m.file")
    await chat.heard()
    turn, memory = {**TURN, "text": f"My bird is {canary}."}, {**MEMORY, "text": f"Feeds {canary}."}
    content = document(turn=[turn], memory=[memory])
    sent = await chat.person.send_file(chat.room_id, f"{canary}.json", content)
    told = await chat.ask("!import", reply_to=sent)
    assert "**Imported:** 1 memory, 1 message." in told.text, told.text
    with ZipFile(io.BytesIO(exported)) as archive:
        lines = map(json.loads, archive.read("audit.jsonl").splitlines())
        return [detail_from(_row(one)) for one in lines]


def _row(exported: dict[str, object]) -> dict[str, object]:
    """An exported entry as the vault has it."""
    salt = bytes.fromhex(str(exported["salt"]))
    return {**exported, "salt": salt, "facts": json.dumps(exported["facts"])}


async def _forget(chat: Chat) -> None:
    for said, answered in (("!forget everything", "Answer **yes**"), ("yes", "Done: everything")):
        await chat.person.send(chat.room_id, said)
        while answered not in (await chat.heard()).text:
            pass  # an answer to what was said before


def _rows(data: Path) -> dict[str, list[tuple[object, ...]]]:
    """All that shared.db holds, by table."""
    with closing(sqlite3.connect(f"{(data / 'shared.db').as_uri()}?mode=ro", uri=True)) as shared:
        tables = shared.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {name: shared.execute(f"SELECT * FROM {name}").fetchall() for (name,) in tables}


async def _until(so: Callable[[], bool], what: str, seconds: float = 60) -> None:
    for _ in range(int(seconds * 10)):
        if so():
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {what}")


def _found(word: str, paths: Iterable[Path]) -> list[Path]:
    """The files that hold it, in any spelling."""
    forms = spellings(word)
    return [
        path for path in paths if path.is_file() and any(one in path.read_bytes() for one in forms)
    ]
