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


async def watchdog(
    watched: Sequence[Watched],
    interval: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Give signs of life, three in each interval, for as long as all that is watched gets on."""
    while True:
        stuck = [one.name for one in watched if clock() - one.since() > one.longest]
        if stuck:
            log.error("no sign of life for the service manager: stuck is %s", " and ".join(stuck))
        else:
            notify("WATCHDOG=1")
        await pause(interval / 3)
