"""Each room in order, rooms side by side: all the concurrency of the bot."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable

from bot.room_events import Alone, Batch, Gap, Invite, Kept, RoomEvent, Unfinished, Upgraded
from bot.room_queue import Held, RoomQueue
from storage import Inbox

MEMBERSHIP = "membership"  # no room's id: going in and out is done one after the other

Handle = Callable[[RoomEvent], Awaitable[None]]


class Dispatcher:
    """Accepts what a sync brought and hands it on, one event of a room at a time.

    A worker is a task that lives as long as its room has something to do. A homeserver that is
    away holds up its rooms where they are; what a handler raises means that the bot must stop,
    and ends the task group. Of what waits, only so much is held with its text.
    """

    def __init__(
        self,
        handle: Handle,
        inbox: Inbox,
        tasks: asyncio.TaskGroup,
        *,
        side_by_side: int = 32,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._handle = handle
        self._inbox = inbox
        self._tasks = tasks
        self._slots = asyncio.Semaphore(side_by_side)
        self._clock = clock
        self._held = Held()
        self._queues: dict[str, RoomQueue] = {}
        self._begun: dict[str, float] = {}  # when each room's worker began what it is at
        self._workers: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False

    async def receive(self, batch: Batch) -> None:
        """Accept one sync: its new events and its token in one transaction, then to the workers."""
        kept = [event for event in batch.events if isinstance(event, Kept | Gap)]
        ids = [(event.event_id, event.room_id) for event in kept]
        accepted = await self._inbox.accept(
            ids, batch.token, waiting=batch.waiting, settled=batch.settled
        )
        new = set(accepted)
        self.enqueue(
            event
            for event in batch.events
            if not isinstance(event, Kept | Gap) or event.event_id in new
        )

    def enqueue(self, events: Iterable[RoomEvent]) -> None:
        """Queue events that are accepted already, each behind what its room has waiting."""
        for event in events:
            lane = MEMBERSHIP if isinstance(event, Invite | Upgraded | Alone) else event.room_id
            if lane not in self._queues:
                self._open(lane)
            self._queues[lane].append(event)

    @property
    def busy_since(self) -> float:
        """When the worker that is at one event for the longest began it; now if none is at any."""
        return min(self._begun.values(), default=self._clock())

    async def drain(self, seconds: float) -> bool:
        """Begin nothing new, let what runs finish; whether it did in time.

        What still waits stays unfinished in the inbox, and is answered after the next start.
        """
        self._draining = True
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def cancel(self) -> None:
        """End what still runs; its events stay unfinished in the inbox."""
        for worker in self._workers:
            worker.cancel()

    def _open(self, lane: str) -> None:
        self._queues[lane] = RoomQueue(self._held)
        self._idle.clear()
        worker = self._tasks.create_task(self._work(lane))
        self._workers.add(worker)
        worker.add_done_callback(self._workers.discard)

    async def _work(self, lane: str) -> None:
        queue = self._queues[lane]
        try:
            while queue:
                async with self._slots:
                    if self._draining:
                        return
                    self._begun[lane] = self._clock()
                    await self._handle(queue.next())
                    del self._begun[lane]
        finally:
            self._begun.pop(lane, None)
            self._queues.pop(lane).close()
            if not self._queues:
                self._idle.set()


def left_over(event_id: str, room_id: str) -> Unfinished | Gap:
    """What a row of the inbox stands for that a crash left unfinished."""
    if event_id.startswith("gap "):  # no event is called like that: its id begins with $
        return Gap(event_id, room_id, read=int(event_id.split()[1]))
    return Unfinished(event_id, room_id)
