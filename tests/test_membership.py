"""Into which rooms the bot goes, and out of which."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot import membership, membership_words, replies
from bot.errors import HomeserverUnavailableError
from bot.messages import Room, Successor
from bot.room_events import Alone, Invite, Upgraded
from tests.spine import ANN, AUDIT_ROOM, BOB, BOT, EVE, Spine, spine


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Spine]:
    async with spine(tmp_path) as running:
        yield running


async def audited(bot: Spine) -> list[tuple[str, str, object]]:
    """What the audit room shows of rooms: action, outcome and reason, oldest first."""
    entries = await bot.storage.audit_log.feed(limit=10_000)
    return [
        (one.action, one.outcome, one.facts.get("reason"))
        for one in entries
        if one.action.startswith("room.")
    ]


def rooms_with(bot: Spine, user_id: str, count: int, *, of: str = "room") -> list[str]:
    """So many rooms of this person that the bot may be asked into."""
    made = [f"!{of}-{number}" for number in range(count)]
    for room_id in made:
        bot.homeserver.rooms[room_id] = Room(room_id, frozenset({BOT, user_id}), encrypted=True)
    return made


def upgrade(bot: Spine, old: str, new: str, *, encrypted: bool = True, before: str = "") -> None:
    """The old room names the new one, and the new one names what came before."""
    members = bot.homeserver.rooms[old].members
    bot.homeserver.rooms[new] = Room(new, members, encrypted)
    bot.homeserver.successors[old] = Successor(new, via="x.org")
    bot.homeserver.predecessors[new] = before or old


async def test_invites_of_listed_people_are_accepted_and_others_rejected(bot: Spine) -> None:
    assert await bot.give(Invite("!ann", ANN)) == []
    assert await bot.give(Invite("!eve", EVE)) == []

    assert (bot.homeserver.entered, bot.homeserver.left) == (["!ann"], ["!eve"])
    assert bot.homeserver.reasons["!eve"] == membership_words.UNLISTED
    assert await audited(bot) == [
        ("room.joined", "ok", None),
        ("room.refused", "denied", "unlisted"),
    ]


async def test_on_joining_a_room_without_encryption_it_says_what_it_needs(bot: Spine) -> None:
    [told] = await bot.give(Invite("!open", ANN))
    again = await bot.say("hello", ANN, "!open", encrypted=False)

    assert told.text == replies.UNENCRYPTED_ROOM
    assert again == []


async def test_an_invite_that_comes_twice_is_accepted_once(bot: Spine) -> None:
    for _ in range(2):
        await bot.give(Invite("!ann", ANN))

    assert bot.homeserver.entered == ["!ann"]
    assert await audited(bot) == [("room.joined", "ok", None)]


async def test_one_person_gets_the_bot_into_so_many_rooms_and_no_more(bot: Spine) -> None:
    asked = rooms_with(bot, ANN, membership.ROOMS_WITH_ONE + 20)
    bot.homeserver.unseen = set(asked[::2])  # the sync is behind

    for room_id in asked:
        await bot.give(Invite(room_id, ANN))
    await bot.give(Invite("!bob", BOB))

    allowed = asked[: membership.ROOMS_WITH_ONE]
    assert bot.homeserver.inside == {*allowed, "!bob"}
    assert bot.homeserver.left == asked[membership.ROOMS_WITH_ONE :]
    assert str(membership.ROOMS_WITH_ONE) in bot.homeserver.reasons[asked[-1]]
    refused = ("room.refused", "denied", "too many rooms with the inviter")
    assert (await audited(bot)).count(refused) == 20


async def test_a_room_left_makes_place_for_another(bot: Spine) -> None:
    asked = rooms_with(bot, ANN, membership.ROOMS_WITH_ONE + 1)
    bot.homeserver.unseen = set(asked)
    for room_id in asked[:-1]:
        await bot.give(Invite(room_id, ANN))
    await bot.homeserver.leave(asked[0])

    await bot.give(Invite(asked[-1], ANN))

    assert asked[-1] in bot.homeserver.inside


async def test_the_bot_is_in_so_many_rooms_and_no_more(bot: Spine) -> None:
    bot.homeserver.inside = set(rooms_with(bot, BOB, membership.ROOMS, of="full"))

    await bot.give(Invite("!ann", ANN))

    assert bot.homeserver.reasons == {"!ann": membership_words.TOO_MANY}
    assert await audited(bot) == [("room.refused", "denied", "too many rooms")]


async def test_joins_come_in_a_small_burst_and_then_one_by_one(bot: Spine) -> None:
    asked = rooms_with(bot, ANN, 25)

    begun = []
    for room_id in asked:
        await bot.give(Invite(room_id, ANN))
        begun.append(bot.stopwatch.seconds)

    assert begun[:5] == [0.0] * 5
    assert begun[6:] == [float(number) for number in range(1, 20)]


async def test_rejections_are_paced_too(bot: Spine) -> None:
    for number in range(125):
        await bot.give(Invite(f"!of-eve-{number}", EVE))

    assert bot.stopwatch.seconds == pytest.approx(99 * membership.REJECTING)


async def test_an_invite_that_cannot_be_accepted_is_rejected_and_recorded(bot: Spine) -> None:
    await bot.give(Invite("!nowhere", ANN))

    assert bot.homeserver.reasons == {"!nowhere": membership_words.NOT_JOINABLE}
    assert await audited(bot) == [
        ("room.joined", "failed", None),
        ("room.refused", "denied", "not joinable"),
    ]


async def test_while_the_homeserver_is_away_no_invite_is_given_up(bot: Spine) -> None:
    bot.homeserver.away = True

    for invite in (Invite("!ann", ANN), Invite("!eve", EVE)):
        with pytest.raises(HomeserverUnavailableError):
            await bot.give(invite)

    assert await audited(bot) == []


async def test_an_upgraded_room_is_followed_and_left(bot: Spine) -> None:
    bot.homeserver.inside = {"!all"}
    upgrade(bot, "!all", "!new")

    await bot.give(Upgraded("!all"))

    assert bot.homeserver.inside == {"!new"}
    assert await audited(bot) == [
        ("room.joined", "ok", "upgrade"),
        ("room.left", "ok", "upgrade"),
    ]


async def test_a_room_that_names_another_predecessor_is_left_again(bot: Spine) -> None:
    bot.homeserver.inside = {"!all"}
    upgrade(bot, "!all", "!trap", before="!another")

    await bot.give(Upgraded("!all"))

    assert bot.homeserver.inside == {"!all"}
    assert (await audited(bot))[-1] == ("room.left", "ok", "names another predecessor")


async def test_a_room_less_encrypted_than_its_predecessor_is_left_again(bot: Spine) -> None:
    bot.homeserver.inside = {"!all"}
    upgrade(bot, "!all", "!plain", encrypted=False)

    sent = await bot.give(Upgraded("!all"))

    assert sent == []
    assert bot.homeserver.inside == {"!all"}
    assert (await audited(bot))[-1] == ("room.left", "ok", "not encrypted as before")


async def test_a_wrong_successor_that_can_be_read_from_outside_is_not_joined(bot: Spine) -> None:
    bot.homeserver.inside = {"!all"}
    upgrade(bot, "!all", "!trap", before="!another")

    async def predecessor(room_id: str) -> str:
        return bot.homeserver.predecessors[room_id]

    bot.homeserver.predecessor = predecessor  # type: ignore[method-assign]
    await bot.give(Upgraded("!all"))

    assert bot.homeserver.entered == []
    assert await audited(bot) == [("room.refused", "denied", "names another predecessor")]


async def test_a_tombstone_of_somebody_without_power_is_not_followed(bot: Spine) -> None:
    bot.homeserver.inside = {"!all"}

    await bot.give(Upgraded("!all"))

    assert (bot.homeserver.entered, bot.homeserver.left) == ([], [])


async def test_an_upgrade_that_needs_an_invite_waits_for_it_and_is_then_finished(
    bot: Spine,
) -> None:
    bot.homeserver.inside = {"!all"}
    upgrade(bot, "!all", "!new")
    invite_only = bot.homeserver.rooms.pop("!new")

    await bot.give(Upgraded("!all"))
    before = set(bot.homeserver.inside)
    bot.homeserver.rooms["!new"] = invite_only
    await bot.give(Invite("!new", ANN))

    assert before == {"!all"}
    assert bot.homeserver.inside == {"!new"}
    assert await audited(bot) == [
        ("room.joined", "failed", "upgrade"),
        ("room.joined", "ok", None),
        ("room.left", "ok", "upgrade"),
    ]


async def test_a_room_one_was_invited_into_is_not_left_for_naming_no_predecessor(
    bot: Spine,
) -> None:
    bot.homeserver.inside = {"!all", "!ann"}
    bot.homeserver.successors["!all"] = Successor("!ann", via="x.org")

    await bot.give(Upgraded("!all"))

    assert bot.homeserver.inside == {"!all", "!ann"}


async def test_the_audit_room_is_neither_followed_nor_left(
    bot: Spine, caplog: pytest.LogCaptureFixture
) -> None:
    bot.homeserver.rooms[AUDIT_ROOM] = Room(AUDIT_ROOM, frozenset({BOT}), encrypted=True)
    bot.homeserver.inside = {AUDIT_ROOM}
    upgrade(bot, AUDIT_ROOM, "!new")

    await bot.give(Upgraded(AUDIT_ROOM))
    await bot.give(Alone(AUDIT_ROOM))

    assert bot.homeserver.inside == {AUDIT_ROOM}
    assert [one.getMessage() for one in caplog.records] == [membership_words.AUDIT_ROOM_UPGRADED]


async def test_the_bot_leaves_where_it_is_alone(bot: Spine) -> None:
    bot.homeserver.rooms["!ann"] = Room("!ann", frozenset({BOT}), encrypted=True)
    bot.homeserver.inside = {"!ann"}

    await bot.give(Alone("!ann"))

    assert bot.homeserver.left == ["!ann"]
    assert await audited(bot) == [("room.left", "ok", "alone")]


async def test_somebody_who_is_there_or_asked_in_keeps_the_bot(bot: Spine) -> None:
    bot.homeserver.inside = {"!ann"}

    await bot.give(Alone("!ann"))
    await bot.give(Alone("!bob"))  # not in there any more

    assert bot.homeserver.left == []


async def test_what_was_said_in_a_room_that_the_bot_has_left_ends_there(bot: Spine) -> None:
    bot.homeserver.rooms["!ann"] = Room("!ann", frozenset({ANN}), encrypted=True)
    await bot.storage.inbox.accept([("$m", "!ann")], "s1")

    assert await bot.say("hello", event_id="$m") == []

    assert bot.model.requests == []
    assert await bot.storage.inbox.unfinished() == []
