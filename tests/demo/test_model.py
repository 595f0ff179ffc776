"""The demo model over its socket, spoken to by a plain client and by the bot's own gateway."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from bot.completions import ChatMessage, Completion
from bot.config import Gateway as Settings
from bot.demo.model import MODEL, serve_demo_model
from bot.gateway import Gateway
from bot.toolbox import REMEMBER

CAT = [{"role": "user", "content": "My cat is called Miso."}]
TOOLS = [{"type": "function", "function": {"name": "remember", "parameters": {}}}]


async def post(url: str, body: object) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as client,
        client.post(f"{url}/chat/completions", json=body) as response,
    ):
        return response.status, await response.json()


async def test_it_lists_itself_as_the_only_model() -> None:
    async with (
        serve_demo_model() as url,
        aiohttp.ClientSession() as client,
        client.get(f"{url}/models") as response,
    ):
        listed = await response.json()

    assert url.startswith("http://127.0.0.1:")
    assert url.endswith("/v1")
    assert [one["id"] for one in listed["data"]] == [MODEL]


async def test_without_streaming_it_answers_in_one_object() -> None:
    async with serve_demo_model() as url:
        status, body = await post(url, {"messages": CAT, "tools": TOOLS})

    choice = body["choices"][0]
    call = choice["message"]["tool_calls"][0]["function"]
    assert status == 200
    assert choice["message"]["content"] == "Good to know: your cat is called Miso."
    assert choice["finish_reason"] == "tool_calls"
    assert call["name"] == "remember"
    assert json.loads(call["arguments"]) == {
        "text": "Your cat is called Miso.",
        "quote": "My cat is called Miso",
        "category": "general",
        "about": "self",
    }
    assert body["usage"]["total_tokens"] > 0


async def test_streaming_it_comes_word_by_word_with_usage_if_asked() -> None:
    async def events(url: str, **more: Any) -> list[str]:
        body = {"messages": CAT, "stream": True, "tools": TOOLS, **more}
        async with (
            aiohttp.ClientSession() as client,
            client.post(f"{url}/chat/completions", json=body) as response,
        ):
            assert response.content_type == "text/event-stream"
            lines = (await response.text()).splitlines()
        return [line.removeprefix("data: ") for line in lines if line]

    async with serve_demo_model(pause=0) as url:
        plain = await events(url)
        counted = await events(url, stream_options={"include_usage": True})

    assert plain[-1] == counted[-1] == "[DONE]"
    assert not any("usage" in one for one in plain)
    assert json.loads(counted[-2])["usage"]["prompt_tokens"] > 0
    deltas = [json.loads(one)["choices"][0]["delta"] for one in plain[:-1]]
    words = [one["content"] for one in deltas if "content" in one]
    assert "".join(words) == "Good to know: your cat is called Miso."
    assert len(words) == 8


@pytest.mark.parametrize(
    "body",
    ["nonsense", [], {}, {"messages": 5}, {"messages": [1]}, {"messages": CAT, "tools": [{}]}],
)
async def test_a_wrong_request_gets_an_error_in_openais_shape(body: object) -> None:
    async with serve_demo_model() as url:
        status, answer = await post(url, body)

    assert status == 400
    assert answer["error"]["type"] == "invalid_request_error"


async def test_the_bots_gateway_hears_it_as_any_model() -> None:
    settings = Settings.model_validate({"base_url": "builtin"})
    question = [ChatMessage("user", "My cat is called Miso.")]
    async with serve_demo_model() as url, Gateway(settings, base_url=url) as gateway:
        got = [one async for one in gateway.stream(question, tools=[REMEMBER])]
        assert (await gateway.check()).ok

    done = got[-1]
    assert isinstance(done, Completion)
    assert got[:2] == ["Good", " to"]
    assert (done.model, done.truncated) == (MODEL, False)
    assert [one.name for one in done.tool_calls] == ["remember"]
    assert done.prompt_tokens


async def test_it_stops_at_once_while_somebody_listens() -> None:
    async with aiohttp.ClientSession() as client:
        async with serve_demo_model(pause=60) as url:
            body = {"messages": CAT, "stream": True}
            response = await client.post(f"{url}/chat/completions", json=body)
            await response.content.readany()
            stopping = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - stopping < 2
        response.close()
