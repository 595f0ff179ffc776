"""What can go wrong at a gateway, and the sentence for it.

The server's own error text is read to tell faults apart and then dropped: it may repeat the prompt,
so it is never shown, logged or raised.
"""

import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum


class Kind(StrEnum):
    """What went wrong, as the log says it."""

    UNREACHABLE = "unreachable"
    CERTIFICATE = "certificate"
    SILENT = "silent"
    BUSY = "busy"
    BROKEN = "broken"
    EMPTY = "empty"
    KEY = "key"
    CREDIT = "credit"
    MODEL = "model"
    PATH = "path"
    OVERFLOW = "overflow"
    REDIRECT = "redirect"
    WEB_PAGE = "web_page"
    GARBLED = "garbled"
    POLICY = "policy"
    FILTERED = "filtered"
    REFUSED = "refused"
    WITHHELD = "withheld"
    ELSEWHERE = "elsewhere"
    STRAYED = "strayed"
    RESTING = "resting"


PASSING = frozenset({Kind.UNREACHABLE, Kind.SILENT, Kind.BUSY, Kind.BROKEN, Kind.EMPTY})
"""Faults that another attempt may outlast."""

DEAD = PASSING - {Kind.BUSY}
"""Faults of a gateway that doesn't serve anybody at the moment."""

_SENTENCES: Mapping[Kind, str] = {
    Kind.UNREACHABLE: "I can't reach the model gateway at {host}. Please ask again later; if it "
    "lasts, the operator can check that it runs and that gateway.base_url is right.",
    Kind.CERTIFICATE: "The model gateway at {host} shows a certificate that I can't trust, so I "
    "sent nothing. The operator can mend it, or let this machine trust whoever signed it.",
    Kind.SILENT: "The model gateway at {host} took too long to answer. Please ask again; if it "
    "happens often, the operator can look at the gateway or choose a smaller model.",
    Kind.BUSY: "The model gateway at {host} is busy and takes no more requests just now. Please "
    "ask again in {again}.",
    Kind.BROKEN: "The model gateway at {host} has a fault of its own. Please ask again later; if "
    "it lasts, the operator can look at the gateway.",
    Kind.EMPTY: "The model gateway at {host} sent no answer at all. Please ask again; if it lasts, "
    "the operator can check gateway.base_url, which usually ends in /v1.",
    Kind.KEY: "The model gateway at {host} refuses my key. The operator can set gateway.api_key.",
    Kind.CREDIT: "The operator's account at the model gateway {host} has no credit left.",
    Kind.MODEL: "The model gateway at {host} doesn't know the model {model}. The operator can "
    "choose another one with gateway.model.",
    Kind.PATH: "The server at {host} answers, but has no chat API at that address. The operator "
    "can check gateway.base_url, which usually ends in /v1.",
    Kind.OVERFLOW: "That is more text than the model {model} can read at once. Please send a "
    "shorter message.",
    Kind.REDIRECT: "The server at {host} wants to send your words on to another address, which I "
    "never do. The operator can put the final address into gateway.base_url.",
    Kind.WEB_PAGE: "The server at {host} answers with a web page instead of a model's words. The "
    "operator can check gateway.base_url, which usually ends in /v1.",
    Kind.GARBLED: "The model gateway at {host} sent something that I can't read as an answer. "
    "Please ask again; if it lasts, the operator can look at the gateway.",
    Kind.POLICY: "No provider behind {host} offers the model {model} under the privacy terms that "
    "I ask for, so it was not used. The operator can choose another one with gateway.model.",
    Kind.FILTERED: "The model gateway at {host} refused this message (its content filter).",
    Kind.REFUSED: "The model gateway at {host} refused the request. The operator can look at the "
    "gateway, at gateway.preset and at gateway.extra_body.",
    Kind.WITHHELD: "I sent nothing to the model gateway: the request was not as private as "
    "gateway.preset demands. The operator can check gateway.preset and gateway.model.",
    Kind.ELSEWHERE: "I sent nothing to the model gateway at {host}: my operator promises a model "
    "that runs nearby, and {model} does not. The operator can read why in the log, and choose "
    "another one with gateway.model.",
    Kind.STRAYED: "I sent nothing to the model gateway at {host}: my operator promises a model "
    "that runs nearby, and a connection ended somewhere else. The operator can check where that "
    "name leads; I look again once a day and at each start.",
    Kind.RESTING: "The model gateway at {host} has not been working, so I'm giving it a moment. "
    "Please ask again in {again}.",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One failed attempt: enough to act on and to log, nothing of what was said."""

    kind: Kind
    status: int | None = None
    request_id: str = ""
    wait: float | None = None  # seconds the server asked for
    rejects: frozenset[str] = frozenset()  # optional fields that this server doesn't take

    @property
    def noted(self) -> str:
        """What the log says."""
        return f"{self.kind}, status {self.status or '-'}, request {self.request_id or '-'}"

    def sentence(self, host: str, model: str) -> str:
        """What the person reads."""
        again = _duration(self.wait or 60.0)
        return _SENTENCES[self.kind].format(host=host, model=f"“{model}”", again=again)


class FaultError(Exception):
    """Carries a Fault from where it is noticed to where it is answered."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.kind)
        self.fault = fault


_OVERFLOW = re.compile(
    r"context[ _-]?(?:length|size|window)|exceed_context|maximum context|prompt is too long"
    r"|too many (?:input )?tokens|token count.*exceed|reduce the length|input is too long"
)
_MODEL = re.compile(
    r"model_not_found|not a valid model|(?:invalid|unknown|no such) model"
    r"|model\b.*(?:not found|not exist|n't exist|not available|not loaded|not supported)"
)
_POLICY = re.compile(
    r"data policy|zero[ -]?data[ -]?retention|\bzdr\b|data[ _]collection|prompt[ _-]?training"
)
_FILTER = re.compile(r"content[ _-]?(?:filter|policy|management)|moderation|flagged")
_CREDIT = re.compile(r"insufficient[ _](?:quota|credit|funds|balance)|billing|out of credit")
_BAD = frozenset({None, 400, 403, 404, 413, 422})
_TELLTALE = (
    (Kind.CREDIT, frozenset({None, 402, 403, 429}), _CREDIT),
    (Kind.OVERFLOW, _BAD | {500}, _OVERFLOW),
    (Kind.POLICY, _BAD | {503}, _POLICY),
    (Kind.FILTERED, _BAD, _FILTER),
    (Kind.MODEL, _BAD, _MODEL),
)
_TOOLS = re.compile(r"\btools?\b|\btool_(?:choice|calls?)\b|function[ _-]?call")
_WORDS_LIMIT = 4000  # of an error text; a longer one is an echo of the request


def fault_of(status: int | None, headers: Mapping[str, str], body: object) -> Fault:
    """The fault that an error answer tells of; `status` is None for an error inside a stream."""
    words = " ".join(_words(body))[:_WORDS_LIMIT].lower()
    return Fault(
        _kind(status, words, headers.get("content-type", "")),
        status,
        _request_id(headers),
        _retry_after(headers),
        _rejects(status, words),
    )


def _kind(status: int | None, words: str, content_type: str) -> Kind:
    if status is not None and 300 <= status < 400:
        return Kind.REDIRECT
    if status in {404, 405} and "html" in content_type:
        return Kind.WEB_PAGE
    return _kind_by_words(status, words) or _kind_by_status(status)


def _kind_by_words(status: int | None, words: str) -> Kind | None:
    """The kind that only the server's words tell; statuses are used differently everywhere."""
    for kind, statuses, pattern in _TELLTALE:
        if status in statuses and pattern.search(words):
            return kind
    return None


def _kind_by_status(status: int | None) -> Kind:
    known = {
        None: Kind.BROKEN,
        401: Kind.KEY,
        402: Kind.CREDIT,
        403: Kind.KEY,
        404: Kind.PATH,
        405: Kind.PATH,
        408: Kind.SILENT,
        413: Kind.OVERFLOW,
        429: Kind.BUSY,
        504: Kind.SILENT,
    }
    fallback = Kind.BROKEN if status is not None and status >= 500 else Kind.REFUSED
    return known.get(status, fallback)


def _rejects(status: int | None, words: str) -> frozenset[str]:
    if status not in {400, 404, 422, 501}:
        return frozenset()
    if "stream_options" in words or "include_usage" in words:
        return frozenset({"stream_options"})
    return frozenset({"tools"}) if _TOOLS.search(words) else frozenset()


def _words(body: object, *, depth: int = 0) -> Iterator[str]:
    """What an error says about itself, without `input` and the like, which repeat the request."""
    if isinstance(body, str):
        yield body[:_WORDS_LIMIT]
    elif isinstance(body, int):
        yield str(body)
    elif isinstance(body, list) and depth < 6:
        for part in body[:20]:
            yield from _words(part, depth=depth + 1)
    elif isinstance(body, dict) and depth < 6:
        for name in ("error", "detail", "message", "msg", "code", "type", "param", "loc", "errors"):
            yield from _words(body.get(name), depth=depth + 1)


def _request_id(headers: Mapping[str, str]) -> str:
    """The server's id of a request, where it looks like one: it could be anything."""
    given = headers.get("x-request-id", "")
    return given if re.fullmatch(r"[\w.:-]{1,64}", given, re.ASCII) else ""


def _retry_after(headers: Mapping[str, str]) -> float | None:
    given = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(?:\.\d{1,3})?", given):
        return float(given)
    try:
        then = parsedate_to_datetime(given)
        sent = parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (then - sent).total_seconds())
    except (ValueError, TypeError):
        return None


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} seconds"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} minutes"
    return f"{round(seconds / 3600)} hours"


def connection_kind(error: BaseException) -> Kind:
    """What a failed connection was: the SDK knows only "timeout" and "connection error"."""
    cause: BaseException | None = error
    silent = isinstance(error, TimeoutError) or type(error).__name__ == "APITimeoutError"
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Kind.CERTIFICATE
        if type(cause).__name__ in {"ConnectTimeout", "PoolTimeout"}:
            return Kind.UNREACHABLE
        cause = cause.__cause__ or cause.__context__
    return Kind.SILENT if silent else Kind.UNREACHABLE
