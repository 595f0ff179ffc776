"""What a person quotes in a message is somebody else's: no instruction, and nothing about them."""

import re
from itertools import groupby

NAME = 3  # words between quotation marks that are still a name, such as a title

_MARK = re.compile(r"[ \t]{0,3}>")  # a quote in Markdown, and in the fallback of old replies
_CODE = re.compile(r"[ \t]{0,3}(?:```|~~~)")
_MARKS = re.compile(
    r'"[^"\n]{1,2000}"|“[^”“\n]{1,2000}”|„[^“”„\n]{1,2000}[“”]|«[^»«\n]{1,2000}»|»[^«»\n]{1,2000}«'
    r"|「[^」\n]{1,2000}」"
)


def has_quotes(body: str) -> bool:
    """Whether any line of a message is quoted."""
    return any(map(_is_quoted, body.splitlines()))


def own_words(body: str) -> str:
    """The message without what is or may be quoted; a lone mark stands where a quotation was.

    As its readers see it: the lines behind a quotation up to an empty one, and code, are not the
    person's words, and what stands between quotation marks may be anybody's unless it is a name.
    """
    kept, quoted, code = [], False, False
    for line in body.splitlines():
        fence = _CODE.match(line) is not None
        quoted = not code and bool(line.strip()) and (quoted or _is_quoted(line))
        kept.append(">" if quoted or code or fence else line)
        code ^= fence
    return _MARKS.sub(_unless_short, "\n".join(kept))


def _unless_short(found: re.Match[str]) -> str:
    return found[0] if len(found[0].split()) <= NAME else ">"


def stands(quote: str, body: str) -> bool:
    """Whether somebody's own words in a message contain a quote, whatever its case and spaces."""
    return bool(quote) and _folded(quote) in _folded(own_words(body))


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def fenced(body: str, fence: str) -> str:
    """The message with each quotation between two lines that its author can't have known."""
    if not has_quotes(body):
        return body
    parts = ["\n".join(lines) for _, lines in groupby(body.splitlines(), _is_quoted)]
    return "\n".join(f"{fence}\n{one}\n{fence}" if _is_quoted(one) else one for one in parts)


def _is_quoted(line: str) -> bool:
    return _MARK.match(line) is not None
