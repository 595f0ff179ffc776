"""The weekly digest, for whoever wants it: what was learned about them, and how to undo it."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from bot import digest_words
from bot.access import allowed
from bot.changes import Changes
from bot.config import Config
from bot.delivery import Address, Delivery
from bot.errors import HomeserverError, HomeserverUnavailableError
from bot.journal import Journal
from bot.messages import Action, Effect, Outcome, Reply
from bot.own_vault import ByTheClock, everybody, known_vault
from bot.owned import OfVault
from bot.preferences import digest_sent, digest_since, wants_digest
from storage import Storage, StorageFailure, Vault

log = logging.getLogger(__name__)

WEEK = timedelta(days=7)
AHEAD = timedelta(days=14)  # what ends by then is named


class DirectRooms(Protocol):
    """Where a digest goes."""

    async def direct_room(self, user_id: str, *, besides: str) -> str:
        """The encrypted direct chat with exactly this person, never the room `besides`."""
        ...


class Digests:
    """Goes through everybody who has a vault, and writes to those whose week is over."""

    def __init__(
        self,
        *,
        config: Config,
        rooms: DirectRooms,
        storage: Storage,
        delivery: Delivery,
        journal: Journal,
        audit_room: str,
        now: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._rooms = rooms
        self._storage = storage
        self._delivery = delivery
        self._journal = journal
        self._audit_room = audit_room
        self._now = now
        self._changes = Changes(storage)

    async def send_due(self) -> None:
        """Write each digest whose time has come; one that fails keeps nobody else's back."""
        if self._storage.access.paused_since is not None:
            return
        for person in await everybody(self._storage):
            if not allowed(person.sender, self._config, self._storage.access):
                continue
            if await self._changes.paused(person.sender):
                continue  # what they told the bot is not for whoever runs the homeserver
            try:
                await self._of(person)
            except HomeserverUnavailableError:
                raise
            except (HomeserverError, StorageFailure):
                log.warning("a digest could not be sent")

    async def _of(self, person: ByTheClock) -> None:
        async with known_vault(person, self._storage) as vault:
            if vault is None or not await wants_digest(vault):
                return
            since, now = await digest_since(vault), self._now()
            if since is None:  # wanted since an import, say: the first week begins
                await digest_sent(vault, now)
            elif now - since >= WEEK:
                await self._send(person, vault, since, now)

    async def _send(self, person: ByTheClock, vault: Vault, since: datetime, now: datetime) -> None:
        """Send what there is, then begin a new week; after a crash it is the same message."""
        lately = await vault.traces.changes(since=since, now=now, until=now + AHEAD)
        if lately.new or lately.changed or lately.ending:
            counts = await vault.counts()
            text = digest_words.digest(
                lately, since=since, messages=counts.turns, prefix=self._prefix
            )
            told = {"digest": True, "memories": len(lately.new) + len(lately.changed)}
            used = Effect(Action.MEMORY_USED, facts=told)
            begun = replace(used, outcome=Outcome.BEGUN)
            await self._journal.of_person(person.sender, vault, [begun])
            try:
                to = await self._to(person, since)
                owner = OfVault(vault, to.room_id, self._storage.withdrawals)
                await self._delivery.send(Reply(text, repeats=True), to, owner=owner)
            except HomeserverError:
                failed = replace(used, outcome=Outcome.FAILED)
                await self._journal.of_person(person.sender, vault, [failed])
                raise
            await self._journal.of_person(person.sender, vault, [used])
        await digest_sent(vault, now)

    async def _to(self, person: ByTheClock, since: datetime) -> Address:
        """The direct chat with exactly this person; the week names the message."""
        room_id = await self._rooms.direct_room(person.sender, besides=self._audit_room)
        pair = frozenset({self._config.homeserver.user_id, person.sender})
        return Address(room_id, f"digest since {since.isoformat()}", audience=pair)

    @property
    def _prefix(self) -> str:
        return self._config.service.command_prefix
