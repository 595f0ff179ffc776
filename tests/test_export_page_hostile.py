"""Nothing that stands in an export runs, loads or leads anywhere when its page is opened."""

import json
import re
from pathlib import Path

import pytest

from bot.archive.page import page
from tests.browser import Page
from tests.exported import everywhere
from tests.hostile_texts import HOSTILE_TEXTS, RUN
from tests.page_checks import BROUGHT

PLACES = (
    "messages",
    "message/2",
    "memories",
    "memory/1",
    "log",
    "log/2",
    "settings",
    "search?what=message",
    "search?what=memory",
    "search?what=entry",
    "overview",
)
ESCAPE = f"</script><script>{RUN}</script><img src=x onerror={RUN}>"


@pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=lambda text: ascii(text)[1:40])
def test_a_hostile_text_in_every_field_stays_text(text: str, window: Page, tmp_path: Path) -> None:
    file = tmp_path / "index.html"
    file.write_bytes(page(*everywhere(text)))

    window.go(file)

    for place in PLACES:
        window.to(place)
        window.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        assert window.evaluate(BROUGHT) == []
        assert window.evaluate("document.documentElement.scrollWidth <= innerWidth")
    window.search(" ".join(text[:500].split()))
    found = window.evaluate("document.querySelectorAll('.result').length")
    assert found or not text.isprintable() or not text
    assert window.evaluate(BROUGHT) == []
    unknown = f"{text} ({text})"  # an action and an outcome of a later release
    for place, shown, said in (
        ("settings", ".settings dd", text),
        ("log", "#entry-2 .done", unknown),
    ):
        window.to(place)
        as_it_is = f"document.querySelector('{shown}').textContent === {json.dumps(said)}"
        assert window.evaluate(as_it_is)
    assert window.evaluate("[typeof ran, location.protocol, window.length]") == [
        "undefined",
        "file:",
        0,
    ]
    assert window.complaints() == []
    assert {one for one in window.requests() if not one.startswith("data:")} == {file.as_uri()}


def unescaped(content: bytes) -> bytes:
    """The page as it were if `<` were put into it as it is."""
    return content.replace(rb"\u003c", b"<").replace(rb"\u003e", b">")


def test_without_the_escapes_the_policy_still_lets_nothing_run(
    window: Page, tmp_path: Path
) -> None:
    file = tmp_path / "index.html"
    file.write_bytes(unescaped(page(*everywhere(ESCAPE))))

    window.go(file)

    assert window.evaluate("typeof ran") == "undefined"
    assert any("Content Security Policy" in one for one in window.complaints())


def test_without_escapes_and_policy_it_would_run(window: Page, tmp_path: Path) -> None:
    file = tmp_path / "index.html"
    content = unescaped(page(*everywhere(ESCAPE)))
    file.write_bytes(re.sub(rb'<meta http-equiv="Content-Security-Policy"[^>]*>', b"", content))

    window.go(file)

    assert window.evaluate("typeof ran") == "number"


def test_the_policy_is_in_force_for_whatever_would_come_in_another_way(
    window: Page, tmp_path: Path
) -> None:
    file = tmp_path / "index.html"
    file.write_bytes(page(*everywhere("x")))
    window.go(file)

    tried = window.evaluate(
        """(async () => {
            const made = Object.assign(document.createElement("img"), {src: "https://evil.example/"});
            const done = [await new Promise(told => {
                made.onload = () => told("loaded"); made.onerror = () => told("blocked");
            })];
            for (const attempt of [
                () => { document.body.innerHTML = "<p>"; },
                () => { document.createElement("script").text = "ran = 1"; },
            ]) try { attempt(); done.push("done"); } catch (error) { done.push(error.name); }
            try { await fetch("https://evil.example/"); } catch { done.push("no fetch"); }
            return done;
        })()"""
    )

    assert tried == ["blocked", "TypeError", "TypeError", "no fetch"]
    assert len([one for one in window.complaints() if "Content Security Policy" in one]) >= 2


def test_what_a_text_says_can_not_end_the_element_that_it_stands_in() -> None:
    for text in HOSTILE_TEXTS:
        content = page(*everywhere(text)).decode()

        _, _, rest = content.partition('<script type="application/json" id="data">')
        data, end, _ = rest.partition("<")
        assert end and rest[len(data) :].startswith('</script>\n<script type="module">')
        assert json.loads(data)["user_id"] == text
        assert not re.search("[\u2028\u2029]", data)
