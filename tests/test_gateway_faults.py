"""The gateway against a real server that fails in every way we know of."""

import asyncio
import json
import time

import pytest

from bot.gateway import Gateway
from bot.gateway_faults import Fault, FaultError, Kind
from bot.gateway_patience import Breaker, Patience
from bot.messages import ChatMessage
from tests.asking import QUICK, REMEMBER, ask, gateway, refusal, settings
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
    hang,
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


async def test_what_a_server_asks_us_to_wait_is_waited_and_capped() -> None:
    patience = Patience(deadline=5, first_wait=0.01, longest_wait=0.3)
    async with responder() as r, gateway(r.base_url, patience) as asked:
        r.script(error(429, headers={"Retry-After": "0.2"}), answer("a"))
        await ask(asked)
        r.script(error(429, headers={"Retry-After": "120"}), answer("b"))
        await ask(asked)
        r.script(error(429, headers={"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT"}), answer("c"))
        await ask(asked)

    moments = [one.at for one in r.requests]
    assert 0.2 <= moments[1] - moments[0] < 0.3
    assert 0.3 <= moments[3] - moments[2] < 1
    assert 0.3 <= moments[5] - moments[4] < 1


async def test_a_busy_gateway_says_when_to_ask_again() -> None:
    busy = error(429, headers={"Retry-After": "240"})
    async with responder() as r, gateway(r.base_url) as asked:
        r.script(busy, busy, busy)
        assert "ask again in 4 minutes" in await refusal(asked)


async def test_a_silent_server_is_given_up_at_the_deadline() -> None:
    patience = Patience(deadline=0.3, silence=30)
    async with responder() as r, gateway(r.base_url, patience) as asked:
        r.script(hang())
        began = time.monotonic()
        sentence = await refusal(asked)
        await asyncio.wait_for(r.disconnected.wait(), 1)

    assert "took too long" in sentence
    assert time.monotonic() - began < 1


async def test_silence_before_the_first_piece_is_tried_again() -> None:
    async with responder() as r, gateway(r.base_url, Patience(silence=0.2, first_wait=0)) as asked:
        r.script(hang(), answer("Miso."))
        assert (await ask(asked))[0] == ["Miso."]


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


async def test_a_dead_gateway_fails_fast_and_is_probed_when_it_has_rested(
    unused_tcp_port: int,
) -> None:
    now = [0.0]
    url = f"http://127.0.0.1:{unused_tcp_port}/v1"
    breaker = Breaker(after=2, pause=30)
    async with Gateway(
        settings(url), base_url=url, patience=QUICK, breaker=breaker, clock=lambda: now[0]
    ) as asked:
        assert "can't reach" in await refusal(asked)
        assert "can't reach" in await refusal(asked)
        began = time.monotonic()
        assert "ask again in 30 seconds" in await refusal(asked)
        assert time.monotonic() - began < 0.01  # no attempt, no wait
        async with responder(unused_tcp_port) as r:
            assert "giving it a moment" in await refusal(asked)
            now[0] = 31.0
            assert (await ask(asked))[0] == ["Hello."]
            assert (await ask(asked))[0] == ["Hello."]

    assert len(r.chats) == 2


def test_a_resting_gateway_lets_one_request_probe_at_a_time() -> None:
    breaker = Breaker(after=1, pause=30)
    breaker.note(Fault(Kind.BUSY), 0)
    breaker.admit(0)
    breaker.note(Fault(Kind.BROKEN), 0)

    breaker.admit(30)
    with pytest.raises(FaultError):
        breaker.admit(31)
    breaker.note(None, 32)
    breaker.admit(32)


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
