"""A notice that asked what may be remembered repeats it, and leaves its room with it."""

from pathlib import Path

import pytest

from bot.messages import Outgoing
from bot.splitting import PART_LIMIT
from storage import WAITS
from tests.spine import ANN, Spine, remembers, spine
from tests.test_consent import told
from tests.test_forget import agreed, counts, everything_of

pytestmark = pytest.mark.asyncio

ASKED = "May I remember this?"


async def asked(bot: Spine, *said: str, room_id: str = "!all") -> None:
    """Ask Ann in a room whether what she says there may be remembered."""
    await bot.say("!memory mode ask")
    for one in said:
        bot.model.answers = [remembers(one, one)]
        await bot.say(one, room_id=room_id, mentions_bot=True, event_id=f"$said {one}")
    assert sum(ASKED in text for text in bot.homeserver.standing(room_id)) == len(said)


async def left(bot: Spine, room_id: str = "!all") -> list[str]:
    """What stands in a room and holds the canary, once all is withdrawn."""
    await bot.withdrawing.go_on()
    return [text for text in bot.homeserver.standing(room_id) if "canary" in text]


@pytest.mark.parametrize("decides", ["", "!memory approve 1", "!memory reject 1"])
@pytest.mark.parametrize("line", ["1h", "room", "everything"])
async def test_it_goes_with_its_message_whatever_was_decided(
    tmp_path: Path, decides: str, line: str
) -> None:
    async with spine(tmp_path) as bot:
        await asked(bot, "I have a canary")
        if decides:
            await bot.say(decides)
        assert await left(bot)

        await agreed(bot, line, room_id="!ann" if line == "everything" else "!all")

        assert await left(bot) == []


@pytest.mark.parametrize("line", ["!forget 1", "!memory delete 1"])
async def test_it_goes_with_the_memory_that_was_made_of_it(tmp_path: Path, line: str) -> None:
    async with spine(tmp_path) as bot:
        await asked(bot, "I have a canary")
        await bot.say("!memory approve 1")

        await bot.say(line)
        await bot.say("yes")

        assert await left(bot) == []
        async with bot.storage.vaults.open(ANN) as vault:
            assert (await vault.export())["notice"] == []


async def test_a_notice_that_still_asks_about_something_else_stays(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        await told(bot, "one canary", "two canaries", room_id="!all")
        await bot.say("!memory approve 1")

        await bot.say("!memory delete 1")
        while_two_waits = await left(bot)
        await bot.say("!memory approve 2")
        await bot.say("!memory delete 2")

        assert while_two_waits
        assert await left(bot) == []


async def test_it_is_counted_among_what_will_go_and_what_went(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        await asked(bot, "I have a canary")
        await bot.say("!memory reject 1")

        before, after = await agreed(bot, "1h")

        lines = ["- 1 message of yours", "- 1 answer of mine", "- 1 notice that asked you"]
        assert counts(before) == counts(after) == lines
        assert "I also remove those answers and those notices from their rooms." in before


async def test_a_notice_goes_with_its_room_when_nothing_else_is_kept_of_it(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        await asked(bot, "I have a canary")
        await bot.say("!memory reject 1")
        await bot.say("!retention 1d")
        bot.clock.forward(days=2)
        for job in bot.daily.values():
            await job()

        before, _ = await agreed(bot, "room", room_id="!all")

        assert counts(before) == ["- 1 notice that asked you"]
        assert not [text for text in await left(bot) if ASKED in text]


@pytest.mark.parametrize("decides", ["", "!memory approve 1"])
async def test_it_goes_when_its_message_is_taken_back_and_no_other_does(
    tmp_path: Path, decides: str
) -> None:
    async with spine(tmp_path) as bot:
        await asked(bot, "I have a canary", "I have a cat")
        if decides:
            await bot.say(decides)

        await bot.redact("$said I have a canary", room_id="!all")
        await bot.say("Hello")

        assert await left(bot) == []
        [still] = [text for text in bot.homeserver.standing("!all") if ASKED in text]
        assert "cat" in still


async def test_what_became_of_it_is_said_once_though_it_stays_known(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        await asked(bot, "I have a canary")
        await bot.say("!memory approve 1")
        before = len(bot.homeserver.sent)

        await bot.say("!memory")
        bot.clock.forward(days=WAITS.days + 1)
        for job in bot.daily.values():
            await job()

        assert not [one for one in bot.homeserver.sent[before:] if one.replaces]


async def test_every_part_of_a_long_one_goes(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        long = "canary " * (PART_LIMIT // 14)
        await bot.say("!memory mode ask")
        async with bot.storage.vaults.open(ANN) as vault:

            async def propose() -> None:
                for number in range(3):
                    await vault.memories.add(
                        f"{number} {long}",
                        origin="model",
                        quote="canary",
                        room_kind="shared",
                        status="pending",
                        source_event_id="$q",
                        source_room_id="!all",
                    )

            bot.model.meanwhile = propose
            await bot.say("canary", room_id="!all", event_id="$q", mentions_bot=True)
            bot.model.meanwhile = None
        parts = [text for text in bot.homeserver.standing("!all") if "canary" in text]
        await bot.say("!memory reject 1 2 3")

        await agreed(bot, "1h")

        assert len(parts) > 1
        assert await left(bot) == []


@pytest.mark.parametrize("line", ["1h", "everything"])
@pytest.mark.parametrize("after", [False, True], ids=["before it is sent", "when it stands"])
async def test_one_that_is_on_its_way_when_its_message_is_forgotten_does_not_stay(
    tmp_path: Path, line: str, after: bool
) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("!memory mode ask")
        bot.model.answers = [remembers("I have a canary", "I have a canary")]
        send = bot.homeserver.send

        async def meanwhile(outgoing: Outgoing) -> str:
            if ASKED not in outgoing.text:
                return await send(outgoing)
            bot.homeserver.send = send  # type: ignore[method-assign]
            event_id = await send(outgoing) if after else None
            bot.clock.forward(seconds=1)
            await agreed(bot, line)
            return event_id or await send(outgoing)

        bot.homeserver.send = meanwhile  # type: ignore[method-assign]
        await bot.say("I have a canary", room_id="!all", mentions_bot=True)

        assert [one for one in bot.homeserver.sent if ASKED in one.text], "or nothing was sent"
        assert await left(bot) == []
        if line == "1h":
            assert "canary" not in await everything_of(bot)
