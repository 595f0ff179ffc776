"""How long messages are kept: chosen by the person, bounded by the operator, swept by a job."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.errors import GatewayError
from bot.jobs import Job, run_due
from storage import StorageFailure, TakingBack
from tests.spine import ANN, BOB, Spine, configured, disclosed, remembers, spine
from tests.test_editing import texts


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path) as running:
        yield running


async def a_day_passes(bot: Spine, days: float = 1) -> None:
    """The clock goes on, and what came due meanwhile runs, as after a start."""
    bot.clock.forward(days=days)
    jobs = [Job(name, timedelta(days=1), run) for name, run in bot.daily.items()]
    await run_due(jobs, bot.storage, bot.clock())


async def swept(bot: Spine, person: str = ANN) -> list[dict[str, object]]:
    async with bot.storage.vaults.open(person) as vault:
        entries = await disclosed(bot.storage.audit_log, vault)
    return [dict(one.facts) for _, one in reversed(entries) if one.action == "retention.swept"]


async def test_messages_go_when_their_time_is_over_and_memories_stay(bot: Spine) -> None:
    await bot.say("!retention 30d")
    bot.model.answers = [remembers("The cat is called Miso", "my cat is called Miso")]
    await bot.say("my cat is called Miso")
    await a_day_passes(bot, 29)
    await bot.say("hello")
    assert len(await texts(bot)) == 4

    await a_day_passes(bot, 2)

    assert await texts(bot) == ["hello", "I see."]
    assert "Miso" in await bot.text("!memory")
    assert await swept(bot) == [{"messages": 2, "memories": 0}]


async def test_a_sweep_that_was_missed_runs_once(bot: Spine) -> None:
    await bot.say("!retention 2d")
    await bot.say("hello")
    await a_day_passes(bot)
    await a_day_passes(bot, 90)

    assert await texts(bot) == []
    await a_day_passes(bot, 0.5)
    assert len(await swept(bot)) == 1


async def test_the_operators_limit_holds_for_whoever_chose_none(tmp_path: Path) -> None:
    async with spine(tmp_path, configured(memory={"retention": "7d"})) as bot:
        await bot.say("hello")
        await a_day_passes(bot, 8)

        assert await texts(bot) == []
        told = await bot.text("!retention")
        assert "for 1 week" in told
        assert "1 week at most" in told


@pytest.mark.parametrize("longer", ["30d", "off"])
async def test_nobody_keeps_messages_for_longer_than_the_operator_lets(
    tmp_path: Path, longer: str
) -> None:
    async with spine(tmp_path, configured(memory={"retention": "7d"})) as bot:
        told = await bot.text(f"!retention {longer}")

        assert "1 week at most" in told
        assert "`!retention 1w`" in told
        assert ("settings.changed", "ok") not in await bot.audited()
        assert "for 1 day" in await bot.text("!retention 1d")


async def test_nobody_is_swept_who_chose_no_limit(bot: Spine) -> None:
    await bot.say("!retention 2d")
    assert "until you delete them" in await bot.text("!retention off")
    await bot.say("hello")

    await a_day_passes(bot, 400)

    assert await texts(bot) == ["hello", "I see."]
    assert await swept(bot) == []


async def test_what_is_wrong_is_told_with_what_to_type(bot: Spine) -> None:
    told = await bot.text("!retention for ever")

    assert "“for ever” is no time" in told
    assert "`!retention 30d`" in told


async def test_it_says_how_it_stands_and_so_does_privacy(bot: Spine) -> None:
    assert "until you delete them" in await bot.text("!retention")
    await bot.say("!retention 12h")

    told = await bot.text("!retention")

    assert "for 12 hours" in told
    assert "Memories made from them stay" in told
    assert "`!memory delete N`" in told
    assert "messages for 12 hours" in await bot.text("!privacy")


async def test_what_is_no_longer_valid_goes_too(bot: Spine) -> None:
    await bot.say("hello")
    async with bot.storage.vaults.open(ANN) as vault:
        until = bot.clock() + timedelta(days=3)
        await vault.memories.add(
            "On holiday", origin="model", room_kind="direct", valid_until=until
        )

    await a_day_passes(bot, 4)

    assert await swept(bot) == [{"messages": 0, "memories": 1}]


async def test_a_damaged_vault_keeps_nobody_elses_back(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = TakingBack.before

    async def damaged(self: TakingBack, moment: datetime | None) -> int:
        if moment == bot.clock() - timedelta(days=1):
            raise StorageFailure("damaged")
        return await before(self, moment)

    monkeypatch.setattr(TakingBack, "before", damaged)
    for person, room, days in ((ANN, "!ann", 1), (BOB, "!bob", 2)):
        await bot.say(f"!retention {days}d", person, room)
        await bot.say("hello", person, room)

    await a_day_passes(bot, 3)

    assert await texts(bot, ANN, "!ann") == ["hello", "I see."]
    assert await texts(bot, BOB, "!bob") == []


async def test_a_sweep_makes_no_vault_for_whoever_left_meanwhile(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bot.say("hello")
    people = await bot.storage.vaults.people()
    await bot.storage.vaults.destroy(ANN)

    async def before() -> list[str]:
        return people

    with monkeypatch.context() as patch:
        patch.setattr(bot.storage.vaults, "people", before)
        await a_day_passes(bot)

    assert not await bot.storage.vaults.exists(ANN)


async def test_what_is_said_to_be_of_the_future_grows_old_like_all_else_without_an_answer(
    bot: Spine,
) -> None:
    await bot.say("!retention 2d")
    bot.model.answers = [GatewayError("The gateway is away.")]
    message = bot.message("hello", event_id="$future")
    await bot.give(replace(message, sent_at=bot.clock() + timedelta(days=36_000)))
    before = await texts(bot)

    await a_day_passes(bot, 3)

    assert before == ["hello"]
    assert await texts(bot) == []
