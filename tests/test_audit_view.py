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
    Checkpoint,
    Proof,
    SignedHead,
    Vault,
    Verified,
)
from storage.checkpoints import HeadKey
from tests.spine import ANN, BOB, spine

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
KEY = HeadKey(b"1" * 32)
ROOT = b"r" * 32


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

    async def verify(self, notes: Sequence[str], vault: Vault) -> Verified:
        self.notes = notes
        self.verifying.set()
        await self.go_on.wait()
        return Verified(self.entries, 3, len(self.own))


class Room:
    """An audit room with these heads, or with what it fails with."""

    def __init__(self, *heads: str, error: Exception | None = None) -> None:
        self.heads, self.error = heads, error

    async def __call__(self) -> Sequence[str]:
        if self.error:
            raise self.error
        return self.heads


def looks(log: Log, room: Room | None = None) -> AuditLooks:
    return AuditLooks(log, room or Room(), lambda: AT, key=KEY.verifier_key)


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
    log, one, two = Log(1), KEY.sign(1, ROOT).note, KEY.sign(2, ROOT).note

    checked = await looks(log, Room(one, two, one)).of(ANN, vault).verify()

    assert sorted(log.notes) == sorted([one, two])
    assert (checked.heads, checked.posted, checked.foreign) == (3, 2, 0)


async def test_heads_that_the_bot_did_not_sign_are_left_out_and_counted(vault: Vault) -> None:
    log, own = Log(1), KEY.sign(1, ROOT).note
    others = HeadKey(b"2" * 32).sign(1, ROOT).note, "no head at all"

    checked = await looks(log, Room(own, *others)).of(ANN, vault).verify()

    assert log.notes == [own]
    assert (checked.posted, checked.foreign) == (1, 2)


async def test_a_room_that_refuses_is_no_obstacle(vault: Vault) -> None:
    room = Room(error=HomeserverError("not a member"))

    assert (await looks(Log(1), room).of(ANN, vault).verify()).posted is None


async def test_a_homeserver_that_is_away_is_waited_for(vault: Vault) -> None:
    room = Room(error=HomeserverUnavailableError("away"))

    with pytest.raises(HomeserverUnavailableError):
        await looks(Log(1), room).of(ANN, vault).verify()
