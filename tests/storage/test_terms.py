"""A question becomes quoted words; names, empty words and query syntax fall away."""

import sys

import pytest

from storage.database import Database
from storage.terms import LETTER, MOST_TERMS, any_of, parse

NAMES = {"Anna": "user", "Confidant": "assistant"}


@pytest.mark.parametrize(
    ("question", "terms"),
    [
        ("What was the name of my dentist?", {'("name")', '("dentist")'}),
        ("Do you remember what I told you about the bicycle?", {'("bicycle")'}),
        ("Did I go?", {'("go" OR "went" OR "gone")'}),
        ("C3 or 7 or x", {'("c3")', '("7")'}),
        ('rain" OR "snow* NEAR(a)', {'("rain")', '("snow")', '("near")'}),
        ("What happens in May?", {'("may")', '("happens")'}),
        ("May I smoke?", {'("smoke")'}),
        ("What does Anna's cat eat?", {'("cat")', '("eat" OR "ate" OR "eaten")'}),
        ("Who is Anna?", {'("anna")'}),
        ("What did you do?", set()),
        ("What did I tell?", {'("tell")'}),
        ("天気予報", {'("天気")', '("気予")', '("予報")'}),
        ("猫", {'"猫"*'}),
        ("iPhone版", {'("iphone")', '"版"*'}),
    ],
)
def test_the_words_that_are_looked_up(question: str, terms: set[str]) -> None:
    assert set(parse(question, NAMES).terms) == terms


@pytest.mark.parametrize(
    ("question", "role"),
    [
        ("What did I say about it?", "user"),
        ("What did I tell you?", "user"),
        ("Can you tell me what my plan was?", "user"),
        ("What did you tell me?", "assistant"),
        ("What was your advice?", "assistant"),
        ("Can you name three rivers?", None),
        ("What does Anna like?", "user"),
        ("What did Confidant advise?", "assistant"),
        ("What do Anna and Confidant share?", None),
        ("What is love?", None),
    ],
)
def test_whose_words_a_question_is_about(question: str, role: str | None) -> None:
    assert parse(question, NAMES).role == role


def test_of_a_pasted_page_the_longest_words_are_looked_up() -> None:
    page = " ".join(f"word{number}" for number in range(1000)) + " hippopotamus"

    terms = parse(page, {}).terms

    assert len(terms) == MOST_TERMS
    assert terms[0] == '("hippopotamus")'


def test_terms_are_joined_so_that_nothing_else_binds_closer() -> None:
    assert any_of(['"a"', '"b"']) == '("a" OR "b")'


async def test_the_index_pairs_the_letters_that_questions_pair(database: Database) -> None:
    letters = [chr(code) for code in range(1, sys.maxunicode) if not 0xD800 <= code < 0xE000]
    rows = await database.rows(
        "SELECT value FROM json_each(?), unspaced WHERE value GLOB letter", _json(letters)
    )

    assert {row[0] for row in rows} == {letter for letter in letters if LETTER.match(letter)}


def _json(letters: list[str]) -> str:
    return "[" + ",".join(f'"{letter}"' for letter in letters if letter > "\x7f") + "]"
