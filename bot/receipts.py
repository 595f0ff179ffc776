"""What a person gets after everything of theirs was erased, also if a crash came in between."""

import logging
from collections.abc import Awaitable, Callable

from bot import forget_words
from bot.delivery import Address, Delivery
from bot.errors import HomeserverError, HomeserverUnavailableError
from bot.journal import Journal
from bot.messages import Action, Effect, Reply
from bot.processing import Processing
from bot.witness import witnessed
from storage import Erased, SignedHead, Storage, last_backup

log = logging.getLogger(__name__)


class Receipts:
    """Writes and gives receipts: each under the transaction id of the answer to its yes."""

    def __init__(
        self,
        *,
        me: str,
        storage: Storage,
        processing: Processing,
        delivery: Delivery,
        journal: Journal,
        head: Callable[[], Awaitable[SignedHead]],
    ) -> None:
        self._me = me
        self._storage = storage
        self._processing = processing
        self._delivery = delivery
        self._journal = journal
        self._head = head

    async def reply(self, erased: Erased) -> Reply:
        """The receipt, and what is recorded of nobody by name."""
        text = await self._text(erased, forget_words.leaving(erased))
        facts = {
            "memories": erased.memories,
            "messages": erased.turns,
            "bytes": erased.bytes,
        }
        effects = (Effect(Action.VAULT_DESTROYED), Effect(Action.FORGET_DONE, facts=facts))
        return await witnessed(Reply(text, effects=effects), self._head)

    async def given(self, erased: Erased, event_id: str) -> None:
        """The person has it, in this event; empty where nobody is there who could have it."""
        await self._storage.set_state(_place(erased.event_id), event_id)
        await self._storage.forgetting.receipted(erased)
        self._storage.withdrawals.wake()

    async def tell(self, job: str, leaving: str, what: str) -> None:
        """Say in a receipt that was given how far the bot's own messages are."""
        erased = await self._storage.forgetting.job(job)
        event_id = await self._storage.state(_place(job))
        if erased is None or not event_id:
            return
        to = Address(erased.room_id, job, audience=self._pair(erased)).about(what)
        reply = await witnessed(Reply(await self._text(erased, leaving)), self._head)
        try:
            await self._delivery.edit(reply, to, event_id)
        except HomeserverUnavailableError:
            raise
        except HomeserverError:
            log.info("a receipt could not be edited")

    async def over(self, job: str) -> None:
        """Nothing is left to be told in a receipt."""
        await self._storage.clear_state(_place(job))

    async def resume(self) -> None:
        """Give those that a crash kept back; the homeserver knows which of them stand already."""
        for erased in await self._storage.forgetting.unfinished():
            reply = await self.reply(erased)
            await self._journal.of_somebody(reply.effects)
            sent = [""]
            try:
                to = Address(erased.room_id, erased.event_id, audience=self._pair(erased))
                sent = await self._delivery.send(reply, to)
            except HomeserverUnavailableError:
                raise
            except HomeserverError:
                log.warning("a receipt could not be given: its room takes nothing any more")
            await self.given(erased, sent[0])

    async def _text(self, erased: Erased, leaving: str) -> str:
        backup = await last_backup(self._storage)
        return forget_words.receipt(erased, self._processing, backup, leaving)

    def _pair(self, erased: Erased) -> frozenset[str]:
        return frozenset({self._me, erased.user_id})


def _place(job: str) -> str:
    """What shared.db calls the event of a receipt."""
    return f"receipt {job}"
