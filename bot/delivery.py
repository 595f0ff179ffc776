"""A reply on its way into a room: split into parts, growing by edits on a ramp, sent once."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from typing import Protocol

from bot.assistant import Answer
from bot.errors import HomeserverError, HomeserverUnavailableError
from bot.growing import Growing
from bot.messages import Device, Outgoing, Reply, Room, RoomKind, RoomMessage, Standing
from bot.owned import NOBODY, Owner, while_kept
from bot.parts import Parts
from bot.splitting import split_text
from bot.tasks import task_group

GRACE = 0.15  # seconds; an answer that is complete by then needs no edit at all
RAMP = (1.0, 2.0, 4.0, 5.0)  # seconds between edits, the last one repeated (homeserver limits)
EDITS = 20  # at most, for one part: many edits make a room slow to load in clients
TYPING = 20.0  # seconds between two typing notifications


class Outlet(Protocol):
    """The part of the homeserver that a delivery needs."""

    async def send(self, outgoing: Outgoing) -> str:
        """Send one event, return its id."""
        ...

    async def typing(self, room_id: str, *, active: bool) -> None:
        """Show or hide that the bot is typing."""
        ...


class Keeping(Owner, Protocol):
    """Where an answer is kept before it is sent, as long as its person has one."""

    async def keep(self, answer: Answer) -> None:
        """Keep the finished answer."""
        ...

    async def sent(self, event_ids: Sequence[str]) -> None:
        """Note in which events it stands; VaultGone where it was erased since it was kept."""
        ...

    async def refused(self, event_ids: Sequence[str]) -> None:
        """See to it that nothing is kept of it, and that what was shown leaves the room."""
        ...


@dataclass(frozen=True, slots=True)
class Address:
    """Where a reply goes: room, thread, what it answers, whom it notifies, who can read it."""

    room_id: str
    transaction: str
    reply_to: str | None = None
    thread_id: str | None = None
    mention: str | None = None
    question: str = field(default="", repr=False)
    audience: frozenset[str] | None = None
    also_for: Device | None = None

    def part(self, name: str) -> str:
        """A transaction id that is the same whenever the same part is sent again."""
        return sha256(f"{self.room_id} {self.transaction} {name}".encode()).hexdigest()[:32]

    def about(self, what: str) -> "Address":
        """The same place, for something else that is said about the same message."""
        return replace(self, transaction=f"{self.transaction} {what}")


def address(message: RoomMessage, room: Room) -> Address:
    """The place of the question: its room and thread; in a shared room as a reply that notifies.

    A device of a changed identity gets no keys, but what it asked itself it may read the answer to.
    """
    shared = room.kind is RoomKind.SHARED
    asking = Device(message.sender, message.device_id)
    return Address(
        message.room_id,
        message.event_id,
        reply_to=message.event_id if shared else None,
        thread_id=message.thread_id,
        mention=message.sender if shared else None,
        question=message.body,
        audience=None if shared else room.members,
        also_for=asking if message.standing is Standing.CHANGED else None,
    )


class Delivery:
    """Sends replies through the outlet, each part under a transaction id of its own."""

    def __init__(self, outlet: Outlet, *, ramp: Sequence[float] = RAMP) -> None:
        self._outlet = outlet
        self._ramp = ramp

    async def send(
        self, reply: Reply, to: Address, *, owner: Owner = NOBODY, said: list[str] | None = None
    ) -> list[str]:
        """Send a finished reply, its file first; returns the event ids.

        They are noted in `said` as soon as they stand, so that who is refused knows what does.
        VaultGone where the owner's vault was erased meanwhile: then nothing of it stays.
        """
        said = [] if said is None else said
        events = [
            replace(
                _outgoing(to, text, f"part {number}", generated=reply.generated),
                repeats=reply.repeats,
                fields=reply.fields,
            )
            for number, text in enumerate(split_text(reply.text))
        ]
        if reply.attachment is not None:  # the words that say what it is end the reply
            file = _outgoing(to, "", "file")
            events.insert(0, replace(file, attachment=reply.attachment, wanted=owner.ensure))
        async with while_kept(said, owner):
            for event in events:
                owner.ensure()
                said.append(await self._outlet.send(event))
            owner.ensure()
        return said

    async def edit(self, reply: Reply, to: Address, event_id: str) -> None:
        """Put a reply of one part in the place of what was said in an event."""
        await self._outlet.send(
            replace(
                _outgoing(to, reply.text, "edit"),
                replaces=event_id,
                repeats=reply.repeats,
                fields=reply.fields,
            )
        )

    async def send_whole(
        self, answers: AsyncIterator[str | Answer], to: Address, *, owner: Owner
    ) -> Answer:
        """Send an answer once it is finished: where each event has a key of its own, no edits."""
        answer = await self.whole(answers, to)
        await self.send(answer.reply, to, owner=owner)
        return answer

    async def whole(self, answers: AsyncIterator[str | Answer], to: Address) -> Answer:
        """The finished answer, which is not sent yet; meanwhile the bot is seen to type."""
        growing = Growing()
        async with task_group() as tasks:
            typing = tasks.create_task(self._keep_typing(to.room_id))
            await growing.read(answers)
            typing.cancel()
        return growing.answer()

    async def put_in_place(
        self, text: str, event_ids: Sequence[str], to: Address, *, keeping: Keeping
    ) -> None:
        """Let a kept text stand where another does, in these events.

        What it needs no more stays as a note among them: it may be needed again.
        """
        parts = self._parts(to, keeping, event_ids)
        async with _whole_or_not(parts, keeping):
            await parts.show(text, final=True)
            await parts.leave_over(len(split_text(text)))
            await keeping.sent(parts.event_ids)

    async def repeat(self, text: str, to: Address, *, keeping: Keeping) -> None:
        """Bring into the room what was about to stand there when a crash came in between."""
        parts = self._parts(to, keeping)
        async with _whole_or_not(parts, keeping):
            await parts.show(text, final=True, edit_anyway=True)
            await keeping.sent(parts.event_ids)

    async def stream(
        self,
        answers: AsyncIterator[str | Answer],
        to: Address,
        *,
        keeping: Keeping,
        recovered: bool,
    ) -> Answer:
        """Send an answer as it grows.

        The finished answer is kept before it is sent; once it can't be, nothing more is shown and
        what was is taken back. After a crash the text before it may be half sent under the same
        transaction ids. Then nothing is streamed: the finished text is sent, and edited into what
        may stand there.
        """
        growing, parts = Growing(), self._parts(to, keeping)
        async with _whole_or_not(parts, keeping):
            async with task_group() as tasks:
                typing = tasks.create_task(self._keep_typing(to.room_id))
                tasks.create_task(growing.read(answers))
                if not recovered:
                    await self._ramp_up(growing, parts)
                await growing.done.wait()
                if growing.succeeded:
                    await keeping.keep(growing.answer())
                await parts.finish(growing, edit_anyway=recovered)
                typing.cancel()
            answer = growing.answer()
            await keeping.sent(parts.event_ids)
            return answer

    def _parts(self, to: Address, keeping: Keeping, event_ids: Sequence[str] = ()) -> Parts:
        outgoing = partial(_outgoing, to, generated=True)
        return Parts(self._outlet.send, outgoing, event_ids, ensure=keeping.ensure)

    async def _ramp_up(self, growing: Growing, parts: Parts) -> None:
        await growing.started.wait()
        await _done_within(growing, GRACE)
        for pause in _pauses(self._ramp):
            if growing.done.is_set():
                return
            await parts.show(growing.text(), final=False)
            await _done_within(growing, pause)

    async def _keep_typing(self, room_id: str) -> None:
        try:
            while True:
                await self._typing(room_id, active=True)
                await asyncio.sleep(TYPING)
        finally:
            await self._typing(room_id, active=False)

    async def _typing(self, room_id: str, *, active: bool) -> None:
        try:
            await self._outlet.typing(room_id, active=active)
        except HomeserverError:
            return  # a courtesy; the answer itself will say when the homeserver is away


@asynccontextmanager
async def _whole_or_not(parts: Parts, keeping: Keeping) -> AsyncIterator[None]:
    """Let nothing of an answer stay that is erased meanwhile, or of which the room refuses a part.

    Nobody would know of the parts before that; its person is told that it failed.
    """
    async with while_kept(parts.said, keeping):
        try:
            yield
        except HomeserverUnavailableError:
            raise  # the same answer goes on from there
        except HomeserverError:
            keeping.ensure()
            await keeping.refused(parts.said)
            raise


def _outgoing(to: Address, text: str, name: str, *, generated: bool = False) -> Outgoing:
    return Outgoing(
        to.room_id,
        text,
        to.part(name),
        generated=generated,
        reply_to=to.reply_to,
        thread_id=to.thread_id,
        mention=to.mention,
        question=to.question,
        audience=to.audience,
        also_for=to.also_for,
    )


def _pauses(ramp: Sequence[float]) -> Iterator[float]:
    """The ramp, then its last step again, up to the cap on edits."""
    for number in range(EDITS):
        yield ramp[min(number, len(ramp) - 1)]


async def _done_within(growing: Growing, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await growing.done.wait()
    except TimeoutError:
        return
