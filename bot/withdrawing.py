"""The bot's own messages leave the rooms: one after the other, at a pace, whatever crashes."""

import asyncio
import json
import logging
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Protocol

from bot import forget_words
from bot.errors import HomeserverError, HomeserverHiddenError, HomeserverUnavailableError
from bot.journal import Journal
from bot.messages import Action, Effect, Outcome
from bot.receipts import Receipts
from storage import Erased, Storage, Unlisted, Withdrawal

log = logging.getLogger(__name__)

QUICK = 0.1  # seconds between two redactions, until the homeserver asks for patience
LIMITED = 1.0  # seconds that a redaction takes where it did
# Synapse grants a message in five seconds, redactions among them: every second one is an answer's.
SLOW = 10.0
TELL = timedelta(minutes=1)  # between two edits of a receipt
LATER = 600.0  # seconds, before what failed is tried again; all else goes on meanwhile
STATE = "withdrawing"  # what shared.db calls how far it is
TRIES = 3  # of what the homeserver fails at, without saying that it never will


class OwnMessages(Protocol):
    """The homeserver, as far as the bot's own messages are found there and taken back."""

    async def direct_rooms(self, user_id: str, *, besides: str) -> list[str]:
        """Every encrypted direct chat with exactly this person."""
        ...

    async def own_messages(
        self, room_id: str, person: str, *, until: datetime, before: str
    ) -> list[str]:
        """The ids of all that the bot said and that still stands, before an event of the room.

        In a room without that event, up to a moment; in one where anybody but this person and the
        bot is, nothing.
        """
        ...

    async def own_edits(self, room_id: str, event_id: str) -> list[str]:
        """The ids of the bot's edits of an event."""
        ...

    async def withdraw(self, room_id: str, event_id: str, *, transaction_id: str) -> bool:
        """Take back an event of the bot's own; False where that can never be."""
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the messages of one erasure are, in numbers.

    `last` is the one that was counted last, so that after a crash it isn't counted again.
    """

    redacted: int = 0
    refused: int = 0
    last: str = ""

    def after(self, event_id: str, *, redacted: bool) -> "Progress":
        """One further."""
        if event_id == self.last:
            return self
        return replace(
            self,
            redacted=self.redacted + redacted,
            refused=self.refused + (not redacted),
            last=event_id,
        )


class Withdrawing:
    """Works off what storage says is to be withdrawn; what was done is noted after each message.

    Where everything of a person was erased, their receipt says how far it is. Each erasure, and
    each room of single answers, has one message at a time withdrawn in turn; what the homeserver
    fails at goes behind everything else.
    """

    def __init__(
        self,
        storage: Storage,
        rooms: OwnMessages,
        receipts: Receipts,
        journal: Journal,
        *,
        audit_room: str,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._storage = storage
        self._queue = storage.withdrawals
        self._rooms = rooms
        self.receipts = receipts
        self._journal = journal
        self._audit_room = audit_room
        self._now = now
        self._clock = clock
        self._sleep = sleep
        self._pace = QUICK
        self._took: deque[float] = deque(maxlen=20)  # seconds, of the last ones
        self._told: dict[str, datetime] = {}  # when it was last said how far an erasure is
        self._slow: set[str] = set()  # of which it was said that it takes long
        self._failed: Counter[str] = Counter()
        self._later: dict[str, float] = {}  # what failed (event, room, job), and till when it waits

    async def run(self) -> None:
        """Give the receipts that a crash kept back, then withdraw for ever."""
        await self.receipts.resume()
        while True:
            await self._queue.wait(None if await self.go_on() else LATER)

    async def go_on(self) -> bool:
        """Withdraw what there is; False where something failed and is to be tried again."""
        self._pace = QUICK
        while await self._take_turns():
            pass
        return not self._later

    async def _take_turns(self) -> bool:
        """Withdraw one message of each that has any; False where there was none."""
        now = self._clock()
        self._later = {what: until for what, until in self._later.items() if now < until}
        await self._search()
        due = {one.event_id for one in await self._storage.forgetting.unfinished()}
        turns = [one for one in await self._queue.next(self._later) if one.job not in due]
        for one in turns:  # of those whose receipt is due there will be news
            with self._or_later(one.event_id):
                await self._withdraw(one)
            await self._sleep(self._pace)
        return bool(turns)

    async def _search(self) -> None:
        """Find out in which chats the bot spoke, and then what it said there."""
        for erased in await self._storage.forgetting.unsearched():
            with self._or_later(erased.event_id):
                await self._search_rooms(erased)
        for one in await self._queue.searches():
            with self._or_later(one.room_id):
                await self._list(one)

    async def _search_rooms(self, erased: Erased) -> None:
        if erased.event_id not in self._later:
            chats = await self._rooms.direct_rooms(erased.user_id, besides=self._audit_room)
            await self._storage.forgetting.searched(erased, chats)

    async def _list(self, one: Unlisted) -> None:
        erased = await self._storage.forgetting.job(one.job)
        if erased is not None and one.room_id not in self._later:
            found = await self._rooms.own_messages(
                one.room_id, erased.user_id, until=one.until, before=one.job
            )
            await self._queue.found(one.room_id, found)

    @contextmanager
    def _or_later(self, what: str) -> Iterator[None]:
        """Put off what the homeserver fails at; raises only where nothing works any more."""
        try:
            yield
        except HomeserverUnavailableError:
            raise
        except HomeserverError:
            if not self._later:
                log.warning("messages of the bot could not be withdrawn yet: that is tried again")
            self._later[what] = self._clock() + LATER

    async def _withdraw(self, one: Withdrawal) -> None:
        """Withdraw one message and note it; of the last one of an erasure say so before."""
        every = await self._every()
        if one.job not in self._told:
            await self._journal.of_somebody([Effect(Action.FORGET_DONE, Outcome.BEGUN)])
            self._told[one.job] = self._now()
        progress = every.get(one.job, Progress())
        progress = progress.after(one.event_id, redacted=await self._redacted(one))
        left = await self._queue.left_of(one.job) - 1
        if left:
            await self._keep({**every, one.job: progress})
            await self._tell(one.job, progress, left)
        else:
            await self._over(one.job, progress)
            await self._keep({job: value for job, value in every.items() if job != one.job})
        await self._queue.done(one.event_id)

    async def _redacted(self, one: Withdrawal) -> bool:
        """Take back a message and its edits, which hold its text as it grew: those first."""
        begun = self._clock()
        try:
            for event_id in await self._rooms.own_edits(one.room_id, one.event_id):
                await self._take_back(one.room_id, event_id)
            return await self._take_back(one.room_id, one.event_id)
        except (HomeserverUnavailableError, HomeserverHiddenError):
            raise
        except HomeserverError:
            self._failed[one.event_id] += 1
            if self._failed[one.event_id] < TRIES:
                raise
            del self._failed[one.event_id]
            return False
        finally:
            self._took.append(self._clock() - begun)

    async def _take_back(self, room_id: str, event_id: str) -> bool:
        begun = self._clock()
        transaction = sha256(f"withdraw {event_id}".encode()).hexdigest()[:32]
        done = await self._rooms.withdraw(room_id, event_id, transaction_id=transaction)
        if self._clock() - begun >= LIMITED:
            self._pace = SLOW
        return done

    async def _tell(self, job: str, progress: Progress, left: int) -> None:
        """Say how far it is, as soon as it is slow, then once a minute at most."""
        now, first = self._now(), self._pace == SLOW and job not in self._slow
        if not first and now - self._told[job] < TELL:
            return
        self._told[job] = now
        self._slow.add(job)
        each = sum(self._took) / len(self._took) + self._pace
        total = progress.redacted + progress.refused + left
        text = forget_words.withdrawing(left, total, timedelta(seconds=left * each))
        await self.receipts.tell(job, text, f"left {left}")

    async def _over(self, job: str, progress: Progress) -> None:
        """Say and record that nothing is left."""
        text = forget_words.withdrawn(progress.redacted, progress.refused)
        await self.receipts.tell(job, text, "withdrawn")
        await self.receipts.over(job)
        facts = {"redacted": progress.redacted, "refused": progress.refused}
        await self._journal.of_somebody([Effect(Action.FORGET_DONE, facts=facts)])
        self._slow.discard(job)
        del self._told[job]

    async def _every(self) -> dict[str, Progress]:
        kept = json.loads(await self._storage.state(STATE) or "{}")
        return {job: Progress(**value) for job, value in kept.items()}

    async def _keep(self, every: Mapping[str, Progress]) -> None:
        value = json.dumps({job: asdict(progress) for job, progress in every.items()})
        await self._storage.set_state(STATE, value)
