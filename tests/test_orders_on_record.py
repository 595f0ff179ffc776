"""An order begins on the record, takes effect once, in time and in a room fit for it, or not."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.audit_feed import notice
from bot.errors import AuditUnavailableError
from bot.messages import Outgoing, Room, RoomMessage, RoomRules
from bot.replies import CAME_TOO_LATE, NOT_ALLOWED, UNFIT_ROOM
from storage import AuditEntry, StorageFailure
from storage.access_rules import AccessRules
from storage.audit_log import AuditLog
from tests.spine import ANN, AUDIT_ROOM, BOB, BOT, EVE, Spine, configured, spine
from tests.test_operating import (
    CONFIG,
    OPERATOR,
    entries,
    order,
    pseudonym,
    texts,
    with_audit_room,
)

CHANGES = [f"!block {BOB}", f"!allow {EVE}", f"!lift {ANN}", "!pause", "!resume"]
OPENED = RoomRules(encrypted=True, join_rule="public", history_visibility="joined")


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path, CONFIG) as running:
        yield with_audit_room(running)


def rules(bot: Spine) -> tuple[object, ...]:
    """All that operators may change."""
    access = bot.storage.access
    return access.allowed, access.blocked, access.paused_since


async def changes(bot: Spine) -> list[tuple[str, str, dict[str, object]]]:
    """What an operator's own log says of changes, with what only began."""
    own = await entries(bot, OPERATOR)
    return [
        (one.outcome, one.target, dict(one.facts)) for one in own if one.action == "access.changed"
    ]


def sent_before(bot: Spine, line: str, event_id: str, **ago: float) -> RoomMessage:
    """An order that was sent so long ago."""
    said = bot.message(line, event_id=event_id, sender=OPERATOR)
    return replace(said, room_id=AUDIT_ROOM, sent_at=bot.clock() - timedelta(**ago))


@pytest.mark.parametrize("newcomer", [True, False])
@pytest.mark.parametrize("line", ["!help", "!users", "!status", "!allow", "!nothing", *CHANGES])
async def test_what_cannot_be_recorded_is_neither_answered_nor_done(
    bot: Spine, monkeypatch: pytest.MonkeyPatch, line: str, *, newcomer: bool
) -> None:
    await bot.storage.access.block(ANN)
    if line == "!resume":
        await bot.storage.access.pause()
    if not newcomer:
        await order(bot, "!help")
    before, sent = rules(bot), len(bot.homeserver.sent)

    async def failing(*_: object, **__: object) -> None:
        raise StorageFailure("the disk is full")

    monkeypatch.setattr(AuditLog, "record", failing)
    with pytest.raises(AuditUnavailableError):
        await bot.say(line, OPERATOR, AUDIT_ROOM)

    assert bot.homeserver.sent[sent:] == []
    assert rules(bot) == before


@pytest.mark.parametrize("line", ["!help", "!users", f"!block {BOB}", "!pause", "!nothing"])
async def test_that_an_order_begins_is_recorded_before_anything_is_sent(
    bot: Spine, line: str
) -> None:
    seen: list[Sequence[AuditEntry]] = []
    send = bot.homeserver.send

    async def looking(outgoing: Outgoing) -> str:
        seen.append(await entries(bot, OPERATOR))
        return await send(outgoing)

    bot.homeserver.send = looking  # type: ignore[method-assign]
    await order(bot, line)

    began = [one for one in seen[0] if one.outcome == "begun"]
    assert [one.action for one in began][:1] == ["message.answered"]
    assert began[0].target.startswith("$said")


async def test_a_change_is_recorded_before_and_after_and_one_that_stands_not_again(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    block = AccessRules.block

    async def looking(access: AccessRules, pattern: str) -> None:
        seen.append([outcome for outcome, *_ in await changes(bot)])
        await block(access, pattern)

    monkeypatch.setattr(AccessRules, "block", looking)
    for event_id in ("$order", "$order", "$later"):
        await bot.say(f"!block {BOB}", OPERATOR, AUDIT_ROOM, event_id=event_id)

    assert seen[0] == ["begun"]
    said = {"rule": "block"}
    recorded = await changes(bot)
    assert recorded[:2] == [("begun", BOB, said), ("ok", BOB, said)]
    assert ("begun", BOB, said) not in recorded[4:], "what stands is not changed"
    assert bot.storage.access.blocked == (BOB,)


@pytest.mark.parametrize(
    ("line", "method"),
    [(f"!block {BOB}", "block"), (f"!allow {EVE}", "allow"), ("!pause", "pause")],
)
async def test_a_change_that_fails_is_not_recorded_as_made(
    bot: Spine, monkeypatch: pytest.MonkeyPatch, line: str, method: str
) -> None:
    async def failing(*_: object) -> None:
        raise StorageFailure("the disk is full")

    monkeypatch.setattr(AccessRules, method, failing)
    answer = await bot.say(line, OPERATOR, AUDIT_ROOM)

    assert [outcome for outcome, *_ in await changes(bot)] == ["begun", "failed"]
    assert "went wrong" in answer[0].text
    assert rules(bot) == ((), (), None)


class CrashError(BaseException):
    """The process ends here."""


@pytest.mark.parametrize(("line", "method"), [
    (f"!block {BOB}", "block"), (f"!lift {ANN}", "lift"),
    ("!pause", "pause"), ("!resume", "resume"),
])  # fmt: skip
async def test_a_crash_behind_a_change_leaves_it_recorded_by_the_order_that_is_taken_up_again(
    bot: Spine, monkeypatch: pytest.MonkeyPatch, line: str, method: str
) -> None:
    await bot.storage.access.allow(ANN)
    if line == "!resume":
        await bot.storage.access.pause()
    make = getattr(AccessRules, method)

    async def crashing(*given: object) -> None:
        await make(*given)
        raise CrashError

    said = sent_before(bot, line, "$order", minutes=4)
    await bot.storage.inbox.accept([("$order", AUDIT_ROOM)], "s")
    with monkeypatch.context() as patch:
        patch.setattr(AccessRules, method, crashing)
        with pytest.raises(CrashError):
            await bot.give(said)
    answer = await bot.give(replace(said, recovered=True))

    assert len(answer) == 1
    assert [outcome for outcome, *_ in await changes(bot)] == ["begun", "begun", "ok"]
    assert await bot.storage.inbox.unfinished() == []


@pytest.mark.parametrize("recovered", [True, False])
async def test_an_order_that_comes_late_undoes_nothing(bot: Spine, *, recovered: bool) -> None:
    await order(bot, f"!block {EVE}")
    late = replace(sent_before(bot, f"!allow {EVE}", "$late", minutes=6), recovered=recovered)
    told = await bot.give(late)
    again = await bot.give(replace(late, event_id="$late-2"))

    assert texts(told) == texts(again) == [CAME_TOO_LATE]
    assert rules(bot) == ((), (EVE,), None)
    denied = [one for one in await entries(bot, OPERATOR) if one.outcome == "denied"]
    assert [one.facts["reason"] for one in denied] == ["too late"] * 2


async def test_an_order_that_a_crash_cut_short_is_not_late_however_long_the_bot_was_down(
    bot: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = AccessRules.allow

    async def crashing(access: AccessRules, pattern: str) -> None:
        await make(access, pattern)
        raise CrashError

    said = sent_before(bot, f"!allow {EVE}", "$order", minutes=0)
    await bot.storage.inbox.accept([("$order", AUDIT_ROOM)], "s")
    with monkeypatch.context() as patch:
        patch.setattr(AccessRules, "allow", crashing)
        with pytest.raises(CrashError):
            await bot.give(said)
    bot.clock.forward(hours=6)
    answer = await bot.give(replace(said, recovered=True))

    assert rules(bot) == ((EVE,), (), None)
    assert ["may talk with me" in one for one in texts(answer)] == [True]
    assert [outcome for outcome, *_ in await changes(bot)] == ["begun", "begun", "ok"]
    assert "denied" not in {one.outcome for one in await entries(bot, OPERATOR)}


async def test_an_order_that_waited_for_a_start_of_a_few_minutes_is_carried_out(bot: Spine) -> None:
    said = replace(sent_before(bot, f"!allow {EVE}", "$order", minutes=4), recovered=True)

    assert "may talk with me" in (await bot.give(said))[0].text
    assert bot.storage.access.allowed == (EVE,)


@pytest.mark.parametrize("line", ["!who {name}", "!users", f"!block {BOB}", "!nothing"])
async def test_in_a_room_that_others_could_read_nothing_is_ordered(bot: Spine, line: str) -> None:
    await bot.say("Hello")
    await order(bot, "!help")
    line = line.format(name=await pseudonym(bot, ANN))
    bot.homeserver.room_rules = OPENED
    refused = await order(bot, line)
    before, looked_up = rules(bot), await bot.audited()
    bot.homeserver.room_rules = replace(OPENED, join_rule="invite")
    again = await order(bot, line)

    assert refused == UNFIT_ROOM
    assert ANN not in refused
    assert before == ((), (), None)
    assert ("identity.looked_up", "ok") not in looked_up
    assert again != UNFIT_ROOM
    denied = [one for one in await entries(bot, OPERATOR) if one.outcome == "denied"]
    assert [one.facts["reason"] for one in denied] == ["unfit room"]


async def test_an_operator_who_has_left_the_room_orders_nothing(bot: Spine) -> None:
    bot.homeserver.rooms[AUDIT_ROOM] = Room(AUDIT_ROOM, frozenset({BOT}), encrypted=True)

    assert await bot.say("!pause", OPERATOR, AUDIT_ROOM) == []
    assert bot.storage.access.paused_since is None
    assert await bot.storage.inbox.unfinished() == []


async def test_a_rule_is_lifted_and_the_configuration_decides_again(bot: Spine) -> None:
    await order(bot, f"!allow {EVE}")
    await order(bot, f"!block {ANN}")
    lifted = [await order(bot, f"!lift {EVE}"), await order(bot, f"!lift `{ANN}`")]
    guest = await bot.say("Hello", EVE, "!eve")
    listed = await bot.say("Hello")
    none = await order(bot, f"!lift {EVE}")

    assert all("is taken back" in one for one in lifted)
    assert f"Nothing was allowed or blocked here for `{EVE}`" in none
    assert rules(bot) == ((), (), None)
    assert texts(guest) == [NOT_ALLOWED]
    assert texts(listed) == ["I see."]
    assert (await changes(bot))[-1] == ("ok", ANN, {"rule": "lift"})


async def test_whom_the_configuration_lets_in_gets_no_rule_of_their_own(tmp_path: Path) -> None:
    config = configured(access={"operators": f'["{OPERATOR}", "{EVE}"]'})
    async with spine(tmp_path, config) as bot:
        with_audit_room(bot)
        for who in (EVE, ANN):
            assert "may talk with me" in await order(bot, f"!allow {who}")

        assert rules(bot) == ((), (), None)
        assert await changes(bot) == [], "nothing changed"


async def test_orders_are_told_as_what_they_are_to_operators_and_in_the_room(bot: Spine) -> None:
    for line in (f"!block {EVE}", f"!allow {EVE}", f"!lift {EVE}", "!pause", "!resume"):
        await order(bot, line)
    log = await bot.text("!audit access", OPERATOR, "!op")
    items = await bot.storage.audit_log.feed(limit=100)
    feed = notice(items, AUDIT_ROOM).text
    name = await pseudonym(bot, OPERATOR)

    for told in (f"You blocked `{EVE}`\n", f"You let `{EVE}` talk with me\n",
                 f"You took back what was allowed or blocked for `{EVE}`\n",
                 "You paused me\n", "You had me talk again\n"):  # fmt: skip
        assert told in log
    assert "who you are to others" not in log
    for told in ("Somebody was blocked by", "Somebody was let in by", "A rule was taken back by",
                 "The bot was paused by", "The bot was resumed by"):  # fmt: skip
        assert any(told in line and line.endswith(name) for line in feed.splitlines()), told
    assert "Access right" not in feed
    assert EVE not in feed


async def test_whoever_was_looked_up_reads_by_whom(bot: Spine) -> None:
    await bot.say("Hello")
    await order(bot, f"!who {await pseudonym(bot, ANN)}")
    log = await bot.text("!audit identity")

    assert f"Told `{OPERATOR}`, an operator, who is behind your pseudonym\n" in log


async def test_whoever_is_forgotten_reads_that_an_operators_words_about_them_stay(
    bot: Spine,
) -> None:
    await order(bot, f"!allow {EVE}")
    await bot.say("Hello", EVE, "!eve")
    await bot.say("!forget everything", EVE, "!eve")
    receipt = (await bot.say("yes", EVE, "!eve"))[0].text

    assert "Your Matrix id where an operator of mine named you" in receipt
    assert bot.storage.access.allowed == (EVE,), "as the receipt says"
    assert EVE in [target for _, target, _ in await changes(bot)]
