"""The gateway over a real socket: what is sent, what comes back, and what breaks off."""

import asyncio
import json
from contextlib import aclosing

import pytest

from bot.completions import ChatMessage, Completion
from bot.gateway_patience import Patience
from tests.asking import QUESTION, REMEMBER, ask, gateway, refusal
from tests.responder import (
    Step,
    answer,
    body,
    call,
    chunk,
    cut,
    endless,
    event,
    events,
    hang,
    responder,
)


async def test_pieces_come_as_they_are_said_and_the_completion_last() -> None:
    gate = asyncio.Event()
    async with responder() as r, gateway(r.base_url) as asked:
        r.script(answer("Mi", "so", ".", gate=gate, model="test-model-2026"))

        async with aclosing(asked.stream(QUESTION)) as stream:
            first = await anext(stream)  # while the server still waits
            gate.set()
            rest = [one async for one in stream]

    assert first == "Mi"
    assert rest[:-1] == ["so", "."]
    assert rest[-1] == Completion("Miso.", "test-model-2026", (), 7, 3)


async def test_the_request_has_the_minimal_fields_and_nothing_of_the_sdk_in_its_headers() -> None:
    async with responder() as r, gateway(r.base_url) as asked:
        await ask(asked, tools=[REMEMBER], model="other-model")

    sent = r.requests[0]
    assert sent.body == {
        "model": "other-model",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is my cat called?"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "remember",
                    "description": "Keep a fact.",
                    "parameters": {"type": "object", "properties": {}},
                },
            }
        ],
    }
    assert sent.headers.keys() == {
        *("host", "accept", "accept-encoding", "connection", "content-length", "content-type"),
        *("authorization", "user-agent"),
    }
    assert sent.headers["authorization"] == "Bearer secret-key"
    assert sent.headers["user-agent"] == "confidant"


async def test_a_tool_call_comes_with_the_completion_and_its_result_goes_back() -> None:
    asked_for = call("remember", {"text": "The cat is called Miso."})
    async with responder() as r, gateway(r.base_url) as asked:
        r.script(answer("Noted.", calls=[asked_for], finish="tool_calls"))
        _, first = await ask(asked, tools=[REMEMBER])
        back = ChatMessage("assistant", "", tool_calls=first.tool_calls)
        result = ChatMessage("tool", "saved", tool_call_id=first.tool_calls[0].call_id)
        await ask(asked, *QUESTION, back, result)

    assert not first.truncated
    assert json.loads(first.tool_calls[0].arguments) == {"text": "The cat is called Miso."}
    assert r.chats[1]["messages"][2:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{k: v for k, v in asked_for.items() if k != "index"}],
        },
        {"role": "tool", "content": "saved", "tool_call_id": "call_1"},
    ]


async def test_an_answer_in_one_piece_from_a_server_that_does_not_stream_is_an_answer() -> None:
    whole = {
        "model": "test-model",
        "choices": [{"message": {"content": "Miso."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3},
    }
    async with responder() as r, gateway(r.base_url) as asked:
        r.script(body(json.dumps(whole)))
        pieces, completion = await ask(asked)

    assert pieces == ["Miso."]
    assert completion == Completion("Miso.", "test-model", (), 7, 3)


@pytest.mark.parametrize(
    "broken",
    [
        cut("Mi", "so"),
        events(chunk({"content": "Mi"}), chunk({"content": "so"})),
        hang("Mi", "so"),
        events(chunk({"content": "Mi"}), chunk({"content": "so"}), event("{nonsense")),
        events(chunk({"content": "Miso"}), event({"error": {"message": "x"}}, name="error")),
        answer("Mi", "so", finish=None),
        answer("Mi", "so", finish="length"),
    ],
    ids=["cut", "eof", "silence", "nonsense", "error event", "no finish reason", "length"],
)
async def test_an_answer_that_breaks_off_keeps_what_came_and_says_so(broken: Step) -> None:
    async with responder() as r, gateway(r.base_url, Patience(silence=0.3)) as asked:
        r.script(broken)
        pieces, completion = await ask(asked)

    assert "".join(pieces) == completion.text == "Miso"
    assert completion.truncated
    assert len(r.chats) == 1


async def test_a_break_after_the_end_is_no_break() -> None:
    async with responder() as r, gateway(r.base_url) as asked:
        r.script(events(chunk({"content": "Miso."}), chunk({}, finish="stop"), cut=True))
        _, completion = await ask(asked)

    assert completion == Completion("Miso.", "test-model")


async def test_a_break_after_the_end_of_a_tool_call_does_not_repeat_the_question() -> None:
    said = [chunk({"tool_calls": [call("remember", {})]}), chunk({}, finish="tool_calls")]
    async with responder() as r, gateway(r.base_url) as asked:
        r.script(events(*said, cut=True))
        pieces, completion = await ask(asked, tools=[REMEMBER])

    assert (pieces, len(completion.tool_calls), completion.truncated) == ([], 1, False)
    assert len(r.chats) == 1


async def test_an_answer_that_takes_too_long_ends_at_the_deadline() -> None:
    async with responder() as r, gateway(r.base_url, Patience(deadline=0.3)) as asked:
        r.script(hang("Mi"))
        _, completion = await asyncio.wait_for(ask(asked), 2)

    assert (completion.text, completion.truncated) == ("Mi", True)


async def test_a_server_without_usage_gives_no_counts() -> None:
    async with responder() as r, gateway(r.base_url) as asked:
        r.script(answer("Miso.", usage=None))
        _, completion = await ask(asked)

    assert (completion.prompt_tokens, completion.completion_tokens) == (None, None)


async def test_an_answer_ends_at_a_megabyte() -> None:
    async with responder() as r, gateway(r.base_url) as asked:
        r.script(endless(chunk({"content": "é" * 5000})))
        _, completion = await ask(asked)
        await asyncio.wait_for(r.disconnected.wait(), 1)

    assert completion.truncated
    assert len(completion.text.encode()) == 1_000_000


async def test_a_line_without_end_is_cut_off() -> None:
    async with responder() as r, gateway(r.base_url) as asked:
        r.script(endless(b"x" * 65536))
        assert "can't read as an answer" in await refusal(asked)
        await asyncio.wait_for(r.disconnected.wait(), 1)


async def test_leaving_the_stream_hangs_up_at_once() -> None:
    async with responder() as r, gateway(r.base_url) as asked:
        r.script(hang("Mi"))
        async with aclosing(asked.stream(QUESTION)) as stream:
            assert await anext(stream) == "Mi"
        await asyncio.wait_for(r.disconnected.wait(), 1)


@pytest.mark.parametrize("step", [hang(), hang("Mi")], ids=["before the answer", "within it"])
async def test_a_cancelled_question_hangs_up_at_once(step: Step) -> None:
    async with responder() as r, gateway(r.base_url) as asked:
        r.script(step)
        asking = asyncio.create_task(ask(asked))
        await r.arrived.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.wait_for(r.disconnected.wait(), 1)


async def test_many_answers_stream_side_by_side() -> None:
    gate = asyncio.Event()
    async with responder() as r, gateway(r.base_url) as asked:
        r.script(*(answer(f"{number}", ".", gate=gate) for number in range(40)))
        async with asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(ask(asked)) for _ in range(40)]
            while len(r.chats) < 40:
                r.arrived.clear()
                await r.arrived.wait()
            gate.set()

    assert sorted(one.result()[1].text for one in asking) == sorted(f"{n}." for n in range(40))


async def test_text_that_utf_8_cannot_hold_is_sent_and_received_all_the_same() -> None:
    halves = [chunk({"content": "\ud83d"}), chunk({"content": "\ude00 \ud800!"})]
    async with responder() as r, gateway(r.base_url) as asked:
        r.script(events(*halves, chunk({}, finish="stop")))
        pieces, completion = await ask(asked, ChatMessage("user", "a \udfff b"))

    assert r.chats[0]["messages"][0]["content"] == "a \ufffd b"
    assert "".join(pieces) == completion.text == "😀 \ufffd!"
