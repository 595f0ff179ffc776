"""A person's side of the log, with a log that a test holds in its hands."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.audit_view import AuditLooks
from bot.errors import BusyError, HomeserverError, HomeserverUnavailableError
from storage import (
    AuditDetail,
    AuditEntry,
    AuditTampered,
    Checkpoint,
    Proof,
    SignedHead,
    Vault,
    Verified,
)
from tests.spine import ANN, BOB, spine

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Log:
    """A log in which these numbers are the person's; verifying waits until it may go on."""

    def __init__(self, *own: int, entries: int = 9) -> None:
        entry = AuditEntry(AT, ANN, "message.answered", "ok")
        self.own = [(seq, AuditDetail(entry, bytes([seq]))) for seq in own]
        self.entries = entries
        self.notes: Sequence[str] = ()
        self.verifying, self.go_on = asyncio.Event(), asyncio.Event()
        self.go_on.set()

    async def disclosed(self, vault: Vault) -> list[tuple[int, AuditDetail]]:
        return self.own

    async def head(self) -> SignedHead:
        return SignedHead(Checkpoint("log", self.entries, b"root"), "note")

    async def proof(self, seq: int) -> Proof:
        raise AssertionError("nobody may ask for the proof of what is not theirs")

    async def verify(self, notes: Sequence[str] = ()) -> Verified:
        self.notes = notes
        self.verifying.set()
        await self.go_on.wait()
        return Verified(self.entries, 3)


class Room:
    """An audit room with these heads, or with what it fails with."""

    def __init__(self, *heads: str, error: Exception | None = None) -> None:
        self.heads, self.error = heads, error

    async def __call__(self) -> Sequence[str]:
        if self.error:
            raise self.error
        return self.heads


def looks(log: Log, room: Room | None = None) -> AuditLooks:
    return AuditLooks(log, room or Room(), lambda: AT)


@pytest.fixture
async def vault(tmp_path: Path) -> Any:
    async with spine(tmp_path) as bot:
        await bot.say("good morning")
        async with bot.storage.vaults.open(ANN) as opened:
            yield opened


async def test_nobody_gets_the_proof_of_what_is_not_theirs(vault: Vault) -> None:
    assert await looks(Log(1, 3)).of(ANN, vault).proof(2) is None


async def test_an_empty_log_has_no_entries(vault: Vault) -> None:
    assert await looks(Log()).of(ANN, vault).entries() == []


async def test_only_one_check_goes_on_at_a_time(vault: Vault) -> None:
    log = Log(1)
    log.go_on.clear()
    many = looks(log)
    first = asyncio.create_task(many.of(ANN, vault).verify())
    await log.verifying.wait()

    with pytest.raises(BusyError, match="right now"):
        await many.of(BOB, vault).verify()
    log.go_on.set()

    assert (await first).entries == 9
    assert (await many.of(BOB, vault).verify()).own == 1, "refused is not checked"


async def test_heads_of_the_room_are_compared_and_counted_once(vault: Vault) -> None:
    log = Log(1)

    checked = await looks(log, Room("one", "two", "one")).of(ANN, vault).verify()

    assert log.notes == ("one", "two", "one")
    assert (checked.heads, checked.posted) == (3, 2)


async def test_a_room_that_refuses_is_no_obstacle(vault: Vault) -> None:
    room = Room(error=HomeserverError("not a member"))

    assert (await looks(Log(1), room).of(ANN, vault).verify()).posted is None


async def test_a_homeserver_that_is_away_is_waited_for(vault: Vault) -> None:
    room = Room(error=HomeserverUnavailableError("away"))

    with pytest.raises(HomeserverUnavailableError):
        await looks(Log(1), room).of(ANN, vault).verify()


async def test_an_own_entry_beyond_the_end_of_the_log_is_named(vault: Vault) -> None:
    with pytest.raises(AuditTampered, match="entry 12 is about you, and gone"):
        await looks(Log(1, 12)).of(ANN, vault).verify()
