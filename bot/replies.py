"""What the bot says about itself, where no file of its own says it; Markdown, no content rules.

Functions where something is filled in, names where nothing is. What a person reads elsewhere comes
from the model or from an error's own text.
"""

import re
from collections.abc import Sequence

from bot.command import Command
from bot.messages import RoomKind
from storage import Counts

NOT_ALLOWED = (
    "I answer only people whom my operator has listed, and you are not among them yet. "
    "Nothing that you wrote was kept. Please ask the person who runs this bot."
)
UNENCRYPTED_ROOM = (
    "This room is not end-to-end encrypted, so I neither read nor keep what is said here. "
    "To talk with me, turn encryption on (in Element: room settings → Security & privacy → "
    "Encrypted), or start a new direct chat with me: it is encrypted from the first message."
)
UNENCRYPTED_MESSAGE = (
    "Your last message came unencrypted into an encrypted room, so I have ignored it. "
    "Please send it again from a client that has encryption turned on."
)
UNVERIFIED_SESSION = (
    "A message came from a session of yours that you have not verified (or that is signed out by "
    "now), so I have neither answered nor kept it, and that session can read nothing of mine. "
    "If it is yours, verify it from a session that you trust (in Element: settings → Sessions), "
    "or with your recovery key, then send the message again. **If it is not yours, somebody else "
    "can use your account, or runs your homeserver:** sign that session out and change your "
    "password."
)
UNDECRYPTABLE = (
    "I can't decrypt a message of yours yet: your client has not given me its key. I have asked it "
    "for the key, and answer as soon as it comes. If nothing happens, send the message again, and "
    "check that your client does not withhold keys from my device."
)
NOT_FETCHED = (
    "The homeserver could not give me this message again when its turn came, so I have not "
    "answered it. If it was meant for me, please send it once more."
)
TOO_LONG = (
    "That message is longer than the 16 KB that I read at once, so I have not read it. "
    "Please send it in shorter pieces."
)
TOO_FAST = "That was more than I may take in a minute. Please wait a moment, then send it again."
CHANGED_IDENTITY = (
    "Your identity is not the one that I know you by, so I obey nothing that you write here. "
    "Verify me in your client, and let another operator compare the emoji."
)
CAME_LATE = {  # in a shared room nobody else is told of an erasure
    RoomKind.DIRECT: (
        "By the time that your homeserver gives it, that message was sent before everything of "
        "yours was erased. So I have not read it. Send it again if you still want to say it."
    ),
    RoomKind.SHARED: "That message came too late, so I have not read it. Please send it again.",
}
IN_DIRECT_CHAT = "That is about you, so I have answered in our direct chat."
CAME_TOO_LATE = (
    "That order came too late: by your homeserver's clock it was sent more than five minutes ago, "
    "and something else may have been ordered since, so I have not carried it out. Send it again "
    "if you still want it."
)
UNFIT_ROOM = (
    "I take no orders here for as long as others than invited members could read this room. Make "
    "it invite-only and its history for members only, or name another room in `audit.room`."
)
TRUNCATED = "\n\n*(The model stopped before the end of its answer.)*"
SILENT_MODEL = "The model gave an empty answer. Please ask again, perhaps in other words."


def paused(prefix: str) -> str:
    """An operator paused the bot: it doesn't talk, and still does with people's data as told."""
    return (
        "My operator has paused me, so I have neither answered nor kept that message. Please send "
        "it again once I am back. What I remember of you is still there, and commands go on "
        f"meanwhile: `{prefix}help` lists them."
    )


def interrupted(begun: str, prefix: str) -> str:
    """A command that a crash cut short; it is not done twice."""
    return (
        f"I was stopped in the middle of your `{prefix}{begun}`, and so that nothing is done "
        f"twice I did not begin it again. Please look what was done (`{prefix}memory` or "
        f"`{prefix}audit`), and type it again where it was not."
    )


def backlog(waiting: int) -> str:
    """More is waiting in a room than is answered soon; said once."""
    return (
        f"{waiting} messages to me are waiting in this room. I take them up one after the other, "
        "in their order, and none of them gets lost."
    )


def skipped(read: int) -> str:
    """More happened in a room, while the bot was away, than it fetches or is shown afterwards."""
    return (
        f"While I was away, more happened here than I can catch up on. I read the newest {read} "
        "events and none of those before them. If you asked me something earlier than that, "
        "please ask again."
    )


def quota_spent(tokens: int) -> str:
    """The operator's limit for a day is reached."""
    return (
        f"You have used the {tokens} tokens that my operator grants each person in a day. "
        "Your message is kept; please ask again after midnight UTC. Commands still work."
    )


def bug(reference: str) -> str:
    """The fixed sentence for what should not have happened."""
    return (
        "Something went wrong on my side, and I could not finish this. Nothing that you stored is "
        f"lost. If it happens again, tell my operator this reference: `{reference}`."
    )


def unknown_command(name: str, near: str | None, prefix: str) -> str:
    """One line, with the command that was probably meant."""
    name = name[:20]  # it is somebody's own word, and this may be a room with others
    meant = f"did you mean `{prefix}{near}`?" if near else f"`{prefix}help` lists what there is."
    return f"I don't know `{prefix}{name}`; {meant}"


def usage(command: Command, prefix: str) -> str:
    """How one command is typed."""
    lines = "\n".join(f"- `{prefix}{line}`" for line in command.usage)
    return f"**{prefix}{command.name}**: {command.summary}\n\n{lines}"


def help_page(commands: Sequence[Command], prefix: str) -> str:
    """The list of commands."""
    lines = "\n".join(f"- `{prefix}{one.name}`: {one.summary}" for one in commands)
    return (
        "I am Confidant, a private AI: a program, not a person. What I remember of you lies in an "
        "encrypted file of your own, and you can see, change, take and delete all of it.\n\n"
        f"{lines}\n\n`{prefix}help memory` shows how one command is typed. In a room with others, "
        "mention me or reply to me; here, just write."
    )


def text_wanted(prefix: str, line: str) -> str:
    """A text was needed and none was typed."""
    return f"The text is missing. Type it like this: `{prefix}{line}`."


def linked(words: str, room_id: str, event_id: str = "") -> str:
    """Words as a matrix.to link to a room or an event of it (Matrix spec, matrix.to navigation).

    What was imported was said in no room of Matrix, or claims one: then they stay mere words.
    """
    place = f"{room_id}/{event_id}" if event_id else room_id
    if not re.fullmatch(r"![^\s()<>\[\]`]+", place):
        return words
    return f"[{words}](https://matrix.to/#/{place})"


def count(number: int, one: str, many: str) -> str:
    """`1 memory`, `2,000 memories`."""
    return f"{number:,} {one if number == 1 else many}"


def holdings(counts: Counts) -> str:
    """What a vault holds, in numbers."""
    return (
        f"{count(counts.memories, 'memory', 'memories')}, "
        f"{count(counts.turns, 'stored message', 'stored messages')} and "
        f"{count(counts.audit_entries, 'audit entry', 'audit entries')}"
    )
