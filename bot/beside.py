"""What is done beside messages, wired: by the clock, and what goes on until it is done."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from bot.audit_feed import AuditFeed
from bot.audit_heads import AuditHeads
from bot.audit_room import FitRoom, Way
from bot.common import Homeserver, common
from bot.config import Config
from bot.digest import Digests
from bot.journal import Journal
from bot.processing import processing
from bot.sweeping import Sweeping
from bot.withdrawing import Withdrawing
from storage import Storage


def daily(
    config: Config,
    storage: Storage,
    homeserver: Homeserver,
    *,
    audit_room: str,
    now: Callable[[], datetime],
) -> Mapping[str, Callable[[], Awaitable[None]]]:
    """What is done once a day for everybody in turn, by the names of its due times."""
    parts = common(config, storage, homeserver, audit_room=audit_room, now=now)
    digests = Digests(
        config=config,
        rooms=homeserver,
        storage=storage,
        delivery=parts.delivery,
        journal=parts.journal,
        audit_room=audit_room,
        now=now,
    )
    sweeping = Sweeping(config=config, storage=storage, journal=parts.journal, now=now)
    return {
        "retention": sweeping.sweep,
        "unanswered proposals": parts.consent().expire,
        "digest": digests.send_due,
    }


def feeding(
    config: Config,
    storage: Storage,
    homeserver: Way,
    *,
    audit_room: str,
    now: Callable[[], datetime],
) -> AuditFeed:
    """What posts the audit log in the audit room, for as long as that is fit for it."""
    outlet = FitRoom(homeserver, own=not config.audit.room)
    journal = Journal(storage.audit_log, now=now)
    heads = AuditHeads(storage, journal, outlet, audit_room, now=now)
    return AuditFeed(storage, outlet, heads, audit_room)


def withdrawing(
    config: Config,
    storage: Storage,
    homeserver: Homeserver,
    *,
    gateway_host: str,
    audit_room: str,
    now: Callable[[], datetime],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Withdrawing:
    """What goes on with erasures when they are confirmed: receipts, and the bot's own messages."""
    parts = common(config, storage, homeserver, audit_room=audit_room, now=now)
    stated = processing(config, gateway_host=gateway_host)
    return Withdrawing(
        storage,
        homeserver,
        parts.receipts(stated),
        parts.journal,
        audit_room=audit_room,
        now=now,
        clock=clock,
        sleep=sleep,
    )
