"""Markdown -> the HTML that Matrix clients show: by allow-list, without images or foreign links."""

import html as entities
import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Sequence

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

from bot.matrix.plain_text import (
    address_marks,
    bracketed,
    defang,
    may_link,
    mentioned_hosts,
    name,
    plain,
)

# The tags that the specification suggests (m.room.message) but `img`: a picture is fetched unasked.
TAGS = (
    "del h1 h2 h3 h4 h5 h6 blockquote p a ul ol sup sub li b i u strong em s code hr br div table "
    "thead tbody tr th td caption pre span details summary"
)
ATTRIBUTES = {"a": {"href"}, "ol": {"start"}, "code": {"class"}}
SCHEMES = {"https", "http", "mailto"}
SETTLING_ROUNDS = 5

_LANGUAGE = re.compile(r"language-[\w+#.-]{1,40}")
_NUMBER = re.compile(r"\d{1,9}")
_FENCE = re.compile("`+|~{3,}")

_MARKDOWN = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": 20}).enable(
    ["table", "strikethrough"]
)


def to_html(markdown: str, *, allowed_hosts: Collection[str] | None = None) -> str:
    """The text as HTML for `formatted_body`.

    With `allowed_hosts` (see `mentioned_hosts`) a link to any other host becomes its text with
    the address behind it, written so that no client makes a link of it again. Images become
    their alt text. Where HTML would be far longer than the text, the text is only escaped.
    """
    text = plain(markdown)
    tokens = _MARKDOWN.parse(text)
    for token in tokens:
        _disarm(token, allowed_hosts)
    if _is_one_paragraph(tokens):
        tokens = tokens[1:2]  # the specification wants no paragraph around a single line
    rendered = sanitise(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}).strip())
    rendered = plain(rendered)  # entities such as &#64; have become what they stand for
    if len(rendered) > longest_html(text):
        return escape(defang(text, allowed_hosts))
    return rendered


def to_body(markdown: str, *, allowed_hosts: Collection[str] | None = None) -> str:
    """The text for `body`, which clients show that know no HTML: Markdown with links defanged."""
    text = plain(markdown)
    return bracketed(text, address_marks(text, allowed_hosts, _within(_code_in(text))))


def sanitise(html: str) -> str:
    """Only what is on the allow-list; sanitising the result again changes nothing."""
    html = html.encode(errors="replace").decode()  # lone surrogates
    for _ in range(SETTLING_ROUNDS):  # taking a tag away can make its neighbours parse anew
        cleaned = _clean(html)
        if cleaned == html:
            return cleaned
        html = cleaned
    return html if _clean(html) == html else escape(html)


def escape(text: str) -> str:
    """The text as HTML that shows exactly it."""
    return entities.escape(text, quote=False).replace("\n", "<br>")


def longest_html(text: str) -> int:
    """How long HTML may become: quotes in quotes and lists in lists grow it without any use."""
    return 12 * len(text) + 1000


def _clean(html: str) -> str:
    return nh3.clean(
        html,
        tags=set(TAGS.split()),
        attributes=ATTRIBUTES,
        attribute_filter=_attribute,
        url_schemes=SCHEMES,
        link_rel=None,
        strip_comments=True,
    )


def _attribute(tag: str, attribute: str, value: str) -> str | None:
    """The value that an attribute may keep, None to take it away."""
    if (tag, attribute) == ("a", "href"):
        return value if may_link(value, None) else None
    wanted = _LANGUAGE if tag == "code" else _NUMBER
    return value if wanted.fullmatch(value) else None


def _is_one_paragraph(tokens: Sequence[Token]) -> bool:
    return [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]


def _disarm(token: Token, allowed_hosts: Collection[str] | None) -> None:
    """Take images and unwanted links out of a block, and addresses out of its text."""
    if token.children is not None:
        without_images = [_alt_text(child) for child in token.children]
        token.children = _only_links_to(allowed_hosts, without_images)
        _defang_inline(token.children, allowed_hosts)
    elif token.type in ("fence", "code_block"):
        marks = address_marks(token.content, allowed_hosts, lambda start, end: True)
        token.content = bracketed(token.content, marks)


def _alt_text(token: Token) -> Token:
    if token.type != "image":
        return token
    return Token(
        "text", "", 0, content="".join(_shown(_alt_text(it)) for it in token.children or ())
    )


def _shown(token: Token) -> str:
    return "\n" if token.type in ("softbreak", "hardbreak") else token.content


def _only_links_to(allowed_hosts: Collection[str] | None, tokens: Sequence[Token]) -> list[Token]:
    """The tokens with every link that isn't allowed replaced by its text and its address."""
    kept: list[Token] = []
    refused: str | None = None
    shown = ""  # of the link; links don't nest in Markdown
    for token in tokens:
        if token.type == "link_open":
            url = str(token.attrGet("href") or "")
            token.attrs = {"href": url}
            refused, shown = None if may_link(url, allowed_hosts) else url, ""
            kept += [token] if refused is None else []
        elif token.type == "link_close" and refused is not None:
            kept += [] if refused in shown else [Token("text", "", 0, content=f" ({refused})")]
            refused = None
        else:
            shown += token.content
            kept.append(token)
    return kept


def _defang_inline(tokens: Sequence[Token], allowed_hosts: Collection[str] | None) -> None:
    """Defang addresses in the text as it is shown, however it is divided by emphasis."""
    starts: list[int] = []
    shown = ""
    for token in tokens:
        starts.append(len(shown))
        shown += _shown(token)
    code = [
        (start, start + len(token.content))
        for token, start in zip(tokens, starts, strict=True)
        if token.type == "code_inline"
    ]
    marks = address_marks(shown, allowed_hosts, _within(code))
    for token, start in zip(tokens, starts, strict=True):
        token.content = bracketed(token.content, marks, start)


def _code_in(markdown: str) -> list[tuple[int, int]]:
    """Roughly where Markdown has code: from one run of backticks to the next as long."""
    spans = []
    opened: re.Match[str] | None = None
    for fence in _FENCE.finditer(markdown):
        if opened is None:
            opened = fence
        elif fence[0] == opened[0]:
            spans.append((opened.start(), fence.end()))
            opened = None
    return spans


def _within(spans: Sequence[tuple[int, int]]) -> Callable[[int, int], bool]:
    """Whether a piece of text lies in one of these, which are in order."""

    def is_within(start: int, end: int) -> bool:
        at = bisect_right(spans, start, key=lambda span: span[0]) - 1
        return at >= 0 and end <= spans[at][1]

    return is_within


__all__ = ["escape", "mentioned_hosts", "name", "plain", "sanitise", "to_body", "to_html"]
