"""What `!forget` says: what will go, what went, and what nobody can take back."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.durations import in_words
from bot.processing import Processing
from bot.replies import count, holdings, linked
from storage import Counts, Erased, Going

SHOWN = 10  # numbers of memories that are listed
NOTHING_ERASED = "Nothing was erased."
GO_ON = "Answer **yes** within two minutes to go on; anything else leaves it as it is."
NOT_MINE = (
    "Your own messages stay in the rooms where you wrote them: you can remove them there, in your "
    "client."
)


def usage(prefix: str, given: str) -> str:
    """`!forget` with something that it does not take."""
    wrong = f"“{given}” is nothing that I can forget. " if given else ""
    return (
        f"{wrong}Type one of these:\n\n"
        f"- `{prefix}forget 3`: memory 3 and the messages that it came from (`{prefix}memory` "
        "lists them)\n"
        f"- `{prefix}forget last`: your last question here, and my answer\n"
        f"- `{prefix}forget 1h`: what was said in the last hour (also `30m`, `7d`, `2w`)\n"
        f"- `{prefix}forget room`: everything that I keep from the room where you type it\n"
        f"- `{prefix}forget imported`: what came in files that I imported\n"
        f"- `{prefix}forget everything`: all that I hold about you\n\n"
        "I say first what will go, and ask."
    )


def one(memory_id: int) -> str:
    """A memory with what it came from, in the middle of a sentence."""
    return f"memory {memory_id} and the messages that it came from"


LAST = "the last exchange"
IMPORTED = "what came in files that I imported"


def since(span: timedelta) -> str:
    """A span of time, in the middle of a sentence."""
    return f"what was said in the last {in_words(span).removeprefix('1 ')}"


def room(room_id: str, *, direct: bool) -> str:
    """A room, in the middle of a sentence."""
    here = "this chat" if direct else linked("that room", room_id)
    return f"all that I keep from {here}"


NOTHING = "There is nothing to erase: I keep nothing of that."


def asks(what: str, going: Going) -> str:
    """What will go, before it goes."""
    removing = f"I also remove {_mine(going)} from their rooms." if going.standing else ""
    then = _sentences(removing, staying(imported=going.imported), GO_ON)
    return f"This erases {what}, also on disk:\n\n{_counts(going)}\n\n{then}"


def done(what: str, gone: Going) -> str:
    """What went."""
    removing = f"I am removing {_mine(gone)} from their rooms." if gone.standing else ""
    yours = NOT_MINE if gone.questions else ""
    then = _sentences(removing, staying(imported=gone.imported), yours)
    return f"Forgotten, also on disk: {what}.\n\n{_counts(gone)}\n\n{then}".rstrip()


def everything(counts: Counts, prefix: str) -> str:
    """What would go with everything, before it goes."""
    stays = staying(imported=counts.imported_answers, private=counts.private_answers)
    return (
        f"This erases everything that I hold about you: {holdings(counts)}. Your encrypted vault "
        "is destroyed with its key; I can't bring it back. Then I remove what I wrote in this "
        f"chat, and {_sentences('my answers to you in rooms with others.', stays)}\n\n"
        f"To keep a copy first, type `{prefix}export`: I send it and ask nothing any more, so type "
        f"`{prefix}forget everything` again after that.\n\n{GO_ON}"
    )


def receipt(erased: Erased, stated: Processing, last_backup: datetime | None, leaving: str) -> str:
    """What went, how far the bot's own messages are, and what nobody can take back."""
    size = f"{erased.bytes / 1000:.1f} kB"
    stays = staying(imported=erased.imported_answers, private=erased.private_answers)
    stays = f"- {stays}\n" if stays else ""
    return (
        f"**Done: everything is forgotten.** Receipt, {erased.erased_at:%Y-%m-%d %H:%M:%S} UTC: "
        f"{count(erased.memories, 'memory', 'memories')}, "
        f"{count(erased.turns, 'stored message', 'stored messages')} and "
        f"{count(erased.audit_entries, 'audit entry', 'audit entries')} erased ({size}); the key "
        "of your vault was overwritten on disk and its files were removed.\n\n"
        f"{leaving}\n\n"
        "What I can't erase:\n\n"
        f"- {NOT_MINE} They lie encrypted on the homeservers and devices of the rooms' members, "
        "and so may, for a while, what I remove.\n"
        f"{stays}"
        "- The keys to those messages: every member's device holds them, mine included.\n"
        "- Your Matrix id where an operator of mine named you or looked you up, if one did: in "
        "their room, their rules and their own log.\n"
        f"- {_gateway(stated)}\n"
        f"- {_backups(stated, last_backup)}\n\n"
        "If you write to me again, I start from nothing."
    )


def staying(*, imported: int, private: int = 0) -> str:
    """The bot's answers that stay in rooms with others, if any."""
    ways = (
        (imported, "answer", "answers", "that I know from a file alone"),
        (private, "answer", "answers", "to what was asked in private, of which I keep no trace"),
    )
    those = " nor ".join(f"{count(*way[:3])} {way[3]}" for way in ways if way[0])
    if not those:
        return ""
    return f"In rooms with others I can't remove {those}; a moderator there can."


def leaving(erased: Erased) -> str:
    """What happens to the bot's own messages, before it is known how many they are."""
    elsewhere = count(erased.withdrawals, "message of mine", "messages of mine")
    others = f" ({elsewhere} held an answer to you)" if erased.withdrawals else ""
    return (
        f"I am now removing everything that I wrote to you before{others}. Where the homeserver "
        "limits me, that takes about ten seconds a message; how far it is will stand here."
    )


def _gateway(stated: Processing) -> str:
    if stated.builtin:
        return "Nothing at a model's gateway: my model runs in this very program and keeps nothing."
    return (
        f"What the model's gateway ({stated.gateway_host}) keeps of what was sent to it; my "
        f"operator states: {stated.retention or 'nothing about that'}."
    )


def _backups(stated: Processing, last: datetime | None) -> str:
    kept = stated.backup_retention or "my operator does not state that"
    if last is None:
        return (
            "Copies of your vault and its key in backups, if my operator makes any in a way of "
            f"their own: I have made none. How long they are kept: {kept}."
        )
    return (
        "Copies of your vault and its key in backups that were made until now, the last one on "
        f"{last:%Y-%m-%d %H:%M} UTC. How long they are kept: {kept}. If one is put back "
        "over my present data, that does not bring you back; where that data is lost, it does."
    )


def withdrawing(left: int, total: int, lasts: timedelta) -> str:
    """How far the bot's own messages are."""
    minutes = max(1, round(lasts / timedelta(minutes=1)))
    span = count(minutes, "minute", "minutes") if minutes < 120 else f"{minutes // 60} hours"
    return (
        f"I am removing everything that I wrote to you before: {left} of "
        f"{count(total, 'message', 'messages')} are left. At the pace that the homeserver allows "
        f"me that takes about {span}, and goes on by itself after a restart."
    )


def withdrawn(redacted: int, refused: int) -> str:
    """All that could be removed is."""
    but = (
        f" {count(refused, 'message', 'messages')} could not be removed: I am not in that room any "
        "more, or the homeserver does not have them any more."
    )
    return (
        "I have removed everything that I wrote to you before: "
        f"{count(redacted, 'message', 'messages')}.{but if refused else ''}"
    )


def _counts(going: Going) -> str:
    taken = going.taken
    goes = (
        (going.questions, "message of yours", "messages of yours"),
        (going.answers, "answer of mine", "answers of mine"),
        (going.notices, "notice that asked you", "notices that asked you"),
        (len(taken.deleted), "memory", "memories"),
        (taken.traces, "quote or former text", "quotes or former texts"),
        (len(taken.updated), "memory says", "memories say"),
    )
    behind = {
        3: _numbered(taken.deleted),
        4: " of memories that stay",
        5: f" again what was there before{_numbered(taken.updated)}",
    }
    return "\n".join(
        f"- {count(*each)}{behind.get(place, '')}" for place, each in enumerate(goes) if each[0]
    )


def _mine(going: Going) -> str:
    answers = "those answers" if len(going.standing) > going.notices else ""
    notices = "those notices" if going.notices else ""
    return " and ".join(one for one in (answers, notices) if one)


def _sentences(*those: str) -> str:
    return " ".join(one for one in those if one)


def _numbered(memory_ids: Sequence[int]) -> str:
    shown = ", ".join(map(str, memory_ids[:SHOWN]))
    more = len(memory_ids) - SHOWN
    return f" ({shown} and {more} more)" if more > 0 else f" ({shown})"
