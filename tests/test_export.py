"""`!export` through the real path: what it takes, what it holds, how long it takes to say so."""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot import export_words, replies
from bot.audit_view import HEAD
from bot.commands.export import LEAST, LIMIT
from bot.errors import FileTooLargeError, HomeserverError
from bot.messages import Attachment, Outgoing
from storage import seal, unseal
from tests.spine import ANN, BOB, Spine, configured, disclosed, spine

PASSPHRASE = "correct horse battery staple"


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path, configured(limits={"messages_per_minute": "10000"})) as running:
        yield running


def attached(sent: list[Outgoing]) -> Attachment:
    [file] = [one.attachment for one in sent if one.attachment is not None]
    return file


def unpacked(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


async def facts(bot: Spine) -> dict[str, object]:
    """Of the newest export in the audit log."""
    async with bot.storage.vaults.open(ANN) as vault:
        entries = await disclosed(bot.storage.audit_log, vault)
    return next(dict(one.facts) for _, one in entries if one.action == "export.created")


def page_entries(page: bytes) -> list[tuple[str, str]]:
    """Actions and outcomes that a page of an export shows."""
    [found] = re.findall(r'id="data"[^>]*>(.*?)</script>', page.decode(), re.DOTALL)
    entries = json.loads(found)["tables"]["entry"]
    action, outcome = (entries["columns"].index(one) for one in ("action", "outcome"))
    return [(row[action], row[outcome]) for row in entries["rows"]]


async def test_the_page_tells_of_what_was_begun_and_ended_once_and_of_itself_not_at_all(
    bot: Spine,
) -> None:
    await bot.say("good morning")

    inside = unpacked(attached(await bot.say("!export")).content)["index.html"]
    alone = attached(await bot.say("!export html")).content

    before = [("vault.created", "ok"), ("message.answered", "ok")]
    exported = [("export.created", "ok"), ("message.answered", "ok")]
    assert page_entries(inside) == before
    assert page_entries(alone) == [*before, *exported]


async def test_the_zip_holds_everything_of_its_owner_and_of_nobody_else(bot: Spine) -> None:
    await bot.say("!memory add I like tea")
    await bot.say("good morning")
    await bot.say("!memory add I like coffee", BOB, "!bob")

    sent = await bot.say("!export")

    file = attached(sent)
    files = unpacked(file.content)
    document = json.loads(files["export.json"])
    assert file.filename == "confidant-export-2026-01-01.zip"
    assert [*files] == [
        "README.txt",
        "export.json",
        "audit.jsonl",
        "index.html",
        "memories.json",
        "messages.jsonl",
        "conversations.json",
        "manifest.json",
    ]
    assert document["schema"] == "org.confidant.export/1"
    assert document["user_id"] == ANN
    assert [one["text"] for one in document["tables"]["memory"]] == ["I like tea"]
    assert [one["text"] for one in document["tables"]["turn"]] == ["good morning", "I see."]
    assert document["tables"]["audit_detail"]
    assert document["audit_head"] == sent[-1].fields[HEAD]
    assert b"coffee" not in b"".join(files.values())
    assert {one.room_id for one in sent} == {"!ann"}
    assert "1 memory, 2 stored messages" in sent[-1].text


async def test_the_manifest_has_the_hash_of_every_other_file(bot: Spine) -> None:
    files = unpacked(attached(await bot.say("!export")).content)

    manifest = json.loads(files.pop("manifest.json"))

    assert manifest["format"] == "org.confidant.export/1"
    assert manifest["made_at"] == bot.clock().isoformat()
    assert manifest["audit_head"] == json.loads(files["export.json"])["audit_head"] != ""
    assert manifest["files"] == {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in files.items()
    }


@pytest.mark.parametrize("typed", ["!export json", "!EXPORT JSON"])
async def test_json_alone_is_the_same_document(bot: Spine, typed: str) -> None:
    await bot.say("!memory add I like tea")

    file = attached(await bot.say(typed))

    document = json.loads(file.content)
    assert file.filename == "confidant-export-2026-01-01.json"
    assert file.content_type == "application/json"
    assert document["tables"]["memory"][0]["text"] == "I like tea"


async def test_the_page_alone_is_html(bot: Spine) -> None:
    await bot.say("!memory add I like tea")

    file = attached(await bot.say("!export html"))

    assert file.filename == "confidant-export-2026-01-01.html"
    assert file.content_type == "text/html"
    assert file.content.lower().startswith(b"<!doctype html>")
    assert b"I like tea" in file.content


@pytest.mark.parametrize(
    "typed",
    [
        "xml",
        "json html",
        "--passphrase=hunter2hunter2",
        "--passphrase hunter2hunter2",
        "json json3",
    ],
)
async def test_what_it_does_not_take_is_put_right_and_not_repeated(bot: Spine, typed: str) -> None:
    assert await bot.text(f"!export {typed}") == export_words.usage("!")


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("--passphrase", "zip.age"),
        ("passphrase", "zip.age"),
        ("—passphrase", "zip.age"),
        ("json –passphrase", "json.age"),
        ("--Passphrase --html", "html.age"),
    ],
)
async def test_a_passphrase_is_asked_for_however_a_phone_spells_it(
    bot: Spine, typed: str, name: str
) -> None:
    filename = f"confidant-export-2026-01-01.{name}"

    asked = await bot.text(f"!export {typed}")
    sent = await bot.say(PASSPHRASE)

    assert asked == export_words.ask_passphrase(filename, LEAST, 10, "!")
    assert f"`age -d {filename} > {filename[:-4]}`" in asked
    assert attached(sent).filename == filename
    assert unseal(attached(sent).content, PASSPHRASE)
    assert "delete your message with the passphrase" in sent[-1].text


async def test_the_audit_log_says_what_was_taken_and_in_which_form(bot: Spine) -> None:
    await bot.say("!memory add I like tea")
    await bot.say("good morning")

    plain = attached(await bot.say("!export"))
    plain_facts = await facts(bot)
    await bot.say("!export json --passphrase")
    sealed = attached(await bot.say(PASSPHRASE))
    sealed_facts = await facts(bot)

    counts = {"memories": 1, "messages": 2}
    assert plain_facts == {
        **counts, "bytes": len(plain.content), "form": "zip", "passphrase": False
    }  # fmt: skip
    assert sealed_facts == {
        **counts, "bytes": len(sealed.content), "form": "json", "passphrase": True
    }  # fmt: skip


async def test_an_export_that_is_too_large_to_send_says_so_and_sends_nothing(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.commands.export.LIMIT", 5_000)
    small = await bot.say("!export json")
    await bot.say("!memory add " + "I like tea. " * 80)
    await bot.say("good morning " * 300)

    [told] = await bot.say("!export json")

    assert small[0].attachment is not None
    assert told.attachment is None
    assert "up to 5.0 kB, so I have sent nothing" in told.text
    assert "`!export` with nothing behind it" in told.text
    assert "whoever runs it" not in told.text
    assert ("export.created", "failed") in await bot.audited()


async def test_a_zip_that_is_too_large_holds_everything_once(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bot.say("!memory add I like tea")
    whole = len(attached(await bot.say("!export")).content)
    monkeypatch.setattr("bot.commands.export.LIMIT", whole - 1)

    sent = await bot.say("!export")

    files = unpacked(attached(sent).content)
    assert [*files] == ["README.txt", "export.json", "audit.jsonl", "manifest.json"]
    assert b"I like tea" in files["export.json"]
    assert [*json.loads(files["manifest.json"])["files"]] == [*files][:-1]
    assert export_words.lean(whole - 1) in sent[-1].text


async def test_the_homeserver_is_asked_how_much_it_takes(bot: Spine) -> None:
    await bot.say("!memory add I like tea")
    whole = len(attached(await bot.say("!export")).content)
    bot.homeserver.takes_files_of = whole - 1

    lean = await bot.say("!export")
    bot.homeserver.takes_files_of = 100
    [none] = await bot.say("!export")

    assert [*unpacked(attached(lean).content)][1:3] == ["export.json", "audit.jsonl"]
    assert export_words.lean(whole - 1) in lean[-1].text
    assert none.attachment is None
    assert "up to 0.1 kB, so I have sent nothing" in none.text
    assert "whoever runs it can raise it" in none.text
    assert "with nothing behind it" not in none.text, "that is what was typed"


async def test_more_than_our_own_limit_is_not_sent_though_the_homeserver_takes_it(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.commands.export.LIMIT", 100)
    bot.homeserver.takes_files_of = 10**9

    [told] = await bot.say("!export")

    assert "up to 0.1 kB, so I have sent nothing" in told.text
    assert "whoever runs it" not in told.text


async def test_a_zip_that_becomes_too_large_by_its_encryption_holds_everything_once(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def padded(content: bytes, passphrase: str) -> bytes:
        return seal(content + bytes(10_000), passphrase)

    monkeypatch.setattr("bot.commands.export.seal", padded)
    await bot.say("!memory add I like tea")
    bot.homeserver.takes_files_of = len(attached(await bot.say("!export")).content) + 5_000

    await bot.say("!export --passphrase")
    sent = await bot.say(PASSPHRASE)

    files = unpacked(unseal(attached(sent).content, PASSPHRASE))
    assert [*files] == ["README.txt", "export.json", "audit.jsonl", "manifest.json"]


@pytest.mark.parametrize("after", [False, True], ids=["the file", "the words behind it"])
async def test_what_could_not_be_sent_is_told_and_recorded_as_failed(
    bot: Spine, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    send = bot.homeserver.send

    async def refusing(outgoing: Outgoing) -> str:
        if "Here is everything" in outgoing.text if after else outgoing.attachment:
            raise FileTooLargeError("The file is too large.")
        return await send(outgoing)

    monkeypatch.setattr(bot.homeserver, "send", refusing)

    told = (await bot.say("!export"))[-1]

    outcomes = [outcome for action, outcome in await bot.audited() if action == "export.created"]
    assert told.text == "The file is too large."
    assert outcomes == (["ok"] if after else ["ok", "failed"])


def test_exports_are_capped_at_fifty_megabytes() -> None:
    assert LIMIT == 50_000_000
    assert "63.2 MB, and I can send files of up to 50.0 MB" in export_words.too_large(
        63_200_000, LIMIT, "!", smallest=True, theirs=False
    )


async def test_a_large_export_says_how_far_it_is_in_one_notice_in_the_direct_chat(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.commands.export.MANY", 2)
    await bot.say("good morning")

    sent = await bot.say("!export", room_id="!all")

    told = [one for one in sent if one.room_id == "!ann" and one.attachment is None]
    first, *edits = told[:-1]
    assert first.text == "I am gathering 2 messages and 0 memories…"
    assert [one.replaces for one in edits] == [bot.homeserver.events[first.transaction_id]] * 2
    assert edits[-1].text.startswith("Your export is packed: ")
    assert not first.generated
    assert attached(sent).filename.endswith(".zip")
    assert [one.text for one in sent if one.room_id == "!all"] == [replies.IN_DIRECT_CHAT]


async def test_an_export_of_a_moment_says_nothing_before(bot: Spine) -> None:
    await bot.say("good morning")

    assert len(await bot.say("!export")) == 2  # the file and what it is


async def test_what_can_not_be_told_meanwhile_does_not_hold_up_the_export(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.commands.export.MANY", 0)
    send = bot.homeserver.send

    async def refused(outgoing: Outgoing) -> str:
        if "gathering" in outgoing.text or "packing" in outgoing.text:
            raise HomeserverError("too many edits")
        return await send(outgoing)

    monkeypatch.setattr(bot.homeserver, "send", refused)

    assert attached(await bot.say("!export")).filename.endswith(".zip")
