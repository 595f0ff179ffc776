"""Vectors from a gateway: as private as its chats, asked for once, and believed only when sound."""

import json
import logging
from typing import Any

import pytest

from bot.errors import GatewayError
from bot.gateway import Gateway
from tests.asking import ask, gateway
from tests.responder import Step, body, embeddings, error, hang, html, redirect, responder


async def unembedded(asked: Gateway, *texts: str, seconds: float = 2) -> str:
    """The sentence with which texts get no vectors."""
    with pytest.raises(GatewayError) as caught:
        await asked.embed(texts or ("one", "two"), seconds=seconds)
    return str(caught.value)


def answering(data: object) -> Step:
    return body(json.dumps({"object": "list", "data": data}))


async def test_each_text_gets_its_vector_whatever_their_order() -> None:
    swapped = [{"index": 1, "embedding": [0, 1]}, {"index": 0, "embedding": [1.5, 0]}]
    async with responder() as r, gateway(r.base_url, embedding_model="e") as asked:
        r.embedding_steps.append(answering(swapped))

        assert await asked.embed(["one", "two"]) == [[1.5, 0.0], [0.0, 1.0]]

    assert r.requests[0].body == {"model": "e", "input": ["one", "two"]}


@pytest.mark.parametrize(
    ("preset", "extra", "must_have"),
    [
        ("openai", {}, {"store": False}),
        ("openrouter", {}, {"provider": {"data_collection": "deny", "zdr": True}}),
        ("litellm", {}, {"no-log": True}),
        ("custom", {"no_training": True}, {"no_training": True}),
    ],
)
async def test_the_privacy_parameters_are_on_every_request_for_vectors(
    preset: str, extra: dict[str, bool], must_have: dict[str, object]
) -> None:
    options: dict[str, Any] = {"preset": preset, "extra_body": extra, "embedding_model": "e"}
    async with responder() as r, gateway(r.base_url, **options) as asked:
        await asked.embed(["one"], person="fox-31")

    sent = r.requests[0].body
    for name, value in must_have.items():
        if isinstance(value, dict):
            assert value.items() <= sent[name].items()
        else:
            assert sent[name] is value


async def test_a_person_has_the_same_id_as_in_chats_and_never_their_name() -> None:
    async with (
        responder() as r,
        gateway(r.base_url, preset="openai", embedding_model="e") as asked,
    ):
        await asked.embed(["one"], person="fox-31")
        await ask(asked, person="fox-31")

    embedded, chatted = (one.body["safety_identifier"] for one in r.requests)
    assert embedded == chatted
    assert "fox" not in json.dumps(r.requests[0].body)


@pytest.mark.parametrize(
    "step",
    [
        embeddings([1, 2]),
        embeddings([1, 2], [1, 2], [1, 2]),
        embeddings([1, 2], [1]),
        embeddings([1, 2], []),
        embeddings([1, 2], [0, 0]),
        embeddings([1, 2], ["1", 2]),
        embeddings([1, 2], [True, 2]),
        embeddings([1, 2], [None, 2]),
        embeddings([1, 2], [1e300, 2]),
        embeddings([1, 2], "AACAPwAAAEA="),
        body('{"data": [{"embedding": [NaN, 1]}, {"embedding": [1, 1]}]}'),
        body('{"data": [{"embedding": [Infinity, 1]}, {"embedding": [1, 1]}]}'),
        answering([{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [2]}]),
        answering([{"index": 0, "embedding": [1]}, {"index": 7, "embedding": [2]}]),
        answering([[1, 2], [1, 2]]),
        answering(None),
        body("[]"),
        body("{"),
        body("[" * 100_000),
        html(),
    ],
)
async def test_what_is_not_a_vector_for_each_text_is_refused(step: Step) -> None:
    async with responder() as r, gateway(r.base_url, embedding_model="e") as asked:
        r.embedding_steps.append(step)

        assert "can't read" in await unembedded(asked)


async def test_texts_are_not_sent_on_to_another_address() -> None:
    async with (
        responder() as r,
        responder() as other,
        gateway(r.base_url, embedding_model="e") as asked,
    ):
        r.embedding_steps.append(redirect(f"{other.base_url}/embeddings"))

        assert "another address" in await unembedded(asked)

    assert other.requests == []


async def test_a_model_that_runs_in_a_cloud_gets_no_text() -> None:
    async with (
        responder() as r,
        gateway(r.base_url, preset="ollama", embedding_model="nomic:cloud") as asked,
    ):
        assert "I sent nothing" in await unembedded(asked)

    assert r.requests == []


async def test_a_gateway_that_hangs_is_left_and_then_rests_while_chats_go_on() -> None:
    async with responder() as r, gateway(r.base_url, embedding_model="e") as asked:
        r.embedding_steps.extend(hang() for _ in range(3))
        for _ in range(3):
            assert "too long" in await unembedded(asked, seconds=0.1)

        assert "giving it a moment" in await unembedded(asked)
        assert await ask(asked)

    assert len([one for one in r.requests if one.path.endswith("/embeddings")]) == 3


async def test_no_text_reaches_a_log_or_an_exception(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    canary = "canary-5f3a"
    async with responder() as r, gateway(r.base_url, embedding_model="e") as asked:
        r.embedding_steps.extend([error(400, f"you said {canary}"), body(canary), embeddings()])

        sentences = [await unembedded(asked, canary) for _ in range(2)]
        await asked.embed([canary])

    assert canary not in caplog.text + "".join(sentences)
