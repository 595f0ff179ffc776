"""Questions that wait: for a yes, two minutes and in RAM; for words, ten and in the vault."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from bot import forget_words
from bot.asking_words import CANCEL, CANCELLED, too_late, unsure
from bot.command import (
    WITHIN_FOR_WORDS,
    Answered,
    Command,
    CommandContext,
    Question,
    Run,
    Said,
    named,
)
from bot.messages import Reply, RoomMessage
from storage import Vault

WITHIN = timedelta(minutes=2)
YES = frozenset({"yes", "yes please", "y", "ja", "oui", "si", "sí"})
NO = frozenset({"no", "no thanks", "n", "nope", "nein", "non", "cancel", "stop"})
# Of what was sent so shortly before a question nobody knows: two messages of one person get their
# times from whichever part of their homeserver took them, and the clocks of those differ.
SKEW = timedelta(minutes=1)
LATEST_KEY = timedelta(days=1)  # after which no message is expected any more that can't be read yet
ANSWER = "answer to a question"  # what the inbox calls words that were answered, once that begins


@dataclass(frozen=True, slots=True)
class Decision:
    """What a message decides: what is to be run, about what, and what the inbox calls that.

    Where it `begins` nothing, it may be run twice.
    """

    command: Command
    run: Run = field(repr=False)  # it may hold a passphrase
    begins: str = ""
    about: str = ""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A question that waits for a yes: `since` by the clock of the person's homeserver."""

    command: Command
    run: Run = field(repr=False)
    since: datetime
    until: datetime


class Confirmations:
    """What each person was asked and has not said yes to."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._waiting: dict[tuple[str, str], _Waiting] = {}

    def ask(self, room_id: str, command: Command, proceed: Run, asking: RoomMessage) -> None:
        """Wait in this room for a yes of whoever asked for it with that message."""
        until = self._now() + WITHIN
        waiting = _Waiting(command, proceed, asking.sent_at, until)
        self._waiting[asking.sender, room_id] = waiting

    def decided(self, message: RoomMessage) -> Decision | None:
        """What a message decides, if anything; whatever it says, nothing waits any longer.

        But for one from before: held back, it would be a yes to something else.
        """
        place = (message.sender, message.room_id)
        waiting = self._waiting.get(place)
        if waiting is None or message.sent_at < waiting.since:
            return None
        del self._waiting[place]
        if self._now() > waiting.until:
            return None
        said = message.body.strip(" .!").casefold()
        if said in YES:
            return Decision(waiting.command, waiting.run, begins=waiting.command.name)
        return Decision(waiting.command, _leave_it) if said in NO else None

    def is_awaited(self, message: RoomMessage) -> bool:
        """Whether a message decides something; what doesn't ends the waiting all the same."""
        place = (message.sender, message.room_id)
        waiting = self._waiting.get(place)
        if waiting is None or self.decided(message) is None:
            return False
        self._waiting[place] = waiting
        return True


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question as the vault keeps it: never what was answered, only by which event.

    Its time is that of the asked person's homeserver, like that of the answer. What was sent from
    `unsure` on, and before it, may have been meant for it or for a question before it.
    """

    command: str
    about: str
    since: str
    until: str
    unsure: str
    answered_by: str = ""
    answered_at: str = ""

    def is_for(self, message: RoomMessage) -> bool:
        """Whether this message is its answer, or was, or may have been, sent while it waited."""
        if message.sent_at < datetime.fromisoformat(self.unsure):
            return False
        if not self.answered_by or self.answered_by == message.event_id:
            return True
        return message.sent_at < datetime.fromisoformat(self.answered_at)

    def is_unsure(self, message: RoomMessage) -> bool:
        """Whether this message only may be for it."""
        return message.sent_at < datetime.fromisoformat(self.since)

    def is_late(self, message: RoomMessage, now: datetime) -> bool:
        """Whether its time is over, or something else was the answer."""
        if self.answered_by == message.event_id:  # it was taken up before, and comes again
            return False
        ended = max(message.sent_at, now) > datetime.fromisoformat(self.until)
        return bool(self.answered_by) or ended


class Questions:
    """Which words each person was asked for.

    What is said next in the room is the answer, or nothing: it never gets to the model, to the
    vault or to what is overheard, whether it comes in time, late, or out of order because its key
    did. So the last question of each room is kept, with when it was answered, and with when those
    before it were asked. What may have been meant for one of them is asked for again.
    """

    def __init__(self, commands: Sequence[Command], prefix: str, now: Callable[[], datetime]):
        self._commands = commands
        self._prefix = prefix
        self._now = now

    async def ask(
        self, vault: Vault, room_id: str, command: Command, question: Question, asking: RoomMessage
    ) -> None:
        """Wait in this room for the words that `question` asks for, because of that message."""
        until = max(asking.sent_at, self._now()) + WITHIN_FOR_WORDS
        since, begun = asking.sent_at, asking.sent_at - SKEW
        former = await _asked(vault, room_id)
        if former is not None and former.answered_by == asking.event_id:  # it goes on from there
            since = min(datetime.fromisoformat(former.since), since)
        if former is not None and datetime.fromisoformat(former.until) > begun - LATEST_KEY:
            begun = min(datetime.fromisoformat(former.unsure), begun)
        times = (one.isoformat() for one in (since, until, begun))
        await _keep(vault, room_id, _Asked(command.name, question.about, *times))

    async def is_awaited(self, vault: Vault, message: RoomMessage) -> bool:
        """Whether a message that is no command goes to what was asked in its room, also late."""
        asked = await _asked(vault, message.room_id)
        return asked is not None and asked.is_for(message)

    async def decided(
        self, vault: Vault, message: RoomMessage, *, ordered: bool
    ) -> Decision | None:
        """What a message is to what was asked in its room, if anything; a command ends that."""
        asked = await _asked(vault, message.room_id)
        if asked is None or not asked.is_for(message):
            return None
        command = named(asked.command, self._commands)
        assert command is not None and command.answered is not None, "only such commands ask"
        late = asked.is_late(message, self._now())
        if asked.is_unsure(message) and not late:
            again = partial(_reply, unsure(command.name, self._prefix))
            return None if ordered else Decision(command, again)
        if not asked.answered_by:
            await _keep(vault, message.room_id, _answered(asked, message))
        if ordered:
            return None
        if late:
            return Decision(command, partial(_reply, too_late(command.name, self._prefix)))
        if message.body.strip(" .!").casefold() == CANCEL:
            return Decision(command, partial(_reply, CANCELLED))
        run = partial(_answer, command.answered, message.body.strip())
        return Decision(command, run, begins=ANSWER, about=asked.about)


async def _asked(vault: Vault, room_id: str) -> _Asked | None:
    kept = await vault.setting(_setting(room_id))
    return None if kept is None else _Asked(**json.loads(kept))


async def _keep(vault: Vault, room_id: str, asked: _Asked) -> None:
    await vault.set_setting(_setting(room_id), json.dumps(asdict(asked)))


def _setting(room_id: str) -> str:
    return f"question {room_id}"


def _answered(asked: _Asked, message: RoomMessage) -> _Asked:
    return replace(asked, answered_by=message.event_id, answered_at=message.sent_at.isoformat())


async def _answer(answered: Answered, answer: str, context: CommandContext) -> Said:
    return await answered(context, answer)


async def _reply(text: str, context: CommandContext) -> Reply:
    return Reply(text)


async def _leave_it(context: CommandContext) -> Reply:
    return Reply(forget_words.NOTHING_ERASED)
