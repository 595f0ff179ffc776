"""An edited message: its copy is replaced, and the last question answered again in its place."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from bot import replies
from bot.access import (
    Chat,
    Ignore,
    Intent,
    Once,
    Order,
    Pace,
    Refusal,
    Refuse,
    intent,
)
from bot.assistant import Assistant
from bot.chatting import Chats, Exchange
from bot.command import Command
from bot.config import Config
from bot.delivery import Address, Delivery, address
from bot.editing_words import NO_COMMAND, PAUSED, erased
from bot.errors import BotError, HomeserverError, HomeserverUnavailableError
from bot.journal import Journal
from bot.messages import Action, Effect, Facts, Outcome, Reply, Room, Standing
from bot.own_vault import known_vault
from bot.preferences import is_private
from bot.private_talk import PrivateWindows
from bot.quoting import stands
from bot.redacting import undoing
from bot.room_events import Edit
from storage import Storage, StorageFailure, Turn, Vault, VaultGone

log = logging.getLogger(__name__)

RECOVERED: Facts = {"edited": True, "recovered": True}


class Rooms(Protocol):
    """The homeserver, as far as it is asked who is in a room."""

    async def room(self, room_id: str) -> Room:
        """Members and encryption of a room."""
        ...


@dataclass(frozen=True, slots=True)
class _Edited:
    """An edit of a kept message, that message, and what the new words would be as one."""

    edit: Edit
    room: Room
    vault: Vault
    turn: Turn
    wanted: Intent

    @property
    def changed(self) -> bool:
        """Whether it says something else now; after a crash that can't be seen any more."""
        return self.edit.message.recovered or self.turn.text != self.edit.message.body

    @property
    def begins(self) -> Effect:
        """For the audit log, before it is carried through."""
        return replace(self.taken_over, outcome=Outcome.BEGUN)

    @property
    def taken_over(self) -> Effect:
        """For the audit log, where it is carried through and nothing answered."""
        facts: Facts = {"edited": True, "answered": False, "room": str(self.room.kind)}
        return Effect(Action.MESSAGE_ANSWERED, target=self.turn.event_id, facts=facts)

    def exchange(self, begun: datetime) -> Exchange:
        """The message as if it had been said like that."""
        turn = self.turn
        asked = replace(self.edit.message, event_id=turn.event_id, thread_id=turn.thread_id)
        return Exchange(asked, self.room, self.vault, begun)

    def address(self, begun: datetime) -> Address:
        """Where the message stands, under transaction ids of the edit."""
        asked = self.exchange(begun).message
        return replace(address(asked, self.room), transaction=self.edit.event_id)


class Edits:
    """Carries edits through to what is kept; nobody is told of one that has no effect.

    An edit counts as its sender's word for what they said themselves, where a message like it
    would be obeyed. It never runs a command: what is edited into one is kept, and its person told.
    Whatever was learned from the old words and is not said by the new ones goes. What storage
    fails at is left to the next start.
    """

    def __init__(
        self,
        *,
        config: Config,
        rooms: Rooms,
        storage: Storage,
        assistant: Assistant,
        chats: Chats,
        delivery: Delivery,
        private: PrivateWindows,
        journal: Journal,
        pace: Pace,
        once: Once,
        commands: Sequence[Command],
        audit_room: str,
        now: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._rooms = rooms
        self._storage = storage
        self._assistant = assistant
        self._chats = chats
        self._delivery = delivery
        self._private = private
        self._journal = journal
        self._pace = pace
        self._once = once
        self._commands = tuple(commands)
        self._audit_room = audit_room
        self._now = now

    async def handle(self, edit: Edit) -> None:
        """Carry an edit through, and finish it."""
        message, done = edit.message, False
        if message.standing is Standing.OWNED and message.room_id != self._audit_room:
            self._amend_windows(edit)
            try:
                done = await self._carried_through(edit)
            except VaultGone:
                raise
            except StorageFailure:
                return log.warning("an edit can't be carried through yet: the next start does it")
        if not done:
            await self._storage.inbox.finish(edit.event_id)
        return None

    def _amend_windows(self, edit: Edit) -> None:
        """Amend what is held in RAM; what came unencrypted may be anybody's and only takes away."""
        message, windows = edit.message, self._assistant.windows
        self._private.drop(edit.replaces)
        if message.encrypted:
            windows.amend(message.room_id, edit.replaces, message.sender, message.body)
        elif any(
            (one.event_id, one.sender) == (edit.replaces, message.sender)
            for one in windows.of(message.room_id)
        ):
            windows.drop(message.room_id, edit.replaces)

    async def _carried_through(self, edit: Edit) -> bool:
        """Whether its row is taken care of: finished with what was done, or left for later.

        Only of a message that is kept, of the same person and room, the homeserver is asked more.
        """
        message = edit.message
        async with known_vault(message, self._storage) as vault:
            turn = await vault.turns.get(edit.replaces) if vault else None
            if vault is None or turn is None:
                return False
            if turn.role != "user" or turn.room_id != edit.room_id:
                return False
            room = await self._room(edit)
            if room is None:
                return True
            wanted = self._wanted(edit, room)
            if wanted is None:
                return False
            edited = _Edited(edit, room, vault, turn, wanted)
            await self._journal.of_person(message.sender, vault, [edited.begins])
            effects = await self._effects(edited)
            await self._journal.of_person(message.sender, vault, effects, finishes=edit.event_id)
            return True

    async def _room(self, edit: Edit) -> Room | None:
        """The room of the message; None where the homeserver doesn't say, which is told nobody."""
        try:
            return await self._rooms.room(edit.room_id)
        except HomeserverUnavailableError:
            raise
        except HomeserverError:
            log.warning("an edit can't be carried through yet: the next start does it")
            return None

    def _wanted(self, edit: Edit, room: Room) -> Intent | None:
        """What the new words would be as a message; None where they would not be obeyed."""
        message, me = edit.message, self._config.homeserver.user_id
        if not room.members >= {message.sender, me}:
            return None
        wanted = intent(
            message,
            room,
            config=self._config,
            rules=self._storage.access,
            commands=self._commands,
            addressed=True,
        )
        return None if isinstance(wanted, Ignore | Refuse) else wanted

    async def _effects(self, edited: _Edited) -> list[Effect]:
        """Carry it through and wipe the disk once, at the end; for the audit log."""
        vault, begun = edited.vault, self._now()
        if await vault.turns.get(edited.edit.event_id) is not None:  # a crash came just after it
            await self._chats.follow_up(edited.exchange(begun), vault, edited.address(begun))
            return [Effect(Action.MESSAGE_ANSWERED, target=edited.turn.event_id, facts=RECOVERED)]
        if await self._is_private(edited):
            return await self._taken_back(edited)
        try:
            await self._replace(edited)
            effects = await self._answered_again(edited)
        except BotError:
            await vault.taking_back.catch_up()
            raise
        await vault.taking_back.catch_up()
        return effects

    async def _is_private(self, edited: _Edited) -> bool:
        """Whether nothing is to be kept of the new words, and so of the old ones neither."""
        wanted = edited.wanted
        asked = isinstance(wanted, Chat) and bool(wanted.private)
        return asked or await is_private(edited.vault, edited.edit.room_id)

    async def _taken_back(self, edited: _Edited) -> list[Effect]:
        taken = await edited.vault.taking_back.messages([edited.turn.event_id])
        if isinstance(edited.wanted, Chat) and edited.wanted.private:
            await self._say(erased(self._config.service.command_prefix), edited)
        return [*undoing(taken, by="edit"), edited.taken_over]

    async def _replace(self, edited: _Edited) -> None:
        vault, text = edited.vault, edited.edit.message.body
        taken = await vault.taking_back.words(
            edited.turn.event_id,
            text,
            partial(stands, body=text),
            room_kind=edited.room.kind,
            wiped=False,
        )
        if effects := undoing(replace(taken, messages=0), by="edit"):  # the message is still there
            await self._journal.of_person(edited.edit.message.sender, vault, effects)

    async def _answered_again(self, edited: _Edited) -> list[Effect]:
        """Answer the new words if they are the last question there; what the audit log gets."""
        vault, turn, edit, begun = edited.vault, edited.turn, edited.edit, self._now()
        chat = edited.changed and isinstance(edited.wanted, Chat)
        if edited.changed and isinstance(edited.wanted, Order):
            await self._say(NO_COMMAND, edited)
        if not (chat and await vault.turns.is_last_question(turn)):
            await vault.answers.carried_through(turn.event_id, edit=edit.event_id)
            return [edited.taken_over]
        if self._storage.access.paused_since is not None:
            return await self._denied(edited, Refusal.PAUSED, PAUSED, every=timedelta(days=1))
        if not self._pace.admits(edit.message, begun):
            every = timedelta(minutes=1)
            return await self._denied(edited, Refusal.TOO_FAST, replies.TOO_FAST, every=every)
        exchange = edited.exchange(begun)
        facts = await self._chats.answer_again(
            exchange, vault, edited.address(begun), edit=edit.event_id, record=self._record
        )
        ms = exchange.took(self._now())
        facts |= {"edited": True, "room": str(edited.room.kind), "ms": ms}
        return [Effect(Action.MESSAGE_ANSWERED, target=turn.event_id, facts=facts)]

    async def _denied(
        self, edited: _Edited, why: Refusal, text: str, *, every: timedelta
    ) -> list[Effect]:
        """Say so once in a while, as for a message; nothing is answered."""
        whom, since = edited.edit.message.sender, self._storage.access.paused_since
        whom = f"{whom} {since}" if since else whom  # each pause is told
        if self._once.may(why, whom, now=self._now(), every=every):
            await self._say(text, edited)
        turn = edited.turn.event_id
        await edited.vault.answers.carried_through(turn, edit=edited.edit.event_id)
        facts: Facts = {"edited": True, "reason": str(why), "room": str(edited.room.kind)}
        return [Effect(Action.MESSAGE_DENIED, Outcome.DENIED, turn, facts)]

    async def _say(self, text: str, edited: _Edited) -> None:
        """Say one thing about an edit; a room that refuses it is no matter."""
        try:
            await self._delivery.send(Reply(text), edited.address(self._now()).about("edit"))
        except HomeserverUnavailableError:
            raise
        except HomeserverError:
            log.warning("what was to be said about an edit could not be sent")

    async def _record(self, exchange: Exchange, effects: Sequence[Effect]) -> None:
        assert exchange.vault is not None, "it is open for as long as this takes"
        await self._journal.of_person(exchange.message.sender, exchange.vault, effects)
