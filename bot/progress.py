"""How far something is that takes long: a notice that stands where the answer will."""

from contextlib import suppress

from bot.delivery import Address, Delivery
from bot.errors import HomeserverError
from bot.messages import Reply
from bot.owned import NOBODY, Owner


class Progress:
    """How far something is before it is answered: one notice, edited in place.

    It is a courtesy: where it can't be said, the answer itself will tell.
    """

    def __init__(self, delivery: Delivery, to: Address, owner: Owner = NOBODY) -> None:
        self._delivery = delivery
        self._to = to
        self._owner = owner
        self._said = 0
        self._event_id: str | None = None

    async def say(self, text: str) -> None:
        """Say this, in the place of what was said before; VaultGone where nobody waits for it."""
        self._owner.ensure()
        to = self._to.about(f"progress {self._said}")
        self._said += 1
        with suppress(HomeserverError):
            if self._event_id is None:
                [self._event_id] = await self._delivery.send(Reply(text), to, owner=self._owner)
            else:
                await self._delivery.edit(Reply(text), to, self._event_id)
