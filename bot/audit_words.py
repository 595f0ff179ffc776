"""The audit log in words, the same in `!audit` and on the page of an export."""

from collections.abc import Mapping

from bot.audit_order_words import LOOKED_UP, ORDERED, SAID, by_order, filled, ordered
from bot.messages import Action, Outcome, RoomKind
from storage import AuditEntry

DONE: Mapping[str, tuple[str, str]] = {
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
"""What was done, and the same as it stands behind "tried to"."""

SAYS_ITSELF: Mapping[str, str] = {
    Action.MESSAGE_DENIED: "Refused a message",
    Action.MESSAGE_UNDECRYPTABLE: "Could not read a message: its key had not come",
    Action.ROOM_REFUSED: "Turned down an invitation into a room",
    Action.GATEWAY_FAILED: "The AI provider failed to answer",
}
"""Actions that say themselves how it ended."""

_ENDED: Mapping[str, str] = {
    Outcome.OK: "{done}",
    Outcome.DENIED: "Refused to {do}",
    Outcome.FAILED: "Tried to {do}, and failed",
    Outcome.INTERRUPTED: "Began to {do}, and was interrupted",
    Outcome.BEGUN: "Began to {do}, and was cut short before I could note how it ended",
}
_ROOMS = {RoomKind.DIRECT: " in a direct chat", RoomKind.SHARED: " in a shared room"}
_IN_THE_SENTENCE = frozenset({"chat", "command", "room", "completion_tokens"})


def said(action: str, outcome: str) -> str:
    """What was done and how it ended, as a sentence without its full stop."""
    if (action, outcome) == (Action.ROOM_REFUSED, Outcome.FAILED):
        return "Could not come into a room"
    if action in SAYS_ITSELF:
        return SAYS_ITSELF[action]
    if action not in DONE or outcome not in _ENDED:  # of a later release
        return f"{action} ({outcome})"
    return _ended(*DONE[action], outcome)


def every() -> dict[str, dict[str, str]]:
    """All of these sentences, by action and outcome."""
    return {action: {one: said(action, one) for one in _ENDED} for action in Action}


def commands() -> dict[str, str]:
    """How it ended that a command was carried out, with `{command}` for its name."""
    return {one: _ended(*_CARRIED_OUT, one) for one in _ENDED}


def orders() -> dict[str, dict[str, dict[str, str]]]:
    """How it ended that an operator changed something, by the name and the value of a fact."""
    return {
        name: {value: {one: _ended(*each, one) for one in _ENDED} for value, each in words.items()}
        for name, words in ORDERED.items()
    }


def sentence(entry: AuditEntry) -> str:
    """One entry in words, with its facts; ids of events and rooms say nothing to a person."""
    told = said(entry.action, entry.outcome)
    if (words := ordered(entry.action, entry.facts)) and entry.outcome in _ENDED:
        told = _ended(*words, entry.outcome)
    told = filled(told, entry) if by_order(entry) else told
    command = entry.facts.get("command")
    if entry.action == Action.MESSAGE_ANSWERED and command:
        told = commands().get(entry.outcome, told).replace("{command}", str(command))
        if command == "unknown" and entry.outcome == Outcome.OK:
            told = UNKNOWN_COMMAND
    where = _ROOMS.get(str(entry.facts.get("room")), "")  # type: ignore[call-overload]
    more = [*_target(entry.target), *_facts(entry)]
    return f"{told}{where}: {', '.join(more)}" if more else f"{told}{where}"


_CARRIED_OUT = ("Carried out the command “{command}”", "carry out the command “{command}”")
UNKNOWN_COMMAND = "Answered a command that I do not know"


def _ended(done: str, do: str, outcome: str) -> str:
    return _ENDED[outcome].replace("{done}", done).replace("{do}", do)


def _target(target: str) -> list[str]:
    word, _, numbers = target.partition(" ")
    if word not in {"memory", "memories"}:
        return []
    return [target if "," in numbers else f"memory {numbers}"]


def _facts(entry: AuditEntry) -> list[str]:
    in_it = {*_IN_THE_SENTENCE, *(SAID if by_order(entry) else ())}
    facts = {name: value for name, value in entry.facts.items() if name not in in_it}
    answered = entry.action == Action.MESSAGE_ANSWERED
    for name in _USED:
        if answered and facts.get(name) == 0:
            del facts[name]
    if "prompt_tokens" in facts:
        asked, told = facts["prompt_tokens"], entry.facts.get("completion_tokens")
        facts["prompt_tokens"] = sum(one for one in (asked, told) if isinstance(one, int))
    if facts.get("answered_by") == facts.get("model"):
        facts.pop("answered_by", None)
    ordered = sorted(facts, key=lambda name: (name in _LAST, _ORDER.get(name, len(_ORDER))))
    return [_fact(name, facts[name], used=answered) for name in ordered]


_ORDER = {name: place for place, name in enumerate(("model", "prompt_tokens", "memories"))}
_USED = ("memories", "messages")
_LAST = ("answered_by", "provider", "gateway", "ms")


def _fact(name: str, value: object, *, used: bool) -> str:
    if isinstance(value, bool) or value is None:
        return f"{name.replace('_', ' ')}: {_TRUTH[value]}"
    if name == "bytes" and isinstance(value, int):
        return size(value)
    if not isinstance(value, int) or name not in _COUNTED:
        return _plain(name, value)
    one, many, when_used = _COUNTED[name]
    return f"{value:,} {one if value == 1 else many}{when_used if used else ''}"


def _plain(name: str, value: object) -> str:
    if name == "ms" and isinstance(value, int | float):
        return f"{value:,} ms"
    return f"{name.replace('_', ' ')} {value}"


_TRUTH = {True: "yes", False: "no", None: "none"}
_COUNTED = {
    "prompt_tokens": ("token", "tokens", ""),
    "memories": ("memory", "memories", " used"),
    "messages": ("message", "messages", " used"),
}


def size(count: int) -> str:
    """So many bytes."""
    if count < 1_000:
        return f"{count} bytes"
    return f"{count / 1_000:,.0f} kB" if count < 1_000_000 else f"{count / 1_000_000:,.1f} MB"
