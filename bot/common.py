"""What most parts between the dispatcher and the homeserver are made with."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.access import Once
from bot.audit_room import Rules
from bot.audit_view import Tree
from bot.config import Config
from bot.consent import Consent
from bot.delivery import Delivery, Outlet
from bot.handler import Messenger
from bot.journal import Journal
from bot.membership import Rooms
from bot.messages import Sessions
from bot.orders import DirectRooms
from bot.processing import Processing
from bot.receipts import Receipts
from bot.redacting import Senders
from bot.withdrawing import OwnMessages
from storage import Storage


class Devices(Protocol):
    """What tells how many sessions people have, and which of them get keys."""

    async def sessions(self, user_ids: Collection[str]) -> Mapping[str, Sessions]:
        """Of each of these people; raises HomeserverError."""
        ...


class Uploads(Protocol):
    """What tells how large a file may be that is sent."""

    async def upload_limit(self) -> int | None:
        """Its bytes at most; None where the homeserver doesn't say."""
        ...


class Homeserver(
    Messenger, DirectRooms, Outlet, OwnMessages, Rooms, Rules, Senders, Devices, Uploads, Protocol
):
    """All that the parts between the dispatcher and the homeserver need of it."""


@dataclass(frozen=True, slots=True)
class Common:
    """What most parts need."""

    config: Config
    storage: Storage
    homeserver: Homeserver
    delivery: Delivery
    journal: Journal
    once: Once
    audit_room: str
    now: Callable[[], datetime]

    def receipts(self, stated: Processing) -> Receipts:
        """What is given to whoever had everything erased; it keeps nothing between calls."""
        return Receipts(
            me=self.config.homeserver.user_id,
            storage=self.storage,
            processing=stated,
            delivery=self.delivery,
            journal=self.journal,
            head=self.tree.head,
        )

    @property
    def tree(self) -> Tree:
        """The audit log, as far as people may look into it."""
        return self.storage.audit_log

    def consent(self) -> Consent:
        """What asks before something is remembered; it keeps nothing between calls."""
        return Consent(
            config=self.config,
            rooms=self.homeserver,
            storage=self.storage,
            delivery=self.delivery,
            journal=self.journal,
            now=self.now,
        )


def common(
    config: Config,
    storage: Storage,
    homeserver: Homeserver,
    *,
    audit_room: str,
    now: Callable[[], datetime],
) -> Common:
    delivery, journal = Delivery(homeserver), Journal(storage.audit_log, now=now)
    return Common(
        config, storage, homeserver, delivery, journal, Once(), audit_room=audit_room, now=now
    )
