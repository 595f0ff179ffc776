"""Messages that can't be decrypted: whoever sends them makes up their ids, so they are counted."""

from collections import Counter
from datetime import datetime

from bot.access import Few
from bot.messages import Action, Effect, Facts, Outcome
from bot.room_events import Undecryptable

LONGEST_ID = 255  # characters, of a session; clients' have 43
TOLD = 3  # of one person, in an hour
RECORDED = 20


class Unreadable:
    """How much of it is told and recorded; what is left out is counted in the next entry."""

    def __init__(self) -> None:
        self._told = Few(TOLD)
        self._recorded = Few(RECORDED)
        self._left_out: Counter[str] = Counter()

    def effect(self, event: Undecryptable, now: datetime, *, told: bool) -> Effect | None:
        """What to record now, if anything; what is told is recorded in any case."""
        if not (self._recorded.may(event.sender, event.event_id, now=now) or told):
            self._left_out[event.sender] += 1
            return None
        left_out = self._left_out.pop(event.sender, 0)
        facts: Facts = {"unrecorded": left_out} if left_out else {}
        return Effect(Action.MESSAGE_UNDECRYPTABLE, Outcome.FAILED, event.event_id, facts)

    def may_be_told(self, event: Undecryptable, now: datetime) -> bool:
        """Whether to speak of it: once a session, and not again and again."""
        return self._told.may(event.sender, event.room_id, event.session_id, now=now)
