"""The gateway against a real server that fails in every way we know of."""

import json
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from bot.completions import ChatMessage
from tests.asking import REMEMBER, ask, gateway, refusal
from tests.responder import (
    Step,
    answer,
    body,
    call,
    chunk,
    cut,
    error,
    event,
    events,
    html,
    overflow,
    redirect,
    responder,
    unprocessable,
)


@pytest.mark.parametrize(
    "passing",
    [
        error(429, headers={"Retry-After": "0"}),
        error(500),
        error(529, "overloaded"),
        error(408),
        html(status=502),
        cut(),
        events(),
        events(event({"error": {"message": "overloaded", "code": 529}}, name="error")),
        events(chunk({"tool_calls": [call("remember", {})]}), cut=True),
        body(json.dumps({"error": {"message": "busy", "code": 429}})),
    ],
    ids=["429", "500", "529", "408", "502", "cut", "empty", "event", "half a call", "200 with 429"],
)
async def test_a_passing_fault_before_the_first_piece_is_outlasted(passing: Step) -> None:
    async with responder() as r, gateway(r.base_url) as asked:
        r.script(passing, passing, answer("Miso."))
        pieces, completion = await ask(asked, tools=[REMEMBER])

    assert (pieces, completion.truncated, completion.tool_calls) == (["Miso."], False, ())
    assert len(r.chats) == 3
    assert r.chats[0] == r.chats[2]


FAULTS = [
    (error(401, "bad key sk-CANARY"), "refuses my key", 1),
    (error(403), "refuses my key", 1),
    (error(402), "no credit left", 1),
    (error(429, code="insufficient_quota"), "no credit left", 1),
    (error(429), "is busy", 3),
    (error(500), "has a fault of its own", 3),
    (error(504), "took too long", 3),
    (error(400), "refused the request", 1),
    (error(404, "The model `x` does not exist", code="model_not_found"), "test-model", 1),
    (error(404, 'model "x" not found, try pulling it first'), "doesn't know the model", 1),
    (error(400, "x is not a valid model ID"), "doesn't know the model", 1),
    (error(404), "no chat API", 1),
    (error(404, "No endpoints found matching your data policy"), "privacy terms", 1),
    (error(400, "blocked", code="content_filter"), "content filter", 1),
    (events(chunk({}, finish="content_filter")), "content filter", 1),
    (html(), "a web page", 1),
    (html(status=404), "a web page", 1),
    (body("{not json"), "can't read as an answer", 1),
    (body("[" * 100_000), "can't read as an answer", 1),
    (events(event("{not json")), "can't read as an answer", 1),
    (events(event("[1]")), "can't read as an answer", 1),
    (events(b"data: \xff\xfe\n\n"), "can't read as an answer", 1),
    (events(), "sent no answer", 3),
    (body("Welcome", content_type="text/plain"), "sent no answer", 3),
    (cut(), "can't reach", 3),
    (events(event({"error": "CANARY"})), "has a fault of its own", 3),
    (redirect("http://127.0.0.1:1/v1/chat/completions"), "another address", 1),
]


@pytest.mark.parametrize(("fault", "words", "requests"), FAULTS, ids=[one[1] for one in FAULTS])
async def test_a_lasting_fault_ends_in_a_sentence(fault: Step, words: str, requests: int) -> None:
    async with responder() as r, gateway(r.base_url) as asked:
        r.script(fault, fault, fault)
        sentence = await refusal(asked)

    assert words in sentence
    assert "CANARY" not in sentence
    assert len(r.chats) == requests


@pytest.mark.parametrize(
    "no_tools",
    [
        unprocessable("tools"),
        error(400, "test-model does not support tools"),
        error(404, "No endpoints found that support tool use"),
    ],
)
async def test_refused_tools_are_left_out_at_once_and_from_then_on(no_tools: Step) -> None:
    async with responder() as r, gateway(r.base_url) as asked:
        r.script(no_tools)
        await ask(asked, tools=[REMEMBER])
        assert not asked.takes_tools()
        await ask(asked, tools=[REMEMBER])
        await ask(asked, tools=[REMEMBER], model="another")

    assert ["tools" in one for one in r.chats] == [True, False, False, True]
    assert asked.takes_tools("another")


async def test_a_server_that_refuses_stream_options_and_tools_is_still_heard() -> None:
    async with responder() as r, gateway(r.base_url) as asked:
        r.script(unprocessable("stream_options"), unprocessable("tools"), answer("Miso."))
        pieces, completion = await ask(asked, tools=[REMEMBER])
        await ask(asked)

    assert pieces == ["Miso."]
    assert completion.prompt_tokens is None
    assert [sorted(one.keys() - {"model", "messages", "stream"}) for one in r.chats] == [
        ["stream_options", "tools"],
        ["tools"],
        [],
        [],
    ]


async def test_a_refusal_that_lasts_without_the_field_is_not_remembered() -> None:
    async with responder() as r, gateway(r.base_url) as asked:
        r.script(error(400, "bad tools"), error(400, "bad tools"))
        assert "refused the request" in await refusal(asked, tools=[REMEMBER])
        assert asked.takes_tools()
        assert len(r.chats) == 2


async def test_too_long_a_conversation_is_tried_once_more_without_its_oldest_turns() -> None:
    turns = [
        ChatMessage("system", "Be brief."),
        *(ChatMessage("user" if n % 2 == 0 else "assistant", f"turn {n}") for n in range(8)),
        ChatMessage("user", "And now?"),
    ]
    async with responder() as r, gateway(r.base_url) as asked:
        r.script(overflow(), answer("Now."))
        pieces, _ = await ask(asked, *turns)
        r.script(overflow(), overflow())
        sentence = await refusal(asked, *turns)
        r.script(overflow())
        alone = await refusal(asked, turns[0], turns[-1])

    assert pieces == ["Now."]
    assert [one["content"] for one in r.chats[1]["messages"]] == [
        *("Be brief.", "turn 4", "turn 5", "turn 6", "turn 7", "And now?")
    ]
    assert "more text than the model" in sentence
    assert "more text than the model" in alone
    assert len(r.chats) == 5


@pytest.mark.parametrize(
    ("models", "steps", "ok", "words"),
    [
        (("test-model",), [], True, "knows the model “test-model”"),
        (("test-model:latest",), [], True, "knows the model"),
        (("other",), [answer("OK")], True, "knows the model"),
        (("other",), [error(404, "model 'test-model' not found")], False, "doesn't know the model"),
    ],
)
async def test_check_asks_whether_the_model_is_known(
    models: tuple[str, ...], steps: list[Step], ok: bool, words: str
) -> None:
    async with responder() as r, gateway(r.base_url) as asked:
        r.models = models
        r.script(*steps)
        result = await asked.check()

    assert (result.ok, words in result.sentence) == (ok, True)


async def test_check_names_an_unreachable_host_and_a_wrong_path(unused_tcp_port: int) -> None:
    async with gateway(f"http://127.0.0.1:{unused_tcp_port}/v1") as asked:
        unreachable = await asked.check()
    async with responder() as r, gateway(r.base_url.removesuffix("/v1")) as asked:
        wrong = await asked.check()

    assert f"can't reach the model gateway at 127.0.0.1:{unused_tcp_port}" in unreachable.sentence
    assert "usually ends in /v1" in wrong.sentence
    assert not (unreachable.ok or wrong.ok)


async def test_a_certificate_that_nobody_vouches_for_is_not_trusted(tmp_path: Path) -> None:
    async def never(_: web.Request) -> web.Response:
        raise AssertionError("a request arrived")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", never)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=_self_signed(tmp_path)).start()
    try:
        async with gateway(f"https://127.0.0.1:{runner.addresses[0][1]}/v1") as asked:
            assert "a certificate that I can't trust" in await refusal(asked)
    finally:
        await runner.cleanup()


def _self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    pem.write_bytes(
        certificate.public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    return context
