"""How long a gateway is waited for, and when it is left alone."""

import asyncio
import time

import pytest

from bot.gateway import Gateway
from bot.gateway_faults import Fault, FaultError, Kind
from bot.gateway_patience import Breaker, Patience
from tests.asking import QUICK, ask, gateway, refusal, settings
from tests.responder import (
    answer,
    error,
    hang,
    responder,
)


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
