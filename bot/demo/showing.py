"""What a client shows of a message: the text of its HTML, laid out in lines."""

from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

_PARAGRAPHS = frozenset(
    ["p", "ul", "ol", "pre", "blockquote", "table", "hr", "h1", "h2", "h3", "h4", "h5", "h6"]
)
_LINES = frozenset(["li", "tr", "div", "br", "summary", "details"])


def shown(content: Mapping[str, Any]) -> str:
    """The text of a message's content; of one without HTML its body as it stands."""
    if content.get("format") != "org.matrix.custom.html":
        return str(content.get("body", ""))
    layout = _Layout()
    layout.feed(str(content.get("formatted_body", "")))
    layout.close()
    return layout.text


class _Layout(HTMLParser):
    """Text as far as it was read; blocks begin on lines of their own, links are their words."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self._gap = 0  # line breaks that are due before the next words
        self._mark = ""  # the bullet or number before them
        self._lists: list[int] = []  # of each list around: the next number, 0 for bullets
        self._in_code = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._separate(tag)
        if tag in ("ul", "ol"):
            start = dict(attrs).get("start") or ""
            self._lists.append((int(start) if start.isdecimal() else 1) if tag == "ol" else 0)
        elif tag == "li":
            self._mark = self._next_mark()
        elif tag in ("td", "th") and not self._gap:
            self.text += "  "
        self._in_code = self._in_code or tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        if tag in ("ul", "ol") and self._lists:
            self._lists.pop()
        if tag == "pre":
            self.text, self._in_code = self.text.rstrip("\n"), False
        self._separate(tag)

    def handle_data(self, data: str) -> None:
        words = data if self._in_code else data.replace("\n", "")  # <br> is what breaks lines
        if not words.strip() and (self._gap or not self.text):
            return
        breaks = "\n" * self._gap if self.text else ""
        self.text += breaks + self._mark + words
        self._gap, self._mark = 0, ""

    def _separate(self, tag: str) -> None:
        if self._mark:  # a paragraph in a list stands beside its bullet
            return
        if tag == "br":
            self._gap += 1
        elif tag in _LINES or (tag in _PARAGRAPHS and self._lists):
            self._gap = max(self._gap, 1)
        elif tag in _PARAGRAPHS:
            self._gap = max(self._gap, 2)

    def _next_mark(self) -> str:
        inset = "  " * (len(self._lists) - 1)
        if not self._lists or not self._lists[-1]:
            return f"{inset}• "
        self._lists[-1] += 1
        return f"{inset}{self._lists[-1] - 1}. "
