"""Who may end a room, and where it goes on."""

from collections.abc import Mapping
from typing import Any

import pytest

from bot.matrix import upgrades
from bot.matrix.http import Http, RequestError
from bot.messages import Successor

ANN, BOB, EVE = "@ann:x.org", "@bob:x.org", "@eve:y.org"
OLD, NEW = "!old:x.org", "!new"


def created(version: str = "11", **content: Any) -> dict[str, Any]:
    content = {"room_version": version, **content}
    return {"type": "m.room.create", "state_key": "", "sender": ANN, "content": content}


def tombstone(sender: str = ANN, replacement: str = NEW) -> dict[str, Any]:
    content = {"replacement_room": replacement}
    return {"type": "m.room.tombstone", "state_key": "", "sender": sender, "content": content}


def levels(**content: Any) -> dict[str, Any]:
    return {"type": "m.room.power_levels", "state_key": "", "sender": ANN, "content": content}


class OneRoom(Http):
    """A homeserver with the state of one room; some give only its content when asked for one."""

    def __init__(self, *events: dict[str, Any], whole: bool = True) -> None:
        super().__init__("http://x.org")
        self._events = events
        self._whole = whole

    async def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, **options: Any
    ) -> dict[str, Any]:
        kind = path.split("/")[-2]
        for event in self._events:
            if event["type"] == kind:
                content: dict[str, Any] = event["content"]
                return event if self._whole else content
        raise RequestError("none", status=404, errcode="M_NOT_FOUND")


@pytest.mark.parametrize(
    ("user_id", "made", "said", "may"),
    [
        (ANN, created(), {"users": {ANN: 100}}, True),
        (ANN, created(), {"users": {ANN: 50}}, True),
        (BOB, created(), {"users": {ANN: 100}}, False),
        (BOB, created(), {"users_default": 50}, True),
        (BOB, created(), {"users": {BOB: 90}, "state_default": 95}, False),
        (BOB, created(), {"users": {BOB: 90}, "events": {"m.room.tombstone": 100}}, False),
        (BOB, created(), {"users": {BOB: 9}, "events": {"m.room.tombstone": 5}}, True),
        (BOB, created(), {"users": {BOB: "100"}}, False),
        (BOB, created(), {"users": {BOB: True}}, False),
        (BOB, created(), {"users": [BOB]}, False),
        (ANN, created(), {}, True),  # no levels: the creator has 100
        (BOB, created(), {}, False),
        (ANN, created(), {"users": {BOB: 100}}, False),  # a creator without power before 12
        (ANN, created("12"), {"users": {BOB: 100}, "events": {"m.room.tombstone": 150}}, True),
        (BOB, created("12", additional_creators=[BOB]), {"state_default": 100}, True),
        (BOB, created("11", additional_creators=[BOB]), {"state_default": 100}, False),
        (BOB, created("12"), {"users": {BOB: 100}, "events": {"m.room.tombstone": 150}}, False),
        (EVE, created("12", additional_creators=EVE), {"state_default": 100}, False),
        (EVE, created("x" * 9), {"state_default": 100}, False),
    ],
)
def test_a_tombstone_takes_the_power_to_write_it(
    user_id: str, made: dict[str, Any], said: dict[str, Any], may: bool
) -> None:
    assert upgrades.may_end(user_id, created=made, levels=said) is may


async def test_a_room_goes_on_where_its_admin_says() -> None:
    admins = levels(users={ANN: 100})
    by_admin = OneRoom(created(), admins, tombstone(ANN))
    by_stranger = OneRoom(created(), admins, tombstone(EVE))

    assert await upgrades.successor(by_admin, OLD) == Successor(NEW, via="x.org")
    assert await upgrades.successor(by_stranger, OLD) is None


async def test_a_tombstone_that_nobody_is_said_to_have_written_is_not_followed() -> None:
    everybody = levels(users_default=100)
    silent = OneRoom(created(), everybody, tombstone(ANN), whole=False)

    assert await upgrades.successor(silent, OLD) is None


@pytest.mark.parametrize("replacement", ["#alias:x.org", OLD, "", "!", "! a", "!" + "a" * 255])
async def test_what_is_no_other_rooms_id_is_not_followed(replacement: str) -> None:
    http = OneRoom(created("12"), tombstone(ANN, replacement))

    assert await upgrades.successor(http, OLD) is None


async def test_a_room_without_a_tombstone_goes_on_where_it_is() -> None:
    assert await upgrades.successor(OneRoom(created("12")), OLD) is None


async def test_a_room_says_what_it_continues() -> None:
    continued = OneRoom(created(predecessor={"room_id": OLD}))

    assert await upgrades.predecessor(continued, NEW) == OLD
    assert await upgrades.predecessor(OneRoom(created(predecessor=[OLD])), NEW) == ""
