"""The demo shows of a message what a client shows, not the Markdown that it was made from."""

import pytest

from bot.demo.showing import shown
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
