"""`!private`: one question, or a room, of which nothing is stored and nothing learned."""

from bot import preferences
from bot.command import Command, CommandContext
from bot.errors import UsageError
from bot.messages import Action, Effect, Facts, Reply, Room, RoomKind, Where

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
    if word in ("on", "off"):
        return await _choose(context, private=word == "on")
    if word:
        raise UsageError(_nothing_changed(context.prefix))
    private = await preferences.is_private(context.vault, context.message.room_id)
    return Reply(_state(context.prefix, private=private))


async def _choose(context: CommandContext, *, private: bool) -> Reply:
    await preferences.choose_private(context.vault, context.message.room_id, private=private)
    facts: Facts = {"private": private, "room": str(context.room.kind)}
    changed = Effect(Action.SETTINGS_CHANGED, facts=facts)
    text = _begun(context.prefix, context.room) if private else _ended(context.prefix)
    return Reply(text, effects=(changed,))


def _nothing_changed(prefix: str) -> str:
    return (
        f"That is no private question, so nothing was changed and nothing asked. Type `{prefix}"
        f"private on` or `{prefix}private off`, with nothing behind it, for this room, or "
        f"`{prefix}private` and your question."
    )


def _begun(prefix: str, room: Room) -> str:
    alone = room.kind is RoomKind.SHARED
    yours = (
        " This is so for you alone: what others say to me here is kept as before." if alone else ""
    )
    return (
        f"**Private from now on.** In this room, until you type `{prefix}private off`, {MEANING}."
        f"{yours} "
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
