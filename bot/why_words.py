"""What `!why` says: on what an answer rested, and who wrote it."""

from bot.replies import count, linked
from storage import Basis, Memory, Turn

BEGINNING = 100  # characters of an earlier message


def basis(basis: Basis, prefix: str, *, pointed_at: bool) -> str:
    """The memories and messages that an answer was given with, the model, what it cost.

    Where nobody pointed at it, it may be an older one than the last: of private ones none is kept.
    """
    which = "This answer" if pointed_at else "The last answer that I kept"
    parts = [_head(basis.answer, which), _memories(basis, prefix), _earlier(basis), _recent(basis)]
    return "\n\n".join([*(one for one in parts if one), _model(basis.answer)])


def no_answer(prefix: str) -> str:
    """`!why` as a reply to something that is no kept answer to this person."""
    return (
        "That is no answer of mine to you that I have kept. I keep nothing of answers to private "
        "questions, or while your identity is unconfirmed, and what you erased is gone. Reply "
        f"with `{prefix}why` to another answer, or type it alone for the last one."
    )


def no_answers_yet(prefix: str) -> str:
    """`!why` before there is any answer."""
    return (
        f"I have kept no answer to you yet. Ask me something, then type `{prefix}why` to see what "
        "my answer rests on."
    )


def arguments_not_taken(prefix: str) -> str:
    """`!why` with something behind it."""
    return (
        f"Type `{prefix}why` alone for my last answer, or as a reply to the answer that you mean."
    )


def _head(answer: Turn, which: str) -> str:
    this = linked(which, answer.room_id, answer.event_id)
    return f"{this} of {answer.said_at:%Y-%m-%d %H:%M} UTC was given with:"


def _memories(basis: Basis, prefix: str) -> str:
    if not basis.memories:
        return "**Memories:** none."
    lines = "\n".join(_memory(one, prefix) for one in basis.memories)
    return f"**Memories** (as they read now):\n\n{lines}"


def _memory(memory: Memory, prefix: str) -> str:
    number = memory.memory_id
    return f"- **{number}** {memory.text} · `{prefix}memory show {number}`"


def _earlier(basis: Basis) -> str:
    if not basis.earlier:
        return "**Earlier messages found by search:** none."
    lines = "\n".join(_turn(one) for one in basis.earlier)
    return f"**Earlier messages found by search:**\n\n{lines}"


def _turn(turn: Turn) -> str:
    who = "you" if turn.role == "user" else "I"
    text = " ".join(turn.text.split())
    text = text if len(text) <= BEGINNING else f"{text[:BEGINNING].rstrip()}…"
    at = f"{turn.said_at:%Y-%m-%d %H:%M} UTC"
    return f"- {linked(at, turn.room_id, turn.event_id)}, {who}: “{text}”"


def _recent(basis: Basis) -> str:
    if not basis.recent:
        return "**The conversation just before:** nothing."
    before = count(basis.recent, "message", "messages")
    return f"**The conversation just before:** its last {before}."


def _model(answer: Turn) -> str:
    model = f"“{answer.model}”" if answer.model else "not told"
    provider = f" · **Provider:** {answer.provider}" if answer.provider else ""
    return (
        f"**Model:** {model}, as the gateway names it{provider} · **Gateway:** "
        f"{answer.gateway_host or 'not told'} · **Tokens:** {_tokens(answer.prompt_tokens)} for "
        f"the question with all that, {_tokens(answer.completion_tokens)} for the answer"
    )


def _tokens(number: int | None) -> str:
    return "not told" if number is None else str(number)
