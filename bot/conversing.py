"""One answer in as many requests as its tools need: ask, do what is called for, ask again."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol

from bot.completions import ChatMessage, Completion, Tool, ToolCall
from bot.errors import GatewayError

ROUNDS = 4  # requests for one answer; the last one has no tools
CALLS = 8  # of one request that are done
TOO_MANY = "Not done: too many calls at once."


class ChatModel(Protocol):
    """A chat model behind a gateway."""

    def stream(
        self,
        messages: Sequence[ChatMessage],
        *,
        model: str | None = None,
        tools: Sequence[Tool] = (),
        person: str = "",
    ) -> AsyncGenerator[str | Completion, None]:
        """Pieces of text as they come, then exactly one Completion, last; raises GatewayError."""
        ...

    def takes_tools(self, model: str | None = None) -> bool:
        """False once the server has refused tools for this model."""
        ...


Use = Callable[[ToolCall], Awaitable[str]]


async def converse(
    model: ChatModel,
    request: Sequence[ChatMessage],
    *,
    person: str,
    tools: Sequence[Tool],
    searching: frozenset[str],
    use: Use,
) -> AsyncGenerator[str | Completion, None]:
    """Pieces of text, then one Completion of all requests together.

    Every call is given to `use`. The model is asked again when it called a tool and said nothing,
    or called one of `searching`, whose result it needs. When asking again fails, what was said
    before is the answer.
    """
    total: Completion | None = None
    for left in reversed(range(ROUNDS)):
        offered = tools if left else ()
        before = total.text if total else ""
        done: Completion | None = None
        try:
            async with aclosing(model.stream(request, tools=offered, person=person)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Completion):
                        done = piece
                    elif piece:
                        yield "\n\n" + piece if before.strip() else piece
                        before = ""
        except GatewayError:
            if total is None or not total.text.strip():
                raise
        if done is None:
            break
        total = joined(total, done)
        calls = done.tool_calls if offered else ()
        results = [(call, await use(call)) for call in calls[:CALLS]]
        results += [(call, TOO_MANY) for call in calls[CALLS:]]
        if not calls or (done.text.strip() and not any(one.name in searching for one in calls)):
            break
        request = [*request, *_answered(done, results)]
    if total is not None:
        yield total


def joined(first: Completion | None, second: Completion) -> Completion:
    """Two requests as one: the words of both, the calls of both, and what both cost."""
    if first is None:
        return second
    words = [one for one in (first.text.strip(), second.text.strip()) if one]
    return Completion(
        text="\n\n".join(words),
        model=second.model,
        tool_calls=first.tool_calls + second.tool_calls,
        prompt_tokens=_sum(first.prompt_tokens, second.prompt_tokens),
        completion_tokens=_sum(first.completion_tokens, second.completion_tokens),
        truncated=second.truncated,
        provider=second.provider,
    )


def costing(answer: Completion, more: Completion) -> Completion:
    """An answer with what another request for it cost."""
    return replace(
        answer,
        prompt_tokens=_sum(answer.prompt_tokens, more.prompt_tokens),
        completion_tokens=_sum(answer.completion_tokens, more.completion_tokens),
    )


def _answered(done: Completion, results: Sequence[tuple[ToolCall, str]]) -> list[ChatMessage]:
    """What the model said and called, and what came of it."""
    asked = ChatMessage("assistant", done.text, tool_calls=done.tool_calls)
    return [
        asked,
        *(ChatMessage("tool", result, tool_call_id=call.call_id) for call, result in results),
    ]


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None and other is None else (one or 0) + (other or 0)
