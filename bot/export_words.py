"""What is said about exports, and the README inside of them."""

from bot import replies
from storage import Counts

AGE = "https://age-encryption.org"

README = f"""\
This is everything that Confidant holds about you. Guard it like a diary: it is readable to
whoever has it, unless you asked for it under a passphrase.

index.html          open it in any browser: your messages, memories and log entries, searchable.
                    It works without a network.
export.json         everything, row by row, as it lies in your vault. This is what can be imported
                    again; its fields are described in docs/export.schema.json of Confidant.
memories.json       each memory with where it comes from, what it said before, and which answers
                    used it.
messages.jsonl      each message, one a line, in order.
conversations.json  the same messages in the shape of ChatGPT's exports, for other programs such
                    as Open WebUI and LibreChat.
audit.jsonl         your entries in the audit log, one a line, each with the salt that proves that
                    the log's public part is about it.
manifest.json       the version of this format, and the size and SHA-256 of each file here.

A very large export holds export.json and audit.jsonl alone: all the rest is made of them.

To bring it into another Confidant, or back: send the ZIP to it, and reply to that with !import.
A ZIP under a passphrase (.age) is opened with the age program ({AGE}).
"""


def usage(prefix: str) -> str:
    """`!export` with something that it does not take."""
    return (
        f"Type `{prefix}export` for a ZIP with everything, `{prefix}export html` for one page to "
        f"read in a browser, or `{prefix}export json` for machines. `{prefix}export --passphrase` "
        "asks for a passphrase and encrypts the file with it; `json` or `html` may stand before."
    )


def ask_passphrase(filename: str, least: int, minutes: int, prefix: str) -> str:
    """Before an export is encrypted, how to open it later."""
    opened = filename.removesuffix(".age")
    return (
        "**Which passphrase shall encrypt your export?** Type it as your next message in this "
        f"chat, within {minutes} minutes: one line of at least {least} characters, best four or "
        "more words that nobody would guess together. Keep to letters, digits and spaces, because "
        f"phones change quotes and dashes; it can't begin with `{prefix}`. I keep it nowhere, and "
        "the model never sees it. `cancel` ends this.\n\n"
        "**Write it down first: if it is lost, nobody can open the file, and neither can I.** To "
        f"open it later, you need the free program age ({AGE}): `age -d {filename} > {opened}`."
    )


def too_short(least: int) -> str:
    """The passphrase that was typed is no good; another is asked for."""
    return (
        f"That passphrase is too short or has more than one line, so I have sent nothing. Type "
        f"another one, one line of at least {least} characters, or `cancel`. What you typed is "
        "kept nowhere."
    )


def gathering(counts: Counts) -> str:
    """It takes a while."""
    return f"I am gathering {counts.turns:,} messages and {counts.memories:,} memories…"


def packing(counts: Counts) -> str:
    """It still does."""
    return f"I have gathered {counts.turns:,} messages, and am packing them…"


def packed(size: int) -> str:
    """Not any more."""
    return f"Your export is packed: {_size(size)}. It follows."


def exported(counts: Counts, size: int, sealed_in: str) -> str:
    """Sent with the export; `sealed_in` is the name of the file where it is under a passphrase."""
    held = f"Here is everything that I hold about you: {replies.holdings(counts)}."
    if not sealed_in:
        return (
            f"{held} The file ({_size(size)}) is encrypted for this chat; once saved, it is yours "
            "to guard."
        )
    opened = sealed_in.removesuffix(".age")
    return (
        f"{held} The file ({_size(size)}) is encrypted with your passphrase: save it, then "
        f"`age -d {sealed_in} > {opened}` opens it (age: {AGE}). I have kept the passphrase "
        "nowhere. **Now delete your message with the passphrase from this chat** (in Element: the "
        "message's menu → Remove), so that it does not stand beside the file."
    )


def lean(limit: int) -> str:
    """Sent with an export that is too large with everything that can be made of it."""
    return (
        "To keep it below "
        f"{_size(limit)}, I have left out the page and the other shapes of the same: "
        "`export.json` in it holds all of it, and can be imported."
    )


def too_large(size: int, limit: int, prefix: str, *, smallest: bool, theirs: bool) -> str:
    """An export of more than can be sent, of all the `smallest` or not.

    The limit is `theirs` where the homeserver sets it.
    """
    told = [
        f"Your export would have {_size(size)}, and I can send files of up to {_size(limit)}, so I "
        "have sent nothing. Everything is kept as it was."
    ]
    if not smallest:
        told.append(
            f"`{prefix}export` with nothing behind it makes the smallest file with everything in "
            "it."
        )
    if theirs:
        told.append("The homeserver sets that limit: whoever runs it can raise it.")
    told.append(
        f"To make the file smaller, erase what you no longer need (`{prefix}memory` lists it, "
        f"`{prefix}forget N` erases a memory with its message), then type `{prefix}export` again."
    )
    return " ".join(told)


def _size(size: int) -> str:
    return f"{size / 1_000_000:.1f} MB" if size >= 1_000_000 else f"{size / 1_000:.1f} kB"
