"""What the bot says about itself, where no file of its own says it; Markdown, no content rules.

Functions where something is filled in, names where nothing is. What a person reads elsewhere comes
from the model or from an error's own text.
"""

from collections.abc import Sequence
from datetime import datetime

from bot.command import Command
from storage import Counts, Destroyed

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
IN_DIRECT_CHAT = "That is about you, so I have answered in our direct chat."
ERASED_MEANWHILE = (
    "I was stopped while I erased what I held about you. The erasure was finished when I came "
    "back: the key of your vault was overwritten on disk and its files were removed. Nothing of "
    "yours is left with me."
)
NOTHING_ERASED = "Nothing was erased."
NO_ENTRIES = "There is no audit entry about you yet."
TRUNCATED = "\n\n*(The model stopped before the end of its answer.)*"
SILENT_MODEL = "The model gave an empty answer. Please ask again, perhaps in other words."


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


def export_usage(prefix: str) -> str:
    """`!export` with something that it does not take."""
    return f"Type `{prefix}export`, with nothing behind it: the file holds everything."


def audit_usage(prefix: str, most: int) -> str:
    """`!audit` with something that it does not take."""
    return (
        f"Type `{prefix}audit`, or `{prefix}audit 30` for the newest 30 entries ({most} at most)."
    )


def forget_usage(prefix: str, given: str) -> str:
    """`!forget` with something that it does not take."""
    wrong = f"“{given}” is nothing that I can forget. " if given else ""
    return (
        f"{wrong}Type `{prefix}forget 3` for memory 3 and the message that it came from "
        f"(`{prefix}memory` lists them), or `{prefix}forget everything`."
    )


def forget_everything(counts: Counts, prefix: str) -> str:
    """What would go, before it goes."""
    return (
        f"This erases everything that I hold about you: {holdings(counts)}. Your encrypted vault "
        "is destroyed with its key; I can't bring it back. "
        f"To keep a copy first, type `{prefix}export`, then `{prefix}forget everything` again.\n\n"
        "Answer **yes** within two minutes to go on; anything else leaves it as it is."
    )


def forgotten(destroyed: Destroyed, at: datetime, prefix: str) -> str:
    """The receipt."""
    return (
        f"**Done: everything is forgotten.** Receipt, {at:%Y-%m-%d %H:%M:%S} UTC: "
        f"{count(destroyed.memories, 'memory', 'memories')} and "
        f"{count(destroyed.turns, 'stored message', 'stored messages')} erased; the key of your "
        "vault was overwritten on disk and its files were removed.\n\n"
        "What I cannot erase: the messages in this room, which lie encrypted on the homeservers "
        "and devices of its members (you can remove them in your client), nor the keys to them, "
        "which every member's device holds, mine included; what the model's "
        f"gateway may keep (`{prefix}privacy` says what it promises); and copies in backups that "
        "my operator made before, until they are deleted. If you write to me again, I start from "
        "nothing."
    )


def exported(counts: Counts, size: int) -> str:
    """Sent with the export."""
    return (
        f"Here is everything that I hold about you: {holdings(counts)}. The file "
        f"({size / 1000:.1f} kB) is encrypted for this chat; once saved, it is yours to guard."
    )


def export_too_large(size: int, limit: int, prefix: str) -> str:
    """`!export` of more than can be sent."""
    return (
        f"Your export would have {size / 1_000_000:.1f} MB, and I send files of up to "
        f"{limit // 1_000_000} MB, so I have sent nothing. Everything is kept as it was. Erase "
        f"what you no longer need (`{prefix}memory` lists it, `{prefix}forget N` erases a memory "
        f"with its message), then type `{prefix}export` again."
    )


def link(room_id: str, event_id: str) -> str:
    """A matrix.to link to one event (Matrix spec, matrix.to navigation)."""
    return f"https://matrix.to/#/{room_id}/{event_id}"


def room_link(room_id: str) -> str:
    """A matrix.to link to a room."""
    return f"https://matrix.to/#/{room_id}"


def count(number: int, one: str, many: str) -> str:
    """`1 memory`, `2 memories`."""
    return f"{number} {one if number == 1 else many}"


def holdings(counts: Counts) -> str:
    """What a vault holds, in numbers."""
    return (
        f"{count(counts.memories, 'memory', 'memories')}, "
        f"{count(counts.turns, 'stored message', 'stored messages')} and "
        f"{count(counts.audit_entries, 'audit entry', 'audit entries')}"
    )
