"""What the bot says when it does not go into a room: to whoever invited it, and to operators."""

UNLISTED = (
    "I join only rooms to which people invite me whom my operator has listed, and you are not "
    "among them yet. Please ask the person who runs this bot."
)
TOO_MANY = (
    "I am in as many rooms as I can be in. Please ask the person who runs this bot to take me out "
    "of some that nobody needs any more, then invite me again."
)
NOT_JOINABLE = (
    "I could not join that room: the homeserver refused, or none that is in the room answered. "
    "Please try it with a new room."
)
AUDIT_ROOM_UPGRADED = (
    "The audit room was upgraded, and the bot does not move there by itself: it goes on posting "
    "in the old room. Invite the bot into the new one, make sure that it is encrypted, set "
    "audit.room to its id and start the bot again."
)


def too_many_with_you(most: int) -> str:
    """The inviter has the bot in as many rooms as one person may."""
    return (
        f"I am in {most} rooms with you already, which is as many as I share with one person. "
        "Remove me from one that you no longer need, then invite me again."
    )
