"""The bot's own messages leave the rooms: one after the other, at a pace, whatever crashes."""

import asyncio
import json
import logging
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Protocol

from bot import forget_words
from bot.errors import HomeserverError, HomeserverHiddenError, HomeserverUnavailableError
from bot.journal import Journal
from bot.messages import Action, Effect
from bot.receipts import Receipts
from storage import Storage, Withdrawal

log = logging.getLogger(__name__)

QUICK = 0.1  # seconds between two redactions, until the homeserver asks for patience
LIMITED = 1.0  # seconds that a redaction takes where it did
# Synapse grants a message in five seconds, redactions among them: every second one is an answer's.
SLOW = 10.0
TELL = timedelta(minutes=1)  # between two edits of a receipt
LATER = 600.0  # seconds, before what failed is tried again
STATE = "withdrawing"  # what shared.db calls how far it is
TRIES = 3  # of what the homeserver fails at, without saying that it never will


class OwnMessages(Protocol):
    """The homeserver, as far as the bot's own messages are found there and taken back."""

    async def own_messages(self, room_id: str, *, until: datetime, before: str) -> list[str]:
        """The ids of all that the bot said and that still stands, before an event of the room.

        In a room without that event, up to a moment.
        """
        ...

    async def own_edits(self, room_id: str, event_id: str) -> list[str]:
        """The ids of the bot's edits of an event."""
        ...

    async def withdraw(self, room_id: str, event_id: str, *, transaction_id: str) -> bool:
        """Take back an event; False where the homeserver says that this can never be."""
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

    Where everything of a person was erased, their receipt says how far it is.
    """

    def __init__(
        self,
        storage: Storage,
        rooms: OwnMessages,
        receipts: Receipts,
        journal: Journal,
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._storage = storage
        self._queue = storage.withdrawals
        self._rooms = rooms
        self.receipts = receipts
        self._journal = journal
        self._now = now
        self._clock = clock
        self._sleep = sleep
        self._pace = QUICK
        self._took: deque[float] = deque(maxlen=20)  # seconds, of the last ones
        self._told: dict[str, datetime] = {}  # when it was last said how far an erasure is
        self._slow: set[str] = set()  # of which it was said that it takes long
        self._failed: Counter[str] = Counter()

    async def run(self) -> None:
        """Give the receipts that a crash kept back, then withdraw for ever."""
        await self.receipts.resume()
        while True:
            if await self.go_on():
                await self._queue.wait()
            else:
                await self._sleep(LATER)

    async def go_on(self) -> bool:
        """Withdraw what there is; False where the homeserver failed at something."""
        self._pace = QUICK
        try:
            while True:
                await self._list()
                waiting = await self._queue.next(1)
                if not waiting or await self.receipts.is_due(waiting[0].job):
                    return True  # there will be news
                await self._withdraw(waiting[0])
                await self._sleep(self._pace)
        except HomeserverUnavailableError:
            raise
        except HomeserverError:
            log.warning("messages of the bot could not be withdrawn yet: that is tried again")
            return False

    async def _list(self) -> None:
        for one in await self._queue.searches():
            found = await self._rooms.own_messages(one.room_id, until=one.until, before=one.job)
            await self._queue.found(one.room_id, found)

    async def _withdraw(self, one: Withdrawal) -> None:
        """Withdraw one message and note it; of the last one of an erasure say so before."""
        every = await self._every()
        self._told.setdefault(one.job, self._now())
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
