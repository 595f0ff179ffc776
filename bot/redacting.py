"""A message is taken back in its room: its copy goes, and what was learned from it alone."""

import logging
from dataclasses import dataclass
from typing import Protocol

from bot.access import allowed, covered
from bot.assistant import Assistant
from bot.config import Config
from bot.errors import HomeserverError, HomeserverUnavailableError
from bot.journal import Journal
from bot.messages import Action, Effect, Outcome, Room
from bot.own_vault import Whose, known_vault
from bot.private_talk import PrivateWindows
from bot.room_events import Redaction
from storage import Storage, StorageFailure, TakenBack, Vault, VaultGone

log = logging.getLogger(__name__)


class Senders(Protocol):
    """The homeserver, as far as it is asked whose an event is, or may be."""

    async def sender_of(self, room_id: str, event_id: str) -> str | None:
        """Who sent an event, redacted or not; None where it is gone."""
        ...

    async def room(self, room_id: str) -> Room:
        """Members and encryption of a room."""
        ...


@dataclass(frozen=True, slots=True)
class Author:
    """The sender of a message that somebody, perhaps a moderator, took back."""

    sender: str


class Redactions:
    """Takes redacted messages out of the vault of whoever sent them.

    Deleting is always allowed: it makes no difference what the device is worth that asks for it,
    or whether memory is paused. A vault holds only what its own person said and was answered, so
    in the wrong one nothing is found. What fails is left to the next start.
    """

    def __init__(
        self,
        *,
        config: Config,
        rooms: Senders,
        storage: Storage,
        assistant: Assistant,
        private: PrivateWindows,
        journal: Journal,
        audit_room: str,
    ) -> None:
        self._config = config
        self._rooms = rooms
        self._storage = storage
        self._assistant = assistant
        self._private = private
        self._journal = journal
        self._audit_room = audit_room

    async def handle(self, redaction: Redaction) -> None:
        """Erase what is kept of the redacted message, and finish the redaction."""
        self._assistant.windows.drop(redaction.room_id, redaction.redacts)
        self._private.drop(redaction.redacts)
        try:
            done = redaction.room_id != self._audit_room and await self._carried_out(redaction)
        except (HomeserverUnavailableError, VaultGone):
            raise
        except (HomeserverError, StorageFailure):
            return log.warning("a redaction is not carried out yet: it is left to the next start")
        if not done:
            await self._storage.inbox.finish(redaction.event_id)
        return None

    async def _carried_out(self, redaction: Redaction) -> bool:
        """Whether it was kept, in the vault of whoever redacts or of the author.

        What the bot answered is in that of whoever asked, who may be anybody in the room.
        """
        if await self._erase(redaction, redaction):
            return True
        sender = await self._rooms.sender_of(redaction.room_id, redaction.redacts)
        if sender == self._config.homeserver.user_id:
            return await self._erased_for_one(redaction)
        return sender is not None and await self._erase(redaction, Author(sender))

    async def _erased_for_one(self, redaction: Redaction) -> bool:
        """Whether one of those who may ask here had it; a damaged vault is reason to try again."""
        room, failure = await self._rooms.room(redaction.room_id), None
        for person in sorted(filter(self._may_have_asked, room.members)):
            try:
                if await self._erase(redaction, Author(person)):
                    return True
            except VaultGone:
                continue
            except StorageFailure as error:
                failure = error
        if failure is not None:
            raise failure
        return False

    def _may_have_asked(self, person: str) -> bool:
        """Whether somebody is answered, or was before an operator shut them out."""
        rules = self._storage.access
        return allowed(person, self._config, rules) or covered(person, rules.blocked)

    async def _erase(self, redaction: Redaction, message: Whose) -> bool:
        """Whether it was theirs; what a file brought may name others' events, and is no proof."""
        async with known_vault(message, self._storage) as vault:
            if vault is None:
                return False
            said = await vault.turns.was_said(redaction.redacts)
            if await vault.taking_back.preview([redaction.redacts]):
                begun = Effect(Action.FORGET_DONE, Outcome.BEGUN, facts={"by": "redaction"})
                await self._journal.of_person(message.sender, vault, [begun])
            await self._withdraw(redaction, vault)
            taken = await vault.taking_back.messages([redaction.redacts])
            if taken:
                row = redaction.event_id if said else None
                effects = undoing(taken, by="redaction", begun=True)
                await self._journal.of_person(message.sender, vault, effects, finishes=row)
            return said and bool(taken)

    async def _withdraw(self, redaction: Redaction, vault: Vault) -> None:
        """Have the notices leave their rooms that asked about it: their text repeats it."""
        await self._storage.withdrawals.add(await vault.pending.standing_of(redaction.redacts))
        await vault.pending.let_go(redaction.redacts)


def undoing(taken: TakenBack, *, by: str, begun: bool = False) -> list[Effect]:
    """What the audit log gets where something was taken back: numbers, and by what.

    What was begun in it is ended, also where no message was kept any more that could be forgotten.
    """
    facts = {"by": by}
    forgotten = Effect(Action.FORGET_DONE, facts={**facts, "messages": taken.messages})
    return [
        *(
            Effect(Action.MEMORY_DELETED, target=f"memory {one}", facts=facts)
            for one in taken.deleted
        ),
        *(
            Effect(Action.MEMORY_UPDATED, target=f"memory {one}", facts=facts)
            for one in taken.updated
        ),
        *([forgotten] if taken.messages or begun else []),
    ]
