"""The weekly digest comes to whoever asked for it, when there is something, and to nobody else."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.changes import noted
from bot.messages import Outgoing
from storage import StorageFailure, Traces
from tests.spine import ANN, BOB, BOT, Spine, configured, spine


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path, configured(limits={"messages_per_minute": "10000"})) as running:
        yield running


async def after(bot: Spine, **time: float) -> list[Outgoing]:
    """What is sent when the job runs after some time."""
    before = len(bot.homeserver.sent)
    bot.clock.forward(**time)
    await bot.daily["digest"]()
    return bot.homeserver.sent[before:]


async def test_it_lists_what_is_new_changed_and_ending_with_how_to_undo_it(bot: Spine) -> None:
    await bot.say("!memory add I live in Oslo")
    bot.clock.forward(days=1)
    await bot.say("!memory digest on")
    bot.clock.forward(days=1)
    await bot.say("!memory add I like tea")
    await bot.say("!memory edit 1 I live in Rome")
    async with bot.storage.vaults.open(ANN) as vault:
        until = bot.clock() + timedelta(days=10)
        await vault.memories.add("Travels", origin="model", room_kind="direct", valid_until=until)
    await bot.say("hello")

    [told] = await after(bot, days=6)

    assert (told.room_id, told.audience) == ("!ann", frozenset({ANN, BOT}))
    assert "What I learned about you this week, and how to undo it" in told.text
    assert "New:\n\n- **2** I like tea · `!memory delete 2`" in told.text
    assert (
        "- **1** I live in Rome · `!memory show 1` has what it said before; "
        "`!memory edit 1 TEXT` brings that back."
    ) in told.text
    assert "Ends soon by itself:\n\n- **3** Travels (until 2026-01-13)" in told.text
    assert "I hold 2 stored messages" in told.text
    assert "`!memory digest off`" in told.text
    assert ("memory.used", "ok") in await bot.audited()


async def test_it_comes_once_a_week_and_not_before(bot: Spine) -> None:
    await bot.say("!memory digest on")
    await bot.say("!memory add I like tea")

    assert await after(bot, days=6) == []
    assert len(await after(bot, days=1)) == 1
    assert await after(bot, days=1) == []
    await bot.say("!memory add I play the oboe")
    [second] = await after(bot, days=6)
    assert "oboe" in second.text
    assert "I like tea" not in second.text


async def test_a_week_with_nothing_new_is_silent(bot: Spine) -> None:
    await bot.say("!memory add I like tea")
    bot.clock.forward(days=1)
    await bot.say("!memory digest on")

    assert await after(bot, days=8) == []


async def test_nobody_gets_one_unasked_or_after_switching_it_off(bot: Spine) -> None:
    await bot.say("!memory add I like tea")
    await bot.say("!memory digest on", BOB, "!bob")
    await bot.say("!memory add I like tea", BOB, "!bob")
    await bot.say("!memory digest off", BOB, "!bob")

    assert await after(bot, days=8) == []


async def test_a_crash_after_sending_sends_nothing_else(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bot.say("!memory digest on")
    await bot.say("!memory add I like tea")
    with monkeypatch.context() as armed:
        armed.setattr("bot.digest.digest_sent", _crash)
        with pytest.raises(CrashError):
            await after(bot, days=7)

    await bot.say("!memory add I play the oboe")

    assert await after(bot, days=1) == [], "the homeserver has that one already"


class CrashError(BaseException):
    """The process ends here."""


async def _crash(*arguments: object) -> None:
    raise CrashError


async def test_one_vault_that_fails_keeps_nobody_elses_digest_back(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for person, room in ((ANN, "!ann"), (BOB, "!bob")):
        await bot.say("!memory digest on", person, room)
        await bot.say("!memory add I like tea", person, room)
    changes = Traces.changes
    failed: list[Traces] = []

    async def once_broken(self: Traces, **given: object) -> object:
        if not failed:
            failed.append(self)
            raise StorageFailure("damaged")
        return await changes(self, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(Traces, "changes", once_broken)

    assert len(await after(bot, days=7)) == 1


async def test_nothing_is_told_while_the_identity_is_in_doubt(bot: Spine) -> None:
    await bot.say("!memory digest on")
    await bot.say("!memory add I like tea")
    await bot.storage.set_state(noted(bot.storage, ANN), "noted")

    assert await after(bot, days=7) == []


async def test_the_state_is_told_without_a_word_behind_it(bot: Spine) -> None:
    off = await bot.text("!memory digest")
    await bot.say("!memory digest on")
    on = await bot.text("!memory digest")

    assert "The weekly digest is **off**" in off
    assert "`!memory digest off` turns it off" in on
