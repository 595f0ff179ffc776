"""Steps of the tests about what the model saves: what is said, what it calls, what is kept."""

from bot.preferences import Mode, choose_mode
from storage import Memory
from tests.spine import ANN, Spine, calls


async def memories(bot: Spine, person: str = ANN) -> list[Memory]:
    async with bot.storage.vaults.open(person) as vault:
        return await vault.memories.page(limit=99)


async def texts(bot: Spine) -> list[str]:
    return [one.text for one in reversed(await memories(bot))]


async def choose(bot: Spine, mode: Mode) -> None:
    async with bot.storage.vaults.open(ANN) as vault:
        await choose_mode(vault, mode)


async def teach(
    bot: Spine, said: str, text: str, quote: str = "", *, room_id: str = "!ann", **more: object
) -> str:
    """Say something from which the model saves a fact; what the bot answers."""
    given = {"text": text, "quote": quote or said, "category": "general", "about": "self", **more}
    bot.model.answers.append(calls(("remember", given), saying="Nice."))
    sent = await bot.say(said, ANN, room_id, mentions_bot=True)
    return [one.text for one in sent if one.generated][-1]  # the last edit, if it came slowly


def results(bot: Spine, number: int = -1) -> list[str]:
    """What the tools answered to the model, in one of its requests."""
    return [one.content for one in bot.model.requests[number] if one.role == "tool"]
