"""`!forget everything` as a job: planned, carried out, receipted, and nothing of it stays."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storage import (
    AuditEntry,
    Erased,
    KeptAnswer,
    MasterKey,
    Storage,
    Unlisted,
    VaultGone,
    Withdrawal,
    open_storage,
)
from tests.storage.conftest import everything_under, holding

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ANN, BOB = "@ann:canary", "@bob:hs"
ROOM, SHARED = "!direct-canary:hs", "!shared:hs"


def localpart(user_id: str) -> str:
    return user_id[1:].partition(":")[0]


async def live(storage: Storage, user_id: str = ANN, room_id: str = ROOM) -> None:
    """Somebody talks in their direct chat and in a shared room, and has a memory."""
    events = [f"$said-{localpart(user_id)}-{number}" for number in range(4)]
    await storage.inbox.accept(
        [(one, room_id if number < 3 else SHARED) for number, one in enumerate(events)], "t"
    )
    async with storage.vaults.open(user_id) as vault:
        for number, event_id in enumerate(events):
            where = room_id if number < 3 else SHARED
            kind = "direct" if number < 3 else "shared"
            await vault.turns.add(
                event_id=event_id,
                room_id=where,
                room_kind=kind,
                role="user",
                text="canary",
                said_at=NOON,
            )
            answer = KeptAnswer(event_id, where, kind, None, "canary", "", NOON, "m", "host", 1, 1)
            await vault.answers.keep(answer)
            await vault.answers.sent(event_id, [f"$sent-{localpart(user_id)}-{number}"])
            entry = AuditEntry(NOON, user_id, "message.answered", "ok", event_id)
            await storage.audit_log.record([entry], vault, finishes=event_id)
        await vault.memories.add("canary", origin="person", room_kind="direct")
    await storage.rooms.remember_identity(user_id, "key")


async def accept_yes(storage: Storage) -> None:
    """They confirm it in their direct chat."""
    await storage.inbox.accept([("$yes", ROOM)], "t")


async def confirmed(storage: Storage) -> Erased:
    """What they confirmed is done."""
    return await storage.forgetting.forget(
        ANN, room_id=ROOM, event_id="$yes", until=NOON, direct_rooms=[ROOM]
    )


async def forget(storage: Storage) -> Erased:
    """Both."""
    await accept_yes(storage)
    return await confirmed(storage)


async def finish(storage: Storage, erased: Erased) -> None:
    """The bot does its part: the receipt, and every redaction."""
    await storage.inbox.finish(erased.event_id)
    await storage.forgetting.receipted(erased)
    await storage.forgetting.searched(erased, [ROOM])
    for search in await storage.withdrawals.searches():
        await storage.withdrawals.found(search.room_id, ["$listed"])
    while batch := await storage.withdrawals.next():
        for one in batch:
            await storage.withdrawals.done(one.event_id)


def traces(data: Path, *wanted: str) -> list[str]:
    """Which of these words stand in any file."""
    return [one for one in wanted if holding(one.encode(), everything_under(data))]


LEADS = (ANN, ROOM, "$said-ann", "$sent-ann", "$yes", "$listed", "$waits", "$command")


async def test_what_went_is_said_where_the_receipt_goes(storage: Storage) -> None:
    await live(storage)

    erased = await forget(storage)

    assert (erased.user_id, erased.room_id, erased.event_id) == (ANN, ROOM, "$yes")
    assert (erased.memories, erased.turns, erased.audit_entries) == (1, 8, 4)
    assert erased.bytes > 50_000
    assert erased.withdrawals == 4
    assert await storage.forgetting.unfinished() == [erased]
    assert not await storage.vaults.exists(ANN)


async def test_asked_for_again_it_is_not_done_twice(storage: Storage) -> None:
    await live(storage)
    erased = await forget(storage)
    await live(storage)

    again = await forget(storage)

    assert again == erased
    assert await storage.vaults.exists(ANN)


async def test_whoever_has_no_vault_is_forgotten_all_the_same(storage: Storage) -> None:
    await storage.rooms.remember_identity(ANN, "key")

    erased = await forget(storage)

    assert (erased.memories, erased.turns, erased.audit_entries, erased.bytes) == (0, 0, 0, 0)
    assert await storage.rooms.identity(ANN) is None
    assert await storage.forgetting.is_before(ANN, NOON)


async def test_what_the_bot_said_waits_to_be_withdrawn_and_direct_chats_to_be_listed(
    storage: Storage,
) -> None:
    await live(storage)

    await forget(storage)

    assert await storage.withdrawals.left() == 4
    assert await storage.withdrawals.left(SHARED) == 1
    assert await storage.withdrawals.searches() == [Unlisted(ROOM, NOON)]
    assert await storage.withdrawals.next() == [Withdrawal("$sent-ann-0", ROOM)]


async def test_at_last_nothing_leads_to_the_person(data: Path, master_key: MasterKey) -> None:
    async with open_storage(data, master_key) as storage:
        await live(storage, BOB, "!bob:hs")
        await live(storage)
        await storage.inbox.accept([("$command", ROOM)], "t", waiting=[("$waits", ROOM)])
        await storage.inbox.finish("$command")
        await storage.set_state(f"identity changed {storage.person(ANN)}", "noted")
        assert traces(data, *LEADS) == [ANN, ROOM, "$said-ann", "$waits", "$command"]
        erased = await forget(storage)
        await storage.set_state("receipt $yes", "$receipt")

        await finish(storage, erased)

        assert await storage.forgetting.unfinished() == []
        assert await storage.withdrawals.left() == 0
        assert traces(data, *LEADS, storage.person(ANN)) == []
        known = [*(f"$said-ann-{number}" for number in range(4)), "$command", "$waits", "$yes"]
        assert await storage.inbox.accept([(one, ROOM) for one in known], "t") == []
        async with storage.vaults.open(BOB) as vault:
            assert await vault.turns.count() == 8
        assert await storage.rooms.identity(BOB) == "key"


async def test_the_receipt_alone_ends_no_job_and_a_job_in_which_somebody_waits_stays(
    storage: Storage, data: Path
) -> None:
    await live(storage)
    await storage.inbox.accept([("$queued", ROOM)], "t")
    erased = await forget(storage)
    assert ("$queued", ROOM) in await storage.inbox.unfinished()

    await finish(storage, erased)
    assert traces(data, "$queued") == ["$queued"]
    await storage.inbox.accept([("$new", ROOM)], "t")
    await storage.inbox.finish("$queued")
    await storage.forgetting.sweep(NOON)

    assert traces(data, "$queued", "$yes") == []
    assert await storage.inbox.unfinished() == [("$new", ROOM)]


async def test_a_job_is_known_until_the_last_message_is_withdrawn(storage: Storage) -> None:
    await live(storage)
    erased = await forget(storage)
    await storage.inbox.finish("$yes")

    await storage.forgetting.receipted(erased)
    await storage.forgetting.searched(erased, [ROOM])

    await storage.withdrawals.found(ROOM, ["$listed"])
    for _ in range(5):
        assert await storage.forgetting.job("$yes") == erased
        [first] = await storage.withdrawals.next()
        await storage.withdrawals.done(first.event_id)
    assert await storage.forgetting.job("$yes") is None


async def test_a_job_is_known_until_the_direct_chats_are_found_and_listed(
    storage: Storage,
) -> None:
    erased = await forget(storage)
    await storage.inbox.finish("$yes")
    assert await storage.forgetting.unsearched() == [erased]

    await storage.forgetting.receipted(erased)
    await storage.withdrawals.found(ROOM, [])

    assert await storage.forgetting.job("$yes") == erased
    await storage.forgetting.searched(erased, [ROOM, "!other:hs"])
    assert await storage.forgetting.unsearched() == []
    assert await storage.withdrawals.searches() == [Unlisted("!other:hs", NOON)]
    assert await storage.forgetting.job("$yes") == erased
    await storage.withdrawals.found("!other:hs", [])
    assert await storage.forgetting.job("$yes") is None


async def test_what_waits_in_a_direct_chat_that_is_found_later_waits_no_longer(
    storage: Storage,
) -> None:
    erased = await forget(storage)
    await storage.inbox.accept([], "t", waiting=[("$waits", "!other:hs"), ("$bob", SHARED)])

    await storage.forgetting.searched(erased, ["!other:hs"])

    assert [one.event_id for one in await storage.inbox.waiting()] == ["$bob"]


async def test_a_message_that_is_withdrawn_already_still_holds_up_the_job(
    storage: Storage, data: Path
) -> None:
    await live(storage)
    await storage.withdrawals.add([("$sent-ann-0", ROOM), ("$other", SHARED)])
    erased = await forget(storage)

    await finish(storage, erased)

    assert traces(data, *LEADS, "$other") == []


async def test_withdrawals_come_in_order_and_once(storage: Storage) -> None:
    await storage.withdrawals.add([("$1", ROOM), ("$2", SHARED)])
    await storage.withdrawals.add([("$2", SHARED), ("$3", ROOM)])

    first = await storage.withdrawals.next()
    behind = await storage.withdrawals.next(besides=["$1"])
    await storage.withdrawals.done("$1")

    assert first == [Withdrawal("$1", ROOM), Withdrawal("$2", SHARED)]
    assert [one.event_id for one in behind] == ["$2", "$3"]
    assert [one.event_id for one in await storage.withdrawals.next()] == ["$2", "$3"]
    assert await storage.withdrawals.left() == 2
    assert await storage.withdrawals.left(ROOM) == 1


async def test_rooms_of_single_answers_and_erasures_take_turns(storage: Storage) -> None:
    await live(storage)
    await live(storage, BOB, "!bob:hs")
    await forget(storage)
    await storage.forgetting.forget(
        BOB, room_id="!bob:hs", event_id="$bobs", until=NOON, direct_rooms=[]
    )
    await storage.withdrawals.add([(f"$a{number}", ROOM) for number in range(9)])
    await storage.withdrawals.add([("$b0", SHARED)])

    first = await storage.withdrawals.next()
    for one in first:
        await storage.withdrawals.done(one.event_id)

    events = ["$a0", "$b0", "$sent-ann-0", "$sent-bob-0"]
    assert [(one.event_id, one.job) for one in first] == [
        *zip(events, ["", "", "$yes", "$bobs"], strict=True)
    ]
    again = ["$a1", "$sent-ann-1", "$sent-bob-1"]
    assert [one.event_id for one in await storage.withdrawals.next()] == again


async def test_what_can_be_no_event_of_a_room_is_not_withdrawn(storage: Storage) -> None:
    await live(storage)
    async with storage.vaults.open(ANN) as vault:
        for event_id, room_id in (("import chatgpt 1", ROOM), ("$imported", "chatgpt")):
            await vault.turns.add(
                event_id=event_id,
                room_id=room_id,
                room_kind="direct",
                role="assistant",
                text="canary",
                said_at=NOON,
            )

    await storage.withdrawals.add([("$", ROOM), ("$1 2", ROOM), ("gap 7", ROOM), ("$1", "#x:hs")])
    erased = await forget(storage)

    assert await storage.withdrawals.left() == erased.withdrawals == 4


async def test_whoever_waits_for_withdrawals_is_woken(storage: Storage) -> None:
    await storage.withdrawals.add([("$1", ROOM)])
    await asyncio.wait_for(storage.withdrawals.wait(), 5)
    await storage.withdrawals.found(ROOM, ["$2"])
    await asyncio.wait_for(storage.withdrawals.wait(), 5)
    erased = await forget(storage)
    await asyncio.wait_for(storage.withdrawals.wait(), 5)
    await storage.forgetting.searched(erased, [ROOM])
    await asyncio.wait_for(storage.withdrawals.wait(), 5)


async def test_whoever_waits_for_withdrawals_waits_no_longer_than_they_say(
    storage: Storage,
) -> None:
    await asyncio.wait_for(storage.withdrawals.wait(0.01), 5)


async def test_what_was_withdrawn_leaves_no_byte(storage: Storage, data: Path) -> None:
    await storage.withdrawals.add([("$canary-1", ROOM), ("$canary-2", ROOM)])

    await storage.withdrawals.done("$canary-1")
    await storage.withdrawals.done("$canary-2")

    assert traces(data, "$canary", ROOM) == []


async def test_what_was_said_before_is_told_from_what_comes_after_for_thirty_days(
    storage: Storage,
) -> None:
    await live(storage)
    await forget(storage)
    later = NOON + timedelta(seconds=1)

    assert await storage.forgetting.is_before(ANN, NOON)
    assert not await storage.forgetting.is_before(ANN, later)
    assert not await storage.forgetting.is_before(BOB, NOON)
    assert await storage.forgetting.sweep(datetime.now(UTC) - timedelta(days=30)) == 0
    assert await storage.forgetting.is_before(ANN, NOON)
    assert await storage.forgetting.sweep(datetime.now(UTC) + timedelta(seconds=1)) == 1
    assert not await storage.forgetting.is_before(ANN, NOON)


@pytest.mark.parametrize("anew", [False, True], ids=["no vault", "a new vault"])
async def test_for_what_was_said_before_no_vault_is_made_or_opened(
    storage: Storage, anew: bool
) -> None:
    await live(storage)
    await forget(storage)
    later = NOON + timedelta(seconds=1)
    if anew:
        async with storage.vaults.open(ANN, said_at=later):
            pass

    with pytest.raises(VaultGone):
        async with storage.vaults.open(ANN, said_at=NOON):
            pass

    assert await storage.vaults.exists(ANN) is anew
    async with storage.vaults.open(BOB, said_at=NOON), storage.vaults.open(ANN, said_at=later):
        pass


async def test_work_in_flight_fails_and_nothing_of_it_escapes_the_plan(storage: Storage) -> None:
    await live(storage)
    said, underway = list[str](), asyncio.Event()

    async def busy() -> None:
        async with storage.vaults.open(ANN) as vault:
            for number in range(1000):
                await vault.turns.add(
                    event_id=f"$busy-{number}",
                    room_id=SHARED,
                    room_kind="shared",
                    role="assistant",
                    text="canary",
                    said_at=NOON,
                )
                said.append(f"$busy-{number}")
                if number == 20:
                    underway.set()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(expecting(VaultGone, busy()))
        await underway.wait()
        await forget(storage)
        await task

    waiting = set[str]()
    while batch := await storage.withdrawals.next(besides=waiting):
        waiting |= {one.event_id for one in batch}
    assert set(said) <= waiting
    assert len(said) < 1000


async def expecting(kind: type[Exception], work: Coroutine[None, None, None]) -> None:
    """The work ends with that."""
    with pytest.raises(kind):
        await work
