"""What is tried when a gateway fails, how long that may take, and when to stop asking."""

import random
from dataclasses import dataclass, replace
from typing import Any

from bot.completions import ChatMessage, Tool
from bot.gateway_faults import DEAD, PASSING, Fault, FaultError, Kind
from bot.gateway_wire import message_json, tool_json, without_oldest


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for what, in seconds."""

    deadline: float = 300.0  # one answer, with everything that is tried for it
    silence: float = 120.0  # between two signs of life: a model that is being loaded gives none
    connect: float = 10.0
    attempts: int = 3
    first_wait: float = 0.5  # before the second attempt; twice that before the third
    longest_wait: float = 10.0  # whatever a server asks for


@dataclass(frozen=True, slots=True)
class Ask:
    """A request in the form in which it is tried next."""

    messages: tuple[ChatMessage, ...]
    model: str
    tools: tuple[Tool, ...]
    person: str
    dropped: frozenset[str] = frozenset()  # optional fields that the server doesn't take
    shortened: bool = False
    tries: int = 0

    @property
    def optional(self) -> frozenset[str]:
        """The optional fields that are on this request."""
        offered = {"stream_options", "tools"} if self.tools else {"stream_options"}
        return frozenset(offered) - self.dropped

    def body(self) -> dict[str, Any]:
        """The request in JSON, with as few fields as possible: strict servers refuse any other."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [message_json(message) for message in self.messages],
            "stream": True,
        }
        if "stream_options" in self.optional:
            body["stream_options"] = {"include_usage": True}
        if "tools" in self.optional:
            body["tools"] = [tool_json(tool) for tool in self.tools]
        return body


def next_try(ask: Ask, fault: Fault, patience: Patience, left: float) -> tuple[Ask, float] | None:
    """The request to try next and the wait before it; None where trying again can't help.

    `left` is what remains until the deadline.
    """
    if refused := fault.rejects & ask.optional:
        return replace(ask, dropped=ask.dropped | refused), 0.0
    if fault.kind is Kind.OVERFLOW and not ask.shortened:
        kept = without_oldest(ask.messages)
        return (replace(ask, messages=kept, shortened=True), 0.0) if kept else None
    wait = _wait(ask, fault, patience)
    if fault.kind in PASSING and ask.tries + 1 < patience.attempts and wait < left:
        return replace(ask, tries=ask.tries + 1), wait
    return None


def _wait(ask: Ask, fault: Fault, patience: Patience) -> float:
    grown = patience.first_wait * float(2**ask.tries) * random.uniform(0.75, 1.25)
    return min(max(grown, fault.wait or 0.0), patience.longest_wait)


class Breaker:
    """Stops asking a dead gateway for a while: it fails fast, and one request at a time probes."""

    def __init__(self, *, after: int = 3, pause: float = 30.0) -> None:
        self._after = after
        self._pause = pause
        self._failures = 0
        self._open_until = 0.0

    def admit(self, now: float) -> None:
        """Let a request pass, or raise the fault of a gateway that rests."""
        if self._failures < self._after:
            return
        if now < self._open_until:
            raise FaultError(Fault(Kind.RESTING, wait=self._open_until - now))
        self._open_until = now + self._pause  # this one probes; the others wait for it

    def note(self, fault: Fault | None, now: float) -> None:
        """Learn from a request that ended, with a fault or (None) with an answer."""
        if fault is None or fault.kind not in DEAD:
            self._failures = 0
            return
        self._failures += 1
        self._open_until = now + self._pause
