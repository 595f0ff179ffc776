"""Who may verify the bot by emoji, and what is said about it: an operator compares, nobody else.

Emoji that the bot would show to the person in the room prove nothing: whoever sits in between can
change them. So they go to the operators, in the encrypted audit room, and one of them asks the
person by another way. What that operator saw comes as an order (`commands/operators/verified.py`).
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from hashlib import sha256

from bot.access import Once, Rules, allowed
from bot.audit_room import FitRoom, Way
from bot.config import Config
from bot.messages import Action, Comparison, Effect, Outcome, Outgoing
from bot.pseudonyms import plain
from bot.room_events import Accepted

AGAIN = timedelta(minutes=1)


class Verifying:
    """The bot's side of verifications, as far as people are concerned.

    `accepted` is told when a changed identity was taken for somebody's own, and `record` writes
    into that person's part of the audit log, before it is. Raises ConfigError where the audit room
    is not fit for what is to be said there.
    """

    def __init__(
        self,
        config: Config,
        outlet: Way,
        audit_room: str,
        *,
        rules: Rules,
        accepted: Callable[[Accepted], None],
        record: Callable[[Accepted, Effect], Awaitable[None]],
        now: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._rules = rules
        self._outlet = outlet
        self._fit_room = FitRoom(outlet, own=not config.audit.room)
        self._audit_room = audit_room
        self._accepted = accepted
        self._record = record
        self._now = now
        self._once = Once()
        self._prefix = config.service.command_prefix

    def may(self, user_id: str) -> bool:
        """Everybody listed, once in a while, where there are operators to compare."""
        listed = allowed(user_id, self._config, self._rules) and bool(self._config.access.operators)
        return listed and self._once.may(user_id, now=self._now(), every=AGAIN)

    async def ask(self, comparison: Comparison) -> None:
        """Show the operators what to compare, and tell the person whom to wait for."""
        number, prefix = comparison.number, self._prefix
        shown = " · ".join(comparison.emoji) or "numbers alone"
        await self._say(
            self._audit_room,
            f"🔐 `{plain(comparison.user_id)}` wants to verify me. I show **{shown}** "
            f"({' '.join(map(str, comparison.numbers))}).\n\nAsk them what their client shows, by "
            "another way than Matrix: face to face, or by voice. Emoji have other names in some "
            f"clients; the numbers are the same everywhere. If all are equal, write "
            f"`{prefix}verified {number}` here, and `{prefix}mismatch {number}` if one is not.",
            f"compare {number}",
        )
        if comparison.room_id:
            await self._say(
                comparison.room_id,
                "My operator has my emoji and will ask you for yours, by another way than Matrix. "
                "Confirm in your client only once you have compared them with my operator's.",
                f"wait {number}",
            )

    async def accepts(self, comparison: Comparison) -> None:
        """Record that a new identity is about to be accepted; whether it was, a crash may hide."""
        accepting = Effect(Action.ACCESS_CHANGED, Outcome.BEGUN, facts={"identity": "accepted"})
        await self._record(_acceptance(comparison), accepting)

    async def ended(
        self, comparison: Comparison, *, verified: bool, reason: str, accepted: bool
    ) -> None:
        """Tell the operators how it ended, and the person if a new identity was accepted."""
        if accepted:
            self._accepted(_acceptance(comparison))
        person = f"`{plain(comparison.user_id)}`"
        how = f"🔐 {person} and I have verified each other."
        if not verified:
            how = f"🔐 The verification with {person} ended without success: {reason}"
        await self._say(self._audit_room, how, f"ended {comparison.number}")

    async def _say(self, room_id: str, words: str, about: str) -> None:
        transaction_id = sha256(f"verification {room_id} {about}".encode()).hexdigest()[:32]
        way = self._fit_room if room_id == self._audit_room else self._outlet
        await way.send(Outgoing(room_id, words, transaction_id))


def _acceptance(comparison: Comparison) -> Accepted:
    return Accepted(comparison.room_id, comparison.user_id, comparison.number)
