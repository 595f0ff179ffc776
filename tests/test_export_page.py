"""What the page of an export shows in a real browser, made from a vault that was lived in."""

from pathlib import Path

import pytest

from bot import audit_words
from bot.archive.page import page
from bot.messages import Action, Outcome
from storage import KeptAnswer
from tests.browser import Page
from tests.exported import NOW, document, entry, open_with, taken, turn
from tests.spine import ANN, spine

ENDS = tuple(Outcome)


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


@pytest.mark.parametrize(
    ("days", "busiest"),
    [
        (["0050-06-01"], "Busiest: Wednesday, 1 June 50: 1 message"),
        (["0001-06-01", "0099-06-01", "0099-06-02"], "Busiest: 99: 2 messages"),
        (["0050-06-01", "2026-06-01", "2026-06-02"], "Busiest: 2026: 2 messages"),
        (["no day"], ""),
    ],
)
def test_messages_of_the_first_centuries_or_of_no_time_break_nothing(
    days: list[str], busiest: str, window: Page, tmp_path: Path
) -> None:
    said = [f"{day}T12:00:00.000000+00:00" for day in days]
    open_with(window, tmp_path, turn=[turn(at, said_at=one) for at, one in enumerate(said, 1)])

    shown = window.evaluate("document.querySelector('.caption')?.textContent ?? ''")

    assert shown.startswith(busiest)
    assert bool(shown) == bool(busiest)
    assert "Your archive" in window.text("body")
    assert window.complaints() == []


def test_the_log_says_what_was_done_as_the_bot_says_it_in_the_chat(
    window: Page, tmp_path: Path
) -> None:
    ended = [
        *(entry(number, Action.EXPORT_CREATED, outcome=one) for number, one in enumerate(ENDS, 1)),
        entry(7, facts={"command": "memory"}, outcome="failed"),
        entry(8, "constructor", outcome="ok"),
        entry(9, outcome="constructor"),
        entry(10, "thing.done", outcome="failed"),
        entry(11, Action.IDENTITY_LOOKED_UP, actor="@op:x.org"),
        entry(12, Action.ACCESS_CHANGED, target="@$&:x.org", facts={"rule": "block"}),
        entry(13, Action.ACCESS_CHANGED, outcome="failed", facts={"bot": "paused"}),
        entry(14, Action.ACCESS_CHANGED, facts={"rule": "constructor"}),
        entry(15, Action.MEMORY_CREATED, facts={"by": "model", "pending": True}),
        entry(16, facts={"edited": True, "answered": False}),
    ]

    open_with(window, tmp_path, entries=ended)
    window.to("log")

    shown = window.text()
    assert all(audit_words.said(Action.EXPORT_CREATED, one) in shown for one in ENDS)
    assert "Tried to carry out the command “memory”, and failed" in shown
    assert window.text("#entry-8 .done") == "constructor (ok)"
    assert window.text("#entry-9 .done") == "message.answered (constructor)"
    assert window.text("#entry-10 .done") == "thing.done (failed)"
    assert window.text("#entry-15 .done") == "Noted a memory to ask you about"
    assert window.text("#entry-16 .done") == "Took over an edit of yours"
    told = [window.text(f"#entry-{number} .done") for number in (11, 12, 13, 14)]
    assert told == [
        "Told @op:x.org, an operator, who is behind your pseudonym",
        "You blocked @$&:x.org",
        "Tried to pause, and failed",
        audit_words.said(Action.ACCESS_CHANGED, Outcome.OK),
    ]
    assert window.complaints() == []


def test_the_log_shows_the_head_that_was_signed(window: Page, tmp_path: Path) -> None:
    file = tmp_path / "index.html"
    signed = {**document(NOW, {}), "audit_head": "log\n1\n<b>root\n"}
    file.write_bytes(page(signed, [entry(1)]))
    window.go(file)
    window.to("log")

    window.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")

    assert "log 1 <b>root" in window.text("main pre")
