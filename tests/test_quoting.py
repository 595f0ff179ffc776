"""Which words of a message are its author's own."""

import pytest

from bot.quoting import own_words, stands


@pytest.mark.parametrize(
    "body",
    [
        "> I live in Paris\nhe says, and so on",
        "> my friend wrote\nI live in Paris",
        "look:\n```\nI live in Paris\n```\nodd",
        "~~~\nI live in Paris",
        'Bob wrote to me: "I live in Paris" and I laughed',
        "Bob schrieb: „I live in Paris“",
        "Bob a dit « I live in Paris » hier",
        "»I live in Paris« sagt er",
    ],
)
def test_what_is_quoted_in_any_way_is_nobodys_own(body: str) -> None:
    assert not stands("I live in Paris", body)


@pytest.mark.parametrize(
    "body",
    [
        "> where do you live?\n\nI live in Paris",
        "```\ncode\n```\nI live in Paris",
        'I live in Paris, near the "Gare du Nord"',
        'My cat is called "Miso" and I live in Paris',
        'That is 5" wide. I live in Paris',
        "I live in Paris",
    ],
)
def test_what_stands_beside_a_quotation_is_the_persons_own(body: str) -> None:
    assert stands("I live in Paris", body)


@pytest.mark.parametrize("mark", ['"', "“", "«", "> ", "```\n", "\n"])
def test_marks_without_end_are_read_in_no_time(mark: str) -> None:
    assert len(own_words(mark * 8_000)) <= 4 * 8_000
