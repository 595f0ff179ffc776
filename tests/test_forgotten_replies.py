"""No reply that tells what a vault held stays in a room when everything was forgotten meanwhile."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bot.delivery import Address, Delivery
from bot.messages import Outgoing, Room
from bot.owned import OfVault
from bot.progress import Progress
from storage import VaultGone
from tests.spine import ANN, BOT, Spine, spine
from tests.test_forget import agreed

pytestmark = pytest.mark.asyncio

Holds = Callable[[Outgoing], bool]
Does = Callable[[Spine], Awaitable[object]]


def forgetting(bot: Spine, holds: Holds, *, after: bool) -> list[Outgoing]:
    """Have Ann forget everything while one event is on its way, or just when it stands; that one.

    She does it in her first direct chat, where the reply may go as well.
    """
    send, held = bot.homeserver.send, list[Outgoing]()

    async def meanwhile(outgoing: Outgoing) -> str:
        if held or not holds(outgoing):
            return await send(outgoing)
        held.append(outgoing)
        event_id = await send(outgoing) if after else None
        bot.clock.forward(seconds=1)
        await agreed(bot, "everything")
        return event_id or await send(outgoing)

    bot.homeserver.send = meanwhile  # type: ignore[method-assign]
    return held


def a_file(outgoing: Outgoing) -> bool:
    return outgoing.attachment is not None


def words(outgoing: Outgoing) -> bool:
    return "canary" in outgoing.text or "Here is everything" in outgoing.text


async def exports(bot: Spine) -> object:
    return await bot.say("!export json", room_id="!all")


async def lists(bot: Spine) -> object:
    return await bot.say("!memory", room_id="!all")


async def talks_in_private(bot: Spine) -> object:
    bot.model.answers = ["A canary."]
    return await bot.say("!private what do I have?", room_id="!second")


async def writes_a_digest(bot: Spine) -> object:
    bot.clock.forward(days=8)
    for job in bot.daily.values():
        await job()
    return None


@pytest.mark.parametrize("after", [False, True], ids=["before it is sent", "when it stands"])
@pytest.mark.parametrize(
    ("does", "holds"),
    [
        (exports, a_file),
        (exports, words),
        (lists, words),
        (talks_in_private, words),
        (writes_a_digest, words),
    ],
)
async def test_what_is_on_its_way_then_does_not_stay(
    tmp_path: Path, does: Does, holds: Holds, after: bool
) -> None:
    async with spine(tmp_path) as bot:
        pair = frozenset({BOT, ANN})
        bot.homeserver.rooms["!second"] = Room("!second", pair, encrypted=True)
        await bot.say("!memory digest on")
        await bot.say("!memory add I have a canary")
        held = forgetting(bot, holds, after=after)

        await does(bot)
        await bot.withdrawing.go_on()

        assert held, "or nothing was on its way"
        ids = bot.homeserver.ids()
        standing = [one for event_id, one in ids.items() if event_id not in bot.homeserver.redacted]
        assert not [one for one in standing if a_file(one) or words(one)]
        assert not await bot.storage.vaults.exists(ANN)
        assert await bot.storage.withdrawals.left() == 0


async def test_nothing_more_is_sent_of_what_has_several_parts(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("!memory add I have a canary")
        held = forgetting(bot, a_file, after=True)

        sent = await bot.say("!export json", room_id="!all")

        [file] = held
        with pytest.raises(VaultGone):
            file.wanted()
        assert not [one for one in sent if words(one)]


async def test_nothing_is_said_of_how_far_something_is_that_nobody_waits_for(
    tmp_path: Path,
) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("!memory add I have a canary")
        async with bot.storage.vaults.open(ANN) as vault:
            owner = OfVault(vault, "!ann", bot.storage.withdrawals)
            progress = Progress(Delivery(bot.homeserver), Address("!ann", "$t"), owner)
            await progress.say("Half of your 10 messages.")
            await agreed(bot, "everything")
            sent = len(bot.homeserver.sent)

            for _ in range(2):
                with pytest.raises(VaultGone):
                    await progress.say("All of your 10 messages.")

        assert bot.homeserver.sent[sent:] == []
