"""The connection as a whole: messages fetched again, and the sign of life that it gives."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from bot.errors import HomeserverError
from bot.matrix.client import MatrixClient
from bot.matrix.device import OpenDevice
from bot.matrix.guard import Guard
from bot.matrix.http import Http, PageError, RequestError
from bot.matrix.session import Session
from bot.messages import RoomMessage
from tests.matrix.people import Somebody
from tests.matrix.phones import Phone
from tests.matrix.test_waiting import ANN, BOT, ROOM, Bot, Homeserver, World


@dataclass
class Device:
    """An opened device, as far as it matters here."""

    http: Http
    guard: Guard
    session: Session
    own: None = None


@pytest.fixture
def ann() -> Somebody:
    return Somebody(ANN)


@pytest.fixture
async def world(tmp_path: Path, ann: Somebody) -> AsyncIterator[World]:
    created = World(tmp_path, Homeserver(ann))
    yield created
    await created.stack.aclose()


def client_of(world: World, bot: Bot) -> MatrixClient:
    unused: Any = None
    return MatrixClient(
        cast(OpenDevice, Device(world.homeserver, bot.guard, Session(BOT, "BOTDEVICE"))),
        unused,
        bot.reader,
        unused,
        unused,
        sharing_ahead=unused,
        withheld=unused,
    )


@pytest.mark.parametrize(
    "failure",
    [
        RequestError("its disk is slow", status=500, errcode="M_UNKNOWN"),
        RequestError("it asked another in vain", status=502, errcode="M_UNKNOWN"),
        PageError("a proxy's page", status=404),
    ],
    ids=lambda failure: f"{failure.status} {failure.errcode}",
)
async def test_a_message_that_can_not_be_fetched_now_is_not_gone(
    world: World, ann: Somebody, failure: RequestError
) -> None:
    bot = await world.start()
    phone, client = Phone(bot.guard, ann, room_id=ROOM), client_of(world, bot)
    await bot.hears(world.homeserver.said(phone.event("hello", "$1")), keys=(phone.room_key(),))

    world.homeserver.failing, world.homeserver.failure = "/event/", failure
    with pytest.raises(HomeserverError):
        await client.fetch(ROOM, "$1")
    world.homeserver.failing = ""
    again = await client.fetch(ROOM, "$1")
    asked = world.homeserver.queries
    deleted = await client.fetch(ROOM, "$deleted")

    assert isinstance(again, RoomMessage)
    assert (again.body, deleted) == ("hello", None)
    assert world.homeserver.queries == asked, "of a message that is gone nobody is the sender"


async def test_a_message_of_whom_nothing_is_known_now_is_not_gone(
    world: World, ann: Somebody
) -> None:
    bot = await world.start()
    phone, client = Phone(bot.guard, ann, room_id=ROOM), client_of(world, bot)
    await bot.hears(keys=(phone.room_key(),))
    world.homeserver.said(phone.event("hello", "$1"))
    world.homeserver.people = ()  # its own homeserver does not answer, nor did it before

    with pytest.raises(HomeserverError, match="does not answer"):
        await client.fetch(ROOM, "$1")


async def test_it_lives_while_its_reading_gets_on_or_the_homeserver_is_away(world: World) -> None:
    bot = await world.start()
    client = client_of(world, bot)
    begun = client.alive_at

    bot.reader.got_on_at = begun + 10
    reading = client.alive_at
    world.homeserver.away_at = begun + 20

    assert (reading, client.alive_at) == (begun + 10, begun + 20)
