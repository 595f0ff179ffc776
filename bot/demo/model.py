"""A model in a few rules, so that Confidant can be tried with no network, no key and no download.

It speaks the OpenAI protocol over a real loopback socket: the bot talks with it through the same
code as with any gateway. It says what it is, answers from what stands in its prompt and nothing
else, and calls `remember` when the person states a fact, `forget_memory` when they ask for that.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from bot.demo.rules import Said, reply_to

MODEL = "confidant-demo"

PIECE_SECONDS = 0.03  # between two words: visible, and soon over
ANSWER_SECONDS = 1.2  # the longest that all those pauses together may take


@asynccontextmanager
async def serve_demo_model(port: int = 0, *, pause: float = PIECE_SECONDS) -> AsyncIterator[str]:
    """Run the demo model on loopback; yields its base URL."""
    app = web.Application(client_max_size=2**24)
    app[_PAUSE] = pause
    app.router.add_get("/v1/models", _models)
    app.router.add_post("/v1/chat/completions", _chat)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


_PAUSE = web.AppKey("pause", float)


async def _models(_: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": [{"id": MODEL, "object": "model"}]})


async def _chat(request: web.Request) -> web.StreamResponse:
    try:
        asked = json.loads(await request.read())
        messages, tools = asked["messages"], asked.get("tools") or []
        said = reply_to(
            messages,
            remembers=_offers(tools, "remember"),
            forgets=_offers(tools, "forget_memory"),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return _refusal("The body must be a chat completion request in JSON.")
    usage = _usage(messages, said)
    if not asked.get("stream"):
        return web.json_response(_completion(said, usage))
    options = asked.get("stream_options") or {}
    return await _stream(request, said, usage if options.get("include_usage") else None)


def _offers(tools: list[dict[str, Any]], name: str) -> bool:
    return any(tool["function"]["name"] == name for tool in tools)


def _refusal(message: str) -> web.Response:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return web.json_response({"error": error}, status=400)


def _completion(said: Said, usage: dict[str, int]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": said.text}
    if said.calls:
        message["tool_calls"] = _calls(said)
    choice = {"index": 0, "message": message, "finish_reason": _finish(said)}
    return {**_frame("chat.completion"), "choices": [choice], "usage": usage}


async def _stream(
    request: web.Request, said: Said, usage: dict[str, int] | None
) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
    )
    await response.prepare(request)
    pieces = said.pieces()
    pause = min(request.app[_PAUSE], ANSWER_SECONDS / max(1, len(pieces)))
    for piece in pieces:
        await response.write(_chunk({"content": piece}))
        await asyncio.sleep(pause)
    for number, call in enumerate(_calls(said)):
        await response.write(_chunk({"tool_calls": [{"index": number, **call}]}))
    await response.write(_chunk({}, finish=_finish(said)))
    if usage:
        await response.write(_event({**_frame(_CHUNK), "choices": [], "usage": usage}))
    await response.write(b"data: [DONE]\n\n")
    return response


_CHUNK = "chat.completion.chunk"


def _chunk(delta: dict[str, Any], *, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _event({**_frame(_CHUNK), "choices": [choice]})


def _event(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


def _frame(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-demo", "object": kind, "created": int(time.time()), "model": MODEL}


def _calls(said: Said) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": one.name, "arguments": json.dumps(one.arguments())},
        }
        for number, one in enumerate(said.calls, start=1)
    ]


def _finish(said: Said) -> str:
    return "tool_calls" if said.calls else "stop"


def _usage(messages: list[dict[str, Any]], said: Said) -> dict[str, int]:
    """About four characters a token, as for any Western text."""
    prompt = len(json.dumps(messages)) // 4
    answered = max(1, len(said.text) // 4)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": answered,
        "total_tokens": prompt + answered,
    }
