"""Words that are made to be slow to look at: whatever somebody writes, it is read at once.

Each text is so long that what grows with its square takes minutes.
"""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from bot.extraction import facts_in, may_teach
from bot.learning import Fact, asked_for, judged, valid_until
from bot.likeness import likeness
from bot.quoting import own_words
from bot.sensitive import is_about_others, is_secret, topic
from bot.wishes import asks_to_forget, asks_to_remember, claims_to_forget, claims_to_remember

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LONG = 100_000  # characters; a message has some sixteen thousand
UNITS = (
    *(
        "a",
        "a ",
        "1-",
        "aA1 ",
        "a-",
        "-",
        "- ",
        "\n",
        "> a\n",
        ". ",
        "a.",
        ", ",
        "\u201c",
        "\u201ca",
        "'",
    ),
    *(
        "eyj-",
        "eyja-",
        "code ",
        "a://b:",
        "http://a:b",
        "a@b.",
        "1 2 3 4 ",
        "ab12 abcd ",
        "es ta abcd ",
    ),
    *(
        "and note ",
        ", note that ",
        "and also ",
        "delete a b c d ",
        "i will ",
        "habe a b c ",
        "my a b ",
    ),
    *(
        "until 2",
        "is a ",
        "of abc descent ",
        '{"facts":[',
        "[{",
        "\u0301",
        "\ufdfa",
        "\u8a18",
        "\ud55c",
    ),
)
BEGINNINGS = ("", "code", "note ", "note that ", "habe ", "hat ", "a", "a://")


def judge(text: str) -> object:
    quote = text[-200:].strip()
    return judged(Fact(quote, quote, until="2026-02-01"), text, now=NOON)


def judge_behind(text: str) -> object:
    return judged(Fact("Likes tea", "I like tea"), f"{text} I like tea", now=NOON)


LOOKS: tuple[Callable[[str], object], ...] = (
    *(asks_to_remember, asks_to_forget, claims_to_remember, claims_to_forget),
    *(is_secret, topic, is_about_others),
    *(may_teach, facts_in, own_words, judge, judge_behind),
    lambda text: asked_for(text[:200], text),
    lambda text: valid_until("2026-02-01", text, now=NOON),
    lambda text: likeness(text[:1000], text),
)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("look", LOOKS, ids=lambda one: one.__name__)
def test_no_text_is_slow_to_look_at(look: Callable[[str], object]) -> None:
    for unit in UNITS:
        look(unit * (LONG // len(unit)))


@pytest.mark.timeout(30)
@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_no_beginning_makes_a_text_slow_to_look_at(beginning: str) -> None:
    for unit in ("a", "a ", "- ", "-", "\n", "aA1"):
        for look in LOOKS:
            look(beginning + unit * (LONG // 2))


@pytest.mark.timeout(30)
@pytest.mark.parametrize("unit", ["eyj-", "a-", "-", "\u201c"])
def test_no_run_of_what_a_key_is_made_of_is_slow_to_look_at(unit: str) -> None:
    assert not is_secret(unit * (6 * LONG // len(unit)))


def test_the_end_of_a_long_text_is_heard() -> None:
    assert asks_to_remember("We went to the sea. " * 5000 + "Please remember that I like tea.")
    assert claims_to_remember("I'll remember that. " + "Tea is a plant. " * 5000)


def test_of_thousands_of_facts_a_few_are_looked_at() -> None:
    fact = '{"text": "Likes tea", "quote": "I like tea"}'

    assert len(facts_in(f'{{"facts": [{", ".join([fact] * 3000)}]}}')) == 20


@pytest.mark.parametrize(
    "secret",
    [
        "code: 4711",
        "the code is 12345",
        "code - 123456",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx",
        "x: Zk3vQ9mTr7LpXw2NcY8bA1",
    ],
)
def test_what_is_secret_still_is(secret: str) -> None:
    assert is_secret(secret)
