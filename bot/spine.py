"""The way of a message, wired: all that stands between the dispatcher and the homeserver."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from bot.access import Once
from bot.assistant import Assistant, ChatModel
from bot.command import Identify
from bot.commands import COMMANDS
from bot.config import Config
from bot.delivery import Delivery, Outlet
from bot.exchange import DirectRooms, Exchanges
from bot.handler import Fetch, Handler, Messenger
from bot.journal import Journal
from bot.membership import Membership, Rooms
from bot.pacing import Pacing
from bot.pausing import Pausing
from bot.processing import processing
from bot.repertoire import Repertoire
from storage import Storage


class Homeserver(Messenger, DirectRooms, Outlet, Rooms, Protocol):
    """All that the parts between the dispatcher and the homeserver need of it."""


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
) -> Handler:
    """The handler, on parts that are open already, and everything behind it."""
    stated = processing(config, gateway_host=gateway_host)
    delivery, journal, once = Delivery(homeserver), Journal(storage.audit_log, now=now), Once()
    assistant = Assistant(model, config, stated, now=now)
    repertoire = Repertoire(COMMANDS, stated, identity, config.service.command_prefix, now)
    pausing = Pausing(
        storage=storage, assistant=assistant, delivery=delivery, repertoire=repertoire, now=now
    )
    exchanges = Exchanges(
        config=config,
        rooms=homeserver,
        storage=storage,
        assistant=assistant,
        repertoire=repertoire,
        delivery=delivery,
        journal=journal,
        pausing=pausing,
        audit_room=audit_room,
        now=now,
    )
    membership = Membership(
        config=config,
        rooms=homeserver,
        record=exchanges.record,
        journal=journal,
        delivery=delivery,
        once=once,
        pacing=pacing,
        audit_room=audit_room,
        now=now,
    )
    return Handler(
        config=config,
        messenger=homeserver,
        fetch=fetch,
        storage=storage,
        exchanges=exchanges,
        delivery=delivery,
        journal=journal,
        membership=membership,
        once=once,
        commands=COMMANDS,
        audit_room=audit_room,
        now=now,
    )
