"""What an answer says of who gave it: the homeserver, a proxy before it, or nobody."""

from collections.abc import Mapping
from typing import Any

_AWAY = frozenset({0, 429, 502, 503, 504})


def is_away(status: int, answer: Mapping[str, Any]) -> bool:
    """Whether it is the homeserver that is away: what it passes on of others carries an errcode."""
    others = status in (502, 504) and "errcode" in answer
    return status in _AWAY and not others


def is_page(status: int, answer: Mapping[str, Any]) -> bool:
    """Whether a proxy refuses, and not the homeserver: that one says why, with an errcode."""
    return status in (401, 403, 404, 405) and "errcode" not in answer


def is_passing(status: int) -> bool:
    """Whether the same request may succeed later."""
    return status in _AWAY or status >= 500
