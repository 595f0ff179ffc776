"""What goes on beside the sync: all of it, as long as it is wanted."""

import asyncio
from pathlib import Path
from typing import cast

import pytest

from bot.matrix.client import MatrixClient
from bot.matrix.reading import Reader
from bot.matrix.sender import Sender
from bot.matrix.sharing_ahead import SharingAhead
from bot.matrix.verification import Comparing, Verifications
from bot.matrix.withheld import Withheld
from tests.matrix.account import Account, OwnDevice


class Part:
    """Runs until it is cancelled, and remembers with what."""

    def __init__(self) -> None:
        self.given: tuple[object, ...] | None = None
        self.begun, self.ended = asyncio.Event(), False

    async def run(self, *given: object) -> None:
        self.given = given
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended = True


class Reading:
    """Nothing is read here."""

    got_on: object = None


async def test_everything_beside_the_sync_runs_until_it_is_cancelled(tmp_path: Path) -> None:
    device = OwnDevice(tmp_path, Account())
    backing_up, verifications, ahead, withheld = parts = Part(), Part(), Part(), Part()
    client = MatrixClient(
        device.open,
        device.identity.public,
        cast(Reader, Reading()),
        cast(Sender, object()),
        cast(Verifications, verifications),
        sharing_ahead=cast(SharingAhead, ahead),
        withheld=cast(Withheld, withheld),
    )
    client.backing_up.run = backing_up.run  # type: ignore[method-assign]
    comparing = cast(Comparing, object())

    task = asyncio.create_task(client.keep_up(comparing))
    async with asyncio.timeout(10):
        for part in parts:
            await part.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    device.close()

    assert verifications.given == (comparing,)
    assert [part.ended for part in parts] == [True] * 4
