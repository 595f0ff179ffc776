"""What is forgotten while an answer is on its way into a room does not stay there."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from bot.errors import HomeserverError, HomeserverUnavailableError
from bot.messages import Outgoing
from bot.splitting import PART_LIMIT
from storage import KeptAnswer
from storage.answers import Answers
from tests.spine import ANN, Spine, spine
from tests.test_crash import CrashError
from tests.test_forget import agreed, everything_of

pytestmark = pytest.mark.asyncio

LONG = "canary " * (PART_LIMIT // 4)


class Gate:
    """Holds up one event for the shared room: before it is sent, or when it stands there.

    That is the first one; with `refused` the second, which the homeserver doesn't take then.
    """

    def __init__(
        self,
        bot: Spine,
        *,
        after: bool = False,
        refused: bool = False,
        error: HomeserverError | None = None,
    ) -> None:
        self._send = bot.homeserver.send
        self._after = after
        self._refused = refused
        self._error = error or HomeserverError("The homeserver refused it.")
        self._numbers = count(-1 if refused else 0)
        self.reached, self.open = asyncio.Event(), asyncio.Event()
        bot.homeserver.send = self.send  # type: ignore[method-assign]

    async def send(self, outgoing: Outgoing) -> str:
        answers = outgoing.room_id == "!all" and outgoing.generated
        if not answers or next(self._numbers) != 0:
            return await self._send(outgoing)
        event_id = await self._send(outgoing) if self._after else None
        self.reached.set()
        await self.open.wait()
        if self._refused:
            raise self._error
        return event_id or await self._send(outgoing)


async def forgotten(bot: Spine, gate: Gate, line: str, answering: Awaitable[object]) -> str:
    """Forget while the gate holds up an answer; what the vault held before."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_awaited(answering))
        await gate.reached.wait()
        held = await everything_of(bot)
        bot.clock.forward(seconds=1)
        await agreed(bot, line)
        await bot.withdrawing.go_on()
        gate.open.set()
    await bot.withdrawing.go_on()
    return held


async def _awaited(answering: Awaitable[object]) -> None:
    await answering


async def left_nothing(bot: Spine, held: str) -> bool:
    """The canary was kept, and is in no vault and no room any more."""
    assert "canary" in held, "or there was nothing to forget"
    assert bot.homeserver.standing("!all") == []
    if await bot.storage.vaults.exists(ANN):
        assert "canary" not in await everything_of(bot)
    return await bot.storage.withdrawals.left() == 0


@pytest.mark.parametrize("line", ["1h", "everything"])
@pytest.mark.parametrize("after", [False, True], ids=["before it is sent", "when it stands"])
async def test_an_answer_that_was_kept_and_not_noted_yet(
    tmp_path: Path, line: str, after: bool
) -> None:
    async with spine(tmp_path) as bot:
        bot.model.answers = ["A canary."]
        gate = Gate(bot, after=after)

        held = await forgotten(
            bot, gate, line, bot.say("Tell me", room_id="!all", mentions_bot=True)
        )

        assert await left_nothing(bot, held)


@pytest.mark.parametrize("line", ["1h", "everything"])
@pytest.mark.parametrize("after", [False, True], ids=["before it is sent", "when it stands"])
async def test_an_answer_in_the_place_of_that_to_the_old_words(
    tmp_path: Path, line: str, after: bool
) -> None:
    async with spine(tmp_path) as bot:
        bot.model.answers = ["An answer.", LONG]
        await bot.say("Tell me", room_id="!all", mentions_bot=True, event_id="$1")
        gate = Gate(bot, after=after)

        held = await forgotten(bot, gate, line, bot.edit("$1", "Tell me all", room_id="!all"))

        assert await left_nothing(bot, held)
        shown = [one for one in bot.homeserver.sent if "canary" in one.text]
        assert len(shown) == 1 or line == "1h", "nothing more is shown once the vault is gone"


@pytest.mark.parametrize("line", ["1h", "everything"])
async def test_an_answer_that_is_sent_again_after_a_crash(tmp_path: Path, line: str) -> None:
    async with spine(tmp_path) as bot:
        bot.model.answers = [LONG]
        question = replace(bot.message("Tell me", event_id="$1"), room_id="!all", mentions_bot=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bot.homeserver, "send", _crash)
            with suppress(CrashError):
                await bot.give(question)
        gate = Gate(bot, after=True)

        held = await forgotten(bot, gate, line, bot.give(replace(question, recovered=True)))

        assert await left_nothing(bot, held)
        shown = [one for one in bot.homeserver.sent if "canary" in one.text]
        assert len(shown) == 1 or line == "1h", "nothing more is shown once the vault is gone"


async def test_an_answer_whose_second_part_the_homeserver_refuses(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        bot.model.answers = [LONG]
        gate = Gate(bot, refused=True)

        held = await forgotten(
            bot, gate, "everything", bot.say("Tell me", room_id="!all", mentions_bot=True)
        )

        assert await left_nothing(bot, held)


@pytest.mark.parametrize("edited", [False, True], ids=["answer", "answer to an edit"])
async def test_of_an_answer_of_which_the_homeserver_refuses_a_part_nothing_stays(
    tmp_path: Path, edited: bool
) -> None:
    async with spine(tmp_path) as bot:
        bot.model.answers = ["An answer.", LONG] if edited else [LONG]
        if edited:
            await bot.say("Tell me", room_id="!all", mentions_bot=True, event_id="$1")
        gate = Gate(bot, refused=True)
        gate.open.set()

        if edited:
            await bot.edit("$1", "Tell me all", room_id="!all")
        else:
            await bot.say("Tell me", room_id="!all", mentions_bot=True)
        shown = [text for text in bot.homeserver.standing("!all") if "canary" in text]
        await bot.withdrawing.go_on()

        assert shown, "or nothing had to leave"
        standing = ["An answer."] if edited else []
        assert bot.homeserver.standing("!all") == [*standing, "The homeserver refused it."]
        assert "canary" not in await everything_of(bot)
        assert [outcome for action, outcome in await bot.audited()][-1] == "failed"


async def test_an_answer_goes_on_from_what_stands_where_the_homeserver_is_away_in_between(
    tmp_path: Path,
) -> None:
    async with spine(tmp_path) as bot:
        bot.model.answers = [LONG]
        question = replace(bot.message("Tell me", event_id="$1"), room_id="!all", mentions_bot=True)
        gate = Gate(bot, refused=True, error=HomeserverUnavailableError("away"))
        gate.open.set()

        with pytest.raises(HomeserverUnavailableError):
            await bot.give(question)
        await bot.withdrawing.go_on()
        await bot.give(replace(question, recovered=True))
        await bot.withdrawing.go_on()

        assert bot.homeserver.redacted == []
        assert len([text for text in bot.homeserver.standing("!all") if "canary" in text]) > 1


@pytest.mark.parametrize("line", ["1h", "last", "room"])
async def test_a_question_whose_answer_a_stop_cuts_short_is_not_taken_up_again(
    tmp_path: Path, line: str
) -> None:
    async with spine(tmp_path) as bot:
        question = replace(bot.message("A canary", event_id="$1"), room_id="!all")
        others = [("$other", "!all"), ("$later", "!all")]
        await bot.storage.inbox.accept([("$1", "!all"), *others], "s")
        bot.model.answers = [HomeserverUnavailableError("the bot stops")]
        with pytest.raises(HomeserverUnavailableError):
            await bot.give(replace(question, mentions_bot=True))
        held = await everything_of(bot)

        await agreed(bot, line, room_id="!all")

        assert "canary" in held
        assert "canary" not in await everything_of(bot)
        assert await bot.storage.inbox.unfinished() == others


async def test_an_answer_that_is_just_about_to_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = Answers.keep

    async with spine(tmp_path) as bot:

        async def forgets(self: Answers, answer: KeptAnswer, **more: Any) -> None:
            monkeypatch.setattr(Answers, "keep", keep)
            await agreed(bot, "1h")
            await keep(self, answer, **more)

        monkeypatch.setattr(Answers, "keep", forgets)
        bot.model.answers = ["A canary."]

        await bot.say("Tell me", room_id="!all", mentions_bot=True)
        await bot.withdrawing.go_on()

        assert bot.homeserver.standing("!all") == []
        assert "canary" not in await everything_of(bot)


async def _crash(outgoing: Outgoing) -> str:
    raise CrashError
