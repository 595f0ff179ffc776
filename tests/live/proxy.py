"""A homeserver on its bad days: a reverse proxy in front of it that fails as a test tells it to.

In a test: `async with fault_proxy(homeserver.url) as proxy`, a bot whose `homeserver.url` is
`proxy.url`, then `trouble = proxy.on(failing(502), "GET", "/sync", times=2)` and
`await trouble.met(2)`. A request that no trouble is meant for passes through.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

JSON = "application/json"
PATIENCE = 60.0
DROPS, DROP_SECONDS = 20, 0.02  # pieces of an answer that trickles, and the time between two

Fault = Callable[["Passing"], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Answered:
    """What the homeserver said."""

    status: int
    body: bytes

    def response(self) -> web.Response:
        """The same, for the client."""
        return web.Response(status=self.status, body=self.body, content_type=JSON)


@dataclass(frozen=True, slots=True)
class Passing:
    """A request on its way, and what the homeserver answered to the one before it of its kind."""

    request: web.Request
    body: bytes
    before: Answered | None
    forward: Callable[[], Awaitable[Answered]]

    def hang_up(self) -> None:
        """Break the connection, with whatever was not sent yet."""
        if self.request.transport is not None:
            self.request.transport.abort()


@dataclass(slots=True)
class Trouble:
    """A fault, the requests that it is meant for, and how many have met it."""

    fault: Fault
    parts: tuple[str, ...]
    times: int | None
    count: int = 0
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def is_for(self, name: str) -> bool:
        """Whether a request such as `GET /_matrix/client/v3/sync` meets it now."""
        return self.count != self.times and all(part in name for part in self.parts)

    async def meet(self, passing: Passing) -> web.StreamResponse:
        """Fail, and tell those who wait for it."""
        self.count += 1
        async with self._news:
            self._news.notify_all()
        return await self.fault(passing)

    async def met(self, times: int = 1) -> None:
        """Wait until so many requests have met it."""
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(lambda: self.count >= times)

    def end(self) -> None:
        """Let everything pass from now on."""
        self.times = self.count


class Proxy:
    """A running proxy."""

    def __init__(self, homeserver: str, session: aiohttp.ClientSession) -> None:
        self.url = ""
        self._homeserver = homeserver
        self._session = session
        self._troubles: list[Trouble] = []
        self._before: dict[str, Answered] = {}

    def on(self, fault: Fault, *parts: str, times: int | None = None) -> Trouble:
        """Let requests whose method and path hold these parts fail, so often or until its end."""
        trouble = Trouble(fault, parts, times)
        self._troubles.append(trouble)
        return trouble

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request: into its trouble, or through."""
        name = f"{request.method} {request.path}"
        body = await request.read()

        async def forward() -> Answered:
            self._before[name] = answered = await self._forwarded(request, body)
            return answered

        trouble = next((one for one in self._troubles if one.is_for(name)), None)
        if trouble is not None:
            return await trouble.meet(Passing(request, body, self._before.get(name), forward))
        return (await forward()).response()

    async def _forwarded(self, request: web.Request, body: bytes) -> Answered:
        names = ("Authorization", "Content-Type")
        headers = {name: request.headers[name] for name in names if name in request.headers}
        url = URL(self._homeserver + request.raw_path, encoded=True)
        try:
            sent = self._session.request(request.method, url, data=body or None, headers=headers)
            async with sent as answer:
                return Answered(answer.status, await answer.read())
        except aiohttp.ClientError:
            return Answered(502, b"")


def limited(*, retry_after: str | None = None, **when: object) -> Fault:
    """Too many requests, it says, and when to come back: in its JSON, in its header or nowhere."""
    body = {"errcode": "M_LIMIT_EXCEEDED", "error": "no", **when}
    headers = {} if retry_after is None else {"Retry-After": retry_after}

    async def fault(_: Passing) -> web.StreamResponse:
        return web.json_response(body, status=429, headers=headers)

    return fault


def refusing(status: int, errcode: str) -> Fault:
    """The homeserver itself says no."""

    async def fault(_: Passing) -> web.StreamResponse:
        return web.json_response({"errcode": errcode, "error": "no"}, status=status)

    return fault


def failing(status: int) -> Fault:
    """The web page of a reverse proxy whose server is away, or that knows no such server."""

    async def fault(_: Passing) -> web.StreamResponse:
        return web.Response(status=status, text="<h1>Bad Gateway</h1>", content_type="text/html")

    return fault


def hanging() -> Fault:
    """A half-open connection: the request is taken, and nothing ever comes back."""

    async def fault(_: Passing) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError("waits for ever")

    return fault


def truncated() -> Fault:
    """The homeserver answers, and half of its JSON arrives as if it were all."""

    async def fault(passing: Passing) -> web.StreamResponse:
        answered = await passing.forward()
        return Answered(answered.status, answered.body[: len(answered.body) // 2]).response()

    return fault


def cut() -> Fault:
    """The homeserver answers, and the connection breaks in the middle of it."""

    async def fault(passing: Passing) -> web.StreamResponse:
        answered = await passing.forward()
        response = web.StreamResponse(status=answered.status)
        response.content_length = len(answered.body)
        await response.prepare(passing.request)
        await response.write(answered.body[: len(answered.body) // 2])
        passing.hang_up()
        return response

    return fault


def unheard(meanwhile: Callable[[], Awaitable[None]] | None = None) -> Fault:
    """The homeserver does it, and its answer is lost; `meanwhile` happens in between."""

    async def fault(passing: Passing) -> web.StreamResponse:
        await passing.forward()
        if meanwhile is not None:  # it may end the client, and with that this task
            await asyncio.shield(asyncio.ensure_future(meanwhile()))
        passing.hang_up()
        return web.Response()

    return fault


def unsent(meanwhile: Callable[[], Awaitable[None]]) -> Fault:
    """The request never reaches the homeserver; `meanwhile` happens instead."""

    async def fault(passing: Passing) -> web.StreamResponse:
        await asyncio.shield(asyncio.ensure_future(meanwhile()))
        passing.hang_up()
        return web.Response()

    return fault


def trickling() -> Fault:
    """The homeserver's answer comes through a line that carries a few bytes at a time."""

    async def fault(passing: Passing) -> web.StreamResponse:
        answered = await passing.forward()
        response = web.StreamResponse(status=answered.status, headers={"Content-Type": JSON})
        response.content_length = len(answered.body)
        await response.prepare(passing.request)
        size = len(answered.body) // DROPS + 1
        for start in range(0, len(answered.body), size):
            await response.write(answered.body[start : start + size])
            await asyncio.sleep(DROP_SECONDS)
        return response

    return fault


def after(passed: int, fault: Fault) -> Fault:
    """Let so many requests pass first."""
    numbers = itertools.count()

    async def later(passing: Passing) -> web.StreamResponse:
        if next(numbers) < passed:
            return (await passing.forward()).response()
        return await fault(passing)

    return later


def twice() -> Fault:
    """Every second time, the answer before comes once more."""
    turn = itertools.cycle((False, True))

    async def fault(passing: Passing) -> web.StreamResponse:
        again = passing.before if next(turn) else None
        return (again or await passing.forward()).response()

    return fault


def altered(change: Callable[[dict[str, Any]], None]) -> Fault:
    """The homeserver's answer is another one than it gave."""

    async def fault(passing: Passing) -> web.StreamResponse:
        answered = await passing.forward()
        answer = json.loads(answered.body)
        change(answer)
        return web.json_response(answer, status=answered.status)

    return fault


def noticed() -> Fault:
    """Nothing is wrong; a test waits for it."""

    async def fault(passing: Passing) -> web.StreamResponse:
        return (await passing.forward()).response()

    return fault


@asynccontextmanager
async def fault_proxy(homeserver: str) -> AsyncIterator[Proxy]:
    """Run a proxy on loopback."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:
        proxy = Proxy(homeserver, session)
        app = web.Application(client_max_size=2**28)
        app.router.add_route("*", "/{path:.*}", proxy.handle)
        runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield proxy
        finally:
            await runner.cleanup()
