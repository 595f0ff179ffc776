"""Texts as they are compared: without case, accents, curly apostrophes and spare white space."""

import re
import unicodedata


def plain(text: str) -> str:
    """The text in small letters without accents, on one line."""
    small = text.casefold().replace("’", "'").replace("‘", "'").replace("`", "'")
    bare = "".join(
        letter
        for letter in unicodedata.normalize("NFKD", small)
        if not "\u0300" <= letter <= "\u036f"
    )
    return " ".join(unicodedata.normalize("NFKC", bare).split())


def words(text: str) -> list[str]:
    """Its words in order."""
    return re.findall(r"\w+(?:'\w+)?", plain(text))
