"""A long text in parts that a homeserver takes."""

PART_LIMIT = 12_000  # bytes of Markdown as JSON; an edit carries HTML too, 48 KB is the ceiling


def split_text(text: str, limit: int = PART_LIMIT) -> list[str]:
    """Parts of at most `limit`, cut at paragraphs, lines or words where there are any.

    Greedy from the start, so that the first parts stay as they are while the text grows.
    """
    parts: list[str] = []
    while len(head := _head(text, limit)) < len(text):
        cuts = (head.rfind(mark) + len(mark) for mark in ("\n\n", "\n", " "))
        cut = next((one for one in cuts if one > len(head) // 2), len(head))
        parts.append(text[:cut].rstrip())
        text = text[cut:].lstrip("\n")
    return [*parts, text] if text.strip() or not parts else parts


def _head(text: str, limit: int) -> str:
    """As much of the text as fits; what is not ASCII is escaped before it is encrypted."""
    if text[:limit].isascii():
        return text[:limit]
    size = 0
    for index, character in enumerate(text):
        size += 1 if character < "\x80" else 6 if character < "\U00010000" else 12
        if size > limit:
            return text[: max(index, 1)]
    return text
