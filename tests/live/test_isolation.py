"""Six people talk with the bot at once, alone and in a room together: nobody is told of anybody."""

import asyncio
from random import Random

from tests.crowd import CANARY, Crowd, Forgetful, asker, breaches, question
from tests.live.bots import Bot, Chat, open_chat
from tests.live.conftest import StartBot, StartPeer
from tests.live.peers import Implementation, Peer
from tests.responder import Captured, responder

PEOPLE, ROUNDS = 6, 5


async def test_six_people_at_once_are_told_of_nobody_else(
    start_peer: StartPeer, start_bot: StartBot
) -> None:
    async with responder() as gateway:
        gateway.usual = Forgetful()
        behind = {"base_url": gateway.base_url, "model": gateway.models[0], "preset": "openai"}
        bot = await start_bot(gateway=behind)
        people = await asyncio.gather(*(start_peer(_client(n), f"p{n}") for n in range(PEOPLE)))
        chats = await asyncio.gather(*(open_chat(one, bot) for one in people))
        shared = await _meet(people, bot)
        those = Crowd(Random(4))
        those.direct = {one.person.user_id: one.room_id for one in chats}
        those.shared = {shared: [one.user_id for one in people]}

        await asyncio.gather(*(_talk(those, chat, shared) for chat in chats))
        answers = [await _answer(people[0], shared, bot) for _ in range(PEOPLE * ROUNDS)]

    assert len(answers) == PEOPLE * ROUNDS
    assert len(gateway.chats) >= 2 * PEOPLE * ROUNDS
    asked = [one for one in gateway.requests if one.method == "POST"]
    assert breaches(those, asked) == []
    bodies = "".join(one.text for one in gateway.requests)
    for person, room in those.direct.items():
        localpart = person[1:].partition(":")[0]  # also the display name that Synapse gives
        assert not [one for one in (person, localpart, room, shared) if one in bodies]
    ids = {(asker(those, one)[0], one.body["safety_identifier"]) for one in asked}
    assert len(ids) == len({one for _, one in ids}) == PEOPLE
    reminded = [_earlier(one) for one in asked]
    assert sum(map(bool, reminded)) > 0.8 * len(reminded), "of earlier words, or this test is blind"


def _earlier(request: Captured) -> set[str]:
    """What a request holds besides the question."""
    return set(CANARY.findall(request.text)) - set(CANARY.findall(question(request.body)))


def _client(number: int) -> Implementation:
    return list(Implementation)[number % 2]


async def _meet(people: list[Peer], bot: Bot) -> str:
    """A room with all of them and the bot in it."""
    [host, *guests] = people
    room_id = await host.create_room(bot.user_id, *(one.user_id for one in guests))
    for guest in guests:
        assert await guest.accept_invitation(sender=host.user_id) == room_id
    for one in (bot.user_id, *(guest.user_id for guest in guests)):
        await host.joined(room_id, one)
    return room_id


async def _talk(those: Crowd, chat: Chat, shared: str) -> None:
    """Something to remember; then questions here and there, the answers here awaited."""
    person, bot = chat.person, chat.bot.user_id
    own, words = "!memory add My {thing} is called {canary}", "My {thing} is called {canary}."
    await person.send(chat.room_id, those.says(person.user_id, chat.room_id, own).body)
    await _hear(chat, "Kept as memory")
    for _ in range(ROUNDS):
        here = those.says(person.user_id, chat.room_id, words)
        there = those.says(person.user_id, shared, words)
        await person.send(chat.room_id, here.body)
        await person.send(shared, there.body, mentions=[bot])
        await _answer(person, chat.room_id, chat.bot)


async def _hear(chat: Chat, words: str) -> None:
    """Wait until the bot says that; before it, it may greet."""
    while words not in (await chat.heard(kind="m.notice")).text:
        pass


async def _answer(person: Peer, room_id: str, bot: Bot) -> str:
    return (await person.next_message(room_id, bot.user_id, kind="m.text", patience=60.0)).text
