"""What must be on every request to a gateway, and what must never leave or be logged."""

import logging
import traceback
from typing import Any

import pytest

from bot.completions import ChatMessage
from bot.errors import ConfigError, GatewayError
from bot.gateway import Gateway
from bot.gateway_patience import Ask
from tests.asking import QUESTION, QUICK, REMEMBER, ask, gateway, refusal, settings
from tests.responder import (
    answer,
    error,
    event,
    events,
    overflow,
    redirect,
    responder,
    unprocessable,
)


async def test_nothing_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with responder() as r, responder() as other:
        host = other.base_url.removesuffix("/v1")
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, host)
        monkeypatch.setenv("OPENAI_BASE_URL", other.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "key-of-the-environment")
        monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-environment")
        monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-the-environment")
        monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer x\nX-More: environment")
        async with gateway(r.base_url, api_key="") as asked:
            await ask(asked)

    assert other.requests == []
    assert "environment" not in str(r.requests[0].headers)
    assert r.requests[0].headers["authorization"] == "Bearer none"


async def test_a_redirect_is_never_followed() -> None:
    async with responder() as r, responder() as other, gateway(r.base_url) as asked:
        for status in (301, 302, 303, 307, 308):
            r.script(redirect(f"{other.base_url}/chat/completions", status=status))
            assert "another address" in await refusal(asked)

    assert other.requests == []


async def test_no_content_reaches_a_log_or_an_exception(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    canary = "canary-5f3a"
    echo = {"X-Request-Id": f"{canary} echoed", "X-Echo": canary}
    async with responder() as r, gateway(r.base_url, api_key=canary) as asked:
        r.script(
            answer(canary),
            error(400, f"your prompt was {canary}", headers=echo),
            events(event({"error": {"message": canary, "code": canary}})),
            error(400, "no", headers={"X-Request-Id": "req-17"}),
        )
        await ask(asked, ChatMessage("user", canary), person=canary)
        with pytest.raises(GatewayError) as caught:
            await ask(asked, ChatMessage("user", canary))
        await refusal(asked, ChatMessage("user", canary))

    logged = [one.getMessage() for one in caplog.records if one.name.startswith("bot.")]
    assert canary not in caplog.text
    assert canary not in "".join(traceback.format_exception(caught.value))
    host = r.base_url.split("/")[2]
    assert logged == [
        f"gateway {host}: refused, status 400, request -",
        f"gateway {host}: broken, status -, request -",
        f"gateway {host}: refused, status 400, request req-17",
    ]


@pytest.mark.parametrize(
    ("preset", "extra", "expected"),
    [
        ("openai", {}, {"store": False}),
        ("litellm", {"seed": 1}, {"no-log": True, "seed": 1}),
        (
            "openrouter",
            {"provider": {"order": ["a"], "zdr": True}},
            {
                "provider": {
                    "order": ["a"],
                    "data_collection": "deny",
                    "zdr": True,
                    "require_parameters": True,
                    "allow_fallbacks": False,
                }
            },
        ),
        (
            "vercel",
            {},
            {
                "providerOptions": {
                    "gateway": {"zeroDataRetention": True, "disallowPromptTraining": True}
                }
            },
        ),
        ("custom", {"options": {"num_ctx": 8192}}, {"options": {"num_ctx": 8192}}),
    ],
)
async def test_privacy_parameters_and_extras_are_on_every_request(
    preset: str, extra: dict[str, Any], expected: dict[str, Any]
) -> None:
    async with responder() as r, gateway(r.base_url, preset=preset, extra_body=extra) as asked:
        r.script(error(500), unprocessable("stream_options"), overflow(), answer("a"))
        await ask(asked, *QUESTION, *QUESTION, tools=[REMEMBER])
        r.models = ()
        await asked.check()

    assert len(r.chats) == 5
    assert all(one | expected == one for one in r.chats)


class _Forgetful(Gateway):
    """A gateway whose request lost its privacy parameters on the way, as a bug would have it."""

    def _body(self, ask: Ask) -> dict[str, Any]:
        return ask.body()


@pytest.mark.parametrize("preset", ["openai", "openrouter", "vercel", "litellm", "vllm"])
async def test_a_request_without_its_privacy_parameters_does_not_leave(preset: str) -> None:
    async with responder() as r:
        chosen = settings(r.base_url, preset=preset)
        async with _Forgetful(chosen, base_url=r.base_url, patience=QUICK) as asked:
            sentence = await refusal(asked)

    assert "sent nothing" in sentence
    assert r.requests == []


async def test_people_get_an_id_of_their_own_only_where_the_preset_wants_one() -> None:
    async with responder() as r:
        for preset in ("openai", "vllm", "custom"):
            async with gateway(r.base_url, preset=preset) as asked:
                for person in ("fox-31", "fox-31", "owl-7"):
                    await ask(asked, person=person)

    shown = [one.get("safety_identifier") or one.get("cache_salt") for one in r.chats]
    openai, vllm, custom = shown[:3], shown[3:6], shown[6:]
    assert openai[0] == openai[1] != openai[2]
    assert vllm[0] == vllm[1] != vllm[2]
    assert not set(openai) & set(vllm)
    assert custom == [None, None, None]
    assert "fox-31" not in str(r.chats)


async def test_a_model_of_ollamas_cloud_is_not_asked() -> None:
    async with responder() as r, gateway(r.base_url, preset="ollama") as asked:
        assert "sent nothing" in await refusal(asked, model="gpt-oss:120b-cloud")
        await ask(asked, model="llama3.2")

    assert [one["model"] for one in r.chats] == ["llama3.2"]


def test_an_extra_that_undoes_a_privacy_parameter_is_a_configuration_mistake() -> None:
    url = "http://127.0.0.1:1/v1"
    unchecked = settings(url, preset="openai").model_copy(update={"extra_body": {"store": True}})

    with pytest.raises(ConfigError, match=r"gateway\.extra_body: store contradicts the preset"):
        Gateway(unchecked, base_url=url)


def test_host_is_what_people_are_told() -> None:
    assert gateway("https://llm.example.org:8443/v1").host == "llm.example.org"
    builtin = Gateway(settings("builtin"), base_url="http://127.0.0.1:1/v1")
    assert builtin.host == "builtin"
