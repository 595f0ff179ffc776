"""Questions that wait for a yes: of the same person, in the same room, for two minutes, in RAM."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot import replies
from bot.command import Command, CommandContext, Run
from bot.messages import Reply, RoomMessage

WITHIN = timedelta(minutes=2)
YES = frozenset({"yes", "yes please", "y", "ja", "oui", "si", "sí"})
NO = frozenset({"no", "no thanks", "n", "nope", "nein", "non", "cancel", "stop"})


@dataclass(frozen=True, slots=True)
class Decision:
    """A command that somebody decided about, and what is to be run for it."""

    command: Command
    run: Run
    confirmed: bool


class Confirmations:
    """What each person was asked and has not answered yet."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._waiting: dict[tuple[str, str], tuple[Command, Run, datetime]] = {}

    def ask(self, user_id: str, room_id: str, command: Command, proceed: Run) -> None:
        """Wait for this person's yes in this room."""
        self._waiting[user_id, room_id] = (command, proceed, self._now() + WITHIN)

    def decided(self, message: RoomMessage) -> Decision | None:
        """What a message decides, if anything; whatever it says, nothing waits any longer."""
        waiting = self._waiting.pop((message.sender, message.room_id), None)
        if waiting is None or self._now() > waiting[2]:
            return None
        said = message.body.strip(" .!").casefold()
        if said in YES:
            return Decision(waiting[0], waiting[1], confirmed=True)
        return Decision(waiting[0], _leave_it, confirmed=False) if said in NO else None


async def _leave_it(context: CommandContext) -> Reply:
    return Reply(replies.NOTHING_ERASED)
