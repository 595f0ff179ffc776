"""The head of the audit log rides on what people are told: their clients are witnesses of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.audit_view import HEAD
from storage import AuditLog, StorageFailure
from tests.spine import Spine, configured, spine

LINE = "Head of my audit log: "


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path, configured(limits={"messages_per_minute": "10000"})) as running:
        yield running


def size(fields: object) -> int:
    """How many entries a head in an event's fields is of."""
    assert isinstance(fields, dict)
    return int(fields[HEAD].split("\n")[1])


async def entries(bot: Spine) -> int:
    [row] = await bot.storage.audit_log._database.rows("SELECT count(*) FROM audit_entry")
    return int(row[0])


async def test_what_was_forgotten_is_told_with_the_head(bot: Spine) -> None:
    await bot.say("my cat is called Miso")
    await bot.say("!forget last")
    before = await entries(bot)

    [done] = await bot.say("yes")

    assert f"{LINE}{size(done.fields)} entries, `" in done.text
    assert before <= size(done.fields) <= await entries(bot)


async def test_a_receipt_has_the_head_and_each_edit_of_it_a_newer_one(bot: Spine) -> None:
    await bot.say("my cat is called Miso")
    await bot.say("!forget everything")

    [receipt] = await bot.say("yes")
    await bot.withdrawing.go_on()

    edited = bot.homeserver.sent[-1]
    assert LINE in receipt.text
    assert LINE in edited.text
    assert edited.replaces is not None
    assert size(edited.fields) > size(receipt.fields)


async def test_an_export_has_the_head_in_its_answer(bot: Spine) -> None:
    await bot.say("good morning")
    before = await entries(bot)

    sent = await bot.say("!export json")

    assert LINE in sent[-1].text
    assert before <= size(sent[-1].fields) <= await entries(bot)


async def test_where_there_is_no_head_what_was_done_is_told_all_the_same(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(log: AuditLog) -> object:
        raise StorageFailure("the disk is full")

    await bot.say("my cat is called Miso")
    await bot.say("!forget last")
    monkeypatch.setattr(AuditLog, "head", failing)

    [done] = await bot.say("yes")

    assert done.text.startswith("Forgotten, also on disk")
    assert LINE not in done.text
    assert done.fields == {}
