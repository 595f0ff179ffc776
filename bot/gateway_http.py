"""The last look at a request before it leaves, and the first at a response when it arrives."""

import json
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bot.gateway_evidence import Question
from bot.gateway_faults import Fault, FaultError, Kind, fault_of
from bot.gateway_policy import missing

if TYPE_CHECKING:
    import httpx2

log = logging.getLogger(__name__)

# The SDK adds more, by itself and from OPENAI_* variables: platform, organisation, anything.
_HEADERS = frozenset({"accept", "connection", "content-length", "content-type", "host"})
_LIMIT = 32_000_000  # bytes of one response, whatever they are


_PROMPTS = ("/chat/completions", "/embeddings")


@dataclass(frozen=True, slots=True)
class Rules:
    """What a request must be to leave: to this gateway, and either one of our questions about it,
    which hold nothing of any person, or with all that the policy demands on it."""

    base_url: str
    api_key: str = field(repr=False)
    required: Mapping[str, Any]
    person_fields: tuple[str, ...]
    questions: tuple[Question, ...]

    def lacks(self, method: str, path: str, content: bytes) -> str:
        """What is wrong with a request, "" where it may leave."""
        asked = [one for one in self.questions if one.path == path]
        if method == "GET":
            return "" if any(one.body is None for one in asked) else "a path that may be read"
        body = json.loads(content)
        if any(one.body == body for one in asked):
            return ""
        if path.removeprefix(urlsplit(self.base_url).path.rstrip("/")) not in _PROMPTS:
            return "a path that may be written to"
        return missing(body, self.required, self.person_fields)


def departing(rules: Rules) -> Callable[["httpx2.Request"], Awaitable[None]]:
    """A check of the serialized request: what doesn't keep to the rules doesn't leave."""
    import httpx2  # noqa: PLC0415  what openai itself rides on; as late as openai

    origin = _origin(httpx2.URL(rules.base_url))

    async def check(request: "httpx2.Request") -> None:
        lacks = "its host"
        if _origin(request.url) == origin and not request.url.query:
            lacks = rules.lacks(request.method, request.url.path, request.content)
        if lacks:
            log.error("a request was withheld, because it lacked %s", lacks)
            raise FaultError(Fault(Kind.WITHHELD))
        for name in [name for name in request.headers if name.lower() not in _HEADERS]:
            del request.headers[name]
        request.headers["authorization"] = f"Bearer {rules.api_key}"
        request.headers["user-agent"] = "confidant"
        request.headers["accept-encoding"] = "identity"  # a compressed stream comes in lumps

    return check


def _origin(url: "httpx2.URL") -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def arriving(connected: Callable[[str], None]) -> Callable[["httpx2.Response"], Awaitable[None]]:
    """The first look at a response: note where it comes from, bound it, read it unless it streams.

    Reading here lets the SDK translate what goes wrong; later it would pass errors of httpx2 on.
    """

    async def look(response: "httpx2.Response") -> None:
        connected(_peer(response))
        if response.headers.get("content-encoding", "identity") != "identity":
            raise FaultError(Fault(Kind.GARBLED))
        response.stream = _bounded(response.stream)
        if "event-stream" not in content_type(response):
            await response.aread()

    return look


def _peer(response: "httpx2.Response") -> str:
    """The address of the other end of the connection; names prove nothing. "" if it isn't told."""
    stream = response.extensions.get("network_stream")
    address = stream.get_extra_info("server_addr") if stream is not None else None
    return str(address[0]) if isinstance(address, tuple) and address else ""


def _bounded(stream: Any) -> "httpx2.AsyncByteStream":
    return _bounded_class()(stream)


@cache
def _bounded_class() -> "Callable[[Any], httpx2.AsyncByteStream]":
    import httpx2  # noqa: PLC0415

    class Bounded(httpx2.AsyncByteStream):
        """A response body that ends with an error when it is longer than any answer can be."""

        def __init__(self, stream: httpx2.AsyncByteStream) -> None:
            self._stream = stream

        async def __aiter__(self) -> AsyncIterator[bytes]:
            left = _LIMIT
            async for block in self._stream:
                left -= len(block)
                if left < 0:
                    raise FaultError(Fault(Kind.GARBLED))
                yield block

        async def aclose(self) -> None:
            await self._stream.aclose()

    return Bounded


async def whole(response: "httpx2.Response") -> AsyncGenerator[object, None]:
    """The one chunk of an answer that didn't stream."""
    body = json.loads(response.content)
    if isinstance(body, dict) and (error := body.get("error")):
        raise FaultError(fault_of(status_in(error), response.headers, error))
    yield body


def chunks_of(stream: Any) -> AsyncGenerator[object, None]:
    """The chunks of an answer, also of one that came in one piece although we asked to stream."""
    kind = content_type(stream.response)
    if "html" in kind:
        raise FaultError(Fault(Kind.WEB_PAGE))
    return whole(stream.response) if "json" in kind else stream.__aiter__()


def content_type(response: "httpx2.Response") -> str:
    """What the response says it is."""
    return str(response.headers.get("content-type", "")).lower()


def status_in(error: object) -> int | None:
    """The HTTP status that some gateways repeat as the code of an error inside an answer."""
    code = str(error.get("code")) if isinstance(error, dict) else ""
    return int(code) if re.fullmatch("[45][0-9]{2}", code) else None
