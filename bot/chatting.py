"""Talk is answered: what is said is kept, the answer kept before it is sent, its cost counted."""

import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from datetime import datetime

from bot import replies
from bot.assistant import Answer, Assistant, cost_and_names, hear, kept
from bot.config import Config
from bot.consent import Consent
from bot.delivery import Address, Delivery
from bot.embedding import Embedding
from bot.errors import HomeserverError, HomeserverUnavailableError, QuotaError
from bot.messages import Action, Effect, Fact, Room, RoomMessage
from bot.owned import OfVault
from bot.preferences import Mode, mode
from bot.processing import Processing
from storage import Erased, StorageFailure, Vault, VaultGone, Withdrawals

log = logging.getLogger(__name__)

CHANGES = (Action.MEMORY_CREATED, Action.MEMORY_UPDATED, Action.MEMORY_DELETED)


@dataclass(slots=True)
class Exchange:
    """One message and the vault of its sender, until that is `erased`; and when it was over."""

    message: RoomMessage
    room: Room
    vault: Vault | None
    begun: datetime
    answered: datetime | None = None
    erased: Erased | None = None

    def took(self, now: datetime) -> int:
        """How long it took until it was answered, or takes until now, in milliseconds."""
        return round(((self.answered or now) - self.begun).total_seconds() * 1000)


Record = Callable[[Exchange, Sequence[Effect]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Keeping(OfVault):
    """The vault of whoever asked, as the place where the answer is kept, until it is erased.

    The answer to an `edit` is kept beside the one to its question until it stands in its place.
    """

    exchange: Exchange
    record: Record
    now: Callable[[], datetime]
    edit: str | None = None

    async def keep(self, answer: Answer) -> None:
        """Keep the finished answer; of a question that was forgotten meanwhile there is none."""
        new = kept(answer, self.exchange.message, self.exchange.room, self.now())
        await self.vault.answers.keep(new, edit=self.edit, asked=True)
        effects: Sequence[Effect] = answer.reply.effects
        if self.exchange.message.recovered:
            effects = await self._new(effects)
        await self.record(self.exchange, effects)

    async def _new(self, effects: Sequence[Effect]) -> list[Effect]:
        """Without what was changed before a crash: that is recorded already."""
        noted = await self.vault.noted()
        return [
            one for one in effects if one.action not in CHANGES or (one.action, one.target) in noted
        ]

    async def sent(self, event_ids: Sequence[str]) -> None:
        """Note in which events the answer stands; VaultGone where it was forgotten meanwhile."""
        answers, question = self.vault.answers, self.exchange.message.event_id
        if self.edit is None:
            return await answers.sent(question, event_ids)
        return await answers.sent_in_place(question, edit=self.edit, event_ids=event_ids)

    async def refused(self, event_ids: Sequence[str]) -> None:
        """Let what was shown be withdrawn, and keep nothing of what is not sent."""
        await self.orphaned(event_ids)
        await self.vault.answers.withdraw(self.edit or self.exchange.message.event_id)
        await self.vault.taking_back.catch_up()


class Chats:
    """Answers talk in the sender's vault."""

    def __init__(
        self,
        *,
        config: Config,
        assistant: Assistant,
        delivery: Delivery,
        processing: Processing,
        consent: Consent,
        withdrawals: Withdrawals,
        now: Callable[[], datetime],
        embedding: Embedding,
    ) -> None:
        self._config = config
        self._embedding = embedding
        self._assistant = assistant
        self._delivery = delivery
        self._processing = processing
        self._consent = consent
        self._withdrawals = withdrawals
        self._now = now

    async def answer(
        self, exchange: Exchange, vault: Vault, to: Address, *, record: Record
    ) -> dict[str, Fact]:
        """Answer a message, or send again what was its answer before a crash; for the audit log."""
        message, shown = exchange.message, None
        keeping = self._keeping(exchange, vault, record)
        if message.recovered:
            shown = await vault.answers.shown_to(message.event_id, room_kind=exchange.room.kind)
        if shown is not None:
            await self._delivery.repeat(shown, to, keeping=keeping)
            await self.follow_up(exchange, vault, to)
            return {"recovered": True}
        await hear(message, exchange.room, vault, self._now())
        await check_quota(vault, self._config, self._now())

        async with aclosing(self._assistant.answer(message, exchange.room, vault)) as answers:
            answer = await self._delivery.stream(
                answers, to, keeping=keeping, recovered=message.recovered
            )
        vault.ensure()  # else it would be in RAM again what was just forgotten
        self._assistant.overhear(message, exchange.room)
        await self.follow_up(exchange, vault, to)
        return {**cost_and_names(answer, self._processing)}

    async def answer_again(
        self, exchange: Exchange, vault: Vault, to: Address, *, edit: str, record: Record
    ) -> dict[str, Fact]:
        """Answer a message whose words were edited, where its answer stands; for the audit log.

        Until it stands there the new answer is kept as one to the edit, beside the old one: after
        a crash the same one is sent. Where the homeserver refuses it, it is not kept any longer.
        """
        message, facts = exchange.message, dict[str, Fact](recovered=True)
        keeping, shown = self._keeping(exchange, vault, record, edit=edit), None
        if message.recovered:
            shown = await vault.answers.shown_to(edit, room_kind=exchange.room.kind)
        if shown is None:
            await check_quota(vault, self._config, self._now())
            async with aclosing(self._assistant.answer(message, exchange.room, vault)) as answers:
                answer = await self._delivery.whole(answers, to)
            await keeping.keep(answer)
            shown, facts = answer.reply.text, dict(cost_and_names(answer, self._processing))
        place = await vault.answers.parts(message.event_id)
        await self._delivery.put_in_place(shown, place, to, keeping=keeping)
        await self.follow_up(exchange, vault, to)
        return facts

    def _keeping(
        self, exchange: Exchange, vault: Vault, record: Record, *, edit: str | None = None
    ) -> _Keeping:
        room_id = exchange.room.room_id
        return _Keeping(vault, room_id, self._withdrawals, exchange, record, self._now, edit)

    async def follow_up(self, exchange: Exchange, vault: Vault, to: Address) -> None:
        """Ask about what an answer that stands proposed, then give vectors to what was said."""
        exchange.answered = self._now()
        with _not_the_answers("what it proposed could not be asked about"):
            await self._consent.ask(exchange.message, exchange.room, vault, to)
        with _not_the_answers("what was said could not be given vectors"):
            await self._embed(vault)

    async def _embed(self, vault: Vault) -> None:
        if await mode(vault, self._config) is not Mode.OFF:
            await self._embedding.catch_up(vault)


@contextmanager
def _not_the_answers(what: str) -> Iterator[None]:
    """What fails in here takes nothing from an answer that stands in the room already."""
    try:
        yield
    except (HomeserverUnavailableError, VaultGone):
        raise
    except (HomeserverError, StorageFailure) as error:
        log.warning("an answer was given, but %s: %s", what, type(error).__name__)


async def check_quota(vault: Vault, config: Config, now: datetime) -> None:
    """Raise where somebody has used up what the operator grants them in a day."""
    limit = config.limits.tokens_per_day
    if limit and await vault.usage(now.date()) >= limit:
        raise QuotaError(replies.quota_spent(limit))
