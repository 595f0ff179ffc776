"""The page says where each text comes from, and shows nothing as what it is not."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.archive.page import page
from tests.browser import Page
from tests.exported import document, taken, turn
from tests.spine import remembers, spine

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def open_with(window: Page, folder: Path, **tables: list[dict[str, Any]]) -> None:
    file = folder / "index.html"
    file.write_bytes(page(document(NOW, tables), []))
    window.go(file)


@pytest.fixture
async def moved(window: Page, tmp_path: Path) -> Page:
    """Ann's page after a day on which she moved: what was learned changed, and a private word."""
    async with spine(tmp_path / "data") as bot:
        bot.model.answers = [remembers("You live in Lyon.", "I live in Lyon", saying="Nice.")]
        await bot.say("I live in Lyon by the river", event_id="$lyon")
        await bot.say("!memory edit 1 I live in Paris")
        await bot.say("!memory add I like tea")
        await bot.say("!memory edit 2 I like coffee")
        await bot.say("!memory add I like coffee")
        await bot.say("!retention 30d")
        await bot.say("!private on")
        await bot.say("a secret question")
        made = await taken(bot)
    file = tmp_path / "index.html"
    file.write_bytes(page(*made))
    window.go(file)
    return window


def memory_cards(window: Page) -> list[str]:
    window.to("memories")
    window.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    return [window.text(f"#memory-{number}") for number in (1, 2)]


def test_an_edited_memory_still_leads_to_the_message_it_was_learned_from(moved: Page) -> None:
    learned, _ = memory_cards(moved)
    moved.evaluate("document.querySelector('#memory-1 .facts a').click()")
    moved.settle()

    assert "Learned from you on 1 Jan 2026, from what you said then" in learned
    assert "typed with !memory edit" in learned
    assert "not kept" not in learned
    assert "You live in Lyon. I live in Lyon Until 1 Jan 2026, 12:00" in learned
    assert "when it was changed by you · from what you said on 1 Jan 2026, 12:00" in learned
    assert moved.evaluate("document.activeElement.id") == "message-1"
    assert "Learned from this: memory 1" in moved.text("#message-1")


def test_a_typed_memory_is_not_said_to_come_from_a_message(moved: Page) -> None:
    _, typed = memory_cards(moved)

    assert "Added by you on 1 Jan 2026, typed with !memory add" in typed
    assert "I like tea Until" in typed
    assert "Also said (1) typed with !memory add" in typed
    assert "not kept" not in typed


def test_a_message_that_is_gone_is_still_said_to_be_gone(window: Page, tmp_path: Path) -> None:
    at = "2026-01-01T12:00:00.000000+00:00"
    learned = {
        "memory_id": 1,
        "text": "You live in Lyon.",
        "quote": "I live in Lyon",
        "origin": "model",
        "status": "active",
        "source_event_id": "$gone",
        "created_at": at,
        "updated_at": at,
    }
    open_with(window, tmp_path, memory=[learned])

    window.to("memories")

    assert "Learned from you on 1 Jan 2026, from a message that is not kept any more" in (
        window.text("#memory-1")
    )


def test_a_former_text_is_found_and_marked_as_one(moved: Page) -> None:
    moved.search("lyon you")
    found = moved.text(".result.memory")
    own = moved.text(".result.memory .excerpt")

    assert own == "I live in Paris"
    assert "said before: You live in Lyon." in found
    assert moved.evaluate(
        "[...document.querySelectorAll('.memory mark')].map(one => one.textContent)"
    ) == [
        "You",
        "Lyon",
    ]


def test_a_models_name_is_not_shown_as_what_a_message_says(window: Page, tmp_path: Path) -> None:
    said = turn(2, role="assistant", text="Good morning", model="small-model", note="*a note*")
    open_with(window, tmp_path, turn=[turn(1, text="Hello"), said])

    window.search("small-model")
    named = window.text(".results")
    window.search("a note")
    noted = window.text(".results")

    assert "Good morning model: small-model" in named
    assert "Good morning noted below: a note" in noted


def test_one_day_is_said_once_and_stands_under_its_bar(moved: Page) -> None:
    moved.looks()
    shown = moved.text()
    label = moved.evaluate("document.querySelector('.plot svg').getAttribute('aria-label')")
    off = moved.evaluate(
        """(() => {
            const middle = (one) => {
                const {left, width} = document.querySelector(one).getBoundingClientRect();
                return left + width / 2;
            };
            return middle(".plot text:last-of-type") - middle(".span rect.me");
        })()"""
    )
    moved.to("messages")

    assert "Your conversations of 1 Jan 2026." in shown
    assert label.startswith("Messages by day, on 1 Jan 2026. ")
    assert abs(off) < 2
    assert "2 messages, 1 Jan 2026" in moved.text(".heading")
    assert " to " not in moved.text(".heading")


def test_a_rooms_id_is_there_for_whoever_asks_for_it_alone(moved: Page) -> None:
    moved.to("messages")

    assert "!ann" not in moved.text(".conversation")
    assert moved.evaluate("document.querySelector('.conversation h1').title") == "!ann"
    rooms = "[...document.querySelectorAll('#room option')].map(one => one.textContent)"
    assert moved.evaluate(rooms) == ["Every room", "Direct chat"]


def test_settings_and_usage_are_told_in_words(moved: Page) -> None:
    moved.to("settings")
    shown = moved.text()

    assert "How long your messages are kept 30 days" in shown
    assert "Nothing is kept of what you say in “Direct chat” on" in shown
    assert "Every request to the model counts, also where the messages are not kept" in shown
    assert "Model Requests Tokens read Written scripted 2 " in shown
