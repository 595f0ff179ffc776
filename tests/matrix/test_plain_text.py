"""Names and texts of others are shown without tricks, and their addresses can be taken apart."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.matrix.plain_text import defang, mentioned_hosts, name, normal_host, plain

text = st.text(st.characters() | st.sampled_from("\u202e\u2066\x00\x1b\ud800\n\r\u2028@ro.:/"))


@given(text)
def test_plain_text_has_no_controls_and_no_directions_and_is_stable(written: str) -> None:
    shown = plain(written)

    assert plain(shown) == shown
    assert not any(
        unicodedata.category(char) in ("Cc", "Cs") for char in shown if char not in "\n\t"
    )
    assert not any(unicodedata.bidirectional(char) in BIDI for char in shown)
    assert "@room" not in shown.lower()


BIDI = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


@given(text)
def test_a_name_is_one_short_line(written: str) -> None:
    shown = name(written)

    assert len(shown) <= 80
    assert shown == shown.strip()
    assert len(shown.splitlines()) <= 1
    assert name(shown) == shown


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("@room and @ROOM", "@\u200droom and @\u200dROOM"),
        ("@\u202eroom", "@\u200droom"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("👩\u200d🔬 שלום 日本", "👩\u200d🔬 שלום 日本"),
        ("a\ud800b\ufeff\x7f", "ab"),
        ("tab\tstays", "tab\tstays"),
    ],
)
def test_plain_takes_only_what_deceives(written: str, shown: str) -> None:
    assert plain(written) == shown


def test_a_long_name_is_cut() -> None:
    assert name("x" * 100) == "x" * 79 + "…"
    assert name("  a\n\tb ") == "a b"


@given(text)
def test_defanging_twice_changes_nothing_more_that_matters(written: str) -> None:
    once = defang(written, ())

    assert once.replace("[.]", ".").replace("[:]", ":") == written.replace("[.]", ".").replace(
        "[:]", ":"
    )
    assert "://" not in once.replace("[:]//", "") or "://" not in defang(once, ())


@pytest.mark.parametrize(
    ("host", "normal"),
    [
        ("Good.ORG.", "good.org"),
        ("www.good.org", "good.org"),
        ("münchen.de", "xn--mnchen-3ya.de"),
        ("ｇood.org", "good.org"),
        ("localhost", "localhost"),
        ("a b", None),
        ("good.org/x", None),
        ("", None),
        ("a..b", None),
        ("x" * 64 + ".org", None),
        ("\ud800", None),
    ],
)
def test_hosts_are_compared_in_one_form(host: str, normal: str | None) -> None:
    assert normal_host(host) == normal


def test_the_hosts_that_somebody_named_are_found() -> None:
    said = "Look at https://Docs.Python.org/3/, www.example.com, münchen.de and mail me@mail.net"

    assert mentioned_hosts(said) == {
        "docs.python.org",
        "example.com",
        "xn--mnchen-3ya.de",
        "mail.net",
    }


def test_a_file_that_somebody_named_is_a_host_nobody_misses() -> None:
    assert mentioned_hosts("my README.md says e.g. hello") == {"readme.md"}
