"""The bot's own messages leave the rooms, durably, at a pace, and their person hears how far."""

from pathlib import Path

import pytest

from bot.errors import HomeserverError, HomeserverHiddenError
from bot.messages import Room
from bot.withdrawing import QUICK, SLOW, TRIES
from tests.spine import ANN, BOT, Spine, spine

pytestmark = pytest.mark.asyncio


async def forgotten(bot: Spine, *said: str) -> None:
    """Somebody says something and then has everything forgotten."""
    for text in said or ("Canary",):
        await bot.say(text)
    await bot.say("!forget everything")
    bot.clock.forward(seconds=1)
    await bot.say("yes")
    bot.clock.forward(seconds=1)


async def recorded(bot: Spine) -> list[dict[str, object]]:
    """What the audit log says of withdrawals that are done."""
    feed = await bot.storage.audit_log.feed(limit=1_000)
    done: list[dict[str, object]] = [{**one.facts} for one in feed if one.action == "forget.done"]
    return [facts for facts in done if "redacted" in facts]


async def test_all_that_the_bot_said_before_goes_and_the_receipt_stands(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        bot.model.answers = ["Canary answer."]
        await forgotten(bot)

        assert await bot.withdrawing.go_on()

        receipt, finished = bot.homeserver.standing("!ann")
        for text in (receipt, finished):
            assert text.startswith("**Done: everything is forgotten.**")
            assert "What I can't erase" in text
        assert "I am now removing everything" in receipt
        assert "I have removed everything that I wrote to you before: 2 messages." in finished
        assert await bot.storage.withdrawals.left() == 0
        assert await recorded(bot) == [{"redacted": 2, "refused": 0}]
        assert await bot.storage.state("withdrawing") == "{}"
        assert await bot.storage.forgetting.job("$said-2") is None


async def test_what_was_answered_in_rooms_with_others_goes_too_with_its_edits(
    tmp_path: Path,
) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("One", room_id="!all", mentions_bot=True, event_id="$one")
        await bot.edit("$one", "Two", room_id="!all")
        await forgotten(bot)

        await bot.withdrawing.go_on()

        assert bot.homeserver.standing("!all") == []


async def test_after_a_crash_anywhere_it_goes_on_and_says_the_end_once(tmp_path: Path) -> None:
    class CrashError(BaseException):
        pass

    async with spine(tmp_path) as bot:
        await forgotten(bot, "One", "Two", "Three")
        withdraw, steps = bot.homeserver.withdraw, 0

        async def crashing(room_id: str, event_id: str, *, transaction_id: str) -> bool:
            nonlocal steps
            steps += 1
            if steps % 3 == 1:
                raise CrashError
            gone = await withdraw(room_id, event_id, transaction_id=transaction_id)
            if steps % 3 == 2:
                raise CrashError
            return gone

        bot.homeserver.withdraw = crashing  # type: ignore[method-assign]
        crashes = 0
        while await bot.storage.withdrawals.left() or await bot.storage.withdrawals.searches():
            try:
                await bot.withdrawing.go_on()
            except CrashError:
                crashes += 1

        said = bot.homeserver.sent
        ends = [one for one in said if "I have removed everything" in one.text]
        assert crashes > 4
        assert len(ends) == 1
        assert "before: 4 messages." in ends[0].text
        assert len(bot.homeserver.redacted) == len(set(bot.homeserver.redacted)) == 4
        assert await recorded(bot) == [{"redacted": 4, "refused": 0}]


async def test_what_was_counted_before_a_crash_is_not_counted_again(tmp_path: Path) -> None:
    class CrashError(BaseException):
        pass

    async with spine(tmp_path) as bot:
        await forgotten(bot, "One", "Two")
        done, armed = bot.storage.withdrawals.done, True

        async def crashing(event_id: str) -> None:
            nonlocal armed
            if armed:
                armed = False
                raise CrashError
            await done(event_id)

        bot.storage.withdrawals.done = crashing  # type: ignore[method-assign]
        with pytest.raises(CrashError):
            await bot.withdrawing.go_on()
        await bot.withdrawing.go_on()

        assert await recorded(bot) == [{"redacted": 3, "refused": 0}]


async def test_the_rest_of_the_homeservers_limit_is_left_to_answers(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        await forgotten(bot, *(f"Canary {number}" for number in range(15)))
        bot.homeserver.takes = 5.0  # as long as Synapse makes us wait

        await bot.withdrawing.go_on()

        assert bot.stopwatch.seconds == pytest.approx(16 * (5.0 + SLOW))


async def test_without_a_limit_it_is_quick(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        await forgotten(bot, *(f"Canary {number}" for number in range(15)))

        await bot.withdrawing.go_on()

        assert bot.stopwatch.seconds == pytest.approx(16 * QUICK)


async def test_the_notice_says_how_far_it_is_once_a_minute_at_most(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        await forgotten(bot, *(f"Canary {number}" for number in range(15)))
        bot.homeserver.takes = 5.0
        withdraw = bot.homeserver.withdraw

        async def withdrawn(room_id: str, event_id: str, *, transaction_id: str) -> bool:
            bot.clock.forward(seconds=15)
            return await withdraw(room_id, event_id, transaction_id=transaction_id)

        bot.homeserver.withdraw = withdrawn  # type: ignore[method-assign]
        before = len(bot.homeserver.sent)
        await bot.withdrawing.go_on()

        edits = bot.homeserver.sent[before:]
        assert {one.replaces for one in edits} == {"$sent-16"}, "all of them edit the receipt"
        left = ("15 of 16", "11 of 16", "7 of 16", "3 of 16")
        for one, count in zip(edits, left, strict=False):
            assert f"{count} messages are left" in one.text
        assert "takes about 4 minutes" in edits[0].text
        assert "I have removed everything" in edits[-1].text
        assert len(edits) == 5


async def test_what_the_homeserver_refuses_for_good_is_counted(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("One", room_id="!all", mentions_bot=True)
        await forgotten(bot)
        bot.homeserver.rooms["!all"] = Room("!all", frozenset({ANN}), encrypted=True)

        await bot.withdrawing.go_on()

        finished = bot.homeserver.standing("!ann")[-1]
        assert "1 message could not be removed" in finished
        assert BOT not in bot.homeserver.rooms["!all"].members
        assert await recorded(bot) == [{"redacted": 2, "refused": 1}]


async def test_what_the_homeserver_fails_at_is_tried_again_and_then_left(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        await bot.storage.withdrawals.add([("$one", "!ann")])
        bot.homeserver.broken = HomeserverError("what is this?")

        went = [await bot.withdrawing.go_on() for _ in range(TRIES)]

        assert went == [False] * (TRIES - 1) + [True]
        assert await recorded(bot) == [{"redacted": 0, "refused": 1}]


async def test_a_proxy_in_between_says_nothing_about_a_message(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        await bot.storage.withdrawals.add([("$one", "!ann")])
        bot.homeserver.broken = HomeserverHiddenError("a page")

        went = [await bot.withdrawing.go_on() for _ in range(TRIES + 2)]

        assert went == [False] * (TRIES + 2)
        assert await bot.storage.withdrawals.left() == 1


async def test_a_single_answer_does_not_wait_for_somebody_elses_thousands(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        await forgotten(bot, "One", "Two")
        for search in await bot.storage.withdrawals.searches():
            found = await bot.homeserver.own_messages(
                search.room_id, until=search.until, before=search.job
            )
            await bot.storage.withdrawals.found(search.room_id, found)
        await bot.storage.withdrawals.add([("$single", "!bob")])

        [first] = await bot.storage.withdrawals.next(1)

        assert first.event_id == "$single"


async def test_after_a_crash_the_receipt_comes_first_and_is_then_told_the_end(
    tmp_path: Path,
) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("Canary")
        bot.clock.forward(seconds=1)
        await bot.storage.forgetting.forget(
            ANN, room_id="!ann", event_id="$yes", until=bot.clock(), direct_rooms=["!ann"]
        )
        bot.clock.forward(seconds=1)

        await bot.withdrawing.go_on()
        before = list(bot.homeserver.redacted)
        await bot.withdrawing.receipts.resume()
        await bot.withdrawing.go_on()

        receipt, finished = bot.homeserver.standing("!ann")
        assert before == []
        assert "I am now removing" in receipt
        assert "before: 1 message." in finished
        assert await bot.storage.forgetting.job("$yes") is None
