"""The values of a chat completion: what the model is told and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of one of our tools that the model asked for; `arguments` is JSON text."""

    call_id: str
    name: str
    arguments: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a chat completion request (OpenAI chat completions)."""

    role: Role
    content: str = field(repr=False)
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call; `parameters` is its JSON Schema."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Completion:
    """A finished answer of the gateway, with what the server said about it.

    `truncated` is set when the stream ended without a finish reason or at the token limit.
    Token counts are the server's, or None where it gave none. `model` is the one that answered,
    and `provider` who ran it, as the gateway names them.
    """

    text: str = field(repr=False)
    model: str
    tool_calls: tuple[ToolCall, ...] = ()
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    truncated: bool = False
    provider: str = ""
