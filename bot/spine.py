"""The way of a message, wired: all that stands between the dispatcher and the homeserver."""

from collections.abc import Callable
from datetime import datetime

from bot.access import Pace
from bot.amending import Amendments
from bot.assistant import Assistant
from bot.audit_view import AuditLooks, PostedHeads, nothing_posted
from bot.chatting import Chats
from bot.command import Evidence, Identify
from bot.commands import COMMANDS
from bot.common import Common, Homeserver, common
from bot.config import Config
from bot.conversing import ChatModel
from bot.editing import Edits
from bot.embedding import Embedder, Embedding
from bot.evidence import Observation
from bot.exchange import Exchanges
from bot.greeting import Greeting
from bot.handler import Fetch, Handler
from bot.membership import Membership
from bot.operating import Operating
from bot.operator_command import Compared, nothing_waits
from bot.orders import Orders
from bot.pacing import Pacing
from bot.pausing import Pausing
from bot.private_talk import PrivateTalk, PrivateWindows
from bot.processing import Processing, processing
from bot.redacting import Redactions
from bot.refusing import Refusals
from bot.repertoire import Repertoire
from bot.status import Health
from bot.unkept import Unkept
from storage import Storage, last_backup


def spine(
    config: Config,
    storage: Storage,
    homeserver: Homeserver,
    model: ChatModel,
    *,
    fetch: Fetch,
    identity: Identify,
    gateway_host: str,
    observed: Callable[[], Observation],
    audit_room: str,
    pacing: Pacing,
    now: Callable[[], datetime],
    embedder: Embedder | None = None,
    posted_heads: PostedHeads = nothing_posted,
    synced: Callable[[], datetime | None] = lambda: None,
    compared: Compared = nothing_waits,
) -> Handler:
    """The handler, on parts that are open already, and everything behind it."""
    stated = processing(config, gateway_host=gateway_host)
    parts = common(config, storage, homeserver, audit_room=audit_room, now=now)
    embedding = _embedding(config, stated, embedder)
    assistant = Assistant(model, config, stated, now=now, embedding=embedding)
    evidence = Evidence(observed, homeserver.sessions, lambda: last_backup(storage))
    repertoire = Repertoire(
        COMMANDS, config, stated, evidence, identity, homeserver.upload_limit, now
    )
    chats = _chats(parts, assistant, stated, embedding)
    windows = PrivateWindows(now)
    pace = Pace(config.limits.messages_per_minute, since=now())
    looks = AuditLooks(parts.tree, posted_heads, now, key=storage.audit_key)
    exchanges = _exchanges(parts, assistant, repertoire, chats, windows, looks=looks)
    refusals = _refusals(parts, exchanges)
    health = Health(
        config=config,
        storage=storage,
        observed=observed,
        synced=synced,
        gateway_host=gateway_host,
        now=now,
    )
    return Handler(
        config=config,
        messenger=homeserver,
        fetch=fetch,
        storage=storage,
        exchanges=exchanges,
        delivery=parts.delivery,
        journal=parts.journal,
        membership=_membership(parts, exchanges, pacing),
        amendments=_amendments(parts, assistant, chats, windows, pace),
        operating=_operating(parts, refusals, pace, health, compared),
        refusals=refusals,
        pace=pace,
        once=parts.once,
        commands=COMMANDS,
        audit_room=audit_room,
        now=now,
    )


def _embedding(config: Config, stated: Processing, embedder: Embedder | None) -> Embedding:
    name = config.gateway.embedding_model
    return Embedding(embedder if stated.memory_allowed and name else None, name)


def _chats(parts: Common, assistant: Assistant, stated: Processing, embedding: Embedding) -> Chats:
    return Chats(
        config=parts.config,
        assistant=assistant,
        delivery=parts.delivery,
        processing=stated,
        consent=parts.consent(),
        withdrawals=parts.storage.withdrawals,
        embedding=embedding,
        now=parts.now,
    )


def _refusals(parts: Common, exchanges: Exchanges) -> Refusals:
    return Refusals(
        config=parts.config,
        pauses=parts.storage.access,
        delivery=parts.delivery,
        record=exchanges.record,
        once=parts.once,
        now=parts.now,
    )


def _operating(
    parts: Common, refusals: Refusals, pace: Pace, health: Health, compared: Compared
) -> Operating:
    return Operating(
        config=parts.config,
        rooms=parts.homeserver,
        storage=parts.storage,
        delivery=parts.delivery,
        journal=parts.journal,
        refusals=refusals,
        pace=pace,
        health=health,
        compared=compared,
        now=parts.now,
    )


def _amendments(
    parts: Common, assistant: Assistant, chats: Chats, windows: PrivateWindows, pace: Pace
) -> Amendments:
    redactions = Redactions(
        config=parts.config,
        rooms=parts.homeserver,
        storage=parts.storage,
        assistant=assistant,
        private=windows,
        journal=parts.journal,
        audit_room=parts.audit_room,
    )
    edits = Edits(
        config=parts.config,
        rooms=parts.homeserver,
        storage=parts.storage,
        assistant=assistant,
        chats=chats,
        delivery=parts.delivery,
        private=windows,
        journal=parts.journal,
        pace=pace,
        once=parts.once,
        commands=COMMANDS,
        audit_room=parts.audit_room,
        now=parts.now,
    )
    return Amendments(redactions=redactions, edits=edits, consent=parts.consent())


def _exchanges(
    parts: Common,
    assistant: Assistant,
    repertoire: Repertoire,
    chats: Chats,
    windows: PrivateWindows,
    *,
    looks: AuditLooks,
) -> Exchanges:
    storage, delivery, now = parts.storage, parts.delivery, parts.now
    unkept = Unkept(storage=storage, assistant=assistant, delivery=delivery)
    private = PrivateTalk(
        config=parts.config,
        unkept=unkept,
        processing=repertoire.processing,
        windows=windows,
        now=now,
    )
    pausing = Pausing(unkept=unkept, delivery=delivery, repertoire=repertoire, now=now)
    orders = Orders(
        me=parts.config.homeserver.user_id,
        rooms=parts.homeserver,
        storage=storage,
        assistant=assistant,
        consent=parts.consent(),
        private=private,
        repertoire=repertoire,
        receipts=parts.receipts(repertoire.processing),
        delivery=delivery,
        audit=looks,
        audit_room=parts.audit_room,
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
        greeting=Greeting(parts.config, repertoire.processing, delivery),
        journal=parts.journal,
        pausing=pausing,
        now=now,
    )


def _membership(parts: Common, exchanges: Exchanges, pacing: Pacing) -> Membership:
    return Membership(
        config=parts.config,
        rules=parts.storage.access,
        rooms=parts.homeserver,
        record=exchanges.record,
        journal=parts.journal,
        delivery=parts.delivery,
        once=parts.once,
        pacing=pacing,
        audit_room=parts.audit_room,
        now=parts.now,
    )
