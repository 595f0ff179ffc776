"""An answer of which nothing is kept, so that a crash in between ends with a word about it.

It can't be kept before it is sent. So the inbox is told before the model is asked, and what a crash
cut short is not answered again: another answer under the same transaction ids would be mixed with
what stands there. The person is told, and asks again.
"""

from collections.abc import Sequence
from contextlib import aclosing

from bot.assistant import Answer, Assistant
from bot.delivery import Address, Delivery
from bot.messages import Room, RoomMessage
from bot.owned import owner_of
from storage import Storage, Turn, Vault

PAUSED = "answer without memory"  # what the inbox calls it
PRIVATE = "answer in private"

INTERRUPTED = {
    PAUSED: (
        "I was stopped while I answered, and while your new identity is not confirmed I keep "
        "nothing that I could go on from. Please ask again."
    ),
    PRIVATE: (
        "I was stopped while I answered, and of a private question I keep nothing that I could go "
        "on from. Please ask again."
    ),
}


class Unkept:
    """Answers without a vault."""

    def __init__(self, *, storage: Storage, assistant: Assistant, delivery: Delivery) -> None:
        self._storage = storage
        self._assistant = assistant
        self._delivery = delivery

    async def answer(
        self,
        message: RoomMessage,
        room: Room,
        to: Address,
        *,
        called: str,
        person: str,
        recent: Sequence[Turn] = (),
        vault: Vault | None = None,
    ) -> Answer:
        """Answer a message and send that; `recent` is what the model sees besides.

        `person` is what the gateway's id of the asker is made of. VaultGone where they have a
        `vault` and it was erased meanwhile: then nothing of the answer stays.
        """
        owner = owner_of(vault, to.room_id, self._storage.withdrawals)
        await self._storage.inbox.begin(message.event_id, called)
        private = called == PRIVATE
        answering = self._assistant.answer(
            message, room, None, private=private, recent=recent, person=person
        )
        async with aclosing(answering) as answers:
            return await self._delivery.send_whole(answers, to, owner=owner)
