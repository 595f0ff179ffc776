"""The audit room is for its members alone, or it is refused with every reason at once (AUD-07)."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.audit_room import FitRoom, audit_room, check
from bot.beside import feeding
from bot.config import Config
from bot.errors import ConfigError, HomeserverError, HomeserverUnavailableError
from bot.messages import Outgoing, Room, RoomRules
from storage import MasterKey, Storage, open_storage
from tests.audit_feeding import append
from tests.spine import configured

FIT = RoomRules(encrypted=True, join_rule="invite", history_visibility="joined")
UNFIT = RoomRules(encrypted=False, join_rule="public", history_visibility="world_readable")
OPERATOR = "@jane:x"


class Homeserver:
    """One room with rules that a test gives, and what was done to it."""

    def __init__(self, rules: RoomRules = FIT) -> None:
        self.room_rules = rules
        self.made = 0
        self.invited: list[str] = []
        self.sent: list[Outgoing] = []
        self.joinable = True
        self.closed: HomeserverError | None = None  # raised by whoever looks into the room

    async def rules(self, room_id: str) -> RoomRules:
        if self.closed:
            raise self.closed
        return self.room_rules

    async def room(self, room_id: str) -> Room:
        return Room(room_id, frozenset({"@bot:x", *self.invited}), self.room_rules.encrypted)

    async def join(self, room: str) -> str:
        if not self.joinable:
            raise HomeserverError("no")
        return room

    async def create_audit_room(self) -> str:
        self.made += 1
        return "!made"

    async def invite(self, room_id: str, user_id: str) -> None:
        self.invited.append(user_id)

    async def send(self, outgoing: Outgoing) -> str:
        self.sent.append(outgoing)
        return "$sent"


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    async with open_storage(tmp_path, MasterKey.load("ab" * 32, tmp_path)) as opened:
        yield opened


def config(room: str = "") -> Config:
    return configured(access={"operators": f'["{OPERATOR}"]'}, audit={"room": room})


async def test_without_a_room_one_is_made_once_and_operators_are_asked_in(
    storage: Storage,
) -> None:
    homeserver = Homeserver()

    rooms = [await audit_room(config(), homeserver, storage) for _ in range(2)]

    assert rooms == ["!made", "!made"]
    assert homeserver.made == 1
    assert homeserver.invited == [OPERATOR]


async def test_a_configured_room_is_refused_with_every_reason_at_once(storage: Storage) -> None:
    with pytest.raises(ConfigError) as refused:
        await audit_room(config("!theirs"), Homeserver(UNFIT), storage)

    lines = str(refused.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["audit.room"] * 3
    assert ["encrypted" in lines[0], "public" in lines[1], "world_readable" in lines[2]] == [
        True
    ] * 3


async def test_the_room_that_was_made_is_looked_at_again_at_each_start(storage: Storage) -> None:
    homeserver = Homeserver()
    await audit_room(config(), homeserver, storage)
    homeserver.room_rules = RoomRules(
        encrypted=True, join_rule="public", history_visibility="joined"
    )

    with pytest.raises(ConfigError, match="without an invitation") as refused:
        await audit_room(config(), homeserver, storage)

    assert "in its settings" not in str(refused.value), "nobody but the bot can change them"
    assert "name it in audit.room" in str(refused.value)


async def test_a_bot_that_was_put_out_of_its_own_room_says_what_to_do(storage: Storage) -> None:
    homeserver = Homeserver()
    await audit_room(config(), homeserver, storage)
    homeserver.closed = HomeserverError("not in the room")

    with pytest.raises(ConfigError, match=r"put out of it.*name it in audit\.room"):
        await audit_room(config(), homeserver, storage)


async def test_a_homeserver_that_is_away_does_not_make_the_room_unfit(storage: Storage) -> None:
    homeserver = Homeserver()
    await audit_room(config(), homeserver, storage)
    homeserver.closed = HomeserverUnavailableError("away")

    with pytest.raises(HomeserverUnavailableError):
        await audit_room(config(), homeserver, storage)


@pytest.mark.parametrize("join_rule", ["public", "restricted", "knock_restricted", "", "new"])
def test_a_room_that_lets_strangers_in_is_refused(join_rule: str) -> None:
    with pytest.raises(ConfigError, match=r"audit\.room: .* invite-only"):
        check(RoomRules(encrypted=True, join_rule=join_rule, history_visibility="shared"))


@pytest.mark.parametrize("history", ["world_readable", "", "new"])
def test_a_room_whose_history_strangers_read_is_refused(history: str) -> None:
    with pytest.raises(ConfigError, match=r"audit\.room: .* history"):
        check(RoomRules(encrypted=True, join_rule="invite", history_visibility=history))


@pytest.mark.parametrize("join_rule", ["invite", "knock"])
@pytest.mark.parametrize("history", ["shared", "invited", "joined"])
def test_a_room_for_those_who_were_let_in_will_do(join_rule: str, history: str) -> None:
    check(RoomRules(encrypted=True, join_rule=join_rule, history_visibility=history))


async def test_a_room_that_cannot_be_joined_is_refused_with_what_to_do(storage: Storage) -> None:
    homeserver = Homeserver()
    homeserver.joinable = False

    with pytest.raises(ConfigError, match=r"audit\.room: the bot can't join !theirs\. Invite it"):
        await audit_room(config("!theirs"), homeserver, storage)


async def test_nothing_is_sent_while_the_room_is_open_to_others() -> None:
    homeserver = Homeserver()
    way, outgoing = FitRoom(homeserver, own=False), Outgoing("!r", "text", "txn")

    await way.send(outgoing)
    homeserver.room_rules = UNFIT
    with pytest.raises(ConfigError):
        await way.send(outgoing)

    assert homeserver.sent == [outgoing]


async def test_the_feed_and_the_heads_are_not_posted_while_the_room_is_open_to_others(
    storage: Storage,
) -> None:
    homeserver = Homeserver(UNFIT)
    feed = feeding(config(), storage, homeserver, audit_room="!r", now=lambda: datetime.now(UTC))
    await append(storage)

    with pytest.raises(ConfigError):
        await feed.post()
    unfit = list(homeserver.sent)
    homeserver.room_rules = FIT
    while await feed.post():
        pass

    assert unfit == []
    kinds = [key for one in homeserver.sent for key in one.fields["org.confidant.audit"]]
    assert {"head", "entries"} <= set(kinds)


@pytest.mark.parametrize(
    ("named", "remedy"), [("", "name it in audit.room"), ("!r", "Make it invite-only in its")]
)
async def test_what_is_said_of_a_room_opened_meanwhile_is_something_that_its_operator_can_do(
    storage: Storage, named: str, remedy: str
) -> None:
    homeserver = Homeserver(replace(FIT, join_rule="public"))
    now = lambda: datetime.now(UTC)  # noqa: E731
    feed = feeding(config(named), storage, homeserver, audit_room="!r", now=now)
    await append(storage)

    with pytest.raises(ConfigError) as refused:
        await feed.post()

    assert remedy in str(refused.value)
    assert ("Make it invite-only in its" in str(refused.value)) is bool(named)
