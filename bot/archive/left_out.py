"""Why something of another program's export is not taken."""

from enum import StrEnum


class LeftOut(StrEnum):
    """What is counted instead of imported."""

    PICTURES = "pictures"
    TOOLS = "tools"
    HIDDEN = "hidden"
    EMPTY = "empty"
    BROKEN = "broken"
    REPEATED = "repeated"
    SHORTENED = "shortened"
