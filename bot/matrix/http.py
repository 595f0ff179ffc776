"""One homeserver over HTTP: JSON in, JSON out, bounded patience, errors that a person can read."""

import asyncio
import json
import math
import random
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp

from bot.errors import HomeserverError, HomeserverHiddenError, HomeserverUnavailableError
from bot.matrix import untrusted
from bot.matrix.answers import is_away, is_page, is_passing

PATIENCE = 60.0  # seconds in which a request is tried again before its failure is reported
PAGES = 600.0  # the same for a web page instead of an answer, once the bot runs
LONGEST_WAIT = 30.0  # seconds, whatever the server's retry_after says
LARGEST = 64 * 2**20  # bytes of one answer: the members of a room of 100,000, with room to spare
LARGEST_SYNC = 256 * 2**20  # the first sync has the state of every room
JSON = "application/json"
BYTES = "application/octet-stream"

Answer = tuple[int, dict[str, Any]]
"""The HTTP status and the JSON object that came with it; status 0 where no usable answer came."""


class RequestError(HomeserverError):
    """A request that failed; `status` is 0 where the homeserver could not be reached."""

    def __init__(self, sentence: str, *, status: int = 0, errcode: str = "") -> None:
        super().__init__(sentence)
        self.status = status
        self.errcode = errcode


class UnavailableError(RequestError, HomeserverUnavailableError):
    """The same request may succeed later: no answer, too many requests, or a failing server."""


class PageError(RequestError, HomeserverHiddenError):
    """What refused was a proxy, with a page of its own: it says nothing about what was asked."""


class TokenRevokedError(UnavailableError):
    """The homeserver no longer knows our access token: nothing works until the next log-in."""


def is_gone(error: RequestError) -> bool:
    """Whether the homeserver itself says that there is no such thing, or none that we may see.

    Whatever else was answered, a failing server's 500 or a proxy's 404, says "not now".
    """
    return error.errcode in ("M_NOT_FOUND", "M_FORBIDDEN")


def path(*parts: str) -> str:
    """A path of the client-server API, each part escaped: ids come from others."""
    return "/_matrix/client/v3/" + "/".join(quote(part, safe="") for part in parts)


SYNC = path("sync")


class Http:
    """The only connection to the homeserver.

    Redirects are not followed and the environment's proxies not used: the access token goes to the
    configured address and nowhere else.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.url = url.rstrip("/")
        self.patience = PATIENCE  # seconds; once the bot runs, an outage is waited out
        self.access_token = ""
        self.away_at = -math.inf  # when a try last found the homeserver away, or hidden
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Answer:
        """Status and object of the answer, be it a refusal; UnavailableError where none came."""
        status, answer = await self._patiently(method, path, _encoded(body))
        if is_passing(status):
            raise self._failure(method, status, answer)
        return status, answer

    async def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        seconds: float = 60.0,
        patience: float | None = None,
        repeatable: bool = True,
    ) -> dict[str, Any]:
        """The object of the answer; RequestError where the homeserver refuses or is away.

        Outages and rate limits are waited out and the request repeated while `patience` lasts
        (None: the connection's own), a request that the server itself fails on for a minute at
        most, the web page of a proxy that is set up wrongly for ten; one that is not `repeatable`
        only where nothing can have been done yet.
        """
        target = f"{path}?{urlencode(query)}" if query else path
        status, answer = await self._patiently(
            method,
            target,
            _encoded(body),
            seconds=seconds,
            patience=patience,
            repeatable=repeatable,
        )
        if status != 200:
            raise self._failure(method, status, answer)
        return answer

    async def upload(self, content: bytes) -> str:
        """Put (encrypted) bytes into the media repository; returns their mxc:// address."""
        target = "/_matrix/media/v3/upload"
        status, answer = await self._patiently("POST", target, content, kind=BYTES, seconds=600.0)
        address = untrusted.text(answer, "content_uri")
        if status != 200 or not address:
            raise self._failure("upload", status, answer)
        return address

    async def download(self, path: str, *, limit: int) -> bytes:
        """The bytes behind a path; RequestError if they are more than `limit`."""
        try:
            status, content = await self._once("GET", path, None, BYTES, 600.0, limit=limit)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._failure("download", 0, {"error": _in_words(error)}) from None
        if status != 200:
            raise self._failure("download", status, _object(content) or {})
        if len(content) > limit:
            raise RequestError(f"The file is larger than {limit} bytes.", status=status)
        return content

    async def _patiently(
        self,
        method: str,
        target: str,
        data: bytes | None,
        *,
        kind: str = JSON,
        seconds: float = 60.0,
        patience: float | None = None,
        repeatable: bool = True,
    ) -> Answer:
        """Repeat what is rate-limited or fails in passing, until patience ends."""
        patience = self.patience if patience is None else patience
        begun, tries = self._clock(), 0
        while True:
            status, answer = await self._json(method, target, data, kind, seconds)
            page = patience > PATIENCE and is_page(status, answer)
            again = status == 429 or (repeatable and (page or is_passing(status)))
            wait = asked_wait(answer) if status == 429 else backoff(tries)
            away, most = is_away(status, answer), min(patience, PAGES if page else PATIENCE)
            if away:
                most = patience
            if away or page:
                self.away_at = self._clock()
            if not again or self._clock() + wait > begun + most:
                return status, answer
            await asyncio.sleep(wait)
            tries += 1

    async def _json(
        self, method: str, target: str, data: bytes | None, kind: str, seconds: float
    ) -> Answer:
        try:
            limit = LARGEST_SYNC if target.startswith(SYNC) else LARGEST
            status, content = await self._once(method, target, data, kind, seconds, limit=limit)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return 0, {"error": _in_words(error)}
        if len(content) > limit:  # nothing would come of asking again
            raise RequestError(f"The homeserver's answer is larger than {limit} bytes.", status=500)
        answer = _object(content)
        if answer is None:  # a proxy's page, or a body that was cut off: as good as no answer
            return (0, {"error": "its answer is not JSON"}) if status == 200 else (status, {})
        return status, answer

    async def _once(
        self,
        method: str,
        target: str,
        data: bytes | None,
        kind: str,
        seconds: float,
        *,
        limit: int,
    ) -> tuple[int, bytes]:
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=False)
        headers = {"Content-Type": kind}
        if self.access_token:
            headers["Authorization"] = f"Bearer {self.access_token}"
        async with self._session.request(
            method,
            self.url + target,
            data=data,
            headers=headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=10.0),
        ) as response:
            if response.status < 100:
                raise aiohttp.ClientPayloadError  # 0 is ours, for "no answer"
            return response.status, await _start(response, limit + 1)

    def _failure(self, what: str, status: int, answer: Mapping[str, Any]) -> RequestError:
        """The sentence for a person; the server's own words may repeat what was sent."""
        errcode = untrusted.errcode(answer)
        if errcode == "M_UNKNOWN_TOKEN":
            return TokenRevokedError(
                "The homeserver no longer accepts the bot's access token: it was logged out "
                "there. Start the bot again with homeserver.password set, or a new access_token.",
                status=status,
                errcode=errcode,
            )
        if status == 0:
            reason = untrusted.text(answer, "error")
            return UnavailableError(f"The homeserver at {self.url} can't be reached: {reason}.")
        if 300 <= status < 400:
            return RequestError(
                f"{self.url} redirects to another address: put that one in homeserver.url.",
                status=status,
            )
        if not errcode and status in (404, 405):
            return PageError(
                f"What answers at {self.url} is no Matrix homeserver: see homeserver.url.",
                status=status,
            )
        kind = RequestError
        if is_away(status, answer):
            kind = UnavailableError
        elif is_page(status, answer):
            kind = PageError
        refused = f"The homeserver refused a request ({what}: {status} {errcode})."
        return kind(refused.replace(" )", ")"), status=status, errcode=errcode)


def _in_words(error: Exception) -> str:
    """Why no answer came; a library's own words could hold anything."""
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "no machine of that name is known"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not one that this machine trusts"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "nothing listens there"
    return "the connection broke"


async def _start(response: aiohttp.ClientResponse, length: int) -> bytes:
    """At most this many bytes of the body."""
    content = bytearray()
    async for chunk in response.content.iter_chunked(65_536):
        content += chunk
        if len(content) >= length:
            break
    return bytes(content)


def _encoded(body: Mapping[str, Any] | None) -> bytes | None:
    return None if body is None else json.dumps(body).encode()


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        answer = untrusted.loads(content)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def asked_wait(answer: Mapping[str, Any]) -> float:
    """How long a rate limit asks us to wait, within bounds: servers have sent 10^12 and -1."""
    milliseconds = answer.get("retry_after_ms")
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, (int, float)):
        return 1.0
    if not math.isfinite(milliseconds):
        return LONGEST_WAIT
    return min(max(milliseconds / 1000, 0.1), LONGEST_WAIT)


def backoff(tries: int) -> float:
    """Seconds before the next attempt: doubling, bounded, and never in step with others."""
    doubled = min(0.5 * float(2 ** min(tries, 10)), LONGEST_WAIT)
    return doubled * random.uniform(0.7, 1.3)
