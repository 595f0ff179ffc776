"""An edited message: its copy is replaced, and the last question answered again in its place."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Protocol

from bot.access import Chat, Ignore, Intent, Pace, Refuse, intent
from bot.assistant import Assistant
from bot.chatting import Chats, Exchange
from bot.command import Command
from bot.config import Config
from bot.delivery import address
from bot.journal import Journal
from bot.messages import Action, Effect, Facts, Room, Standing
from bot.own_vault import known_vault
from bot.preferences import is_private
from bot.private_talk import PrivateWindows
from bot.quoting import stands
from bot.redacting import undoing
from bot.room_events import Edit
from storage import Storage, Turn, Vault

RECOVERED: Facts = {"edited": True, "recovered": True}


class Rooms(Protocol):
    """The homeserver, as far as it is asked who is in a room."""

    async def room(self, room_id: str) -> Room:
        """Members and encryption of a room."""
        ...


class Edits:
    """Carries edits through to what is kept; nobody is told of one that has no effect.

    An edit counts as its sender's word for what they said themselves, where a message like it
    would be obeyed. It never runs a command: what is edited into one is kept, and nothing is
    answered. Whatever was learned from the old words and is not said by the new ones goes.
    """

    def __init__(
        self,
        *,
        config: Config,
        rooms: Rooms,
        storage: Storage,
        assistant: Assistant,
        chats: Chats,
        private: PrivateWindows,
        journal: Journal,
        commands: Sequence[Command],
        audit_room: str,
        now: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._rooms = rooms
        self._storage = storage
        self._assistant = assistant
        self._chats = chats
        self._private = private
        self._journal = journal
        self._commands = tuple(commands)
        self._audit_room = audit_room
        self._now = now
        self._pace = Pace(config.limits.messages_per_minute, since=now())

    async def handle(self, edit: Edit) -> None:
        """Carry an edit through, and finish it."""
        message, done = edit.message, False
        if message.room_id != self._audit_room:
            room = await self._rooms.room(message.room_id)
            wanted = self._wanted(edit, room)
            if wanted is not None:
                self._private.drop(edit.replaces)
                self._assistant.windows.amend(
                    message.room_id, edit.replaces, message.sender, message.body
                )
                done = await self._carried_through(edit, room, wanted)
        if not done:
            await self._storage.inbox.finish(edit.event_id)

    def _wanted(self, edit: Edit, room: Room) -> Intent | None:
        """What the new words would be as a message; None where they would not be obeyed."""
        message, me = edit.message, self._config.homeserver.user_id
        if message.standing is not Standing.OWNED or not room.members >= {message.sender, me}:
            return None
        wanted = intent(message, room, config=self._config, commands=self._commands, addressed=True)
        return None if isinstance(wanted, Ignore | Refuse) else wanted

    async def _carried_through(self, edit: Edit, room: Room, wanted: Intent) -> bool:
        """Whether the edited message is one that is kept, of the same person and room."""
        message = edit.message
        async with known_vault(message, self._storage) as vault:
            if vault is None:
                return False
            turn = await vault.turns.get(edit.replaces)
            if turn is None or turn.role != "user" or turn.room_id != edit.room_id:
                return False
            if await vault.turns.get(edit.event_id) is not None:  # a crash came just after it
                effects = [Effect(Action.MESSAGE_ANSWERED, target=turn.event_id, facts=RECOVERED)]
            elif await self._is_private(edit, vault, wanted):
                effects = undoing(await vault.taking_back.messages([turn.event_id]), by="edit")
            else:
                await self._replace(edit, vault, turn)
                effects = await self._answered_again(edit, room, vault, turn, wanted)
            await self._journal.of_person(message.sender, vault, effects, finishes=edit.event_id)
            return True

    async def _is_private(self, edit: Edit, vault: Vault, wanted: Intent) -> bool:
        """Whether nothing is to be kept of the new words, and so of the old ones neither."""
        asked = isinstance(wanted, Chat) and bool(wanted.private)
        return asked or await is_private(vault, edit.room_id)

    async def _replace(self, edit: Edit, vault: Vault, turn: Turn) -> None:
        text = edit.message.body
        taken = await vault.taking_back.words(turn.event_id, text, partial(stands, body=text))
        if effects := undoing(taken, by="edit"):
            await self._journal.of_person(edit.message.sender, vault, effects)

    async def _answered_again(
        self, edit: Edit, room: Room, vault: Vault, turn: Turn, wanted: Intent
    ) -> list[Effect]:
        """Answer the new words if they are the last question there; what the audit log gets."""
        message, begun = edit.message, self._now()
        changed = message.recovered or turn.text != message.body
        last = isinstance(wanted, Chat) and await vault.turns.is_last_question(turn)
        if not (changed and last and self._pace.admits(message, begun)):
            await vault.answers.carried_through(turn.event_id, edit=edit.event_id)
            return []
        asked = replace(message, event_id=turn.event_id, thread_id=turn.thread_id)
        to = replace(address(asked, room), transaction=edit.event_id)
        exchange = Exchange(asked, room, vault, begun)
        facts = await self._chats.answer_again(
            exchange, vault, to, edit=edit.event_id, record=self._record
        )
        took = round((self._now() - begun).total_seconds() * 1000)
        facts |= {"edited": True, "room": str(room.kind), "ms": took}
        return [Effect(Action.MESSAGE_ANSWERED, target=turn.event_id, facts=facts)]

    async def _record(self, exchange: Exchange, effects: Sequence[Effect]) -> None:
        assert exchange.vault is not None, "it is open for as long as this takes"
        await self._journal.of_person(exchange.message.sender, exchange.vault, effects)
