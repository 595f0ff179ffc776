"""The OpenAI protocol's JSON: our messages into a request, a server's chunks into an answer.

Nothing a server sends is taken for granted: each field may be absent or of any type.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.completions import ChatMessage, Completion, Tool, ToolCall

ANSWER_LIMIT = 1_000_000  # bytes of text and tool calls; what comes after is not read

_MODEL_NAME = re.compile(r"[\w./:@+-]{1,120}", re.ASCII)
_WHOLE = frozenset({"stop", "tool_calls", "function_call", "eos", "end_turn", "stop_sequence"})


def message_json(message: ChatMessage) -> dict[str, Any]:
    """One message as the protocol wants it."""
    body: dict[str, Any] = {"role": message.role, "content": encodable(message.content)}
    if message.tool_calls:
        body["tool_calls"] = [_call_json(call) for call in message.tool_calls]
        body["content"] = body["content"] or None  # some servers refuse an empty text beside calls
    if message.role == "tool":
        body["tool_call_id"] = message.tool_call_id
    return body


def tool_json(tool: Tool) -> dict[str, Any]:
    """One tool as the protocol wants it."""
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
    }
    return {"type": "function", "function": function}


def without_oldest(messages: Sequence[ChatMessage]) -> tuple[ChatMessage, ...] | None:
    """The messages without the older half of the earlier turns; None where there is none to drop.

    Instructions and the last question stay, and what stays begins with somebody's question: a
    tool's result without its call is refused by every server.
    """
    first = next((at for at, one in enumerate(messages) if one.role != "system"), len(messages))
    last = max((at for at, one in enumerate(messages) if one.role == "user"), default=first)
    turns = messages[first:last]
    if not turns:
        return None
    allowed = sum(len(one.content) for one in turns) // 2
    kept = last
    for at in range(last - 1, first - 1, -1):
        allowed -= len(messages[at].content)
        if allowed < 0:
            break
        if messages[at].role == "user":
            kept = at
    if kept == first:
        kept = last  # nothing but empty turns: drop them all
    return (*messages[:first], *messages[kept:])


@dataclass(slots=True)
class _Call:
    """A tool call that is still being said."""

    call_id: str = ""
    name: str = ""
    arguments: str = ""


class Answer:
    """An answer as it comes in."""

    def __init__(self, model: str) -> None:
        self.finished = False
        self._said: list[str] = []
        self._model = model
        self._provider = ""
        self._finish = ""
        self._half = ""
        self._bytes = 0
        self._calls: dict[object, _Call] = {}
        self._usage: Mapping[str, Any] = {}

    @property
    def full(self) -> bool:
        """Whether the answer is as long as an answer may get."""
        return self._bytes > ANSWER_LIMIT

    @property
    def shown(self) -> bool:
        """Whether the person has seen some of it, so that it can't be begun anew."""
        return bool(self._said)

    @property
    def empty(self) -> bool:
        """Whether the server said nothing at all, not even that it is done."""
        return not (self._said or self._calls or self.finished)

    @property
    def filtered(self) -> bool:
        """Whether the gateway's filter kept the whole answer back."""
        return self._finish == "content_filter" and not self._said

    def take(self, chunk: object) -> str:
        """Add a chunk; the text that is new to the person. ValueError if it is no chunk."""
        if not isinstance(chunk, dict):
            raise ValueError("a chunk that is not an object")
        if isinstance(model := chunk.get("model"), str) and _MODEL_NAME.fullmatch(model):
            self._model = model
        if isinstance(provider := chunk.get("provider"), str):
            self._provider = name_of(provider)
        if isinstance(usage := chunk.get("usage"), dict):
            self._usage = usage
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        return self._take_choice(choice) if isinstance(choice, dict) else ""

    def completion(self) -> Completion:
        """The answer as far as it came."""
        return Completion(
            text="".join(self._said),
            model=self._model,
            tool_calls=tuple(self._whole_calls()),
            prompt_tokens=_count(self._usage.get("prompt_tokens")),
            completion_tokens=_count(self._usage.get("completion_tokens")),
            truncated=self.full or self._finish not in _WHOLE,
            provider=self._provider,
        )

    def _take_choice(self, choice: Mapping[str, Any]) -> str:
        if isinstance(finish := choice.get("finish_reason"), str) and finish:
            self._finish, self.finished = finish, True
        delta = choice.get("delta") or choice.get("message")
        if not isinstance(delta, dict):
            return ""
        if isinstance(calls := delta.get("tool_calls"), list):
            for call in calls:
                self._take_call(call)
        return self._take_text(_text(delta.get("content")) + _text(delta.get("refusal")))

    def _take_text(self, text: str) -> str:
        """Text that can be stored and sent: halves of a surrogate pair wait for each other."""
        text, self._half = self._half + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        text = encodable(text)
        room = ANSWER_LIMIT - self._bytes
        self._bytes += len(text.encode())
        if self.full:
            text = text.encode()[:room].decode(errors="ignore")
        if text:
            self._said.append(text)
        return text

    def _take_call(self, delta: object) -> None:
        if not isinstance(delta, dict):
            return
        function = _function(delta)
        call = self._call_for(delta)
        call.call_id = call.call_id or _text(delta.get("id"))
        call.name = call.name or _text(function.get("name"))
        arguments = function.get("arguments")
        said = json.dumps(arguments) if isinstance(arguments, dict) else _text(arguments)
        call.arguments += encodable(said)
        self._bytes += len(said) + 16

    def _call_for(self, delta: Mapping[str, Any]) -> _Call:
        """The call that a delta continues. Some servers leave the index out, others repeat it."""
        index = delta.get("index")
        numbered = isinstance(index, int)
        key: object = index if numbered else next(reversed(self._calls), 0)
        known = self._calls.get(key)
        given = _text(delta.get("id"))
        if known and known.call_id and given and given != known.call_id:
            key = given
        elif known and known.name and not numbered and _function(delta).get("name"):
            key = f"call {len(self._calls)}"
        return self._calls.setdefault(key, _Call())

    def _whole_calls(self) -> Iterable[ToolCall]:
        """The calls that were said to the end: half an argument must never be acted on."""
        for number, call in enumerate(self._calls.values(), start=1):
            if call.name and _is_object(call.arguments or "{}"):
                yield ToolCall(call.call_id or f"call_{number}", call.name, call.arguments or "{}")


def name_of(given: str) -> str:
    """A name that a gateway gives, as one word; "" where it is longer than any name."""
    name = re.sub(r"[^A-Za-z0-9._:/]+", "-", given).strip("-")
    return name if len(given) <= 80 else ""


def lists_model(answer: object, model: str) -> bool:
    """Whether a list of models has this one; Ollama's names end in ":latest" where unsaid."""
    models = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(models, list):
        return False
    names = [one.get("id") for one in models if isinstance(one, dict)]
    return model in names or f"{model}:latest" in names


def _call_json(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": encodable(call.arguments)}
    return {"id": call.call_id, "type": "function", "function": function}


def _function(call: Mapping[str, Any]) -> Mapping[str, Any]:
    function = call.get("function")
    return function if isinstance(function, dict) else {}


def encodable(text: str) -> str:
    """The text with surrogate pairs joined and lone halves replaced: UTF-8 has no room for them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _text(value: object) -> str:
    """A text field: a string, or the list of parts that some servers send."""
    if isinstance(value, list):
        parts = (part.get("text") for part in value if isinstance(part, dict))
        return "".join(part for part in parts if isinstance(part, str))
    return value if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    """A token count that can be believed."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1_000_000_000:
        return value
    return None


def _is_object(arguments: str) -> bool:
    try:
        return isinstance(json.loads(arguments), dict)
    except (ValueError, RecursionError):
        return False
