"""What the audit room reads: one line an action, bursts folded, what went wrong in bold."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.messages import Action, Outcome
from bot.pseudonyms import pictured
from storage import SYSTEM, FeedItem


@dataclass(frozen=True, slots=True)
class Said:
    """An action in words: its icon, what it is done to, one and many, and what is done."""

    icon: str
    one: str
    many: str
    done: str


WORDS: Mapping[str, Said] = {
    Action.MESSAGE_ANSWERED: Said("💬", "message", "messages", "answered"),
    Action.MESSAGE_DENIED: Said("⛔", "message", "messages", "refused"),
    Action.MESSAGE_UNDECRYPTABLE: Said("🔒", "message", "messages", "not decrypted"),
    Action.MEMORY_CREATED: Said("🧠", "memory", "memories", "saved"),
    Action.MEMORY_UPDATED: Said("✏️", "memory", "memories", "changed"),
    Action.MEMORY_DELETED: Said("🗑️", "memory", "memories", "deleted"),
    Action.MEMORY_SHARED: Said("🤝", "memory", "memories", "shared or unshared"),
    Action.MEMORY_USED: Said("💡", "memory", "memories", "used"),
    Action.EXPORT_CREATED: Said("📦", "export", "exports", "made"),
    Action.IMPORT_APPLIED: Said("📥", "import", "imports", "merged"),
    Action.FORGET_DONE: Said("🧹", "request to forget", "requests to forget", "carried out"),
    Action.VAULT_CREATED: Said("🔐", "vault", "vaults", "made"),
    Action.VAULT_DESTROYED: Said("🔥", "vault", "vaults", "destroyed"),
    Action.SETTINGS_CHANGED: Said("⚙️", "setting", "settings", "changed"),
    Action.ROOM_JOINED: Said("🚪", "room", "rooms", "joined"),
    Action.ROOM_LEFT: Said("👋", "room", "rooms", "left"),
    Action.ROOM_REFUSED: Said("🚫", "room", "rooms", "refused"),
    Action.GATEWAY_FAILED: Said(
        "🔌", "request to the gateway", "requests to the gateway", "failed"
    ),
    Action.ACCESS_CHANGED: Said("🪪", "access right", "access rights", "changed"),
    Action.IDENTITY_LOOKED_UP: Said("🔎", "identity", "identities", "looked up"),
    Action.RETENTION_SWEPT: Said("⏳", "sweep of old messages", "sweeps of old messages", "done"),
    Action.BACKUP_CREATED: Said("💾", "backup", "backups", "made"),
    Action.BACKUP_RESTORED: Said("♻️", "backup", "backups", "restored"),
    Action.BOT_STARTED: Said("🟢", "bot", "times the bot", "started"),
    Action.BOT_STOPPED: Said("🔴", "bot", "times the bot", "stopped"),
    Action.AUDIT_HEAD: Said("🌲", "head of the log", "heads of the log", "signed"),
}

NOTED = Said("🧠", "memory", "memories", "noted, to be asked about")

AMISS = frozenset(
    {
        Action.MESSAGE_DENIED,
        Action.MESSAGE_UNDECRYPTABLE,
        Action.ROOM_REFUSED,
        Action.GATEWAY_FAILED,
    }
)
"""Actions whose very name says that something was not done."""

COUNTED = frozenset(
    {
        Action.MESSAGE_ANSWERED,
        Action.MEMORY_CREATED,
        Action.MEMORY_UPDATED,
        Action.MEMORY_DELETED,
        Action.MEMORY_USED,
    }
)
"""What comes in bursts: where it went well, how often says more than how each went."""

ORDERED: Mapping[tuple[str, object], Said] = {
    ("rule", "allow"): Said("🪪", "somebody was", "times somebody was", "let in"),
    ("rule", "block"): Said("🪪", "somebody was", "times somebody was", "blocked"),
    ("rule", "lift"): Said("🪪", "a rule was", "rules were", "taken back"),
    ("bot", "paused"): Said("⏸️", "the bot was", "times the bot was", "paused"),
    ("bot", "resumed"): Said("▶️", "the bot was", "times the bot was", "resumed"),
}
"""What operators change, by the fact that says what: whom it concerns is not to be read here."""

_ENDED: Mapping[str, tuple[str, str]] = {
    Outcome.DENIED: ("⛔", "refused"),
    Outcome.FAILED: ("⚠️", "failed"),
    Outcome.INTERRUPTED: ("⏸️", "interrupted"),
}
_SPELLED = {"True": "yes", "False": "no", "None": "none"}
_VARYING = frozenset({"ms", "tokens", "bytes"})  # numbers that no two failures have in common


def lines(items: Sequence[FeedItem]) -> str:
    """Markdown: what is alike, wherever in the batch it stands, is one line."""
    runs: dict[tuple[object, ...], list[FeedItem]] = {}
    for one in items:
        runs.setdefault(_alike(one), []).append(one)
    said = [line(run) for run in runs.values()]
    return said[0] if len(said) == 1 else "\n".join(f"- {one}" for one in said)


def line(run: Sequence[FeedItem]) -> str:
    """Entries that are alike, in words; times are UTC."""
    first = run[0]
    begun = datetime.fromisoformat(first.occurred_at)
    icon, what = _what(first, len(run))
    of = "by" if _ordered(first) else "for"
    whose = "" if first.pseudonym == SYSTEM else f" {of} {pictured(first.pseudonym)}"
    return " · ".join([f"{begun:%H:%M} {icon} {what}{whose}{_spent(run)}", *_facts(run)])


def head(size: int, root: bytes, note: str) -> str:
    """A signed head: a line to read, and the note as it can be checked."""
    entries = "1 entry" if size == 1 else f"{size:,} entries"
    return f"🌲 Head of the log: {entries}, root {root.hex()[:8]}…\n\n```\n{note.rstrip()}\n```"


def _alike(one: FeedItem) -> tuple[object, ...]:
    facts = () if _is_counted(one) else tuple(sorted(_lasting(one), key=str))
    return (one.pseudonym, one.action, one.outcome, _is_noted(one), facts)


def _is_counted(one: FeedItem) -> bool:
    return one.action in COUNTED and one.outcome == Outcome.OK


def _is_noted(one: FeedItem) -> bool:
    """Whether a memory waits for its person's yes."""
    return one.action == Action.MEMORY_CREATED and bool(one.facts.get("pending"))


def _lasting(one: FeedItem) -> Iterable[tuple[str, object]]:
    return ((name, value) for name, value in one.facts.items() if name not in _VARYING)


def _ordered(one: FeedItem) -> tuple[str, object] | None:
    """The fact that says what an operator changed, if that is what the entry is about."""
    if one.action != Action.ACCESS_CHANGED:
        return None
    return next((fact for fact in one.facts.items() if fact in ORDERED), None)


def _what(one: FeedItem, count: int) -> tuple[str, str]:
    """The icon, and what was done or went amiss."""
    action, outcome, order = one.action, one.outcome, _ordered(one)
    said = WORDS.get(action) or Said("•", action, action, "")  # of a newer version
    said = ORDERED[order] if order else NOTED if _is_noted(one) else said
    noun = _capital(said.one) if count == 1 else f"{count:,} {said.many}"
    if action in AMISS:
        return said.icon, f"**{noun} {said.done}**"
    if outcome == Outcome.OK:
        return said.icon, f"{noun} {said.done}".rstrip()
    icon, ended = _ENDED.get(outcome, ("⚠️", outcome))
    return icon, f"**{noun} not {said.done}: {ended}**"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _spent(run: Sequence[FeedItem]) -> str:
    """In how much time, where it was more than one."""
    if len(run) == 1:
        return ""
    begun, ended = (datetime.fromisoformat(one.occurred_at) for one in (run[0], run[-1]))
    return f" in {max(1, round((ended - begun) / timedelta(minutes=1)))} min"


def _facts(run: Sequence[FeedItem]) -> list[str]:
    """What else there is to say about each of them; numbers only where there is only one."""
    first = run[0]
    if _is_counted(first):
        return []
    shown = first.facts.items() if len(run) == 1 else _lasting(first)
    return [_fact(*one) for one in shown if one != _ordered(first)]


def _fact(name: str, value: object) -> str:
    spelled = _SPELLED.get(str(value), str(value))
    return f"{spelled} ms" if name == "ms" else f"{name.replace('_', ' ')} {spelled}"
