"""Who may verify the bot by emoji, and what is said about it: an operator compares, nobody else.

Emoji that the bot would show to the person in the room prove nothing: whoever sits in between can
change them. So they go to the operators, in the encrypted audit room, and one of them asks the
person by another way.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Protocol

from bot.access import Once, Rules, allowed, operates
from bot.config import Config
from bot.messages import Comparison, Outgoing, Standing
from bot.pseudonyms import plain
from bot.room_events import Accepted

AGAIN = timedelta(minutes=1)


class Outlet(Protocol):
    """The part of the homeserver that is needed here."""

    async def send(self, outgoing: Outgoing) -> str:
        """Send one event, return its id."""
        ...


class Verifying:
    """The bot's side of verifications, as far as people are concerned.

    `accepted` is told when a changed identity was taken for somebody's own.
    """

    def __init__(
        self,
        config: Config,
        outlet: Outlet,
        audit_room: str,
        *,
        rules: Rules,
        accepted: Callable[[Accepted], None],
        now: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._rules = rules
        self._outlet = outlet
        self._audit_room = audit_room
        self._accepted = accepted
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

    async def ended(
        self, comparison: Comparison, *, verified: bool, reason: str, accepted: bool
    ) -> None:
        """Tell the operators how it ended, and the person if a new identity was accepted."""
        if accepted:
            person, number = comparison.user_id, comparison.number
            self._accepted(Accepted(comparison.room_id, person, number))
        person = f"`{plain(comparison.user_id)}`"
        how = f"🔐 {person} and I have verified each other."
        if not verified:
            how = f"🔐 The verification with {person} ended without success: {reason}"
        await self._say(self._audit_room, how, f"ended {comparison.number}")

    async def unknown(self, number: int) -> None:
        """Tell the operators that nothing waits for what one of them answered."""
        said = (
            f"No verification waits for an answer under {number:06}: it has ended, it was "
            "answered, or the number is another."
        )
        await self._say(self._audit_room, said, f"unknown {number} {self._now().isoformat()}")

    def answer(
        self, room_id: str, sender: str, body: str, *, encrypted: bool, standing: Standing
    ) -> tuple[int, bool] | None:
        """What an operator wrote in the audit room about a comparison: its number, and whether.

        Not with a device or an identity that may be somebody else's: it would vouch for itself.
        Nor under the bot's own name, whomever access.operators covers: a device that somebody adds
        to its account knows no number, but may guess.
        """
        own = sender == self._config.homeserver.user_id
        if room_id != self._audit_room or own or not operates(sender, self._config):
            return None
        if not encrypted or standing is not Standing.OWNED:
            return None
        said = re.fullmatch(
            rf"{re.escape(self._prefix)}(verified|mismatch) ([0-9]{{6}})", body.strip()
        )
        return (int(said[2]), said[1] == "verified") if said else None

    async def _say(self, room_id: str, words: str, about: str) -> None:
        transaction_id = sha256(f"verification {room_id} {about}".encode()).hexdigest()[:32]
        await self._outlet.send(Outgoing(room_id, words, transaction_id))
