"""What a person quotes in a message is somebody else's: no instruction, and nothing about them."""

import re
from itertools import groupby

_MARK = re.compile(r"[ \t]{0,3}>")  # a quote in Markdown, and in the fallback of old replies


def has_quotes(body: str) -> bool:
    """Whether any line of a message is quoted."""
    return any(map(_is_quoted, body.splitlines()))


def own_words(body: str) -> str:
    """The message without what it quotes; a lone mark stands where a quotation was."""
    return "\n".join(">" if _is_quoted(line) else line for line in body.splitlines())


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
