"""What any server may send, and what becomes of it."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.completions import ChatMessage, Role, ToolCall
from bot.gateway_wire import Answer, lists_model, message_json, without_oldest

NAMES = ("choices", "delta", "message", "content", "refusal", "tool_calls", "function", "name")
MORE = ("arguments", "id", "index", "finish_reason", "usage", "model", "prompt_tokens", "text")
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES + MORE), inner, max_size=5)
    ),
    max_leaves=10,
)


# A busy machine is no fault of the code under test.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def chunk(**delta: Any) -> dict[str, Any]:
    return {"choices": [{"delta": delta}]}


def calls_of(*deltas: dict[str, Any]) -> list[tuple[str, str, str]]:
    answer = Answer("m")
    for delta in deltas:
        answer.take(chunk(tool_calls=[delta]))
    return [(one.call_id, one.name, one.arguments) for one in answer.completion().tool_calls]


@unhurried
@given(st.lists(st.dictionaries(st.sampled_from(NAMES + MORE), ANYTHING, max_size=6), max_size=4))
def test_a_chunk_of_any_shape_is_survived(chunks: list[dict[str, Any]]) -> None:
    answer = Answer("m")

    shown = "".join(answer.take(one) for one in chunks)

    completion = answer.completion()
    assert completion.text == shown
    completion.text.encode()
    completion.model.encode()


@unhurried
@given(st.text(alphabet="aé😀\n", max_size=30), st.data())
def test_a_text_in_pieces_of_any_cut_is_the_text(text: str, data: st.DataObject) -> None:
    units = text.encode("utf-16-be")
    answer, shown, at = Answer("m"), "", 0
    while at < len(units):  # cut between surrogates too, as servers in UTF-16 languages do
        end = min(len(units), at + 2 * data.draw(st.integers(1, 4)))
        shown += answer.take(chunk(content=units[at:end].decode("utf-16-be", "surrogatepass")))
        at = end

    assert shown == answer.completion().text == text


def test_the_finish_reason_tells_a_whole_answer_from_a_broken_one() -> None:
    def truncated(reason: object) -> bool:
        answer = Answer("m")
        answer.take({"choices": [{"delta": {"content": "a"}, "finish_reason": reason}]})
        return answer.completion().truncated

    assert not any(map(truncated, ("stop", "tool_calls", "function_call", "eos")))
    assert all(map(truncated, (None, "", "length", "content_filter", "error", 5, [])))


def test_a_call_in_parts_is_put_together() -> None:
    assert calls_of(
        {"index": 0, "id": "a", "function": {"name": "remember", "arguments": ""}},
        {"index": 1, "id": "b", "function": {"name": "forget", "arguments": "{}"}},
        {"index": 0, "function": {"arguments": '{"te'}},
        {"index": 0, "id": "a", "function": {"name": None, "arguments": 'xt": "x"}'}},
    ) == [("a", "remember", '{"text": "x"}'), ("b", "forget", "{}")]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {}),
        ({"id": "a"}, {"id": "b"}),
        ({"index": 0, "id": "a"}, {"index": 0, "id": "b"}),
        ({"index": 0}, {"index": 1}),
    ],
    ids=["no index, no id", "no index", "same index", "no id"],
)
def test_two_calls_stay_two_whatever_a_server_leaves_out(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    called = calls_of(
        first | {"function": {"name": "one", "arguments": {"a": 1}}},
        second | {"function": {"name": "two", "arguments": '{"b": 2}'}},
    )

    assert [(name, json.loads(arguments)) for _, name, arguments in called] == [
        ("one", {"a": 1}),
        ("two", {"b": 2}),
    ]
    assert len({call_id for call_id, _, _ in called}) == 2


@pytest.mark.parametrize("arguments", ['{"text": "half', "[1]", "nonsense", '{"a": 1}{"b": 2}'])
def test_a_call_that_was_not_said_to_its_end_is_dropped(arguments: str) -> None:
    assert calls_of({"id": "a", "function": {"name": "remember", "arguments": arguments}}) == []


def test_a_model_name_is_believed_only_if_it_is_one() -> None:
    def named(model: object) -> str:
        answer = Answer("asked")
        answer.take({"model": model})
        return answer.completion().model

    assert named("meta-llama/llama-3.2:free@v1") == "meta-llama/llama-3.2:free@v1"
    assert named("you said that your cat is called Miso") == "asked"
    assert named("x" * 500) == "asked"
    assert named(None) == "asked"


def test_counts_are_believed_only_if_they_can_be() -> None:
    answer = Answer("m")
    answer.take({"usage": {"prompt_tokens": True, "completion_tokens": -1}})

    assert answer.completion().prompt_tokens is None
    assert answer.completion().completion_tokens is None


ROLES = st.sampled_from(["user", "assistant", "tool"])


@unhurried
@given(st.lists(st.tuples(ROLES, st.text(max_size=9)), max_size=12), st.booleans())
def test_dropping_the_oldest_keeps_instructions_order_and_the_last_question(
    turns: list[tuple[Role, str]], instructed: bool
) -> None:
    system = [ChatMessage("system", "Be brief.")] if instructed else []
    messages = [*system, *(ChatMessage(*one) for one in turns), ChatMessage("user", "And now?")]

    kept = without_oldest(messages)

    if not turns:
        assert kept is None
        return
    assert kept is not None
    assert len(system) < len(kept) < len(messages)
    assert list(kept[: len(system)]) == system
    assert list(kept[len(system) :]) == messages[len(messages) - len(kept) + len(system) :]
    assert kept[len(system)].role == "user"


def test_instructions_alone_can_not_be_shortened() -> None:
    assert without_oldest([ChatMessage("system", "Be brief.")]) is None
    assert without_oldest([]) is None


def test_a_message_with_calls_says_nothing_rather_than_an_empty_text() -> None:
    message = ChatMessage("assistant", "", tool_calls=(ToolCall("a", "remember", "{}"),))

    assert message_json(message)["content"] is None
    assert message_json(ChatMessage("assistant", ""))["content"] == ""


@unhurried
@given(ANYTHING)
def test_a_list_of_models_of_any_shape_is_survived(answer: object) -> None:
    assert lists_model(answer, "no such model") is False


def test_a_provider_is_named_by_one_word() -> None:
    def named(provider: object) -> str:
        answer = Answer("m")
        answer.take({"provider": provider})
        return answer.completion().provider

    assert named("Amazon Bedrock") == "Amazon-Bedrock"
    assert named("deepinfra/fp8") == "deepinfra/fp8"
    assert named("<b>`x`\n@room") == "b-x-room"
    assert named("x" * 81) == ""
    assert named(7) == ""
