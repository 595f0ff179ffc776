"""What the bot says when it asks whether it may remember, and about what a person chose."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from bot.memory_words import listed
from bot.preferences import Mode
from bot.replies import linked
from storage import WAITS, Memory

Former = Mapping[int, str]
"""What memories say now that proposals would change, by their numbers."""

MEANINGS: Mapping[Mode, str] = {
    Mode.AUTO: (
        "I remember lasting things that you tell me about yourself, and say so under the answer, "
        "with how to undo it."
    ),
    Mode.ASK: (
        "I ask you before I remember anything; what you don't approve within "
        f"{WAITS.days} days is dropped."
    ),
    Mode.MANUAL: (
        "I remember only what you add with `{prefix}memory add TEXT` or ask me to remember."
    ),
    Mode.OFF: (
        "I remember nothing new, and use nothing that I remember or that you said earlier; only "
        "the last messages of a conversation. Your messages are kept all the same: "
        "`{prefix}private on` or `{prefix}retention` changes that."
    ),
}
UNTRUSTED_GATEWAY = (
    "The gateway of my operator is not declared free of training, so whatever you choose, nothing "
    "that I remember is sent to the model and nothing new is learned from what you say."
)
EXPIRED = f"Not kept: {WAITS.days} days have passed. If it still matters, tell me once more."
DONE_BEFORE = "Done: `{prefix}memory` shows what I remember."
NOTHING_KEPT = "Not kept."
OUTCOMES: Mapping[str, str] = {
    "approved": DONE_BEFORE,
    "rejected": NOTHING_KEPT,
    "expired": EXPIRED,
}
"""What stands in the place of a notice, for anybody to read, by what became of it."""
MAY_I = "May I remember this?"
"""How each notice begins that asks."""


def meaning(mode: Mode, prefix: str) -> str:
    """What a mode means, in a sentence."""
    return MEANINGS[mode].format(prefix=prefix)


def modes(present: Mode, prefix: str, *, memory_allowed: bool) -> str:
    """`!memory mode`: the present one, and what there is to choose from."""
    lines = "\n".join(
        f"- `{prefix}memory mode {one}`{' (now)' if one is present else ''}: {meaning(one, prefix)}"
        for one in Mode
    )
    warning = "" if memory_allowed else f"\n\n{UNTRUSTED_GATEWAY}"
    return f"Your memory mode is **{present}**.\n\n{lines}{warning}"


def mode_chosen(mode: Mode, prefix: str, *, memory_allowed: bool) -> str:
    """After `!memory mode MODE`."""
    warning = "" if memory_allowed else f"\n\n{UNTRUSTED_GATEWAY}"
    return f"Your memory mode is now **{mode}**: {meaning(mode, prefix)}{warning}"


def mode_wanted(given: str, prefix: str) -> str:
    """`!memory mode` with a word that is no mode."""
    return (
        f"“{given[:20]}” is no memory mode. Type `{prefix}memory mode` and one of "
        f"{', '.join(f'`{one}`' for one in Mode)}."
    )


def digest_state(prefix: str, *, on: bool) -> str:
    """`!memory digest` without a word behind it."""
    other = "off" if on else "on"
    return (
        f"The weekly digest is **{'on' if on else 'off'}**: once a week I write here what I have "
        f"learned about you, if anything. `{prefix}memory digest {other}` turns it {other}."
    )


def digest_chosen(prefix: str, *, on: bool) -> str:
    """After `!memory digest on` or `off`."""
    if not on:
        return f"The weekly digest is off. `{prefix}memory` shows at any time what I remember."
    return (
        "The weekly digest is on: in a week, and then every week, I write here what I have learned "
        f"about you, and nothing where that is nothing. `{prefix}memory digest off` ends it."
    )


def digest_wanted(given: str, prefix: str) -> str:
    """`!memory digest` with a word that is neither on nor off."""
    return (
        f"“{given[:20]}” is neither on nor off. Type `{prefix}memory digest on` or "
        f"`{prefix}memory digest off`."
    )


def notice(proposals: Sequence[Memory], former: Former, prefix: str) -> str:
    """Asks whether something may be remembered; a reaction to it is the answer."""
    lines = "\n".join(f"- **{one.memory_id}** {_proposal(one, former)}" for one in proposals)
    numbers = " ".join(str(one.memory_id) for one in proposals)
    one = len(proposals) == 1
    react = "React with ✅ or ❌" if one else "React with ✅ for all of it or ❌ for none of it"
    return (
        f"{MAY_I}\n\n{lines}\n\n{react}, or type `{prefix}memory approve {numbers}` "
        f"or `{prefix}memory reject {numbers}`. Without an answer it is dropped in "
        f"{WAITS.days} days."
    )


def waiting(proposals: Sequence[Memory], former: Former, prefix: str) -> str:
    """`!memory pending`."""
    if not proposals:
        return nothing_waits(prefix)
    lines = "\n".join(
        f"- **{one.memory_id}** {_proposal(one, former)} *({_origin(one)})*" for one in proposals
    )
    return (
        f"This waits for your approval; no answer uses it yet:\n\n{lines}\n\n"
        f"`{prefix}memory approve N` · `{prefix}memory reject N` · `{prefix}memory approve all` · "
        f"`{prefix}memory reject all`"
    )


def nothing_waits(prefix: str) -> str:
    """There is nothing to approve or to reject."""
    return f"Nothing waits for your approval. `{prefix}memory` lists what I remember."


def no_such(numbers: Sequence[int], prefix: str) -> str:
    """Numbers that wait for no approval."""
    waits = "waits" if len(numbers) == 1 else "wait"
    return f"{listed(numbers)} {waits} for no approval. `{prefix}memory pending` lists what does."


def approved(memories: Sequence[Memory], prefix: str) -> str:
    """What was proposed is remembered; how to undo each."""
    return "\n".join(
        f"Remembered: {one.text} · `{prefix}memory delete {one.memory_id}`" for one in memories
    )


def approved_by_number(memories: Sequence[Memory], prefix: str) -> str:
    """The same without the words, where others may read it."""
    return "\n".join(
        f"Remembered: memory {one.memory_id} · `{prefix}memory delete {one.memory_id}`"
        for one in memories
    )


def rejected(numbers: Sequence[int]) -> str:
    """After `!memory reject`."""
    return f"Not kept, and erased from disk: {listed(numbers)}."


def _proposal(one: Memory, former: Former) -> str:
    before = former.get(one.replaces or 0)
    text = one.text if before is None else f"“{one.text}” instead of “{before}”"
    return text if one.valid_until is None else f"{text} (until {one.valid_until:%Y-%m-%d})"


def _origin(one: Memory) -> str:
    until = f"until {_day(one.created_at + WAITS)}"
    if not (one.source_room_id and one.source_event_id):
        return until
    return f"from {linked('this message', one.source_room_id, one.source_event_id)}, {until}"


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"
