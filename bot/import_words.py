"""What `!import` says: what came in and what did not, or what is wrong with a file."""

from collections.abc import Mapping

from bot.archive.left_out import LeftOut
from bot.replies import count
from storage import Merged, Skip

AGAIN = "please send it once more, as it was given to you"

DAMAGED_ZIP = (
    "That ZIP file is damaged, cut off or packed in a way that I don't know, so I have imported "
    f"nothing: {AGAIN}."
)
TOO_MANY_ENTRIES = (
    "That ZIP file holds more files than any export that I know, so I have imported nothing: "
    "please send an export of mine, or `conversations.json` of ChatGPT by itself."
)
SAME_NAME_TWICE = (
    "That ZIP file holds two files of the same name, which no export does, so I have imported "
    f"nothing: {AGAIN}."
)
UNSAFE_NAME = (
    "That ZIP file holds a link, or a file that would lie outside its folder, which no export "
    f"does, so I have imported nothing: {AGAIN}."
)
LOCKED_ZIP = (
    "That ZIP file is locked with a password of its own, which I can't open, so I have imported "
    "nothing: please send it without one, or make an export with a passphrase of mine."
)
BOMB = (
    "That ZIP file grows to more than any export when it is unpacked, so I have stopped and "
    "imported nothing: please send an export of mine, or `conversations.json` by itself."
)
INCOMPLETE = (
    "That ZIP file lacks a part that each of my exports has, or holds more than its "
    f"`manifest.json` lists, so I have imported nothing: {AGAIN}."
)
WRONG_HASH = (
    "A file in that ZIP file is not what its `manifest.json` says, so it was changed since it was "
    f"made and I have imported nothing: {AGAIN}."
)
UNKNOWN_ZIP = (
    "That ZIP file is no export that I know, so I have imported nothing: I take my own exports, "
    "and ChatGPT's with its `conversations.json`."
)
UNKNOWN_JSON = (
    "That file is JSON, but no export that I know, so I have imported nothing: I take my own "
    "`export.json`, and ChatGPT's `conversations.json`."
)
NO_JSON = (
    "That file is neither a ZIP file nor JSON, or it is cut off, so I have imported nothing: I "
    "take my own exports, and ChatGPT's as it was given to you."
)
NOT_UTF8 = (
    f"That file is no text in UTF-8, as every export is, so I have imported nothing: {AGAIN}."
)
TOO_DEEP = (
    "That file is nested deeper than any export, so I have stopped reading it and imported "
    f"nothing: {AGAIN}."
)
TOO_LARGE_JSON = (
    "That export is larger than what I read at once (100 MB unpacked, or less in very many "
    "small pieces), so I have imported nothing: please split it, or leave out what you don't need."
)
IMPOSSIBLE_NUMBER = (
    f"That file holds a number that no export has, so I have imported nothing: {AGAIN}."
)
NEWER = (
    "That export was made by a newer version of me than this one, so I have imported nothing: "
    "please ask my operator to update me, then import it again."
)


def unfit(why: str) -> str:
    """Our own export, but not as we write it."""
    return (
        f"That is not an export as I made it ({why}), so it was changed or comes from another "
        f"program, and I have imported nothing: {AGAIN}."
    )


def how(prefix: str) -> str:
    """What to do; behind what was wrong."""
    return (
        f"Send an export of mine or of ChatGPT as a file into our direct chat, then reply to that "
        f"file with `{prefix}import`."
    )


def not_taken(why: str, prefix: str) -> str:
    """The file that was replied to is none that is imported."""
    return f"{why} {how(prefix)}"


def no_reply(prefix: str) -> str:
    """`!import` by itself."""
    return f"I don't know which file you mean. {how(prefix)}"


def arguments_not_taken(prefix: str) -> str:
    """`!import` with something behind it."""
    return f"`{prefix}import` takes nothing behind it. {how(prefix)}"


def only_in_direct_chat(prefix: str) -> str:
    """`!import` where others are, too."""
    return (
        "I import nothing from a room where others are, because they could read the file as well. "
        f"{how(prefix)}"
    )


ENCRYPTED = (
    "That export is encrypted. Please send me its passphrase now, as your next message in this "
    "chat, within ten minutes; I don't keep it. `cancel` ends this. Afterwards, **delete "
    "that message from this chat**."
)


NOT_OPENED = (
    "That passphrase does not open the export, or the file is damaged, so I have imported nothing: "
    "please send the passphrase again, or `cancel`. What you typed is kept nowhere."
)


def unopened(why: str, prefix: str) -> str:
    """The file is encrypted in a way that no passphrase opens here."""
    return (
        f"{why} I have imported nothing: please open it with the program that encrypted it, such "
        f"as `age -d`, send me what comes out, and reply to that with `{prefix}import`."
    )


def busy(prefix: str) -> str:
    """Another file is being read; a passphrase that was given with this one is kept nowhere."""
    return (
        "I am reading another export at this moment, so I have not begun yours, and I have kept "
        f"no passphrase: please reply to your file with `{prefix}import` again in a minute."
    )


READING = "I am reading your file…"
MERGING = "I have read your file and am putting it into your vault…"

_SKIPPED = {
    Skip.KNOWN_MEMORY: ("memory that I have already", "memories that I have already"),
    Skip.KNOWN_TURN: ("message that I have already", "messages that I have already"),
    Skip.OLD_TURN: (
        "message older than your messages are kept",
        "messages older than your messages are kept",
    ),
    Skip.UNSENT_TURN: ("answer that was never sent", "answers that were never sent"),
    Skip.LONE_ANSWER: ("answer without its question", "answers without their questions"),
    Skip.USAGE: ("count of tokens", "counts of tokens"),
}
_LEFT_OUT = {
    LeftOut.PICTURES: ("picture or file", "pictures and files"),
    LeftOut.TOOLS: ("message to or from a tool", "messages to and from tools"),
    LeftOut.HIDDEN: ("hidden instruction", "hidden instructions"),
    LeftOut.EMPTY: ("message without text", "messages without text"),
    LeftOut.BROKEN: (
        "message or conversation that can't be read",
        "messages or conversations that can't be read",
    ),
    LeftOut.REPEATED: ("message that stands there twice", "messages that stand there twice"),
    LeftOut.SHORTENED: (
        "end of a message longer than I keep",
        "ends of messages longer than I keep",
    ),
}


def done(
    merged: Merged, left_out: Mapping[LeftOut, int], *, private: int, foreign: bool, prefix: str
) -> str:
    """What came in, what did not and why, and where to look."""
    added, skipped = merged.added, merged.skipped
    parts = [
        count(added["memory"], "memory", "memories"),
        count(added["turn"], "message", "messages"),
    ]
    if added["audit_detail"]:
        parts.append(count(added["audit_detail"], "entry of your log", "entries of your log"))
    text = f"**Imported:** {', '.join(parts)}."
    missing = [count(skipped[why], *_SKIPPED[why]) for why in _SKIPPED if skipped.get(why)]
    missing += [count(left_out[why], *_LEFT_OUT[why]) for why in _LEFT_OUT if left_out.get(why)]
    if missing:
        text += "\n\n**Not imported:** " + "; ".join(missing) + "."
    stays = _restored(merged, private) if merged.is_restored else _settings(merged, prefix)
    return f"{text}\n\n{stays}\n\n{_look(added['memory'], prefix, foreign=foreign)}"


def _restored(merged: Merged, private: int) -> str:
    """What of it goes further than the person's own eyes, or decides what is kept."""
    text = "Your vault was empty, so it is now as it was, with your settings"
    shared = merged.added["memory_share"]
    if shared:
        text += f"; {count(shared, 'memory is', 'memories are')} shared with rooms as before"
    if private:
        text += f"; {count(private, 'room is', 'rooms are')} private as before"
    return f"{text}."


def _settings(merged: Merged, prefix: str) -> str:
    text = "Your settings stay as they are here, and what came in is used in our direct chat alone"
    unshared = merged.skipped.get(Skip.SHARING, 0)
    if unshared:
        text += (
            f", also {count(unshared, 'memory that was', 'memories that were')} shared with rooms: "
            f"`{prefix}memory share N`, typed in a room, shares one there again"
        )
    return f"{text}."


def _look(memories: int, prefix: str, *, foreign: bool) -> str:
    if foreign:
        return (
            "I have made no memories of it: I find these messages by search, when you ask about "
            "something that stands in them. Importing the file again changes nothing; "
            f"`{prefix}forget imported` takes it out again."
        )
    look = f"`{prefix}memory` lists what I remember. " if memories else ""
    return (
        f"{look}Importing the file again changes nothing. To take something out again: "
        f"`{prefix}memory delete N`, or `{prefix}forget imported` for all of it."
    )
