"""An operator's word on a verification is an order: on the record first, and past every guard."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bot.errors import AuditUnavailableError
from bot.messages import Room, RoomMessage, Standing
from storage import StorageFailure
from storage.audit_log import AuditLog
from tests.spine import ANN, AUDIT_ROOM, BOT, Spine, configured, spine
from tests.test_operating import CONFIG, OPERATOR, entries, texts, with_audit_room
from tests.test_orders_on_record import OPENED, sent_before

NUMBER = 123456


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path, CONFIG) as running:
        yield verifying(with_audit_room(running))


def verifying(bot: Spine) -> Spine:
    """While a verification waits for somebody to compare."""
    bot.homeserver.waiting.add(NUMBER)
    return bot


@pytest.mark.parametrize(
    ("line", "same"),
    [
        (f"!verified {NUMBER}", True),
        (f"!mismatch {NUMBER}", False),
        (f" !mismatch  {NUMBER}\n", False),
    ],
)
async def test_it_is_handed_on_and_answered_by_what_comes_of_it(
    bot: Spine, line: str, *, same: bool
) -> None:
    assert await bot.say(line, OPERATOR, AUDIT_ROOM) == []
    assert bot.homeserver.compared == [(NUMBER, same)]
    assert await bot.storage.inbox.unfinished() == []


@pytest.mark.parametrize(
    "line",
    [
        "!verified 12345",
        "!verified 1234567",
        "!verified １２３４５６",
        "!verified",
        f"verified {NUMBER}",
        f"!verified {NUMBER} or not",
        f"I write !verified {NUMBER}",
    ],
)
async def test_it_is_taken_word_for_word(bot: Spine, line: str) -> None:
    await bot.say(line, OPERATOR, AUDIT_ROOM)

    assert bot.homeserver.compared == []


@pytest.mark.parametrize("line", [f"!verified {NUMBER}", f"!mismatch {NUMBER}"])
async def test_that_it_begins_is_recorded_before_it_has_an_effect(
    bot: Spine, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    seen: list[tuple[str, object]] = []
    compare = bot.homeserver.compare

    async def looking(number: int, *, same: bool) -> bool:
        own = await entries(bot, OPERATOR)
        seen.extend((one.outcome, one.facts.get("command")) for one in own[-1:])
        return await compare(number, same=same)

    monkeypatch.setattr(bot.handler._operating, "_compared", looking)
    await bot.say(line, OPERATOR, AUDIT_ROOM)

    assert seen == [("begun", line.split(maxsplit=1)[0].removeprefix("!"))]


async def test_what_cannot_be_recorded_verifies_nobody(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(*_: object, **__: object) -> None:
        raise StorageFailure("the disk is full")

    monkeypatch.setattr(AuditLog, "record", failing)
    with pytest.raises(AuditUnavailableError):
        await bot.say(f"!verified {NUMBER}", OPERATOR, AUDIT_ROOM)

    assert bot.homeserver.compared == []


def opened(bot: Spine) -> None:
    bot.homeserver.room_rules = OPENED


def without_the_operator(bot: Spine) -> None:
    bot.homeserver.rooms[AUDIT_ROOM] = Room(AUDIT_ROOM, frozenset({BOT, ANN}), encrypted=True)


@pytest.mark.parametrize("guard", [opened, without_the_operator])
async def test_in_an_unfit_room_or_of_somebody_who_left_it_counts_for_nothing(
    bot: Spine, guard: Callable[[Spine], None]
) -> None:
    guard(bot)

    await bot.say(f"!verified {NUMBER}", OPERATOR, AUDIT_ROOM)

    assert bot.homeserver.compared == []


@pytest.mark.parametrize(
    "change",
    [
        {"sender": ANN},
        {"room_id": "!op"},
        {"encrypted": False},
        {"standing": Standing.UNSIGNED},
        {"standing": Standing.CHANGED},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_nobody_elses_word_counts_and_none_that_a_homeserver_could_write(
    bot: Spine, change: dict[str, object]
) -> None:
    said = sent_before(bot, f"!verified {NUMBER}", "$order", seconds=1)
    await bot.give(altered(said, change))
    counted = list(bot.homeserver.compared)
    await bot.give(said)

    assert counted == []
    assert bot.homeserver.compared == [(NUMBER, True)], "the same of an operator's own"


def altered(said: RoomMessage, change: dict[str, object]) -> RoomMessage:
    return replace(said, event_id="$another", **change)  # type: ignore[arg-type]


async def test_one_that_comes_late_or_too_fast_counts_for_nothing(tmp_path: Path) -> None:
    config = configured(
        access={"operators": f'["{OPERATOR}"]'}, limits={"messages_per_minute": "1"}
    )
    async with spine(tmp_path, config) as bot:
        verifying(with_audit_room(bot))
        late = await bot.give(sent_before(bot, f"!verified {NUMBER}", "$late", minutes=6))
        await bot.say("!help", OPERATOR, AUDIT_ROOM)
        fast = await bot.say(f"!verified {NUMBER}", OPERATOR, AUDIT_ROOM)

        assert ["came too late" in one for one in texts(late)] == [True]
        assert ["more than I may take" in one for one in texts(fast)] == [True]
        assert bot.homeserver.compared == []


async def test_the_bots_own_account_vouches_for_nobody_though_operators_cover_it(
    tmp_path: Path,
) -> None:
    async with spine(tmp_path, configured(access={"operators": '["@*:x.org"]'})) as bot:
        verifying(with_audit_room(bot))
        await bot.say(f"!verified {NUMBER}", BOT, AUDIT_ROOM)
        counted = list(bot.homeserver.compared)
        await bot.say(f"!verified {NUMBER}", OPERATOR, AUDIT_ROOM)

    assert counted == []
    assert bot.homeserver.compared == [(NUMBER, True)]
