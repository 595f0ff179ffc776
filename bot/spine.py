"""The way of a message, wired: all that stands between the dispatcher and the homeserver."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.access import Once, Pace
from bot.amending import Amendments
from bot.assistant import Assistant
from bot.chatting import Chats
from bot.command import Identify
from bot.commands import COMMANDS
from bot.config import Config
from bot.consent import Consent
from bot.conversing import ChatModel
from bot.delivery import Delivery, Outlet
from bot.digest import Digests
from bot.editing import Edits
from bot.embedding import Embedder, Embedding
from bot.exchange import Exchanges
from bot.greeting import Greeting
from bot.handler import Fetch, Handler, Messenger
from bot.journal import Journal
from bot.membership import Membership, Rooms
from bot.orders import DirectRooms, Orders
from bot.pacing import Pacing
from bot.pausing import Pausing
from bot.private_talk import PrivateTalk, PrivateWindows
from bot.processing import processing
from bot.redacting import Redactions, Senders
from bot.repertoire import Repertoire
from bot.sweeping import Sweeping
from bot.unkept import Unkept
from storage import Storage


class Homeserver(Messenger, DirectRooms, Outlet, Rooms, Senders, Protocol):
    """All that the parts between the dispatcher and the homeserver need of it."""


@dataclass(frozen=True, slots=True)
class _Common:
    """What most parts need."""

    config: Config
    storage: Storage
    homeserver: Homeserver
    delivery: Delivery
    journal: Journal
    once: Once
    audit_room: str
    now: Callable[[], datetime]

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


def _common(
    config: Config,
    storage: Storage,
    homeserver: Homeserver,
    *,
    audit_room: str,
    now: Callable[[], datetime],
) -> _Common:
    delivery, journal = Delivery(homeserver), Journal(storage.audit_log, now=now)
    return _Common(
        config, storage, homeserver, delivery, journal, Once(), audit_room=audit_room, now=now
    )


def daily(
    config: Config,
    storage: Storage,
    homeserver: Homeserver,
    *,
    audit_room: str,
    now: Callable[[], datetime],
) -> Mapping[str, Callable[[], Awaitable[None]]]:
    """What is done once a day for everybody in turn, by the names of its due times."""
    common = _common(config, storage, homeserver, audit_room=audit_room, now=now)
    digests = Digests(
        config=config,
        rooms=homeserver,
        storage=storage,
        delivery=common.delivery,
        journal=common.journal,
        audit_room=audit_room,
        now=now,
    )
    sweeping = Sweeping(config=config, storage=storage, journal=common.journal, now=now)
    return {
        "retention": sweeping.sweep,
        "unanswered proposals": common.consent().expire,
        "digest": digests.send_due,
    }


def spine(
    config: Config,
    storage: Storage,
    homeserver: Homeserver,
    model: ChatModel,
    *,
    fetch: Fetch,
    identity: Identify,
    gateway_host: str,
    audit_room: str,
    pacing: Pacing,
    now: Callable[[], datetime],
    embedder: Embedder | None = None,
) -> Handler:
    """The handler, on parts that are open already, and everything behind it."""
    stated = processing(config, gateway_host=gateway_host)
    common = _common(config, storage, homeserver, audit_room=audit_room, now=now)
    embedding = Embedding(
        embedder if stated.memory_allowed and config.gateway.embedding_model else None,
        config.gateway.embedding_model,
    )
    assistant = Assistant(model, config, stated, now=now, embedding=embedding)
    repertoire = Repertoire(COMMANDS, config, stated, identity, now)
    chats = Chats(
        config=config,
        assistant=assistant,
        delivery=common.delivery,
        processing=stated,
        consent=common.consent(),
        embedding=embedding,
        now=now,
    )
    windows = PrivateWindows(now)
    pace = Pace(config.limits.messages_per_minute, since=now())
    exchanges = _exchanges(common, assistant, repertoire, chats, windows)
    return Handler(
        config=config,
        messenger=homeserver,
        fetch=fetch,
        storage=storage,
        exchanges=exchanges,
        delivery=common.delivery,
        journal=common.journal,
        membership=_membership(common, exchanges, pacing),
        amendments=_amendments(common, assistant, chats, windows, pace),
        pace=pace,
        once=common.once,
        commands=COMMANDS,
        audit_room=audit_room,
        now=now,
    )


def _amendments(
    common: _Common, assistant: Assistant, chats: Chats, windows: PrivateWindows, pace: Pace
) -> Amendments:
    redactions = Redactions(
        config=common.config,
        rooms=common.homeserver,
        storage=common.storage,
        assistant=assistant,
        private=windows,
        journal=common.journal,
        audit_room=common.audit_room,
    )
    edits = Edits(
        config=common.config,
        rooms=common.homeserver,
        storage=common.storage,
        assistant=assistant,
        chats=chats,
        delivery=common.delivery,
        private=windows,
        journal=common.journal,
        pace=pace,
        once=common.once,
        commands=COMMANDS,
        audit_room=common.audit_room,
        now=common.now,
    )
    return Amendments(redactions=redactions, edits=edits, consent=common.consent())


def _exchanges(
    common: _Common,
    assistant: Assistant,
    repertoire: Repertoire,
    chats: Chats,
    windows: PrivateWindows,
) -> Exchanges:
    storage, delivery, now = common.storage, common.delivery, common.now
    unkept = Unkept(storage=storage, assistant=assistant, delivery=delivery)
    private = PrivateTalk(
        config=common.config,
        unkept=unkept,
        processing=repertoire.processing,
        windows=windows,
        now=now,
    )
    pausing = Pausing(unkept=unkept, delivery=delivery, repertoire=repertoire, now=now)
    orders = Orders(
        me=common.config.homeserver.user_id,
        rooms=common.homeserver,
        storage=storage,
        assistant=assistant,
        consent=common.consent(),
        private=private,
        repertoire=repertoire,
        delivery=delivery,
        audit_room=common.audit_room,
        now=now,
    )
    return Exchanges(
        storage=storage,
        assistant=assistant,
        chats=chats,
        orders=orders,
        private=private,
        repertoire=repertoire,
        delivery=delivery,
        greeting=Greeting(common.config, repertoire.processing, delivery),
        journal=common.journal,
        pausing=pausing,
        now=now,
    )


def _membership(common: _Common, exchanges: Exchanges, pacing: Pacing) -> Membership:
    return Membership(
        config=common.config,
        rooms=common.homeserver,
        record=exchanges.record,
        journal=common.journal,
        delivery=common.delivery,
        once=common.once,
        pacing=pacing,
        audit_room=common.audit_room,
        now=common.now,
    )
