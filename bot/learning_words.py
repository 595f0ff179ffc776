"""What is said of learning: to the person under an answer, and to the model as a tool's result."""

from collections.abc import Sequence

from bot.learning import Refusal
from bot.preferences import Mode
from bot.saving import Became, Learned, Outcome
from storage import Memory

UNDONE = 120  # characters of a former text that are repeated, so that it can be put back

TAKEN = "It will be saved when your answer is finished; the system tells the person."
PROPOSED = "The person will be asked whether it may be saved. Don't ask them yourself."
WILL_BE_FORGOTTEN = "It will be deleted when your answer is finished; the system tells the person."
NOT_ASKED_TO_FORGET = (
    "Nothing was forgotten: the person's last message doesn't ask for it in the words you quoted."
)
PINNED = (
    "Not done: the person has pinned this memory, so they change or delete it by their own command."
)
NO_SUCH_TOOL = "Not done: there is no such tool here, or its arguments are not what it takes."
NO_SEARCH = "Not searched: the query was empty, or there were too many searches for one answer."

_TO_THE_MODEL = {
    Refusal.GARBLED: "text and quote are needed",
    Refusal.NOT_SAID: "the quote is not in the person's last message",
    Refusal.LENGTH: "it is too long; one short sentence is enough",
    Refusal.SECRET: "secrets such as passwords, keys and card numbers are never saved",
    Refusal.SENSITIVE: "it is sensitive, and the person did not ask you to remember it",
    Refusal.OTHERS: "it is about somebody else, and the person did not ask you to remember it",
    Refusal.UNASKED: "the person did not state it, or did not ask you to remember it",
    Refusal.OVER: "it is already over",
    Refusal.UNKNOWN: "there is no memory with this number here",
    Refusal.TOO_MANY: "enough was saved of this message",
}

_TO_THE_PERSON = {
    Refusal.SECRET: (
        "not saved: passwords, keys, and numbers of cards or accounts never become a memory · your "
        "message itself is kept: delete it in the room to erase it"
    ),
    Refusal.SENSITIVE: "not saved: this is sensitive, and kept only when you ask for it",
    Refusal.OTHERS: "not saved: it is about somebody else, and kept only when you ask for it",
    Refusal.OVER: "not saved: the time that it was for is over",
}


_PAUSED = "memory is paused until your new identity is confirmed"


def refused(refusal: Refusal) -> str:
    """Why a call saved nothing, for the model."""
    return f"Not saved: {_TO_THE_MODEL[refusal]}."


def notes(learned: Learned, prefix: str) -> str:
    """The lines under an answer that say what was saved and forgotten, and how to undo it."""
    lines = [
        f"remembered: {one.text} · `{prefix}memory delete {one.memory_id}`"
        for one in learned.of(Became.SAVED)
    ]
    lines += [_updated(one, prefix) for one in learned.changes()]
    lines += [
        f"forgotten: memory {number} (also on disk) · the message that said it is still kept: "
        "delete it in the room to erase it"
        for number in learned.forgotten
    ]
    return "".join(map(_note, lines))


def _updated(change: Outcome, prefix: str) -> str:
    memory, before = change.memory, change.before
    if not before or len(before) > UNDONE or "`" in before:
        shows = f"`{prefix}memory show {memory.memory_id}` shows what it said before"
        return f"updated: {memory.text} · {shows}"
    return f"updated: {memory.text} · undo: `{prefix}memory edit {memory.memory_id} {before}`"


def waiting(proposals: Sequence[Memory], prefix: str) -> str:
    """The lines for what the person was asked about already."""
    return "".join(
        _note(f"waits for your approval: `{prefix}memory approve {one.memory_id}`")
        for one in proposals
    )


def known(memories: Sequence[Memory], prefix: str) -> str:
    """The lines for what was remembered already."""
    return "".join(
        _note(f"known already: memory {one.memory_id} · `{prefix}memory show {one.memory_id}`")
        for one in memories
    )


def not_saved(refusals: Sequence[Refusal], mode: Mode, prefix: str) -> str:
    """The line where the person might believe that something was saved, and nothing was."""
    if mode is Mode.OFF:
        return _note(f"not saved: memory is off · `{prefix}memory mode auto` turns it on")
    keeps = f"`{prefix}memory add TEXT` keeps it"
    why = next((_TO_THE_PERSON[one] for one in refusals if one in _TO_THE_PERSON), None)
    if Refusal.SECRET in refusals:
        return _note(_TO_THE_PERSON[Refusal.SECRET])
    if mode is Mode.MANUAL:
        more = f"`{prefix}memory mode auto` lets me save what you tell me"
        return _note(f"not saved: you chose to say yourself what to keep · {keeps}, {more}")
    return _note(f"{why or 'not saved: I kept nothing of this as a memory'} · {keeps}")


def not_forgotten(prefix: str) -> str:
    """The line where the person might believe that something was forgotten, and nothing was."""
    return _note(
        f"not forgotten: nothing was deleted · `{prefix}memory` lists what I remember, "
        f"`{prefix}memory delete N` deletes one"
    )


def maybe_forgotten(prefix: str) -> str:
    """The line where a crash came in between, and it can't be known whether it is gone."""
    return _note(f"I was interrupted: it may be gone already · `{prefix}memory` lists what is left")


def not_forgotten_paused(_: str) -> str:
    """The line that nothing was forgotten, for somebody who shows another identity."""
    return _note(f"not forgotten: {_PAUSED}")


def not_saved_paused(_: str) -> str:
    """The line that nothing was saved, for somebody who shows another identity."""
    return _note(f"not saved: {_PAUSED}")


def not_saved_in_private(prefix: str) -> str:
    """The line that nothing was saved, where somebody talks privately."""
    return _note(f"not saved: this is private, and not kept · `{prefix}memory add TEXT` keeps it")


def without_memory(prefix: str) -> str:
    """The same where no memory may be used with the gateway at all."""
    return _note(
        f"not saved: memory is not used with this AI provider · `{prefix}privacy` says why"
    )


def _note(line: str) -> str:
    return f"\n\n*{line}*"
