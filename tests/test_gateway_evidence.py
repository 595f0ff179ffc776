"""Where requests really end, and what a gateway's program says of itself, over real sockets."""

import asyncio
import json
import logging
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot import gateway_evidence
from bot.app import examine
from bot.completions import ChatMessage
from bot.config import Gateway as Settings
from bot.errors import GatewayError
from bot.evidence import Observation, is_near
from bot.gateway import Gateway
from bot.gateway_evidence import Question, Watch
from bot.gateway_faults import FaultError
from tests.asking import QUICK, ask, gateway, refusal, settings
from tests.responder import responder
from tests.spine import configured

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
REMOTE = {"details": {}, "remote_host": "https://ollama.com:443", "remote_model": "gpt-oss:120b"}
LOCAL: dict[str, Any] = {"details": {"family": "llama"}}


def watch(**more: Any) -> Watch:
    return Watch(settings("http://127.0.0.1:1/v1", **more), "/v1", now=lambda: NOON)


async def test_a_server_on_this_machine_is_near_as_connected() -> None:
    async with responder() as r, gateway(r.base_url) as asked:
        before = asked.observation
        await ask(asked)
        after = asked.observation

    assert (before.address, before.near) == ("", False), "nothing is proved by a setting"
    assert (after.address, after.near) == ("127.0.0.1", True)
    assert after.connected_at is not None


async def test_a_name_is_worth_what_its_connection_ends_at(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def resolve(host: Any, *more: Any, **options: Any) -> Any:
        return real("127.0.0.1" if host in ("llm.lan", b"llm.lan") else host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    async with responder() as r:
        named = r.base_url.replace("127.0.0.1", "llm.lan")
        async with gateway(named) as asked:
            await ask(asked)

    assert asked.host == "llm.lan"
    assert (asked.observation.address, asked.observation.near) == ("127.0.0.1", True)


def test_one_connection_to_elsewhere_is_enough_to_prove_nothing() -> None:
    seen = watch()
    seen.connected("93.184.216.34")
    seen.connected("127.0.0.1")

    assert not seen.observation.near


@pytest.mark.parametrize(
    ("address", "near"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("10.1.2.3", True),
        ("172.16.0.1", True),
        ("172.32.0.1", False),
        ("192.168.1.2", True),
        ("fd00::5", True),
        ("fe80::1%eth0", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:8.8.8.8", False),
        ("8.8.8.8", False),
        ("2606:4700::1", False),
        ("100.64.0.1", False),
        ("192.0.2.1", False),
        ("0.0.0.0", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_near_are_this_machine_and_private_networks(address: str, near: bool) -> None:
    assert is_near(address) is near


@pytest.mark.parametrize("preset", ["ollama", "custom"])
async def test_a_model_that_ollama_hands_on_is_not_asked(
    preset: str, caplog: pytest.LogCaptureFixture
) -> None:
    canary = ChatMessage("user", "canary-5f3a")
    async with responder() as r:
        r.others["/api/show"] = REMOTE
        async with gateway(r.base_url, preset=preset, embedding_model="e") as asked:
            with pytest.raises(GatewayError, match="sent nothing"):
                await asked.look()
            sentence = await refusal(asked, canary)
            with pytest.raises(GatewayError, match="sent nothing"):
                await asked.embed(["canary-5f3a"])
            observed = asked.observation
            sent = json.dumps([one.text for one in r.requests])

            r.others["/api/show"] = LOCAL
            await asked.look()
            pieces, _ = await ask(asked)

    assert "test-model" in sentence
    assert "my operator promises a model that runs nearby" in sentence
    assert observed.elsewhere == {"test-model", "e"}
    assert "canary" not in sent
    levels = {one.levelno for one in caplog.records if one.name == "bot.gateway_evidence"}
    assert levels == {logging.ERROR}
    assert asked.observation.here == {"test-model", "e"}
    assert pieces == ["Hello."], "once it runs here, it is asked again"


async def test_what_was_handed_on_stays_so_while_nothing_is_said() -> None:
    async with responder() as r, gateway(r.base_url, preset="ollama") as asked:
        r.others["/api/show"] = REMOTE
        with pytest.raises(GatewayError):
            await asked.look()
        del r.others["/api/show"]

        with pytest.raises(GatewayError):
            await asked.look()


async def test_a_name_of_ollamas_cloud_is_never_near_by_itself() -> None:
    async with responder() as r, gateway(r.base_url, model="gpt-oss:120b-cloud") as asked:
        r.others["/api/show"] = LOCAL
        await asked.look()

    assert asked.observation.elsewhere == {"gpt-oss:120b-cloud"}
    assert not asked.observation.here


def test_where_the_settings_mean_this_machine_no_other_is_asked() -> None:
    seen = watch()
    seen.connected("93.184.216.34")

    with pytest.raises(FaultError, match="strayed"):
        seen.admit("test-model")


@pytest.mark.parametrize(
    ("ends", "heals"),
    [(["127.0.0.1"], True), (["127.0.0.1", "93.184.216.34"], False), ([], False), ([""], False)],
)
async def test_requests_go_on_where_all_connections_of_another_look_end_nearby(
    ends: list[str], heals: bool
) -> None:
    seen = watch()
    seen.connected("93.184.216.34")

    async def ask(question: Question, seconds: float) -> object:
        for end in ends:
            seen.connected(end)
        return {}

    if heals:
        await seen.look(ask, "llm.lan")
        seen.admit("test-model")
    else:
        with pytest.raises(GatewayError, match="a connection ended somewhere else"):
            await seen.look(ask, "llm.lan")
        with pytest.raises(FaultError, match="strayed"):
            seen.admit("test-model")


@pytest.mark.parametrize(
    ("preset", "model", "others", "expected"),
    [
        ("llamacpp", "m", {"/props": {"endpoint_slots": False}, "/slots": [{}]}, False),
        ("llamacpp", "m", {"/props": {"endpoint_slots": True}}, True),
        ("llamacpp", "m", {"/props": {}, "/slots": 501}, False),
        ("llamacpp", "m", {"/slots": [{"prompt": "what others say"}]}, True),
    ],
)
async def test_llama_cpp_says_whether_it_shows_what_it_works_on(
    preset: str, model: str, others: dict[str, Any], expected: bool
) -> None:
    async with responder() as r, gateway(r.base_url, preset=preset, model=model) as asked:
        r.others.update(others)
        await asked.look()

    assert asked.observation.shows_work is expected
    assert "others say" not in str(asked.observation)


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ([{"model_id": "meta/llama", "name": "X | meta/llama"}], True),
        ([{"name": "X | meta/llama"}], True),
        ([{"model_id": "other/model"}], False),
        ([], None),
        ([{"model_id": 7}, None, "x"], None),
        ("nonsense", None),
    ],
)
async def test_openrouter_lists_providers_that_keep_nothing(
    listed: object, expected: bool | None
) -> None:
    async with responder() as r:
        r.others["/v1/endpoints/zdr"] = {"data": listed}
        async with gateway(r.base_url, preset="openrouter", model="meta/llama:free") as asked:
            await asked.look()

    assert asked.observation.zero_retention is expected


async def test_where_nothing_is_told_the_bot_goes_on() -> None:
    every = ("openai", "openrouter", "vercel", "litellm", "ollama", "llamacpp", "vllm", "custom")
    async with responder() as r:
        for preset in every:
            async with gateway(r.base_url, preset=preset) as asked:
                await asked.look()
                await ask(asked)
                assert asked.observation.near
                assert asked.observation.asked_at is None or preset == "llamacpp"


async def test_a_gateway_that_is_away_is_survived() -> None:
    async with gateway("http://127.0.0.1:9/v1", preset="ollama") as asked:
        await asked.look()

    assert asked.observation == Observation()


async def test_a_question_without_an_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(gateway_evidence, "_SECONDS", 0.1)
    async with responder() as r, gateway(r.base_url, preset="vllm") as asked:
        r.others["/version"] = hang
        async with asyncio.timeout(3):
            await asked.look()

    assert asked.observation.near, "the list of models was had all the same"


async def test_a_question_follows_no_redirect() -> None:
    async with responder() as r, responder() as other:

        async def elsewhere(_: web.Request) -> web.StreamResponse:
            raise web.HTTPTemporaryRedirect(other.base_url)

        r.others["/api/show"] = elsewhere
        async with gateway(r.base_url, preset="ollama") as asked:
            await asked.look()

    assert other.requests == []


async def test_the_questions_hold_the_models_name_and_nothing_else() -> None:
    asked_of = {
        "ollama": [("POST", "/api/show"), ("POST", "/api/show")],
        "llamacpp": [("GET", "/props"), ("GET", "/slots")],
        "vllm": [("GET", "/version")],
        "litellm": [("GET", "/health/readiness")],
        "openrouter": [("GET", "/v1/endpoints/zdr")],
        "openai": [],
        "vercel": [],
    }
    for preset, expected in asked_of.items():
        async with responder() as r:
            async with gateway(r.base_url, preset=preset, embedding_model="e") as asked:
                await asked.look()
            made = [(one.method, one.path) for one in r.requests]
            bodies = [one.body for one in r.requests if one.body is not None]

        assert made == [*expected, ("GET", "/v1/models")], preset
        assert all(body in ({"model": "test-model"}, {"model": "e"}) for body in bodies)


class _Curious(Gateway):
    """A gateway that asks what nobody listed, as a bug would have it."""

    async def pry(self, question: Question) -> object:
        return await self._ask(question, 1.0)


@pytest.mark.parametrize(
    "question",
    [
        Question("/api/tags"),
        Question("/v1/chat/completions"),
        Question("/v1/embeddings"),
        Question("/api/show"),
        Question("/api/show", "what a person said"),
        Question("/api/generate", "test-model"),
        Question("/v1/models?echo=what-a-person-said"),
    ],
)
async def test_no_other_question_leaves(question: Question) -> None:
    async with responder() as r:
        chosen: Settings = settings(r.base_url, preset="ollama")
        async with _Curious(chosen, base_url=r.base_url, patience=QUICK) as asked:
            with pytest.raises(Exception, match="withheld"):
                await asked.pry(question)

    assert r.requests == []


async def test_doctor_says_where_requests_end_and_fails_where_a_promise_is_broken(
    tmp_path: Path,
) -> None:
    async with responder() as r:
        r.models = ("scripted",)
        config = configured(
            gateway={"base_url": r.base_url, "preset": "ollama"},
            homeserver={"url": "http://127.0.0.1:9"},
            storage={"path": str(tmp_path)},
        )
        well = [one.line() for one in await examine(config, file=tmp_path / "config.toml")]
        r.others["/api/show"] = REMOTE
        broken = [one.line() for one in await examine(config, file=tmp_path / "config.toml")]

    ends = "Requests to the gateway end at 127.0.0.1, here or in a private network"
    assert any(line.startswith(f"ok    {ends}") for line in well)
    assert any(line.startswith("fail  I sent nothing to the model gateway") for line in broken)
