"""A reply on its way into a room: split into parts, growing by edits on a ramp, sent once."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Protocol

from bot.assistant import Answer
from bot.errors import HomeserverError
from bot.growing import Growing
from bot.messages import Device, Outgoing, Reply, Room, RoomKind, RoomMessage, Standing
from bot.splitting import split_text
from bot.tasks import task_group
from storage import VaultGone

GRACE = 0.15  # seconds; an answer that is complete by then needs no edit at all
RAMP = (1.0, 2.0, 4.0, 5.0)  # seconds between edits, the last one repeated (homeserver limits)
EDITS = 20  # at most, for one part: many edits make a room slow to load in clients
LEFT_OVER = "*(part of an answer that changed)*"
TYPING = 20.0  # seconds between two typing notifications


class Outlet(Protocol):
    """The part of the Messenger that a delivery needs."""

    async def send(self, outgoing: Outgoing) -> str:
        """Send one event, return its id."""
        ...

    async def typing(self, room_id: str, *, active: bool) -> None:
        """Show or hide that the bot is typing."""
        ...


class Keeping(Protocol):
    """Where an answer is kept before it is sent, as long as its person has one."""

    async def keep(self, answer: Answer) -> None:
        """Keep the finished answer."""
        ...

    def ensure(self) -> None:
        """Raise VaultGone where nothing of it may be shown any more."""
        ...

    async def orphaned(self, event_ids: Sequence[str]) -> None:
        """See to it that what was shown of it leaves the room."""
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
    """Sends replies through the Messenger, each part under a transaction id of its own."""

    def __init__(self, outlet: Outlet, *, ramp: Sequence[float] = RAMP) -> None:
        self._outlet = outlet
        self._ramp = ramp

    async def send(self, reply: Reply, to: Address) -> list[str]:
        """Send a finished reply; returns the event ids of its parts."""
        events = [
            replace(
                _outgoing(to, text, f"part {number}", generated=reply.generated),
                repeats=reply.repeats,
            )
            for number, text in enumerate(split_text(reply.text))
        ]
        if reply.attachment is not None:
            file = replace(_outgoing(to, "", "file"), attachment=reply.attachment)
            events.insert(0, file)  # the words that say what it is are the end of the reply
        return [await self._outlet.send(event) for event in events]

    async def edit(self, reply: Reply, to: Address, event_id: str) -> None:
        """Put a reply of one part in the place of what was said in an event."""
        edit = replace(_outgoing(to, reply.text, "edit"), replaces=event_id, repeats=reply.repeats)
        await self._outlet.send(edit)

    async def send_whole(self, answers: AsyncIterator[str | Answer], to: Address) -> Answer:
        """Send an answer once it is finished: where each event has a key of its own, no edits."""
        answer = await self.whole(answers, to)
        await self.send(answer.reply, to)
        return answer

    async def whole(self, answers: AsyncIterator[str | Answer], to: Address) -> Answer:
        """The finished answer, which is not sent yet; meanwhile the bot is seen to type."""
        growing = Growing()
        async with task_group() as tasks:
            typing = tasks.create_task(self._keep_typing(to.room_id))
            await growing.read(answers)
            typing.cancel()
        return growing.answer()

    async def put_in_place(self, text: str, event_ids: Sequence[str], to: Address) -> list[str]:
        """Let a text stand where another does, in these events; returns those that hold it now.

        What it needs no more stays as a note among them: it may be needed again.
        """
        parts = _Parts(self._outlet, to, event_ids)
        await parts.show(text, final=True)
        await parts.leave_over(len(split_text(text)))
        return parts.event_ids

    async def repeat(self, text: str, to: Address) -> list[str]:
        """Bring into the room what was about to stand there when a crash came in between."""
        parts = _Parts(self._outlet, to)
        await parts.show(text, final=True, edit_anyway=True)
        return parts.event_ids

    async def stream(
        self,
        answers: AsyncIterator[str | Answer],
        to: Address,
        *,
        keeping: Keeping,
        recovered: bool,
    ) -> tuple[Answer, list[str]]:
        """Send an answer as it grows; returns it and the event ids of its parts.

        The finished answer is kept before it is sent; once it can't be, nothing more is shown and
        what was is taken back. After a crash the text before it
        may be half sent under the same transaction ids. Then nothing is streamed: the finished
        text is sent, and edited into what may stand there.
        """
        growing = Growing()
        parts = _Parts(self._outlet, to, ensure=keeping.ensure)
        try:
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
            return growing.answer(), parts.event_ids
        except VaultGone:
            await keeping.orphaned(parts.event_ids)
            raise

    async def _ramp_up(self, growing: Growing, parts: "_Parts") -> None:
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


class _Parts:
    """The events that hold a growing text: which part stands in which event, and how it reads."""

    def __init__(
        self,
        outlet: Outlet,
        to: Address,
        event_ids: Sequence[str] = (),
        *,
        ensure: Callable[[], None] = lambda: None,
    ) -> None:
        self._outlet = outlet
        self._to = to
        self._ensure = ensure
        self._shown = ["" for _ in event_ids]
        self._edits = 0
        self.event_ids = list(event_ids)

    async def finish(self, growing: Growing, *, edit_anyway: bool) -> None:
        """Show the end; after a failure only what had begun to show is brought to an end."""
        text = growing.final_text()
        if text.strip():
            await self.show(text, final=True, edit_anyway=edit_anyway)

    async def show(self, text: str, *, final: bool, edit_anyway: bool = False) -> None:
        """Bring the room up to `text`; a part is finished once there is a part behind it."""
        parts = split_text(text)
        for number, part in enumerate(parts):
            finished = final or number < len(parts) - 1
            await self._show_part(number, part, finished=finished, edit_anyway=edit_anyway)

    async def leave_over(self, begin: int) -> None:
        """Say of the parts from this one on that nothing stands there any more."""
        for number in range(begin, len(self.event_ids)):
            await self._show_part(number, LEFT_OVER, finished=True, edit_anyway=False)

    async def _show_part(
        self, number: int, text: str, *, finished: bool, edit_anyway: bool
    ) -> None:
        state = text if finished else text + "\0live"
        if number < len(self._shown) and self._shown[number] == state:
            return
        self._ensure()
        if number == len(self.event_ids):
            new = _outgoing(self._to, text, f"part {number}", generated=True)
            self.event_ids.append(await self._outlet.send(replace(new, live=not finished)))
            self._shown.append(state)
            if not edit_anyway:
                return
        self._edits += 1
        name = f"final {number}" if finished else f"edit {number}.{self._edits}"
        edit = _outgoing(self._to, text, name, generated=True)
        edit = replace(edit, replaces=self.event_ids[number], live=not finished)
        await self._outlet.send(edit)
        self._shown[number] = state


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
