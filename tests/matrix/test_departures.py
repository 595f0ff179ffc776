"""What a sync says of rooms that end."""

from typing import Any

import pytest

from bot.matrix.departures import departures
from bot.room_events import Alone, Upgraded

BOT, ANN = "@bot:x.org", "@ann:x.org"


def membership(user_id: str, membership: str) -> dict[str, Any]:
    return {"type": "m.room.member", "state_key": user_id, "content": {"membership": membership}}


def tombstone(replacement: object, **more: Any) -> dict[str, Any]:
    content = {"replacement_room": replacement}
    return {"type": "m.room.tombstone", "state_key": "", "content": content, **more}


def found(*events: Any, members: tuple[str, ...] = (BOT, ANN)) -> list[Upgraded | Alone]:
    return list(departures("!r", list(events), members=members, bot=BOT))


def test_tombstones_are_looked_into_once_wherever_they_point() -> None:
    assert found(tombstone("!a"), tombstone(7)) == [Upgraded("!r")]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "m.room.tombstone", "content": {"replacement_room": "!a"}},  # no state at all
        tombstone("!a", state_key="x"),
        "m.room.tombstone",
        None,
    ],
)
def test_what_is_no_tombstone_upgrades_nothing(event: object) -> None:
    assert found(event) == []


@pytest.mark.parametrize("how", ["leave", "ban"])
def test_the_last_other_person_going_leaves_the_bot_alone(how: str) -> None:
    assert found(membership(ANN, how), members=(BOT,)) == [Alone("!r")]


def test_a_room_whose_invitee_has_not_come_yet_is_not_deserted() -> None:
    made = (membership(BOT, "join"),)

    assert found(*made, members=(BOT,)) == []
    assert found(*made, membership(ANN, "invite")) == []
    assert found(*made, membership("@eve:x.org", "leave")) == []


def test_a_message_in_a_lone_room_says_nothing_about_members() -> None:
    assert found({"type": "m.room.message", "state_key": ANN}, members=(BOT,)) == []
    assert found(membership("", "leave"), membership(BOT, "leave"), members=(BOT,)) == []
