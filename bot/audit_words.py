"""One entry of the audit log in words: what was done, where, how it ended, and what else is known.

The same in `!audit`, beside a proof and on the page of an export.
"""

from collections.abc import Mapping

from bot.audit_order_words import LOOKED_UP, SAID, by_order, filled, ordered
from bot.messages import Action, Facts, Outcome, RoomKind
from storage import AuditEntry

Done = tuple[str, str]
"""What was done, and the same as it stands behind "tried to"."""

DONE: Mapping[str, Done] = {
    Action.MESSAGE_ANSWERED: ("Answered a message of yours", "answer a message of yours"),
    Action.MEMORY_CREATED: ("Kept a memory", "keep a memory"),
    Action.MEMORY_UPDATED: ("Changed a memory", "change a memory"),
    Action.MEMORY_DELETED: ("Deleted a memory", "delete a memory"),
    Action.MEMORY_SHARED: ("Changed where a memory may be used", "change where a memory is used"),
    Action.MEMORY_USED: ("Used what I remember", "use what I remember"),
    Action.EXPORT_CREATED: ("Made an export", "make an export"),
    Action.IMPORT_APPLIED: ("Took in an import", "take in an import"),
    Action.FORGET_DONE: ("Forgot what was to be forgotten", "forget what was to be forgotten"),
    Action.VAULT_CREATED: (
        "Began to keep things for you, in a vault of your own",
        "make a vault of your own",
    ),
    Action.VAULT_DESTROYED: ("Destroyed your vault", "destroy your vault"),
    Action.SETTINGS_CHANGED: ("Changed a setting", "change a setting"),
    Action.ROOM_JOINED: ("Came into a room", "come into a room"),
    Action.ROOM_LEFT: ("Left a room", "leave a room"),
    Action.ACCESS_CHANGED: (
        "Noted a change of who you are to others, or of what you may do",
        "change what you may do",
    ),
    Action.IDENTITY_LOOKED_UP: LOOKED_UP,
    Action.RETENTION_SWEPT: ("Erased what had become too old", "erase what had become too old"),
    Action.BACKUP_CREATED: ("Made a backup", "make a backup"),
    Action.BACKUP_RESTORED: ("Put a backup in the place of the data", "put a backup back"),
    Action.BOT_STARTED: ("Started", "start"),
    Action.BOT_STOPPED: ("Stopped", "stop"),
    Action.AUDIT_HEAD: ("Sealed the log up to here", "seal the log up to here"),
}

SAYS_ITSELF: Mapping[str, str] = {
    Action.MESSAGE_DENIED: "Refused a message",
    Action.MESSAGE_UNDECRYPTABLE: "Could not read a message: its key had not come",
    Action.ROOM_REFUSED: "Turned down an invitation into a room",
    Action.GATEWAY_FAILED: "The AI provider failed to answer",
}
"""Actions that say themselves how it ended."""

_NOTED = ("Noted a memory to ask you about", "note a memory to ask you about")
_UNKNOWN = ("Answered a command that I do not know", "answer a command that I do not know")
_DECIDED = ("Did what you decided by a reaction", "do what you decided by a reaction")
_ANSWERED_AGAIN = ("Answered an edited message of yours", "answer an edited message of yours")
_TAKEN_OVER = ("Took over an edit of yours", "take over an edit of yours")

_ENDED: Mapping[str, str] = {
    Outcome.OK: "{done}{where}",
    Outcome.DENIED: "Refused to {do}{where}",
    Outcome.FAILED: "Tried to {do}{where}, and failed",
    Outcome.INTERRUPTED: "Began to {do}{where}, and was interrupted",
    Outcome.BEGUN: "Began to {do}{where}, and was cut short before I could note how it ended",
}
_ROOMS: Mapping[str, str] = {
    RoomKind.DIRECT: " in a direct chat",
    RoomKind.SHARED: " in a shared room",
}
_NOTHING: Facts = {}


def said(action: str, outcome: str, facts: Facts = _NOTHING, *, where: str = "") -> str:
    """What was done and how it ended, as a sentence without its full stop.

    Where an operator did it, `{actor}` and `{target}` may stand in it for Matrix ids.
    """
    if action in SAYS_ITSELF:
        return f"{SAYS_ITSELF[action]}{where}"
    if action not in DONE or outcome not in _ENDED:  # of a later release
        return f"{action} ({outcome}){where}"
    done, do = _done(action, outcome, facts)
    return _ENDED[outcome].format(done=done, do=do, where=where)


def sentence(entry: AuditEntry) -> str:
    """One entry in words, with its facts; ids of events and rooms say nothing to a person."""
    where = _ROOMS.get(str(entry.facts.get("room")), "")
    told = said(entry.action, entry.outcome, entry.facts, where=where)
    told = filled(told, actor=entry.actor, target=entry.target, mark="`")
    more = [*_target(entry.target), *_facts(entry)]
    return f"{told}: {', '.join(more)}" if more else told


def _done(action: str, outcome: str, facts: Facts) -> Done:
    """What was done, by what else is known of it."""
    if action == Action.MEMORY_CREATED and facts.get("pending"):
        return _NOTED
    if action != Action.MESSAGE_ANSWERED:
        return ordered(action, facts) or DONE[action]
    if command := facts.get("command"):
        carried_out = (f"Carried out the command “{command}”", f"carry out the command “{command}”")
        return _UNKNOWN if command == "unknown" else carried_out
    if facts.get("reaction"):
        return _DECIDED
    if facts.get("edited"):
        answered = outcome == Outcome.OK and facts.get("answered", True)
        return _ANSWERED_AGAIN if answered else _TAKEN_OVER
    return DONE[action]


def _target(target: str) -> list[str]:
    word, _, numbers = target.partition(" ")
    if word not in {"memory", "memories"}:
        return []
    return [target if "," in numbers else f"memory {numbers}"]


_IN_THE_SENTENCE = frozenset(
    {"chat", "command", "room", "completion_tokens", "pending", "reaction", "answered"}
)


def _facts(entry: AuditEntry) -> list[str]:
    in_it = _IN_THE_SENTENCE.union(SAID if by_order(entry.action, entry.facts) else ())
    facts = {name: value for name, value in entry.facts.items() if name not in in_it}
    answered = entry.action == Action.MESSAGE_ANSWERED
    if answered:
        facts.pop("edited", None)
    for name in _USED:
        if answered and facts.get(name) == 0:
            del facts[name]
    if "prompt_tokens" in facts:
        asked, told = facts["prompt_tokens"], entry.facts.get("completion_tokens")
        facts["prompt_tokens"] = sum(one for one in (asked, told) if isinstance(one, int))
    if facts.get("answered_by") == facts.get("model"):
        facts.pop("answered_by", None)
    if "setting" in facts and "value" in facts:
        facts[str(facts.pop("setting"))] = f"set to {facts.pop('value')}"
    ordered = sorted(facts, key=lambda name: (name in _LAST, _ORDER.get(name, len(_ORDER))))
    return [_fact(name, facts[name], used=answered) for name in ordered]


_ORDER = {name: place for place, name in enumerate(("model", "prompt_tokens", "memories"))}
_USED = ("memories", "messages")
_LAST = ("answered_by", "provider", "gateway", "ms")


def _fact(name: str, value: object, *, used: bool) -> str:
    if (name, str(value)) in _PLAIN:
        return _PLAIN[name, str(value)]
    if isinstance(value, bool) or value is None:
        return f"{name.replace('_', ' ')}: {_TRUTH[value]}"
    if name == "bytes" and isinstance(value, int):
        return size(value)
    if isinstance(value, int) and name in _COUNTED:
        one, many, when_used = _COUNTED[name]
        return f"{value:,} {one if value == 1 else many}{when_used if used else ''}"
    if name == "ms" and isinstance(value, int | float):
        return f"{value:,} ms"
    return str(value) if name == "reason" else f"{name.replace('_', ' ')} {value}"


_TRUTH = {True: "yes", False: "no", None: "none"}
_COUNTED = {
    "prompt_tokens": ("token", "tokens", ""),
    "memories": ("memory", "memories", " used"),
    "messages": ("message", "messages", " used"),
}
_PLAIN: Mapping[tuple[str, str], str] = {
    ("approved", "True"): "you approved it",
    ("approved", "False"): "you did not want it kept",
    ("by", "model"): "from what you said",
    ("by", "edit"): "because you edited a message",
    ("by", "redaction"): "because you deleted a message",
    ("by", "command"): "as you asked by a command",
    ("by", "command line"): "by my operator, at the machine",
    ("digest", "True"): "for your weekly digest",
    ("edited", "True"): "an edit",
    ("expired", "True"): "you had not approved it in time",
    ("identity", "accepted"): "your new identity was accepted",
    ("identity", "changed"): "you came with another identity",
    ("identity", "forgotten"): "the identity that I knew you by was forgotten",
    ("identity", "known"): "you came with the identity that I know you by",
    ("memory", "paused"): "without memory",
    ("memory", "resumed"): "my memory of you works again",
    ("passphrase", "True"): "sealed with a passphrase",
    ("passphrase", "False"): "without a passphrase",
    ("pinned", "True"): "pinned",
    ("pinned", "False"): "no longer pinned",
    ("private", "True"): "private talk",
    ("private", "False"): "no private talk",
    ("reason", "changed identity"): "you came with another identity",
    ("reason", "identity changed"): "you came with another identity",
    ("reason", "gap"): "it came while I was not there",
    ("reason", "not joinable"): "it can't be joined",
    ("reason", "paused"): "my operator had paused me",
    ("reason", "unlisted"): "whoever asked is not among those I answer",
    ("recovered", "True"): "noted after a crash",
    ("shared", "True"): "shared",
    ("shared", "False"): "no longer shared",
}


def size(count: int) -> str:
    """So many bytes."""
    if count < 1_000:
        return f"{count} bytes"
    return f"{count / 1_000:,.0f} kB" if count < 1_000_000 else f"{count / 1_000_000:,.1f} MB"
