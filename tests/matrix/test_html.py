"""Whatever a model or a person writes, clients get nothing but harmless HTML and wanted links."""

import re
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.matrix.html import TAGS, escape, longest_html, sanitise, to_body, to_html

ALLOWED = {"good.org"}

STUBBORN = (
    "[ * ` ``· _ < ![ [a]( | \n| >· -· 1.· a. https:// @ #a ~ **a &# a@a. []( <http: x:// \\ "
    "mailto: ://@ evil.com/ good.org/ a- a-. .a- -. a-a a.a-"
)
# Addresses on the allowed host with their paths, ids that Matrix clients open themselves, words.
HARMLESS = r"good\.org(:\d+)?[/?#][\w/?#&=%.~+@!$*-]*|[@#!][\w.=+-]+:[\w.-]+|evil\.com\w"
# Pieces of Markdown, HTML, addresses and deceptions, one after the other divided by a space.
PIECES = (
    "* ** _ __ ~~ ` `` ``` ~~~ [ ] ( ) [x]( ![ ]( < > <> </ /> <a <b> <script> <img \\ & &#58; "
    "&lt; | |- # > - 1. : :// / // @ . , ; ! ? = \" ' \n \n\n \t evil.com evil com www. "
    "good.org https://evil.com/x https://good.org/y http: mailto:a@evil.com javascript:alert(1) "
    "onclick= style= @room word [r]: \u202e \u200b \u00ad \ud800 \x00 \x1b é 日"
)
pieces = st.sampled_from(PIECES.split(" "))
hostile_text = st.lists(pieces | st.just(" ") | st.characters(), max_size=30).map("".join)


class Page(HTMLParser):
    """What a browser would see: tags, attributes, text, and whether the text is code."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text = ""
        self.code = ""
        self._in_code = 0
        self.feed(html)
        self.close()

    @property
    def links(self) -> set[str]:
        return {value or "" for _, name, value in self.attributes if name == "href"}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        self._in_code += tag == "code"
        if tag in ("p", "li", "td", "th", "br", "pre", "tr", "h1", "h2", "h3", "h4", "h5", "h6"):
            self.text += "\n"

    def handle_endtag(self, tag: str) -> None:
        self._in_code -= tag == "code"

    def handle_data(self, data: str) -> None:
        self.text += data
        self.code += data if self._in_code else ""


def assert_harmless(html: str) -> None:
    page = Page(html)
    assert page.tags <= set(TAGS.split())
    for tag, name, value in page.attributes:
        assert (tag, name) in {("a", "href"), ("ol", "start"), ("code", "class")}
        if name == "href":
            assert urlsplit(value or "").scheme in ("https", "http", "mailto")
        if name == "class":
            assert (value or "").startswith("language-")


@given(hostile_text)
def test_whatever_is_written_becomes_harmless_html(text: str) -> None:
    html = to_html(text)

    assert_harmless(html)
    assert sanitise(html) == html
    assert len(html) <= max(longest_html(text), len(escape(text)))
    html.encode()


@given(hostile_text)
def test_whatever_html_is_sanitised_is_harmless_and_stays_so(text: str) -> None:
    html = sanitise(text)

    assert_harmless(html)
    assert sanitise(html) == html


@given(hostile_text)
def test_no_foreign_address_is_left_that_a_client_would_link(text: str) -> None:
    html, body = to_html(text, allowed_hosts=ALLOWED), to_body(text, allowed_hosts=ALLOWED)

    page = Page(html)
    assert {urlsplit(link).hostname for link in page.links if link.startswith("http")} <= ALLOWED
    assert not re.search(r"://(?!good\.org)[\w.-]*evil", f"{page.text}\n{body}")
    assert "www.evil" not in f"{page.text}\n{body}"
    if not page.code:  # names without a scheme stay as they are in code
        assert "evil.com" not in re.sub(HARMLESS, "", page.text)


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("hello", "hello"),
        ("**bold** *it*", "<strong>bold</strong> <em>it</em>"),
        ("~~gone~~ `code`", "<s>gone</s> <code>code</code>"),
        ("one\ntwo", "one<br>\ntwo"),
        ("one\n\ntwo", "<p>one</p>\n<p>two</p>"),
        ("# T", "<h1>T</h1>"),
        ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"),
        ("3. c", '<ol start="3">\n<li>c</li>\n</ol>'),
        ("```py\nx < 1\n```", '<pre><code class="language-py">x &lt; 1\n</code></pre>'),
        ('```py" onload="x\n1\n```', '<pre><code>1\n</code></pre>'),
        ("> quoted", "<blockquote>\n<p>quoted</p>\n</blockquote>"),
        ("<b>x</b> &", "&lt;b&gt;x&lt;/b&gt; &amp;"),
        ("<script>y</script>", "&lt;script&gt;y&lt;/script&gt;"),
        ("[x](https://good.org/a?b=1&c=2)", '<a href="https://good.org/a?b=1&amp;c=2">x</a>'),
        ('[x](https://good.org "title")', '<a href="https://good.org">x</a>'),
        ("[me](https://matrix.to/#/@u:hs)", '<a href="https://matrix.to/#/@u:hs">me</a>'),
        ("[m](mailto:a@good.org)", '<a href="mailto:a@good.org">m</a>'),
        ("[f](ftp://good.org/x)", "f (ftp://good.org/x)"),
        ("[f](file.txt)", "f (file.txt)"),
        ("[j](javascript:alert)", "[j](javascript:alert)"),
        ("[d](data:text/html,x)", "[d](data:text/html,x)"),
        ("[e]()", "e"),
        ("![*alt* text](https://good.org/a.png)", "alt text"),
        ("[![alt](https://a.b/c)](https://good.org)", '<a href="https://good.org">alt</a>'),
        ("@room hey", "@\u200droom hey"),
        ("&#64;room a&#x202e;b", "@\u200droom ab"),
        ("a\x00b\u202ec\x1b[31m", "abc[31m"),
        ("", ""),
    ],
)  # fmt: skip
def test_markdown_becomes_this_html(markdown: str, html: str) -> None:
    assert to_html(markdown) == html


def test_a_table_is_a_table() -> None:
    page = Page(to_html("| a | b |\n|---|:-:|\n| 1 | 2 |"))

    assert page.tags == {"table", "thead", "tbody", "tr", "th", "td"}
    assert page.attributes == []


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("[x](https://good.org/a.b)", '<a href="https://good.org/a.b">x</a>'),
        ("[x](https://www.Good.org./)", '<a href="https://www.Good.org./">x</a>'),
        ("https://good.org/a.html, ok", "https://good.org/a.html, ok"),
        ("[m](mailto:a@good.org)", '<a href="mailto:a@good.org">m</a>'),
        ("[click](https://evil.com/?q=1)", "click (https[:]//evil[.]com/?q=1)"),
        ("<https://evil.com>", "https[:]//evil[.]com"),
        ("[https://good.org](https://evil.com)", "https://good.org (https[:]//evil[.]com)"),
        ("[a][1]\n\n[1]: https://evil.com/x", "a (https[:]//evil[.]com/x)"),
        ("[m](mailto:a@evil.com)", "m (mailto[:]a@evil[.]com)"),
        ("![alt](https://evil.com/a.png)", "alt"),
        ("go to evil.com/a or www.evil.com", "go to evil[.]com/a or www[.]evil[.]com"),
        ("https&#58;//evil.com", "https[:]//evil[.]com"),
        ("https\\://evil.com", "https[:]//evil[.]com"),
        ("evil.**com**/x", "evil[.]<strong>com</strong>/x"),
        ("https://good.org@evil.com", "https[:]//good[.]org@evil[.]com"),
        ("https://good.org:x@evil.com", "https[:]//good[.]org:x@evil[.]com"),
        ("https://good.org.evil.com", "https[:]//good[.]org[.]evil[.]com"),
        ("https://good.org,https://evil.com", "https://good.org,https[:]//evil[.]com"),
        ("https://good.org/https://evil.com", "https://good.org/https[:]//evil[.]com"),
        ("https://good.org\\@evil.com", "https[:]//good[.]org@evil[.]com"),
        ("https://evil.com/a.html", "https[:]//evil[.]com/a.html"),
        ("https://evil.com/x¹evil.com", "https[:]//evil[.]com/x¹evil[.]com"),
        (".evil.com -.evil.com a.-evil.com", ".evil[.]com -.evil[.]com a.-evil[.]com"),
        ("evil.com-https://good.org", "evil[.]com-https[:]//good[.]org"),
        ("evil.com/good.org/evil.com/x", "evil[.]com/good.org/evil.com/x"),
        ("https://evil.com/xhttps://evil.com", "https[:]//evil[.]com/xhttps[:]//evil[.]com"),
        ("ftp://evil.com x://y", "ftp[:]//evil[.]com x[:]//y"),
        ("call tel:+123 or mailto:x", "call tel[:]+123 or mailto[:]x"),
        ("http://10.0.0.1/x 10.0.0.1:80", "http[:]//10[.]0[.]0[.]1/x 10[.]0[.]0[.]1:80"),
        ("`curl https://evil.com`", "<code>curl https[:]//evil[.]com</code>"),
        ("`manage.py` `np.linalg.a`", "<code>manage.py</code> <code>np.linalg.a</code>"),
        ("README.md, asyncio.sleep, e.g. 1.2.3.4", "README.md, asyncio.sleep, e.g. 1.2.3.4"),
        ("a.b.json data: x", "a.b.json data: x"),
        ("secret.evil.zuerich", "secret[.]evil[.]zuerich"),
        ("ask @jane:evil.com in #x:evil.com", "ask @jane:evil.com in #x:evil.com"),
        ("@jane:evil.com/x", "@jane:evil[.]com/x"),
    ],
)  # fmt: skip
def test_only_hosts_that_are_allowed_may_be_clicked(markdown: str, html: str) -> None:
    assert to_html(markdown, allowed_hosts=ALLOWED) == html


def test_no_host_allowed_allows_none() -> None:
    assert to_html("[x](https://good.org)", allowed_hosts=()) == "x (https[:]//good[.]org)"


def test_the_body_is_defanged_as_markdown() -> None:
    text = "[x](https://evil.com) `a.b.c` ```evil.com/x``` https://good.org/x.y @room"

    body = to_body(text, allowed_hosts=ALLOWED)

    assert body == (
        "[x](https[:]//evil[.]com) `a.b.c` ```evil.com/x``` https://good.org/x.y @\u200droom"
    )
    assert to_body(text) == text.replace("@room", "@\u200droom")


def test_taking_a_tag_away_does_not_make_another() -> None:
    html = sanitise('<a href="https://good.org"><svg><a href="https://good.org">x</a></svg></a>')

    assert sanitise(html) == html
    assert_harmless(html)


@pytest.mark.parametrize(
    "html",
    [
        "<img src=x onerror=alert(1)>",
        "<p style='color:red' onclick='x()' class='a' id='b'>t</p>",
        "<a href='javascript:alert(1)'>t</a>",
        "<a href=' https://good.org' target='_blank'>t</a>",
        "<a href='//good.org'>t</a><a href='/x'>t</a>",
        "<span data-mx-color='#ff0000' data-mx-spoiler>t</span>",
        "<iframe src='https://good.org'></iframe><object></object><form><input></form>",
        "<math><mi//xlink:href='data:x,<script>alert(1)</script>'>",
        "<code class='hljs language-py'>x</code><ol start='x'><li>t</li></ol>",
        "<mx-reply>r</mx-reply><font color=red>f</font>",
    ],
)
def test_html_that_is_not_on_the_list_goes(html: str) -> None:
    assert_harmless(sanitise(html))


def test_html_that_is_on_the_list_stays() -> None:
    html = (
        "<details><summary>s</summary><del>d</del> <u>u</u> <sup>1</sup></details>"
        '<pre><code class="language-c++">x</code></pre><ol start="5"><li>t</li></ol>'
    )

    assert sanitise(html) == html


@pytest.mark.parametrize("text", ["> " * 10_000, ">" * 20_000, "- " * 10_000, '"' * 24_000])
def test_html_that_would_swell_is_the_plain_text(text: str) -> None:
    html = to_html(text)

    assert len(html) <= longest_html(text)
    assert_harmless(html)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("pattern", STUBBORN.split(" "))
def test_no_text_takes_long(pattern: str) -> None:
    text = (pattern.replace("·", " ") * 24_000)[:24_000]

    assert_harmless(to_html(text, allowed_hosts=ALLOWED))
    to_body(text, allowed_hosts=ALLOWED)
