"""Presets and the parameters that they put on a request."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.gateway_policy import PRESETS, Policy, extra_body, missing, person_id

OPENROUTER = PRESETS["openrouter"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("preset", "extra", "complaint"),
    [
        ("openai", {"store": True}, "store contradicts the preset, which needs False"),
        ("openai", {"store": 0}, "store contradicts"),
        ("openai", {"safety_identifier": "me"}, "safety_identifier is different for each person"),
        ("vllm", {"cache_salt": "x"}, "cache_salt is different for each person"),
        ("openrouter", {"provider": {"zdr": False}}, r"provider\.zdr contradicts"),
        ("openrouter", {"provider": "fast"}, "provider contradicts"),
        ("vercel", {"providerOptions": {"gateway": {"zeroDataRetention": False}}}, "gateway.zero"),
        ("custom", {"messages": []}, "messages is set by the bot itself"),
        ("custom", {"stream": False}, "stream is set by the bot itself"),
    ],
)
def test_an_extra_can_not_undo_what_the_preset_stands_for(
    preset: str, extra: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        extra_body(extra, PRESETS[preset])


def test_extras_stand_beside_the_parameters_of_the_preset() -> None:
    extra = {"provider": {"order": ["a"]}, "seed": 1}

    body = extra_body(extra, OPENROUTER)

    assert body["seed"] == 1
    assert body["provider"]["order"] == ["a"]
    assert body["provider"]["zdr"] is True
    assert extra == {"provider": {"order": ["a"]}, "seed": 1}


@pytest.mark.parametrize("policy", PRESETS.values(), ids=PRESETS)
def test_what_a_preset_adds_is_what_the_check_wants(policy: Policy) -> None:
    required = extra_body({}, policy)
    ids = dict.fromkeys(policy.person_fields, "id")

    assert missing({"model": "m", **required, **ids}, required, policy.person_fields) == ""
    for name in [*required, *ids]:
        body = {"model": "m", **required, **ids}
        del body[name]
        assert missing(body, required, policy.person_fields) == name


@pytest.mark.parametrize(
    ("body", "lacks"),
    [
        ({}, "provider"),
        ({"provider": {}}, "provider.data_collection"),
        ({"provider": OPENROUTER.parameters["provider"] | {"zdr": False}}, "provider.zdr"),
        ({"provider": OPENROUTER.parameters["provider"] | {"zdr": 1}}, "provider.zdr"),
        ({"provider": "x"}, "provider"),
        ([], "body"),
        (None, "body"),
    ],
)
def test_a_body_that_lacks_a_parameter_is_told_by_its_name(body: object, lacks: str) -> None:
    assert missing(body, OPENROUTER.parameters, ()) == lacks


@given(JSON)
def test_no_body_of_any_shape_passes_without_its_parameters(body: object) -> None:
    assert missing(body, OPENROUTER.parameters, ())
    assert missing(body, {}, ("cache_salt",))


@pytest.mark.parametrize(
    ("model", "refused"),
    [
        ("gpt-oss:120b-cloud", True),
        ("gemma4:cloud", True),
        ("qwen3-coder:480B-Cloud", True),
        ("llama3.2", False),
        ("cloudy:7b", False),
        ("me/cloud-tuned:latest", False),
    ],
)
def test_ollamas_cloud_models_are_known_by_their_names(model: str, refused: bool) -> None:
    assert PRESETS["ollama"].refuses(model) is refused
    assert not PRESETS["custom"].refuses(model)


@given(st.text(), st.text())
def test_an_id_tells_nothing_and_is_the_same_only_for_the_same_person(one: str, two: str) -> None:
    first, second = person_id(b"key", one, "user"), person_id(b"key", two, "user")

    assert (first == second) == (one == two)
    assert len(first) == 64  # the most that a safety_identifier may have
    assert first != person_id(b"key", one, "cache_salt")
    assert first != person_id(b"another", one, "user")


def test_an_id_of_a_name_that_utf_8_can_not_hold_is_an_id() -> None:
    assert len(person_id(b"key", "\ud800", "user")) == 64
