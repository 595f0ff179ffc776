"""What is said about a question whose answer is words of the person's own, such as a passphrase."""

CANCEL = "cancel"
CANCELLED = "Cancelled: nothing was done, and I ask for nothing any longer."
INTERRUPTED = (
    "I was stopped while I worked with what you answered, such as a passphrase. I kept nothing of "
    "it, so I can't go on from there: please type the command again. What you answered is best "
    "deleted from this chat."
)


def unsure(name: str, prefix: str) -> str:
    """What was sent before a question, or at the same moment, and comes after it."""
    return (
        f"I wait for your answer for `{prefix}{name}`, and what you wrote says that it was sent "
        "before I asked. So I have done nothing with it: it is not kept, and the model has not "
        "seen it. Please send it again; `cancel` ends the question."
    )


def too_late(name: str, prefix: str) -> str:
    """What was said first after a question, but not within its time or not in order."""
    return (
        f"I had asked you something for `{prefix}{name}`, and the time for the answer is over. So "
        "I have done nothing with what you wrote last: it is not kept, and the model has not seen "
        f"it. If it was the answer, delete it from this chat and type `{prefix}{name}` again. If "
        "it was something else, please send it once more."
    )
