"""`!private`: one question, or a room, of which nothing is stored and nothing learned."""

from bot import preferences
from bot.command import Command, CommandContext
from bot.errors import UsageError
from bot.messages import Action, Effect, Facts, Reply, Where

MEANING = (
    "nothing that you ask me and nothing that I answer is stored or learned, and I use nothing of "
    "what I know about you"
)


async def _run(context: CommandContext) -> Reply:
    """`!private TEXT` does not come here: it is talk (bot/access.py)."""
    if context.personal is None:
        raise UsageError(
            "Until your new identity is confirmed I keep nothing of what you say anyway, and can't "
            "change how it is to be afterwards."
        )
    word = context.arguments.casefold()
    if word:
        return await _choose(context, private=word == "on")
    private = await preferences.is_private(context.vault, context.message.room_id)
    return Reply(_state(context.prefix, private=private))


async def _choose(context: CommandContext, *, private: bool) -> Reply:
    await preferences.choose_private(context.vault, context.message.room_id, private=private)
    facts: Facts = {"private": private, "room": str(context.room.kind)}
    changed = Effect(Action.SETTINGS_CHANGED, facts=facts)
    return Reply(_begun(context.prefix) if private else _ended(context.prefix), effects=(changed,))


def _begun(prefix: str) -> str:
    return (
        f"**Private from now on.** In this room, until you type `{prefix}private off`, {MEANING}. "
        "So that we can talk, I hold the last few messages in working memory, for half an hour at "
        "most and on no disk.\n\n"
        "What does not change: the messages stand in this room, on the devices of everybody who is "
        "in it; the model's gateway sees each question; your audit log says that I answered, not "
        f"what (`{prefix}privacy` tells more)."
    )


def _ended(prefix: str) -> str:
    return (
        "**No longer private.** From now on I keep what you say to me in this room, as before. "
        "What was said in private is gone from my working memory, too. For a single private "
        f"question, type `{prefix}private` and the question behind it."
    )


def _state(prefix: str, *, private: bool) -> str:
    if private:
        return f"This room is **private**: {MEANING}. Type `{prefix}private off` to end that."
    return (
        "This room is **not private**: I keep what you say to me here, in your own vault. If you "
        f"don't want that, type `{prefix}private on` for this room, or `{prefix}private What does "
        "this rash mean?` for one question: then "
        f"{MEANING}."
    )


PRIVATE = Command(
    name="private",
    usage=("private", "private TEXT", "private on|off"),
    summary="one question, or this room: nothing stored, nothing learned",
    where=Where.HERE,
    run=_run,
)
