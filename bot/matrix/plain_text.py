"""Text that somebody else wrote, made harmless to show: no controls, no pings, no stray links.

Clients make links of bare addresses in any text, so taking `<a>` away is not enough: an address
that may not be clicked is written so that no client recognises it, and a person still can
(`https[:]//evil[.]example/path`).
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator

ZERO_WIDTH_JOINER = "\u200d"
NAME_LENGTH = 80

# Controls (but tab and newline), surrogates that can't be encoded, the byte order mark, and
# whatever turns the direction of writing: with those "gpj.exe" reads as "exe.jpg".
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)
_LINE_END = re.compile("\r\n?|[\u2028\u2029]")
_ROOM = re.compile("@(?=room)", re.IGNORECASE)

_SCHEMES = "mailto|magnet|matrix|tel|sms|smsto|geo|sip|xmpp|bitcoin"
_IN_URL = r"[\w/?#&=%.~+@!$*-]"  # what every client takes for a part of the address
_ADDRESS = re.compile(
    rf"""
      # @name:server and #room:server: clients open these themselves, and fetch nothing
      (?<![\w@\#!]) (?P<matrix_id> [@\#!] [\w.=+-]{{1,255}} : [\w.-]+ (?::\d+)? )
      (?![\w/?\#.:@-])
    | # any scheme with an authority; `fake` if what seems its host may be a user name
      (?<![a-z0-9+.-]) (?P<scheme> [a-z0-9+.-]+ ) :// (?P<host> (?: [\w.%-] | [^\s\x00-\x7f] )* )
      (?P<fake> (?= \\ | [^\s/?\#]* @ ) )? (?: :\d+ )? (?: [/?\#] {_IN_URL}* )?
    | (?<!\w) (?P<bare_scheme> {_SCHEMES} ) : (?= [^\s:] )
    | # a host on its own
      (?<!\w) (?<!\w[.-])
      (?P<name> (?: \w (?: [\w-]* \w )? \. )+ (?: xn--[a-z0-9-]+ | [^\W\d_]{{2,63}} ) )
      (?P<tail> (?: :\d+ )? (?: [/?\#] {_IN_URL}* )? )
    | (?<!\w) (?<!\w[.-]) \d{{1,3}} (?: \.\d{{1,3}} ){{3}} (?= :\d | / )
    """,
    re.IGNORECASE | re.VERBOSE,
)
_AUTHORITY = re.compile("://")
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*")
_LINK = re.compile(r"https?://(?P<host>[a-z0-9.-]+)(?::\d+)?(?:[/?#].*)?", re.IGNORECASE)
_MAIL = re.compile(r"mailto:[^@?/\\\s]+@(?P<host>[a-z0-9.-]+)(?:\?.*)?", re.IGNORECASE)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Names of two parts without a path ("README.md", "asyncio.sleep") are mostly no addresses, and
# can't carry anything away. Those under these endings are taken for addresses all the same.
_COMMON_ENDINGS = _words(
    "com net org info biz name pro dev app xyz top site online shop store club live tech space "
    "fun link click page cloud website blog news chat social email host press agency digital "
    "zone world today life network example test onion"
)
# Countries that are better known as the ending of a file, and endings that are no address at all.
_FILE_ENDINGS = _words("md py rs sh pl ps cc so mk mm")
_NO_ENDINGS = _words(
    "json yaml yml toml txt html htm css csv xml pdf png jpg jpeg gif svg log cfg ini conf lock "
    "js ts tsx jsx sql db env bak tmp exe dll jar whl gz tar"
)


def plain(text: str) -> str:
    """The text without controls and changes of direction, and without a word that pings a room."""
    text = _UNSAFE.sub("", _LINE_END.sub("\n", text))
    return _ROOM.sub(f"@{ZERO_WIDTH_JOINER}", text)


def name(text: str) -> str:
    """A name that somebody gave, on one line and of bearable length."""
    shown = " ".join(plain(text).split())
    return shown if len(shown) <= NAME_LENGTH else f"{shown[: NAME_LENGTH - 1]}…"


def mentioned_hosts(text: str) -> frozenset[str]:
    """The hosts that a person named in their message: links to these may be clicked."""
    found = (host for match in _ADDRESS.finditer(text) if (host := _named_host(match)))
    return frozenset(host for named in found if (host := normal_host(named)))


def normal_host(host: str) -> str | None:
    """The host as it is compared: lower case, ASCII, without `www.`; None if it isn't one."""
    host = unicodedata.normalize("NFKC", host).rstrip(".").lower()
    try:
        host = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return None
    return host.removeprefix("www.") if _HOST.fullmatch(host) else None


def may_link(url: str, allowed_hosts: Collection[str] | None) -> bool:
    """Whether this may become a link: web or mail, and to a host that is allowed."""
    match = _LINK.fullmatch(url) or _MAIL.fullmatch(url)
    if match is None:
        return False
    return allowed_hosts is None or normal_host(match["host"]) in allowed_hosts


def defang(text: str, allowed_hosts: Collection[str] | None) -> str:
    """The text with every address that isn't allowed made unclickable; None allows all."""
    return bracketed(text, address_marks(text, allowed_hosts))


def bracketed(text: str, marks: Collection[int], start: int = 0) -> str:
    """The text with the characters at these positions in brackets; it begins at `start`."""
    return "".join(f"[{char}]" if start + at in marks else char for at, char in enumerate(text))


def address_marks(
    text: str,
    allowed_hosts: Collection[str] | None,
    is_code: Callable[[int, int], bool] = lambda start, end: False,
) -> frozenset[int]:
    """Where the characters are by which clients recognise addresses that aren't allowed.

    In code only what has a scheme counts: `manage.py` and `np.linalg.norm` stay as they are.
    """
    if allowed_hosts is None:
        return frozenset()
    marks = {match.start() for match in _AUTHORITY.finditer(text)}
    end = 0
    while match := _ADDRESS.search(text, end):
        if _is_allowed(match, allowed_hosts):
            marks.discard(match.end("scheme"))
            end = match.end()
            continue
        end = max(match.end("host"), match.end("name"))  # what follows may hide another address
        end = end if end > 0 else match.end()
        if _is_address(match, in_code=is_code(match.start(), match.end())):
            marks.update(_marks(text, match.start(), end))
    return frozenset(marks)


def _named_host(match: re.Match[str]) -> str | None:
    return match["host"] or match["name"]


def _is_allowed(match: re.Match[str], allowed_hosts: Collection[str]) -> bool:
    host = normal_host(_named_host(match) or "")
    plain_scheme = (match["scheme"] or "https").lower() in ("https", "http")
    return host in allowed_hosts and plain_scheme and match["fake"] is None


def _marks(text: str, start: int, end: int) -> Iterator[int]:
    colon = text.find(":", start, end)
    if colon >= 0:
        yield colon
    yield from (at for at in range(start, end) if text[at] == ".")


def _is_address(match: re.Match[str], *, in_code: bool) -> bool:
    """Whether clients would link this, as far as a name without a scheme goes."""
    if match["matrix_id"]:
        return False
    if match["name"] is None:
        return match["scheme"] is not None or not in_code
    *parts, ending = match["name"].lower().split(".")
    if parts[0] == "www":
        return True
    if in_code or ending in _NO_ENDINGS:
        return False
    country = len(ending) == 2 and ending.isascii() and ending not in _FILE_ENDINGS
    return bool(match["tail"]) or len(parts) > 1 or country or ending in _COMMON_ENDINGS
