"""The demo shows of a message what a client shows, not the Markdown that it was made from."""

import pytest
from prompt_toolkit.utils import get_cwidth

from bot.demo.showing import shown
from bot.demo.terminal import _folded
from bot.matrix.content import message
from bot.messages import Outgoing


@pytest.mark.parametrize(
    ("markdown", "seen"),
    [
        (
            "*remembered: You live in Lyon. · `!memory delete 1`*",
            "remembered: You live in Lyon. · !memory delete 1",
        ),
        ("**Done.** Two *words*\nand a line", "Done. Two words\nand a line"),
        ("Here:\n\n- **1** tea\n- two\n\nEnd.", "Here:\n\n• 1 tea\n• two\n\nEnd."),
        ("- a\n\n- b\n  - c\n- d", "• a\n• b\n  • c\n• d"),
        ("3. three\n4. four", "3. three\n4. four"),
        ("[This answer](https://matrix.to/#/!r/$e) of today", "This answer of today"),
        ("Code:\n\n```\na  b\n\n  c\n```\n\nEnd", "Code:\n\na  b\n\n  c\n\nEnd"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a  b\n1  2"),
        ("1 < 2 & 3, 2\\*3 and a_b_c", "1 < 2 & 3, 2*3 and a_b_c"),
        ("plain words", "plain words"),
        ("", ""),
    ],
)
def test_markdown_is_shown_as_it_is_meant(markdown: str, seen: str) -> None:
    assert shown(message(Outgoing("!r", markdown, "t"))) == seen


def test_html_of_any_kind_is_only_laid_out() -> None:
    content = {
        "format": "org.matrix.custom.html",
        "formatted_body": "</ul><ol start='x'><li>a</b><li>b</ol><script>c</script>&lt;d&gt;",
    }

    assert shown(content) == "1. a\n2. b\n\nc<d>"


def test_the_terminal_breaks_no_path_at_its_hyphens_and_leaves_stars_that_were_typed() -> None:
    path = "/tmp/confidant-demo-x1/received/confidant-export-2026-01-05.zip"

    folded = _folded(f"[saved as {path} (32 kB)] 2**8", 70, indent=5)

    assert path in folded
    assert folded.endswith("2**8")


def test_lines_with_pictures_are_folded_before_the_edge() -> None:
    lines = _folded("04:58 💬 120 messages answered for 🐦 quail-57 in 1 min", 46).splitlines()

    assert len(lines) > 1
    assert all(get_cwidth(line) < 46 for line in lines)
