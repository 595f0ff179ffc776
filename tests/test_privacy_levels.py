"""What is said of a gateway, by its preset, the configuration and what was seen of it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bot.evidence import Level, Observation
from bot.privacy_gateway import page, retention, training, where
from bot.processing import Processing

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
NEAR = Observation("127.0.0.1", AT)
FAR = Observation("93.184.216.34", AT, strayed=True)
PROVED, ENFORCED, PROMISED, UNKNOWN = Level


def stated(preset: str = "custom", **more: Any) -> Processing:
    values: dict[str, Any] = {
        "operator": "Jane",
        "jurisdiction": "Germany",
        "gateway_host": "llm.example.org",
        "model": "m",
        "training": "never",
        "retention": "30 days",
        "builtin": False,
        "preset": preset,
        "backup_retention": "",
    }
    return Processing(**values | more)


@pytest.mark.parametrize(
    ("preset", "seen", "levels"),
    [
        ("custom", NEAR, (PROVED, PROMISED, PROMISED)),
        ("ollama", NEAR, (PROVED, PROMISED, PROMISED)),
        ("llamacpp", Observation("fd00::1", AT), (PROVED, PROMISED, PROMISED)),
        ("vllm", Observation("10.0.0.7", AT), (PROVED, PROMISED, PROMISED)),
        ("vllm", FAR, (UNKNOWN, PROMISED, PROMISED)),
        ("custom", FAR, (UNKNOWN, PROMISED, PROMISED)),
        ("custom", Observation("127.0.0.1", AT, strayed=True), (UNKNOWN, PROMISED, PROMISED)),
        ("custom", Observation(), (UNKNOWN, PROMISED, PROMISED)),
        ("litellm", NEAR, (UNKNOWN, PROMISED, PROMISED)),
        ("openai", NEAR, (PROVED, PROMISED, PROMISED)),
        ("openai", FAR, (UNKNOWN, PROMISED, PROMISED)),
        ("openrouter", NEAR, (ENFORCED, ENFORCED, ENFORCED)),
        ("openrouter", FAR, (ENFORCED, ENFORCED, ENFORCED)),
        ("vercel", FAR, (ENFORCED, ENFORCED, ENFORCED)),
    ],
)
def test_a_statement_is_worth_what_can_be_seen(
    preset: str, seen: Observation, levels: tuple[Level, Level, Level]
) -> None:
    given = stated(preset)

    told = (where(given, seen), training(given, seen), retention(given, seen))

    assert tuple(one.level for one in told) == levels
    assert told[0].checked_at == seen.connected_at


@pytest.mark.parametrize("host", ["api.openai.com", "eu.api.openai.com"])
def test_openai_is_a_company_whose_word_it_is(host: str) -> None:
    told = where(stated("openai", gateway_host=host), FAR)

    assert told.level is PROMISED
    assert "OpenAI's service" in told.sentence


def test_the_model_inside_is_proved_without_any_connection() -> None:
    given = stated(builtin=True)

    assert {one(given, Observation()).level for one in (where, training, retention)} == {PROVED}


@pytest.mark.parametrize("preset", ["ollama", "custom"])
def test_a_model_that_runs_elsewhere_proves_nothing_on_a_near_gateway(preset: str) -> None:
    seen = Observation("127.0.0.1", AT, asked_at=AT, elsewhere=frozenset({"m"}))

    for one in (where, training, retention):
        assert one(stated(preset), seen).level is UNKNOWN


@pytest.mark.parametrize(
    ("declared", "level", "words"),
    [
        ("never", PROMISED, "as my operator states"),
        ("opt-out", UNKNOWN, "unless my operator opted out"),
        ("unknown", UNKNOWN, "is not stated"),
    ],
)
def test_training_is_worth_the_operators_word(declared: str, level: Level, words: str) -> None:
    told = training(stated(training=declared), NEAR)

    assert (told.level, told.checked_at) == (level, None)
    assert words in told.sentence


def test_retention_that_nobody_states_is_unknown() -> None:
    assert retention(stated(retention="unknown"), NEAR).level is UNKNOWN
    assert "30 days" in retention(stated(), NEAR).sentence


@pytest.mark.parametrize(
    ("host", "doubted"),
    [
        ("openrouter.ai", False),
        ("eu.openrouter.ai", False),
        ("notopenrouter.ai", True),
        ("127.0.0.1", True),
    ],
)
def test_what_is_enforced_rests_on_who_the_gateway_is(host: str, doubted: bool) -> None:
    given = stated("openrouter", gateway_host=host)

    for one in (where, training, retention):
        assert (f"if {host} is OpenRouter" in one(given, NEAR).sentence) is doubted


def test_what_a_gateway_says_of_itself_is_told_with_the_day() -> None:
    seen = Observation(
        "127.0.0.1", AT, asked_at=AT, here=frozenset({"m"}), zero_retention=False, shows_work=True
    )

    told = page(stated(), seen, embeds=True)

    assert "The model “m” runs on the machine that I reach" in told
    assert "no provider for this model" in told
    assert "whoever reaches it can ask it what it is working on" in told
    assert "(asked 2026-01-01 12:00 UTC)" in told
    assert "Nothing that I know how to ask for." in page(stated(), NEAR, embeds=False)


@pytest.mark.parametrize("declared", ["opt-out", "unknown"])
def test_without_a_promise_it_says_that_memory_stays_here(declared: str) -> None:
    told = page(stated(training=declared), NEAR, embeds=True)

    assert "nothing that I remember" in told
    assert "numbers by which I search" not in told
