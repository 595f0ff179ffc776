"""What is said of an edit."""

from bot.access import PRIVATE

PAUSED = (
    "My operator has paused me: I have taken over your edit, but I don't answer it. Please send it "
    "as a new message later."
)
NO_COMMAND = "Edits run no command; send it as a new message."


def erased(prefix: str) -> str:
    """A kept message was edited into a private question."""
    return (
        "I have erased what I kept of that message and of my answer to it, and what I learned from "
        f"it alone. To ask it privately, send `{prefix}{PRIVATE}` and your question as a new "
        "message."
    )
