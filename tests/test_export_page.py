"""The page of an export in a real browser, made from a vault that was lived in."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.archive.page import page
from bot.messages import Action
from storage import KeptAnswer
from tests.browser import Page
from tests.exported import document, entry, lived, taken, turn, turns
from tests.page_checks import NAMELESS, UNREADABLE
from tests.spine import ANN, spine

NOW = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture
async def anns(window: Page, tmp_path: Path) -> Page:
    """Ann's own export, open."""
    file = tmp_path / "index.html"
    file.write_bytes(page(*await lived(tmp_path / "data")))
    window.go(file)
    return window


@pytest.fixture
def at_ease(anns: Page) -> Iterator[Page]:
    """The same, which in the end must have asked for nothing and complained of nothing."""
    yield anns
    assert anns.complaints() == []
    assert {one for one in anns.requests() if not one.startswith(("file:", "data:"))} == set()


def open_with(window: Page, folder: Path, **tables: list[dict[str, object]]) -> None:
    file = folder / "index.html"
    entries = tables.pop("entries", [])
    file.write_bytes(page(document(NOW, tables), entries))
    window.go(file)


def test_the_overview_says_whose_it_is_and_how_much(at_ease: Page) -> None:
    shown = at_ease.text()

    assert ANN in shown
    assert "Exported on Sunday, 4 January 2026, 12:00" in shown
    assert "from 1 Jan 2026 to 4 Jan 2026" in shown
    assert "5 messages of yours" in shown
    assert "5 answers" in shown
    assert "3 conversations" in shown
    assert "3 memories" in shown


def test_the_picture_of_activity_tells_its_figures_to_everybody(at_ease: Page) -> None:
    label = at_ease.evaluate("document.querySelector('.plot svg').getAttribute('aria-label')")
    at_ease.evaluate("document.querySelectorAll('.span')[3].dispatchEvent(new Event('click'))")
    tapped = at_ease.text(".caption")
    at_ease.evaluate("document.querySelector('.activity details').open = true")
    table = at_ease.text(".activity table")
    at_ease.evaluate("document.querySelector('.caption a').click()")
    at_ease.settle()

    assert label.startswith("Messages by day, from 1 Jan 2026 to 4 Jan 2026.")
    assert tapped.startswith("Sunday, 4 January 2026: 4 messages (2 yours, 2 answers)")
    assert "Sunday, 4 January 2026 2 2" in table
    assert "4 messages" in at_ease.text()


def test_conversations_show_what_was_said_by_whom_and_on_what_it_rests(at_ease: Page) -> None:
    at_ease.to("messages")
    listed = at_ease.text(".conversations")
    at_ease.to("message/3")
    at_ease.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    shown = at_ease.text(".conversation")

    assert all(one in listed for one in ("Direct chat", "Shared room", "Thread in shared room"))
    assert "Thursday, 1 January 2026" in shown
    assert "Friday, 2 January 2026" in shown
    assert "Confidant 12:00 scripted A fine town." in shown
    assert "remembered: You live in Bremen. · !memory delete 1" in shown
    assert "Learned from this: memory 1" in shown
    assert "Start at the Tile Museum." in shown
    assert "by tram" in shown
    assert "print('one < two')" in at_ease.text("pre")
    assert "Rests on 1 memory" in shown
    assert "10 tokens read · 5 tokens written" in shown


def test_an_answer_leads_to_the_memory_and_the_memory_to_its_source(at_ease: Page) -> None:
    at_ease.to("message/4")
    at_ease.evaluate("document.querySelector('#message-4 details').open = true")
    at_ease.evaluate("document.querySelector('#message-4 .basis a').click()")
    at_ease.settle()
    memory = at_ease.evaluate("document.activeElement.id")
    at_ease.evaluate("document.querySelector('#memory-1 .facts a').click()")
    at_ease.settle()

    assert memory == "memory-1"
    assert at_ease.evaluate("document.activeElement.id") == "message-1"


def test_memories_show_what_they_rest_on_and_what_became_of_them(at_ease: Page) -> None:
    at_ease.to("memories")
    at_ease.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    learned, own, waiting = (at_ease.text(f"#memory-{number}") for number in (1, 2, 3))

    assert "You live in Bremen. I live in Bremen Learned from you on 1 Jan 2026" in learned
    assert "from what you said then" in learned
    assert "Used in 2 answers" in learned
    assert "pinned I like black tea Added by you on 3 Jan 2026" in own
    assert "I like green tea Until 3 Jan 2026, 12:00, when it was changed by you" in own
    assert "May be used in shared room !all, shared on 3 Jan 2026" in own
    assert "waits for your approval You have a dog." in waiting
    assert "2 memories in use and 1 waiting for your approval." in at_ease.text()


def test_the_log_is_told_in_plain_words(at_ease: Page) -> None:
    at_ease.to("log")
    at_ease.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    shown = at_ease.text()

    assert "Kept a memory: memory 1 by: model" in shown
    assert "Carried out the command “memory”" in shown
    assert "Changed a setting setting: memory mode value: ask" in shown
    assert "prompt tokens: 10" in shown
    assert "Commitment" in shown


def test_every_action_has_words_and_no_outcome_but_success_goes_unsaid(
    window: Page, tmp_path: Path
) -> None:
    entries = [entry(number, one) for number, one in enumerate(Action, start=1)]
    open_with(window, tmp_path, entries=[*entries, entry(99, outcome="interrupted")])

    window.to("log")

    shown = window.text()
    assert [one for one in Action if one in shown] == []
    assert shown.count("interrupted") == 1


def test_settings_and_usage_are_shown(at_ease: Page) -> None:
    at_ease.to("settings")
    shown = at_ease.text()

    assert "When things about you are remembered ask: only what you approve" in shown
    assert "4 Jan 2026 scripted 2 20 10" in shown
    assert "scripted 5 30 15" in shown


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


def test_an_export_of_nothing_says_so_in_every_part(window: Page, tmp_path: Path) -> None:
    open_with(window, tmp_path)

    said = []
    for place in ("overview", "messages", "memories", "log", "settings", "search?q=tea"):
        window.to(place)
        said.append(window.text())

    assert "No messages yet." in said[0]
    assert "No messages yet." in said[1]
    assert "No memories yet." in said[2]
    assert "No entries yet." in said[3]
    assert "You chose none" in said[4]
    assert "No answers were counted yet." in said[4]
    assert window.complaints() == []


def test_a_text_that_reads_from_the_right_is_shown_so(window: Page, tmp_path: Path) -> None:
    open_with(window, tmp_path, turn=[turn(1, text="ما رأيك في هذا الكتاب؟")])
    window.to("messages")

    side = "getComputedStyle(document.querySelector('.message .text p')).direction"
    assert window.evaluate(side) == "rtl"


async def test_an_answer_that_nobody_has_read_yet_is_left_out(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("hello", event_id="$hello")
        async with bot.storage.vaults.open(ANN) as vault:
            answer = KeptAnswer(
                "$later",
                "!ann",
                "direct",
                None,
                "UNREAD",
                "",
                bot.clock(),
                "m",
                "h",
                1,
                1,
                turn_ids=[1],
            )
            await vault.answers.keep(answer)
        kept, entries = await taken(bot)

    assert "UNREAD" in str(kept)
    assert "UNREAD" not in (made := page(kept, entries).decode())
    assert "unsent answer to" not in made
