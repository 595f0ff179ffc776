"""An OpenAI-compatible gateway that does what a test tells it, over a real loopback socket.

In a test: `async with responder() as r: r.script(error(429), answer("Hel", "lo"))`, then look at
`r.requests`. For another process: `python -m tests.responder --port 0` prints its base URL; GET
`/requests` lists what came in, POST `/script` takes steps such as `[["answer", "Hel", "lo"],
["error", 429], ["hang"]]`. A request without a step left is answered with "Hello.".
"""

import argparse
import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, cast

from aiohttp import web

SSE = {"Content-Type": "text/event-stream"}

Step = Callable[["Exchange"], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Captured:
    """One request as it came in; `at` is when, on the monotonic clock, `text` the body verbatim."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    at: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that is being answered."""

    request: web.Request
    captured: Captured

    async def open(self, headers: dict[str, str] | None = None) -> web.StreamResponse:
        """Begin a streamed answer."""
        response = web.StreamResponse(headers=headers or SSE)
        await response.prepare(self.request)
        return response

    def hang_up(self) -> None:
        """Close the connection in the middle of everything."""
        if self.request.transport is not None:
            self.request.transport.abort()


@dataclass(slots=True)
class Responder:
    """A running server: its address, what it was sent, and what it does next."""

    base_url: str = ""
    requests: list[Captured] = field(default_factory=list)
    models: tuple[str, ...] = ("test-model",)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    disconnected: asyncio.Event = field(default_factory=asyncio.Event)  # a client left too early
    steps: deque[Step] = field(default_factory=deque)
    embedding_steps: deque[Step] = field(default_factory=deque)
    others: dict[str, Any] = field(default_factory=dict)  # what other paths say: JSON, a status
    usual: Step = field(default_factory=lambda: answer("Hello."))  # where no step is left

    def script(self, *steps: Step) -> None:
        """What the next requests for a completion get, one step each."""
        self.steps.extend(steps)

    @property
    def chats(self) -> list[dict[str, Any]]:
        """The bodies of the requests for a completion."""
        return [one.body for one in self.requests if one.path.endswith("/chat/completions")]

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/chat/completions."""
        exchange = Exchange(request, await self._capture(request))
        step = self.steps.popleft() if self.steps else self.usual
        try:
            return await step(exchange)
        except (asyncio.CancelledError, ConnectionResetError):
            self.disconnected.set()
            raise

    async def embed(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/embeddings."""
        exchange = Exchange(request, await self._capture(request))
        step = self.embedding_steps.popleft() if self.embedding_steps else embeddings()
        return await step(exchange)

    async def list_models(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/models."""
        await self._capture(request)
        data = [{"id": name, "object": "model"} for name in self.models]
        return web.json_response({"object": "list", "data": data})

    async def elsewhere(self, request: web.Request) -> web.StreamResponse:
        """Any other path: captured, so that a followed redirect shows."""
        await self._capture(request)
        said = self.others.get(request.path)
        if callable(said):
            return cast(web.StreamResponse, await said(request))
        if isinstance(said, int):
            return web.json_response({"error": {"message": "off"}}, status=said)
        if said is not None:
            return web.json_response(said)
        return web.json_response({"error": {"message": "no such path"}}, status=404)

    async def show(self, _: web.Request) -> web.StreamResponse:
        """GET /requests, for another process."""
        return web.json_response([asdict(one) for one in self.requests])

    async def accept_script(self, request: web.Request) -> web.StreamResponse:
        """POST /script, from another process."""
        self.script(*(_BY_NAME[name](*given) for name, *given in await request.json()))
        return web.json_response({"steps": len(self.steps)})

    async def _capture(self, request: web.Request) -> Captured:
        text = await request.text()
        body = json.loads(text) if text else None
        headers = {name.lower(): value for name, value in request.headers.items()}
        captured = Captured(request.method, request.path, headers, body, time.monotonic(), text)
        self.requests.append(captured)
        self.arrived.set()
        return captured


def chunk(delta: dict[str, Any], *, finish: str | None = None, model: str = "test-model") -> bytes:
    """One event of a streamed answer."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return event(
        {"id": "c", "object": "chat.completion.chunk", "model": model, "choices": [choice]}
    )


def event(data: object, *, name: str = "") -> bytes:
    """One server-sent event; a str goes out as it is."""
    text = data if isinstance(data, str) else json.dumps(data)
    return (f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode()


def call(name: str, arguments: dict[str, Any], *, call_id: str = "call_1") -> dict[str, Any]:
    """A tool call, whole."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"index": 0, "id": call_id, "type": "function", "function": function}


def answer(
    *pieces: str,
    calls: Sequence[dict[str, Any]] = (),
    finish: str | None = "stop",
    usage: tuple[int, int] | None = (7, 3),
    model: str = "test-model",
    gate: asyncio.Event | None = None,
) -> Step:
    """A good streamed answer; with a gate, all but the first piece wait for it."""

    async def step(exchange: Exchange) -> web.StreamResponse:
        response = await exchange.open()
        for number, piece in enumerate(pieces):
            if number == 1 and gate is not None:
                await gate.wait()
            await response.write(chunk({"content": piece}, model=model))
        for one in calls:
            await response.write(chunk({"tool_calls": [one]}, model=model))
        if finish:
            await response.write(chunk({}, finish=finish, model=model))
        if usage and exchange.captured.body.get("stream_options"):
            counts = {"prompt_tokens": usage[0], "completion_tokens": usage[1]}
            await response.write(event({"model": model, "choices": [], "usage": counts}))
        await response.write(event("[DONE]"))
        return response

    return step


def embeddings(*vectors: Any) -> Step:
    """These vectors, or one of three numbers for each text."""

    async def step(exchange: Exchange) -> web.StreamResponse:
        made = vectors or [[1.0, 2.0, float(len(text))] for text in exchange.captured.body["input"]]
        data = [
            {"object": "embedding", "index": place, "embedding": vector}
            for place, vector in enumerate(made)
        ]
        return web.json_response({"object": "list", "model": "e", "data": data})

    return step


def error(
    status: int, message: str = "no", *, headers: dict[str, str] | None = None, **more: Any
) -> Step:
    """An error in OpenAI's shape, such as error(429, headers={"Retry-After": "1"})."""

    async def step(_: Exchange) -> web.StreamResponse:
        body = {"error": {"message": message, "type": "error", **more}}
        return web.json_response(body, status=status, headers=headers)

    return step


def overflow() -> Step:
    """The prompt is longer than the model can read."""
    words = "This model's maximum context length is 4096 tokens. Please reduce the length."
    return error(400, words, code="context_length_exceeded")


def unprocessable(name: str) -> Step:
    """A strict server that refuses a field it doesn't know."""

    async def step(exchange: Exchange) -> web.StreamResponse:
        echo = exchange.captured.body.get("messages")
        words = "Extra inputs are not permitted"
        fault = {"type": "extra_forbidden", "loc": ["body", name], "msg": words, "input": echo}
        return web.json_response({"detail": [fault]}, status=422)

    return step


def body(text: str, *, content_type: str = "application/json", status: int = 200) -> Step:
    """Anything, in one piece: HTML of a wrong address, an answer that doesn't stream, nonsense."""

    async def step(_: Exchange) -> web.StreamResponse:
        return web.Response(text=text, content_type=content_type, status=status)

    return step


def html(*, status: int = 200) -> Step:
    """The web page that answers at a wrong base URL."""
    return body("<!doctype html><title>Welcome</title>", content_type="text/html", status=status)


def events(*parts: bytes, cut: bool = False) -> Step:
    """These bytes as a stream; with `cut` the connection breaks after them."""

    async def step(exchange: Exchange) -> web.StreamResponse:
        response = await exchange.open()
        for part in parts:
            await response.write(part)
        if cut:
            exchange.hang_up()
        return response

    return step


def cut(*pieces: str) -> Step:
    """A stream that breaks off in the middle."""
    return events(*(chunk({"content": piece}) for piece in pieces), cut=True)


def hang(*pieces: str) -> Step:
    """A server that says this much, then nothing, until the client leaves."""

    async def step(exchange: Exchange) -> web.StreamResponse:
        response = await exchange.open() if pieces else web.StreamResponse()
        for piece in pieces:
            await response.write(chunk({"content": piece}))
        await asyncio.Event().wait()
        return response

    return step


def endless(piece: bytes) -> Step:
    """A server that never stops talking."""

    async def step(exchange: Exchange) -> web.StreamResponse:
        response = await exchange.open()
        while True:
            await response.write(piece)

    return step


def redirect(to: str, *, status: int = 307) -> Step:
    """Somewhere else, with the prompt."""

    async def step(_: Exchange) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": to})

    return step


@asynccontextmanager
async def responder(port: int = 0) -> AsyncIterator[Responder]:
    """Run a responder on loopback."""
    running = Responder()
    app = web.Application(client_max_size=2**26)
    app.router.add_post("/v1/chat/completions", running.chat)
    app.router.add_post("/v1/embeddings", running.embed)
    app.router.add_get("/v1/models", running.list_models)
    app.router.add_get("/requests", running.show)
    app.router.add_post("/script", running.accept_script)
    app.router.add_route("*", "/{path:.*}", running.elsewhere)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        running.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield running
    finally:
        await runner.cleanup()


_BY_NAME: dict[str, Callable[..., Step]] = {
    "answer": answer,
    "cut": cut,
    "error": error,
    "hang": hang,
    "html": html,
    "overflow": overflow,
    "redirect": redirect,
}


async def _main(port: int) -> None:
    async with responder(port) as running:
        sys.stdout.write(f"{running.base_url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="a scripted OpenAI-compatible gateway")
    parser.add_argument("--port", type=int, default=0)
    asyncio.run(_main(parser.parse_args().port))
