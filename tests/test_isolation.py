"""Fifty people at once, on real storage and over a real socket: nobody is told of anybody else."""

import asyncio
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot.dispatcher import Dispatcher
from bot.gateway import Gateway
from bot.gateway_patience import Patience
from bot.messages import Outgoing, RoomMessage
from bot.prompt import MEMORIES
from bot.recall import Overheard, RoomWindows
from bot.room_events import Batch
from storage import Vault, Vaults
from tests.crowd import (
    CANARY,
    NAMED,
    Crowd,
    Forgetful,
    asker,
    breaches,
    crowd,
    first_words,
    indiscretions,
    one_round,
    question,
    words_for_rooms,
)
from tests.responder import (
    Captured,
    Exchange,
    Responder,
    Step,
    body,
    cut,
    error,
    html,
    responder,
)
from tests.spine import FakeHomeserver, Spine, configured, spine

PEOPLE, ROOMS, MEMBERS, IN_SHARED = (
    50,
    10,
    12,
    5,
)  # of the members of a room, so many ask in a round
ROUNDS = 23
REQUESTS = 5_000
POOL = 16  # open vaults: most are closed and opened again between two messages of their owner
AT_ONCE = Patience(first_wait=0.0)


@dataclass(frozen=True, slots=True)
class Run:
    """A crowd at the bot, and what its gateway is sent."""

    crowd: Crowd
    bot: Spine
    gateway: Responder

    @property
    def requests(self) -> list[Captured]:
        """Every request for a completion."""
        return [one for one in self.gateway.requests if one.path.endswith("/chat/completions")]

    async def hear(self, said: Iterable[RoomMessage]) -> None:
        """All of it comes in one sync, and is handled: each room in order, all side by side."""
        messages = tuple(said)
        self.bot.homeserver.kept |= {one.event_id: one for one in messages}
        async with asyncio.TaskGroup() as tasks:
            dispatcher = Dispatcher(self.bot.handler.handle, self.bot.storage.inbox, tasks)
            await dispatcher.receive(Batch(messages, "s1"))


@asynccontextmanager
async def running(path: Path, those: Crowd) -> AsyncIterator[Run]:
    """The bot between a homeserver with the crowd's rooms and a gateway that keeps everything."""
    async with responder() as listening:
        listening.usual = Forgetful()
        config = configured(
            gateway={"base_url": listening.base_url, "preset": "openai"},
            limits={"messages_per_minute": "1000000"},
        )
        async with (
            Gateway(
                config.gateway, base_url=listening.base_url, person_key=b"k" * 32, patience=AT_ONCE
            ) as gateway,
            spine(path, config, gateway=gateway, pool_size=POOL) as bot,
        ):
            bot.homeserver.rooms = those.rooms
            yield Run(those, bot, listening)


async def everybody_talks(run: Run, rounds: int) -> None:
    """All that a crowd says, in so many rounds."""
    await run.hear(first_words(run.crowd))
    await run.hear(words_for_rooms(run.crowd))
    for _ in range(rounds):
        await run.hear(one_round(run.crowd, in_shared=IN_SHARED))


@pytest.mark.timeout(300)  # it takes a minute on two cores that have other things to do
async def test_fifty_people_at_once_are_told_of_nobody_else(tmp_path: Path) -> None:
    those = crowd(PEOPLE, ROOMS, members=MEMBERS)

    async with running(tmp_path, those) as run:
        await everybody_talks(run, ROUNDS)

    assert len(run.requests) >= REQUESTS
    assert breaches(those, run.requests) == []
    assert indiscretions(those, run.bot.homeserver.sent) == []
    assert_recalled(those, run.requests)
    assert_each_has_an_id_of_their_own(those, run.requests)


def assert_recalled(those: Crowd, requests: list[Captured]) -> None:
    """Nobody is told of others because nobody is told of anything? They are."""
    remembered, public, lent, earlier = set[str](), set[str](), set[str](), 0
    for one in requests:
        person, room = asker(those, one)
        system = one.body["messages"][0]["content"]
        told = set(CANARY.findall(one.text)) - set(CANARY.findall(question(one.body)))
        earlier += any(those.canaries[word].owner == person for word in told)
        if MEMORIES in system:
            remembered.add(person)
        if any(those.canaries[word].owner != person for word in told):
            public.add(room)
        lent |= {room for word in told if word in those.lent.get(room, ())}
    assert earlier > 0.9 * len(requests)
    assert remembered == set(those.direct)
    assert public == lent == set(those.shared)


def assert_each_has_an_id_of_their_own(those: Crowd, requests: list[Captured]) -> None:
    """The same in every room, and nothing that tells who it is."""
    ids = defaultdict(set)
    for one in requests:
        ids[asker(those, one)[0]].add(one.body["safety_identifier"])
    assert ids.keys() == those.direct.keys()
    assert {len(given) for given in ids.values()} == {1}
    assert len(set.union(*ids.values())) == len(those.direct)
    assert all(re.fullmatch("[0-9a-f]{64}", one) for given in ids.values() for one in given)


def a_vault_is_mixed_up(those: Crowd, patch: pytest.MonkeyPatch) -> None:
    """Every so often somebody else's vault is opened."""
    opened, numbers, people = Vaults.open, count(), [*those.direct]

    @asynccontextmanager
    async def mixed_up(self: Vaults, user_id: str, **how: Any) -> AsyncIterator[Vault]:
        neighbour = people[people.index(user_id) - 1]
        whose = neighbour if next(numbers) % 20 == 0 else user_id
        async with opened(self, whose, **how) as vault:
            yield vault

    patch.setattr(Vaults, "open", mixed_up)


def a_room_is_mixed_up(those: Crowd, patch: pytest.MonkeyPatch) -> None:
    """In each room what is overheard is that of another."""
    overheard, [first, *_] = RoomWindows.of, those.shared

    def mixed_up(self: RoomWindows, _: str) -> tuple[Overheard, ...]:
        return overheard(self, first)

    patch.setattr(RoomWindows, "of", mixed_up)


def rooms_know_of_direct_chats(_: Crowd, patch: pytest.MonkeyPatch) -> None:
    """Whatever is remembered may be used anywhere."""
    patch.setattr("bot.recall.usable", lambda *_: True)


def notes_go_astray(those: Crowd, patch: pytest.MonkeyPatch) -> None:
    """What is said in a direct chat goes into a room with others."""
    send, [shared, *_] = FakeHomeserver.send, those.shared

    async def astray(self: FakeHomeserver, outgoing: Outgoing) -> str:
        return await send(self, replace(outgoing, room_id=shared))

    patch.setattr(FakeHomeserver, "send", astray)


def people_are_named(_: Crowd, patch: pytest.MonkeyPatch) -> None:
    """Those who are overheard are called what they are called."""
    patch.setattr("bot.prompt._who", lambda _: "@who0123456789abcdef:x.org")


BROKEN = (
    (a_vault_is_mixed_up, "is told to"),
    (a_room_is_mixed_up, "is told to"),
    (rooms_know_of_direct_chats, "is told to"),
    (people_are_named, "is named to the gateway"),
    (notes_go_astray, "is said in"),
)


@pytest.mark.parametrize(("broken", "found"), BROKEN, ids=[one.__name__ for one, _ in BROKEN])
async def test_what_is_mixed_up_is_found(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    broken: Callable[[Crowd, pytest.MonkeyPatch], None],
    found: str,
) -> None:
    those = crowd(8, 3, members=5)
    broken(those, monkeypatch)

    async with running(tmp_path, those) as run:
        await everybody_talks(run, 3)

    sent = run.bot.homeserver.sent
    breached = [*breaches(those, run.requests), *indiscretions(those, sent)]
    assert any(found in one for one in breached)


async def test_a_few_people_are_told_of_nobody_else_when_nothing_is_broken(tmp_path: Path) -> None:
    those = crowd(8, 3, members=5)

    async with running(tmp_path, those) as run:
        await everybody_talks(run, 3)

    assert breaches(those, run.requests) == []
    assert indiscretions(those, run.bot.homeserver.sent) == []
    assert_each_has_an_id_of_their_own(those, run.requests)


async def echoing(exchange: Exchange) -> web.StreamResponse:
    """A gateway whose error repeats the prompt."""
    return await error(400, exchange.captured.text)(exchange)


async def talkative(exchange: Exchange) -> web.StreamResponse:
    """A gateway that answers with the prompt, in no format that there is."""
    return await body(exchange.captured.text)(exchange)


@pytest.mark.parametrize(
    "gateway",
    [echoing, talkative, html(), html(status=502), cut()],
    ids=["echoing", "talkative", "a web page", "a proxy's page", "a cut"],
)
async def test_where_the_gateway_fails_everybody_hears_the_same(
    tmp_path: Path, gateway: Step
) -> None:
    those = crowd(8, 3, members=5)
    async with running(tmp_path, those) as run:
        await run.hear(first_words(those))
        run.gateway.usual = gateway

        said = await heard_in_one_round(run)

    assert_generic(said)


async def test_where_vaults_are_damaged_everybody_hears_the_same(tmp_path: Path) -> None:
    those = crowd(8, 3, members=5)
    async with running(tmp_path, those) as run:
        await everybody_talks(run, 1)
    damage(tmp_path)

    async with running(tmp_path, those) as run:
        said = await heard_in_one_round(run)

    assert_generic(said)


def damage(data: Path) -> None:
    """Every vault's file is full of nothing."""
    for file in data.glob("vaults/*.db"):
        file.write_bytes(b"\0" * file.stat().st_size)


async def test_where_we_have_a_bug_everybody_hears_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(message: RoomMessage, *_: object, **__: object) -> None:
        raise RuntimeError(f"{message.sender} said {message.body} in {message.room_id}")

    those = crowd(8, 3, members=5)
    monkeypatch.setattr("bot.assistant.recall", broken)

    async with running(tmp_path, those) as run:
        said = await heard_in_one_round(run)

    assert_generic(said)


async def heard_in_one_round(run: Run) -> list[str]:
    """What the bot says to what everybody asks."""
    before = len(run.bot.homeserver.sent)
    await run.hear(one_round(run.crowd, in_shared=3))
    return [one.text for one in run.bot.homeserver.sent[before:]]


def assert_generic(said: list[str]) -> None:
    """For everybody the same, or that it rests: nothing in it but a reference that says nothing."""
    assert len(said) == 8 + 3 * 3
    assert len({re.sub("`[0-9a-f]{8}`|[0-9]+", "", one) for one in said}) <= 2
    for one in said:
        assert not CANARY.search(one)
        assert not NAMED.search(one)
