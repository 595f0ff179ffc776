"""A person's own side of the audit log: their entries, what proves them, and that none changed."""

import json
from asyncio import Lock
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from bot.errors import BusyError, HomeserverError, HomeserverUnavailableError
from bot.messages import Action, Outcome
from storage import AuditDetail, AuditEntry, Proof, SignedHead, Vault, Verified, signed_with

EVERY = timedelta(minutes=1)  # between two checks of the whole log for one person
HEAD = "org.confidant.audit_head"  # the field of an event that carries a head

PostedHeads = Callable[[], Awaitable[Sequence[str]]]
"""The heads in the audit room, newest first; HomeserverError where they can't be read."""


class Tree(Protocol):
    """The audit log, as far as a person may look into it."""

    async def disclosed(self, vault: Vault) -> list[tuple[int, AuditDetail]]:
        """All of a person's own entries, oldest first, with what proves them."""
        ...

    async def head(self) -> SignedHead:
        """The signed head of all entries so far."""
        ...

    async def proof(self, seq: int) -> Proof:
        """That an entry is in the log."""
        ...

    async def verify(self, notes: Sequence[str], vault: Vault) -> Verified:
        """Recompute all, compare heads and vault; AuditTampered says what does not fit."""
        ...


@dataclass(frozen=True, slots=True)
class Checked:
    """What was checked: all entries, all heads, and a person's own. The first `covered` entries are
    those that a head vouches for.

    `posted` are those of the heads that stand in the audit room, None where it could not be read;
    `foreign` are heads there that the bot's key did not sign; `unpublished` notes in the person's
    vault that have no entry in the log.
    """

    entries: int
    heads: int
    covered: int
    own: int
    unpublished: int
    posted: int | None
    foreign: int = 0


async def nothing_posted() -> Sequence[str]:
    """The heads of an audit room that nobody here can look into."""
    raise HomeserverError("The audit room can't be read here.")


@dataclass(slots=True)
class AuditLooks:
    """Lets people look into the audit log, each into their own entries; checks one at a time."""

    tree: Tree
    posted_heads: PostedHeads
    now: Callable[[], datetime]
    key: str = ""  # which the heads are checked with
    turn: Lock = field(default_factory=Lock)
    last: dict[str, datetime] = field(default_factory=dict)  # when each person last had a check

    def of(self, person: str, vault: Vault) -> "AuditView":
        """What one person may see."""
        return AuditView(self, person, vault)

    def admit(self, person: str) -> None:
        """Take note that somebody wants a check; BusyError where it is too soon, or not a turn."""
        now = self.now()
        self.last = {one: at for one, at in self.last.items() if now - at < EVERY}
        if person in self.last:
            raise BusyError(TOO_SOON)
        if self.turn.locked():
            raise BusyError(BUSY)
        self.last[person] = now


@dataclass(frozen=True, slots=True)
class AuditView:
    """What one person may see of the audit log: no command can reach another's entries by it."""

    _looks: AuditLooks = field(repr=False)
    _person: str
    _vault: Vault = field(repr=False)

    async def disclosed(self) -> list[tuple[int, AuditDetail]]:
        """All of their entries that the log vouches for, oldest first, with what proves them."""
        return await self._looks.tree.disclosed(self._vault)

    async def entries(
        self, *, kind: str = "", since: datetime | None = None, besides: str = ""
    ) -> list[tuple[int, AuditEntry]]:
        """Their entries, newest first; one that was begun and ended is one entry.

        `kind` is the first part of an action, `besides` the event that is answered right now.
        """
        return [
            (seq, entry)
            for seq, entry in reversed(told(await self.disclosed(), besides=besides))
            if (not kind or entry.action.split(".")[0] == kind)
            and (since is None or entry.occurred_at >= since)
        ]

    async def proof(self, seq: int) -> tuple[AuditEntry, bytes] | None:
        """One of their entries, and the file that proves it; None where it is none of theirs."""
        own = dict(await self.disclosed())
        if seq not in own:
            return None
        proof = await self._looks.tree.proof(seq)
        return own[seq].entry, proof_file(own[seq], proof, key=self._looks.key)

    async def head(self) -> SignedHead:
        """The signed head of the log as it is now."""
        return await self._looks.tree.head()

    async def verify(self) -> Checked:
        """Check the whole log, its heads, and that their entries are in it.

        BusyError says when to ask again, AuditTampered what was changed.
        """
        looks = self._looks
        looks.admit(self._person)
        async with looks.turn:
            shown = await self._notes()
            notes = signed_with(looks.key, set(shown or ()))
            verified = await looks.tree.verify(notes, self._vault)
        return Checked(
            entries=verified.entries,
            heads=verified.heads,
            covered=verified.covered,
            own=verified.own,
            unpublished=verified.unpublished,
            posted=None if shown is None else len(notes),
            foreign=len(set(shown or ())) - len(notes),
        )

    async def _notes(self) -> Sequence[str] | None:
        try:
            return await self._looks.posted_heads()
        except HomeserverUnavailableError:
            raise
        except HomeserverError:
            return None


def told(
    disclosed: Sequence[tuple[int, AuditDetail]], *, besides: str = ""
) -> list[tuple[int, AuditEntry]]:
    """The entries that a person is shown, oldest first: what was begun and ended is one.

    What was begun because of the event `besides` is not told: it is going on.
    """
    return [
        (seq, entry)
        for seq, entry in folded([(seq, detail.entry) for seq, detail in disclosed])
        if not (besides and entry.outcome == Outcome.BEGUN and entry.target == besides)
    ]


def folded(entries: Sequence[tuple[int, AuditEntry]]) -> list[tuple[int, AuditEntry]]:
    """The same entries, oldest first, without those begun that have an end."""
    begun: list[tuple[int, AuditEntry]] = []
    ended: set[int] = set()
    for seq, entry in entries:
        if entry.outcome == Outcome.BEGUN:
            begun.append((seq, entry))
        elif begun:
            ended |= _ended_by(entry, begun)
            begun = [one for one in begun if one[0] not in ended]
    return [one for one in entries if one[0] not in ended]


def _ended_by(entry: AuditEntry, begun: Sequence[tuple[int, AuditEntry]]) -> set[int]:
    """The numbers of what ends with an entry.

    That is all that was begun about the same, for after a crash it is begun again; and the newest
    that doesn't say what it is about. What failed may not say it either, though it was begun.
    """
    like = [(seq, one) for seq, one in begun if _kind(one) == _kind(entry)]
    same = {seq for seq, one in like if one.target == entry.target != ""}
    unsaid = [seq for seq, one in like if not one.target][-1:]
    failed = not entry.target and entry.outcome != Outcome.OK
    said = [seq for seq, one in like if one.target][-1:] if failed else []
    return {*same, *unsaid, *said}


def _kind(entry: AuditEntry) -> str:
    """What ends what: an answer also by being refused, or with the failure of the provider."""
    return Action.MESSAGE_ANSWERED if entry.action in _INSTEAD else entry.action


_INSTEAD = frozenset({Action.GATEWAY_FAILED, Action.MESSAGE_DENIED})


def proof_file(detail: AuditDetail, proof: Proof, *, key: str) -> bytes:
    """What `verify_audit.py --proof` reads: the entry, its salt, and its way to a signed head."""
    value = {
        "entry": detail.fields,
        "salt": detail.salt.hex(),
        "seq": proof.seq,
        "path": [one.hex() for one in proof.path],
        "head": proof.head.note,
        "key": key,
    }
    return json.dumps(value, ensure_ascii=False, indent=1).encode()


BUSY = "I am checking the log right now, and do so once at a time. Please ask again in a minute."
TOO_SOON = "I have just checked the log for you, and do so once a minute. Please wait a moment."
