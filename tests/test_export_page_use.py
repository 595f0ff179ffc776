"""The page of an export as it is used: searched, with the keyboard, on a phone, by ear."""

from pathlib import Path

import pytest

from tests.browser import Page
from tests.exported import open_with, turns
from tests.page_checks import NAMELESS, UNREADABLE


def test_a_search_finds_and_marks_without_regard_to_case_and_accents(at_ease: Page) -> None:
    at_ease.search("CAFE naively")
    marked = at_ease.evaluate("[...document.querySelectorAll('mark')].map(one => one.textContent)")
    at_ease.search("bremen")
    everywhere = at_ease.text()
    at_ease.search('"my day"')
    phrase = at_ease.text(".results")
    at_ease.search("zebra")

    assert marked == ["naïvely", "café"]
    assert "1 memory, 3 messages" in everywhere
    assert phrase.count("Plan my day") == 1
    assert "Nothing here has all of that." in at_ease.text()
    assert at_ease.text("#found") == "No results"


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ("what=message", "10 messages"),
        ("what=memory", "3 memories"),
        ("what=message&who=me", "5 messages"),
        ("what=message&who=bot&from=2026-01-04", "2 messages"),
        ("what=message&from=2026-01-02&to=2026-01-02", "2 messages"),
        ("what=message&room=2", "4 messages"),
        ("room=2&q=eat", "1 message"),
        ("what=entry&q=setting", "1 log entry"),
    ],
)
def test_what_is_searched_can_be_narrowed(at_ease: Page, filters: str, found: str) -> None:
    at_ease.to(f"search?{filters}")

    assert at_ease.text(".lede") == found
    assert at_ease.evaluate("document.getElementById('filters').hidden") == filters.startswith("q")


def test_going_back_leads_to_the_search_as_it_was(at_ease: Page) -> None:
    at_ease.evaluate("query.focus()")
    at_ease.type("bremen")
    at_ease.evaluate("document.querySelector('.result.message').click()")
    at_ease.settle()
    read = at_ease.evaluate("document.activeElement.className")
    at_ease.back()

    assert "message" in read
    assert at_ease.evaluate("[query.value, location.hash]") == ["bremen", "#search?q=bremen"]
    assert "3 messages" in at_ease.text()


def test_the_keyboard_leads_everywhere(at_ease: Page) -> None:
    at_ease.press("/")
    at_ease.type("bremen")
    at_ease.press("ArrowDown")
    at_ease.press("ArrowDown")
    second = at_ease.evaluate("document.activeElement.hash")
    at_ease.press("ArrowUp")
    at_ease.press("ArrowUp")
    typing = at_ease.evaluate("document.activeElement.id")
    at_ease.press("Escape")
    cleared = at_ease.evaluate("[query.value, document.querySelector('main').dataset.view]")
    at_ease.type("tea")
    at_ease.press("Enter")

    assert second.startswith("#message/")
    assert typing == "query"
    assert cleared == ["", "overview"]
    assert at_ease.evaluate("location.hash") == "#memory/2"


def test_ten_thousand_messages_are_searched_in_less_than_a_second(
    window: Page, tmp_path: Path
) -> None:
    words = [
        "tea",
        "river",
        "house",
        "morning",
        "Straße",
        "café",
        "train",
        "letter",
        "window",
        "garden",
        "bread",
        "music",
    ]
    open_with(window, tmp_path, turn=turns(10_000, words))

    took = window.evaluate(
        """(() => {
            const began = performance.now();
            query.value = "strasse garden n9876";
            query.dispatchEvent(new Event("input"));
            document.body.offsetHeight;
            return performance.now() - began;
        })()"""
    )

    assert "9,999" not in window.text(".results")
    assert "n9876" in window.text("mark:last-of-type")
    assert took < 1000
    window.to("messages")
    assert window.evaluate("document.querySelectorAll('.message').length") <= 200
    window.to("message/5000")
    assert "n5000" in window.text("#message-5000")


def test_more_of_a_long_list_is_drawn_when_it_is_asked_for(window: Page, tmp_path: Path) -> None:
    open_with(window, tmp_path, turn=turns(400, ["word"]))
    window.to("message/200")

    window.evaluate("document.querySelector('.talk ~ .later, .later').click()")
    window.evaluate("document.querySelector('.conversation .earlier').click()")
    window.evaluate("dispatchEvent(new Event('beforeprint'))")
    window.evaluate("document.querySelector('.conversation .earlier').click()")
    drawn = "[...document.querySelectorAll('.message')].map(one => Number(one.id.slice(8)))"
    numbers = window.evaluate(drawn)
    days = window.evaluate("[...document.querySelectorAll('.day')].map(one => one.textContent)")

    assert numbers == list(range(numbers[0], 401))
    assert numbers[0] < 100
    assert len(days) == len(set(days))


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_its_window_and_can_be_read_in_both_colours(
    at_ease: Page, width: int, dark: bool
) -> None:
    at_ease.looks(width=width, dark=dark)

    for place in ("overview", "messages", "message/4", "memories", "log", "settings", "search?q=e"):
        at_ease.to(place)
        assert at_ease.evaluate("document.documentElement.scrollWidth") == width
        assert at_ease.evaluate(UNREADABLE) == []


def test_the_switch_changes_the_colours_and_keeps_nothing(at_ease: Page) -> None:
    before = at_ease.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    at_ease.evaluate("document.getElementById('theme').click()")
    after = at_ease.evaluate("getComputedStyle(document.documentElement).backgroundColor")

    assert before != after
    assert at_ease.text("#theme") == "Light"
    assert at_ease.evaluate("document.cookie") == ""


def test_a_screen_reader_finds_its_way(at_ease: Page) -> None:
    places = "[...'header main nav search footer'.split(' ')].map(one => document.querySelectorAll"

    assert at_ease.evaluate(NAMELESS) == []
    assert at_ease.evaluate(f"{places}(one).length)") == [2, 1, 1, 1, 1]
    assert at_ease.evaluate("document.documentElement.lang") == "en"
    assert at_ease.evaluate("document.querySelectorAll('h1').length") == 1
