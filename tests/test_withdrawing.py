"""The bot's own messages leave the rooms, durably, at a pace, and their person hears how far."""

from pathlib import Path

import pytest

from bot.errors import HomeserverError, HomeserverHiddenError
from bot.messages import Room
from bot.withdrawing import LATER, QUICK, SLOW, TRIES
from tests.spine import ANN, BOB, BOT, EVE, Spine, spine

pytestmark = pytest.mark.asyncio


async def forgotten(bot: Spine, *said: str, person: str = ANN) -> None:
    """Somebody says something and then has everything forgotten."""
    room_id = f"!{person[1:4]}"
    for text in said or ("Canary",):
        await bot.say(text, person, room_id)
    await bot.say("!forget everything", person, room_id)
    bot.clock.forward(seconds=1)
    await bot.say("yes", person, room_id)
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

        went = []
        for _ in range(TRIES):
            went += [await bot.withdrawing.go_on(), await bot.withdrawing.go_on()]
            bot.stopwatch.seconds += LATER

        assert went == [False] * (2 * TRIES - 2) + [True] * 2
        assert await recorded(bot) == [{"redacted": 0, "refused": 1}]


async def test_a_proxy_in_between_says_nothing_about_a_message(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        await bot.storage.withdrawals.add([("$one", "!ann")])
        bot.homeserver.broken = HomeserverHiddenError("a page")

        for _ in range(TRIES + 2):
            assert not await bot.withdrawing.go_on()
            bot.stopwatch.seconds += LATER

        assert await bot.storage.withdrawals.left() == 1


@pytest.mark.parametrize("error", [HomeserverError("what?"), HomeserverHiddenError("a page")])
async def test_a_message_that_fails_stays_behind_all_others(
    tmp_path: Path, error: HomeserverError
) -> None:
    async with spine(tmp_path) as bot:
        bot.homeserver.broken_rooms["!bob"] = error
        await bot.storage.withdrawals.add([("$bad", "!bob"), ("$a", "!ann"), ("$b", "!ann")])

        went = await bot.withdrawing.go_on()
        taken = list(bot.homeserver.redacted)
        bot.homeserver.broken_rooms.clear()
        bot.stopwatch.seconds += LATER

        assert not went
        assert taken == ["$a", "$b"]
        assert await bot.withdrawing.go_on()
        assert bot.homeserver.redacted == ["$a", "$b", "$bad"]


async def test_a_room_that_can_not_be_listed_holds_up_no_other(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        await forgotten(bot, "One")
        await forgotten(bot, "Two", person=BOB)
        bot.homeserver.broken_rooms["!ann"] = HomeserverError("what is this?")

        went = await bot.withdrawing.go_on()
        of_bob, of_ann = bot.homeserver.standing("!bob"), bot.homeserver.standing("!ann")
        bot.homeserver.broken_rooms.clear()
        bot.stopwatch.seconds += LATER

        assert not went
        assert len(of_ann) > 1
        assert len(of_bob) == 2, "the receipt as it was and as it is"
        assert "I have removed everything" in of_bob[-1]
        assert await bot.withdrawing.go_on()
        assert "I have removed everything" in bot.homeserver.standing("!ann")[-1]


async def test_a_receipt_that_is_due_holds_up_its_own_job_alone(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("One")
        await bot.storage.forgetting.forget(
            ANN, room_id="!ann", event_id="$yes", until=bot.clock(), direct_rooms=["!ann"]
        )
        await forgotten(bot, "Two", person=BOB)

        assert await bot.withdrawing.go_on()

        assert len(bot.homeserver.standing("!ann")) == 1
        assert "I have removed everything" in bot.homeserver.standing("!bob")[-1]


async def test_a_receipt_that_can_not_be_given_at_a_start_holds_up_no_other(
    tmp_path: Path,
) -> None:
    async with spine(tmp_path) as bot:
        for person, room_id in ((ANN, "!ann"), (BOB, "!bob")):
            await bot.say("One", person, room_id)
            await bot.storage.forgetting.forget(
                person,
                room_id=room_id,
                event_id=f"$yes-{room_id}",
                until=bot.clock(),
                direct_rooms=[room_id],
            )
        bot.clock.forward(seconds=1)
        bot.homeserver.broken_rooms["!ann"] = HomeserverError("what is this?")

        await bot.withdrawing.receipts.resume()

        assert bot.homeserver.standing("!bob")[-1].startswith("**Done")
        assert await bot.storage.forgetting.unfinished() == []


async def test_what_was_said_is_withdrawn_though_the_receipt_could_not_be_given(
    tmp_path: Path,
) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("One")
        await bot.say("!forget everything")
        bot.clock.forward(seconds=1)
        bot.homeserver.broken_rooms["!ann"] = HomeserverError("what is this?")
        await bot.say("yes")
        bot.homeserver.broken_rooms.clear()

        assert await bot.withdrawing.go_on()

        assert bot.homeserver.standing("!ann") == []
        assert await recorded(bot) == [{"redacted": 2, "refused": 0}]


async def test_nobody_waits_for_somebody_elses_thousands(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        await forgotten(bot, *(f"Ann {number}" for number in range(9)))
        await forgotten(bot, "Bob", person=BOB)
        many = [(f"$many-{number}", "!eve") for number in range(9)]
        await bot.storage.withdrawals.add([*many, ("$single", "!all")])

        await bot.withdrawing.go_on()

        rooms = {one.room_id for one in bot.homeserver.ids().values()}
        order = [
            bot.homeserver.ids()[one].room_id if one in bot.homeserver.ids() else one
            for one in bot.homeserver.redacted
        ]
        assert rooms == {"!ann", "!bob"}
        assert order[:7] == ["$many-0", "$single", "!ann", "!bob", "$many-1", "!ann", "!bob"]
        assert len(order) == 9 + 1 + 10 + 2


async def test_other_direct_chats_are_found_when_the_vault_is_gone(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        bot.homeserver.rooms["!ann2"] = Room("!ann2", frozenset({BOT, ANN}), encrypted=True)
        await bot.say("!help", room_id="!ann2")
        await bot.say("One")
        await bot.say("!forget everything")
        bot.homeserver.searching = HomeserverError("what is this?")
        bot.clock.forward(seconds=1)
        receipt = await bot.text("yes")
        bot.clock.forward(seconds=1)
        first = await bot.withdrawing.go_on()
        still = bot.homeserver.standing("!ann2")
        bot.homeserver.searching = None
        bot.stopwatch.seconds += LATER

        assert receipt.startswith("**Done")
        assert not first
        assert len(still) == 1
        assert len(bot.homeserver.standing("!ann")) == 2, "the receipt as it was and as it is"
        assert await bot.withdrawing.go_on()
        assert bot.homeserver.standing("!ann2") == []
        assert await bot.storage.forgetting.unsearched() == []


async def test_a_chat_into_which_somebody_came_is_not_emptied(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("!help")
        await forgotten(bot)
        bot.homeserver.rooms["!ann"] = Room("!ann", frozenset({BOT, ANN, EVE}), encrypted=True)

        await bot.withdrawing.go_on()

        assert len(bot.homeserver.redacted) == 1, "what the vault knew to be an answer to Ann"
        assert await bot.storage.withdrawals.searches() == []


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
