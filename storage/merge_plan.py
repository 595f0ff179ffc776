"""What of a file comes into a vault, decided row by row, without writing anything.

What the vault holds wins over what the file says. A file that is this person's own export of this
bot, brought into an empty vault, restores it: with its settings, and with what was shared. Any
other only adds to what the person alone can read: whoever made it could have written into it that
a memory is shared with a room, or that a room is private.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain

from storage.dating import DATED, dated
from storage.incoming import Fields, Tables
from storage.remembered import digest
from storage.taking_back import UNSENT

KEPT = 10**9
"""Of a number in a file, also below zero: a greater one is not taken over even by a vault that the
file restores, so that no later one becomes more than a file may hold (incoming.LARGEST)."""

NOT_RESTORED: Mapping[str, str] = {
    "Messages older than messages are kept": "they would be erased again the same day",
    "Answers that were never sent": "the bot would send them now",
    "Notices that ask about a memory": "a reaction to one of them would decide about it; what "
    "waits is still there, and `!memory approve N` decides",
    "Times that are still to come, in whose place now is set": "what was said then would never "
    "grow old",
    "Times before 1970, in whose place its beginning is set": "no clock of a message shows one",
}
"""What of a person's own export does not come back as it was in an empty vault, and why.

All else does, with what hangs on it.
"""


class Skip(StrEnum):
    """Why something of a file does not come in."""

    KNOWN_TURN = "message that is here already"
    OLD_TURN = "message older than messages are kept"
    UNSENT_TURN = "answer that was never sent"
    LONE_ANSWER = "answer without its question"
    KNOWN_MEMORY = "memory that is here already"
    SHARING = "memory that is not shared here"
    SETTING = "setting that stays as it is here"
    USAGE = "count that stays as it is here"


@dataclass(frozen=True, slots=True)
class Here:
    """What the vault holds, as far as it decides what comes in.

    `turns` are turn ids by event id, of those events alone that the file names; `memories` the
    numbers by digest, of what they say and said. `last_memory` is the highest number ever given.
    """

    turns: Mapping[str, int]
    first_turn: int | None
    memories: Mapping[bytes, int]
    numbers: Set[int]
    last_memory: int
    details: Set[str]
    first_detail: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """The rows that come in, by table, and how much does not, by the reason."""

    rows: Mapping[str, list[Fields]] = field(repr=False)
    skipped: Mapping[Skip, int]
    is_restored: bool


def plan(tables: Tables, here: Here, *, is_own: bool, since: str | None, now: str) -> Plan:
    """What comes in, dated as storage/dating.py says; no message from before `since` is kept."""
    planned = _Planning(tables, here, is_own=is_own).planned(since)
    for table in DATED:
        planned.rows[table][:] = [dated(table, row, now) for row in planned.rows[table]]
    return planned


class _Planning:
    """The decisions about one file; each may rest on those before it."""

    def __init__(self, tables: Tables, here: Here, *, is_own: bool) -> None:
        self._tables = tables
        self._here = here
        self._restores = is_own and here.first_turn is None and not here.numbers
        self._skipped: Counter[Skip] = Counter()
        self._turn_ids: dict[int, int] = {}
        self._memory_ids: dict[int, int] = {}
        self._events: set[str] = set()  # of the turns that come in
        self._new: set[int] = set()  # numbers, in the file, of the memories that come in

    def planned(self, since: str | None) -> Plan:
        """Table by table, in this order: turns and memories give the rest its new numbers."""
        rows = {
            "turn": self._turns(since),
            "turn_part": list(self._parts()),
            "memory": self._memories(),
            "memory_said": self._of_new("memory_said"),
            "memory_revision": self._revisions(),
            "memory_share": self._shares(),
            "memory_use": list(self._memory_uses()),
            "turn_use": list(self._turn_uses()),
            "setting": self._settings(),
            "usage": self._usage(),
            "audit_detail": self._details(),
        }
        return Plan(rows, dict(self._skipped), self._restores)

    def _turns(self, since: str | None) -> list[Fields]:
        """A question is as old as its answer, and an answer comes with its question or not."""
        turns = sorted(self._tables["turn"], key=lambda row: row["turn_id"])
        old = {_exchange(row) for row in turns if since is not None and row["said_at"] < since}
        for row in sorted(turns, key=lambda row: row["answers_event_id"] is not None):
            why = self._unwanted(row, old)
            if why is None:
                self._events.add(row["event_id"])
            else:
                self._skipped[why] += 1
        wanted = [row for row in turns if row["event_id"] in self._events]
        return list(self._placed(wanted))

    def _unwanted(self, row: Fields, old: Set[str]) -> Skip | None:
        event_id, question = row["event_id"], row["answers_event_id"]
        if event_id.startswith(UNSENT):
            return Skip.UNSENT_TURN
        if event_id in self._here.turns:
            self._turn_ids[row["turn_id"]] = self._here.turns[event_id]
            return Skip.KNOWN_TURN
        if _exchange(row) in old:
            return Skip.OLD_TURN
        if question is not None and question not in self._events:
            return Skip.KNOWN_TURN if question in self._here.turns else Skip.LONE_ANSWER
        return None

    def _placed(self, turns: list[Fields]) -> Iterator[Fields]:
        """In the order of the file, and before all that is here: the last word is the newest."""
        kind = {} if self._restores else {"room_kind": "direct"}
        for row, turn_id in self._numbered("turn", "turn_id", turns, self._here.first_turn):
            self._turn_ids[row["turn_id"]] = turn_id
            yield {**row, "turn_id": turn_id, **kind}

    def _numbered(
        self, table: str, key: str, coming: list[Fields], first: int | None
    ) -> Iterator[tuple[Fields, int]]:
        """Rows in their order, each with its number: before the first that is here, if any.

        Where a file chose them, it could choose such that no later one could be imported again.
        """
        ordered = sorted(coming, key=lambda row: row[key])
        begin = 1 if first is None else first - len(ordered)
        keeps = first is None and self._keeps(table, key)
        for place, row in enumerate(ordered, begin):
            yield row, row[key] if keeps else place

    def _keeps(self, table: str, key: str) -> bool:
        """Whether what is restored has the numbers that it had."""
        return self._restores and all(abs(row[key]) <= KEPT for row in self._tables[table])

    def _parts(self) -> Iterator[Fields]:
        coming = {row["turn_id"] for row in self._tables["turn"] if row["event_id"] in self._events}
        for row in self._tables["turn_part"]:
            known = row["event_id"] in self._here.turns or row["event_id"] in self._events
            if row["turn_id"] in coming and not known:
                yield {**row, "turn_id": self._turn_ids[row["turn_id"]]}

    def _memories(self) -> list[Fields]:
        """What is used comes first, so that of two that say the same it is the one that counts."""
        coming: dict[bytes, list[Fields]] = {}
        known: dict[int, bytes] = {}
        for row in sorted(self._tables["memory"], key=_by_use):
            said = digest(row["text"])
            if not self._restores and (said in self._here.memories or said in coming):
                self._skipped[Skip.KNOWN_MEMORY] += 1
                known[row["memory_id"]] = said
            else:
                coming.setdefault(said, []).append({**row, "digest": said.hex()})
        rows = sorted(chain.from_iterable(coming.values()), key=lambda row: row["memory_id"])
        keeps = self._keeps("memory", "memory_id")
        for number, row in enumerate(rows, self._here.last_memory + 1):
            self._memory_ids[row["memory_id"]] = row["memory_id"] if keeps else number
        self._new = set(self._memory_ids)
        for number, said in known.items():
            same = self._here.memories.get(said) or self._memory_ids[coming[said][0]["memory_id"]]
            self._memory_ids[number] = same
        return [self._memory(row) for row in rows]

    def _memory(self, row: Fields) -> Fields:
        """What a file brings changes no memory, now or once it is approved, and supersedes none."""
        number = self._memory_ids[row["memory_id"]]
        refers = {
            name: self._memory_ids[row[name]]
            if row[name] in self._new - {row["memory_id"]}
            else None
            for name in ("superseded_by", "replaces")
        }
        own = {"room_kind": "direct", "origin": "import", "replaces": None}
        changed = {} if self._restores else own
        return {**row, "memory_id": number, "notice_event_id": None, **refers, **changed}

    def _of_new(self, table: str) -> list[Fields]:
        return [
            {**row, "memory_id": self._memory_ids[row["memory_id"]]}
            for row in self._tables[table]
            if row["memory_id"] in self._new
        ]

    def _revisions(self) -> list[Fields]:
        revisions = sorted(self._of_new("memory_revision"), key=lambda row: row["revision_id"])
        keeps = self._keeps("memory_revision", "revision_id")
        changed = ({} if keeps else {"revision_id": None}) | (
            {} if self._restores else {"changed_by": "import"}
        )
        return [{**row, **changed} for row in revisions]

    def _shares(self) -> list[Fields]:
        if self._restores:
            return self._of_new("memory_share")
        shared = {row["memory_id"] for row in self._tables["memory_share"]}
        for row in self._tables["memory"]:
            used = row["room_kind"] == "shared" or row["memory_id"] in shared
            self._skipped[Skip.SHARING] += used and row["memory_id"] in self._new
        return []

    def _memory_uses(self) -> Iterator[Fields]:
        uses: dict[tuple[str, int], Fields] = {}
        for row in self._tables["memory_use"]:
            number = self._memory_ids[row["memory_id"]]
            if row["answer_event_id"] in self._events:
                uses[row["answer_event_id"], number] = {**row, "memory_id": number}
        yield from uses.values()

    def _turn_uses(self) -> Iterator[Fields]:
        uses: dict[tuple[str, int], Fields] = {}
        for row in self._tables["turn_use"]:
            turn_id = self._turn_ids.get(row["turn_id"])
            if row["answer_event_id"] in self._events and turn_id is not None:
                uses[row["answer_event_id"], turn_id] = {**row, "turn_id": turn_id}
        yield from uses.values()

    def _settings(self) -> list[Fields]:
        if self._restores:
            return list(self._tables["setting"])
        self._skipped[Skip.SETTING] += len(self._tables["setting"])
        return []

    def _usage(self) -> list[Fields]:
        """Today's counts decide what may be asked, and no count goes with `!forget imported`."""
        if self._restores:
            return list(self._tables["usage"])
        self._skipped[Skip.USAGE] += len(self._tables["usage"])
        return []

    def _details(self) -> list[Fields]:
        """Before those that are here, in their order."""
        wanted = [
            row
            for row in self._tables["audit_detail"]
            if row["commitment"] not in self._here.details
        ]
        numbered = self._numbered("audit_detail", "position", wanted, self._here.first_detail)
        return [{**row, "position": position} for row, position in numbered]


def _exchange(row: Fields) -> str:
    """What a question and its answers have in common."""
    return str(row["answers_event_id"] or row["event_id"])


def _by_use(row: Fields) -> tuple[int, int]:
    order = ("active", "pending", "superseded")
    return order.index(row["status"]), row["memory_id"]


def named(tables: Tables) -> Iterable[str]:
    """The events that stand in the tables of a file."""
    return (row["event_id"] for table in ("turn", "turn_part") for row in tables[table])
