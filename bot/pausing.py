"""Talking with somebody whose identity is not the one they are known by: without any memory.

Whoever has power over a homeserver can show another identity for a person. So nothing that the
person said before is used and nothing is kept, until an operator has compared emoji with them, or
has had the known identity forgotten at the machine (`bot/known_identity.py`).
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime

from bot import replies
from bot.access import Chat, Once, Order
from bot.assistant import cost
from bot.command import Command, CommandContext
from bot.completions import Completion
from bot.config import Config
from bot.delivery import Address, Delivery, address
from bot.errors import QuotaError, UsageError
from bot.messages import Action, Effect, Fact, Outcome, Reply, Room, RoomMessage, Where
from bot.progress import Progress
from bot.repertoire import Repertoire
from bot.unkept import PAUSED, Unkept

IDENTITY_CHANGED = "identity changed"  # why something is refused, for the audit log

CHANGED = (
    "**Your cross-signing identity is not the one that I know you by.** Until the new one is "
    "confirmed, I answer without memory: I use nothing that you told me before and keep nothing "
    "of what you say now; of your sessions, only the one that asks can read my answer.\n\n"
    "If you have reset your identity, begin a verification with me in your client (in Element: my "
    "profile → Verify). My operator then compares the emoji with you, by another way than Matrix. "
    "**If you did not reset it,** somebody with power over your account or your homeserver may "
    "have put another identity in place of yours: tell my operator, and tell me nothing private."
)
NOT_NOW = (
    "That is about what I hold of you, and your cross-signing identity is not the one that I know "
    "you by, so I have not done it. It works again once the new identity is confirmed: begin a "
    "verification with me in your client, and my operator compares the emoji with you."
)
RESUMED = (
    "Your new cross-signing identity is confirmed: my operator has compared the emoji with you. "
    "My memory of you works again, with everything in it that was there before."
)


class Spending:
    """What people cost in a day who have no vault to count it in; in RAM."""

    def __init__(self) -> None:
        self._day: date | None = None
        self._tokens: Counter[str] = Counter()

    def check(self, user_id: str, now: datetime, config: Config) -> None:
        """Raise QuotaError where somebody has used up what the operator grants them in a day."""
        if self._day != now.date():
            self._day, self._tokens = now.date(), Counter()
        limit = config.limits.tokens_per_day
        if limit and self._tokens[user_id] >= limit:
            raise QuotaError(replies.quota_spent(limit))

    def add(self, user_id: str, now: datetime, spent: Completion) -> None:
        """Count an answer."""
        if self._day == now.date():
            cost = (spent.prompt_tokens or 0) + (spent.completion_tokens or 0)
            self._tokens[user_id] += cost


class Pausing:
    """Carries out what can be done without a vault, and says what is paused."""

    def __init__(
        self,
        *,
        unkept: Unkept,
        delivery: Delivery,
        repertoire: Repertoire,
        now: Callable[[], datetime],
    ) -> None:
        self._unkept = unkept
        self._delivery = delivery
        self._repertoire = repertoire
        self._now = now
        self._once = Once()
        self._spending = Spending()

    async def carry_out(self, message: RoomMessage, room: Room, wanted: Order | Chat) -> Effect:
        """Answer, or run a command about nothing personal; returns what the audit log gets."""
        begun, to = self._now(), address(message, room)
        if self._once.may(message.sender, now=begun):
            await self._delivery.send(Reply(CHANGED), to.about("identity changed"))
        if isinstance(wanted, Chat):
            asked = replace(message, body=wanted.private) if wanted.private else message
            self._spending.check(message.sender, begun, self._repertoire.config)
            person = message.sender  # not the pseudonym: whether it is them, nobody knows
            answer = await self._unkept.answer(asked, room, to, called=PAUSED, person=person)
            self._spending.add(message.sender, begun, answer.completion)
            facts: dict[str, Fact] = {**cost(answer, self._repertoire.processing)}
        elif wanted.command is None:
            await self._delivery.send(self._repertoire.unknown(wanted.line), to)
            facts = {"command": "unknown"}
        elif wanted.command.where is Where.DIRECT:
            return await self._refuse(message, room, to)
        else:
            say = Progress(self._delivery, to).say
            context = self._repertoire.impersonal(wanted.line, message, room, say=say)
            facts = await self._run(wanted.command, context, to)
        took = round((self._now() - begun).total_seconds() * 1000)
        facts |= {"memory": "paused", "room": str(room.kind), "ms": took}
        return Effect(Action.MESSAGE_ANSWERED, Outcome.OK, message.event_id, facts)

    async def _run(self, command: Command, context: CommandContext, to: Address) -> dict[str, Fact]:
        try:
            reply = await command.run(context)
        except UsageError as error:
            reply = Reply(str(error))
        assert isinstance(reply, Reply), "what has to be asked is about personal data"
        await self._delivery.send(reply, to)
        return {"command": command.name}

    async def _refuse(self, message: RoomMessage, room: Room, to: Address) -> Effect:
        await self._delivery.send(Reply(NOT_NOW), to)
        facts = {"reason": IDENTITY_CHANGED, "room": str(room.kind)}
        return Effect(Action.MESSAGE_DENIED, Outcome.DENIED, message.event_id, facts)
