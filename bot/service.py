"""The process among its neighbours: signals that stop it, what it tells the service manager."""

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

log = logging.getLogger(__name__)


@contextmanager
def stop_signals() -> Iterator[asyncio.Event]:
    """An event that SIGTERM and SIGINT set; after the block the process ends, whatever comes."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for one in signals:
        loop.add_signal_handler(one, stop.set)
    try:
        yield stop
    finally:
        for one in signals:
            loop.remove_signal_handler(one)
            signal.signal(one, signal.SIG_IGN)  # a second one must not spoil the exit code


def notify(state: str) -> None:
    """Tell systemd (sd_notify(3)); does nothing where no service manager listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.setblocking(False)  # a service manager that hangs must not hang the bot
            channel.connect("\0" + address[1:] if address.startswith("@") else address)
            channel.sendall(state.encode())
    except OSError as error:
        log.warning("the service manager could not be told %s: %s", state, error.strerror)


def watchdog_seconds() -> float | None:
    """How often systemd wants a sign of life of us (sd_watchdog_enabled(3)); None for never."""
    interval, whose = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    is_asked = interval.isdecimal() and int(interval) > 0 and whose in ("", str(os.getpid()))
    return int(interval) / 1_000_000 if is_asked else None


@dataclass(frozen=True, slots=True)
class Watched:
    """Something that has to get on: when it last did, and after how many seconds it is stuck."""

    name: str
    since: Callable[[], float]
    longest: float


class Syncs(Protocol):
    """The connection to the homeserver, as far as it shows that it lives."""

    @property
    def alive_at(self) -> float:
        """When the sync last came round, or ended in vain."""
        ...

    @property
    def away_at(self) -> float:
        """When the homeserver was last found to be away."""
        ...


class Works(Protocol):
    """The workers, as far as they show that they get on."""

    @property
    def busy_since(self) -> float:
        """Since when the one that is at one event for the longest is at it; now if none is."""
        ...


def watched(
    client: Syncs, dispatcher: Works, *, quiet: float, longest: float
) -> tuple[Watched, ...]:
    """The sync, which may be quiet for so long, and the workers, each at an event for so long.

    Time in which the homeserver is away counts for neither: a new start would not bring it back.
    """
    return (
        Watched("the sync", lambda: client.alive_at, quiet),
        Watched("a room", lambda: max(dispatcher.busy_since, client.away_at), longest),
    )


async def watchdog(
    parts: Sequence[Watched],
    interval: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Give signs of life, three in each interval, for as long as all parts get on."""
    while True:
        stuck = [one.name for one in parts if clock() - one.since() > one.longest]
        if stuck:
            log.error("no sign of life for the service manager: stuck is %s", " and ".join(stuck))
        else:
            notify("WATCHDOG=1")
        await pause(interval / 3)
