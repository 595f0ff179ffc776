"""People talk with the bot through real clients that exclude insecure devices."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.live.bots import Bot, Chat, assert_trustworthy, open_chat
from tests.live.conftest import StartBot, StartPeer
from tests.live.events import is_greeting
from tests.live.peers import Implementation
from tests.responder import Responder, answer, responder

JS_SDK, LIBOLM = Implementation.JS_SDK, Implementation.LIBOLM
BOTH = pytest.mark.parametrize("implementation", [JS_SDK, LIBOLM])


@pytest_asyncio.fixture(loop_scope="session")
async def gateway() -> AsyncIterator[Responder]:
    """A gateway that answers as the test scripts it and keeps what it was sent."""
    async with responder() as running:
        yield running


def _behind(gateway: Responder) -> dict[str, str]:
    return {"base_url": gateway.base_url, "model": gateway.models[0]}


def _question(request: dict[str, list[dict[str, str]]]) -> str:
    return request["messages"][-1]["content"]


@BOTH
async def test_the_first_message_in_a_new_encrypted_chat_is_answered(
    start_peer: StartPeer, bot: Bot, implementation: Implementation
) -> None:
    alice = await start_peer(implementation)

    chat = await open_chat(alice, bot)
    answered = await chat.ask("Hello! My cat is called Miso.")

    assert answered.kind == "m.text"
    assert await alice.devices(bot.user_id) == {bot.device_id: True}
    said = [one for one in alice.events if one.sender == bot.user_id and one.decrypted]
    greetings = [one for one in said if is_greeting(str(one.content.get("body")))]
    assert [one.content["msgtype"] for one in greetings] == ["m.notice"]
    assert said.index(greetings[0]) == 0, "it is said before the first answer"


async def test_a_message_that_was_sent_before_the_bot_had_joined_is_answered(
    start_peer: StartPeer, bot: Bot
) -> None:
    alice = await start_peer(JS_SDK)

    room_id = await alice.create_room(bot.user_id, direct=True)
    answered = await Chat(alice, bot, room_id).ask("Are you there already?")

    assert answered.kind == "m.text"


@BOTH
async def test_ten_messages_in_a_row_are_answered_in_order(
    start_peer: StartPeer, start_bot: StartBot, gateway: Responder, implementation: Implementation
) -> None:
    alice, bot = await asyncio.gather(
        start_peer(implementation), start_bot(gateway=_behind(gateway))
    )
    chat = await open_chat(alice, bot)
    questions = [f"Question {number}?" for number in range(10)]
    gateway.script(*(answer("Answer", f" {number}.") for number in range(10)))

    for question in questions:
        await alice.send(chat.room_id, question)
    answers = [(await chat.heard()).text for _ in questions]

    assert answers == [f"Answer {number}." for number in range(10)]
    assert [_question(request) for request in gateway.chats] == questions


@BOTH
async def test_the_conversation_goes_on_after_the_bot_was_stopped_and_killed(
    start_peer: StartPeer, start_bot: StartBot, implementation: Implementation
) -> None:
    alice, bot = await asyncio.gather(start_peer(implementation), start_bot())
    chat = await open_chat(alice, bot)
    device = bot.device_id

    await chat.ask("My cat is called Miso.")
    await bot.restart()
    after_restart = await chat.ask("What is my cat called?")
    await bot.kill()
    await alice.send(chat.room_id, "Are you back? What is my cat called?")
    await bot.start()
    after_kill = await chat.heard()
    last = await chat.ask("!memory")

    assert "Miso" in after_restart.text
    assert "Miso" in after_kill.text
    assert "Miso" in last.text
    assert bot.device_id == device
    assert await alice.devices(bot.user_id) == {device: True}
    assert len(alice.messages(chat.room_id, bot.user_id)) == 4, "each was answered once"


async def test_two_people_at_once_each_see_their_own_memory_only(
    start_peer: StartPeer, start_bot: StartBot, gateway: Responder
) -> None:
    alice, bob, bot = await asyncio.gather(
        start_peer(JS_SDK, "alice"), start_peer(LIBOLM, "bob"), start_bot(gateway=_behind(gateway))
    )
    chats = await asyncio.gather(open_chat(alice, bot), open_chat(bob, bot))
    secrets = ["My cat is called Miso.", "My dog is called Rex."]

    async def converse(chat: Chat, secret: str) -> str:
        await chat.ask(f"!memory add {secret}")
        for _ in range(3):
            await chat.ask(f"Remind me: {secret} Or is it?", kind="m.text")
        return (await chat.ask("!memory")).text

    listed = await asyncio.gather(*map(converse, chats, secrets))

    for own, other, memories in zip(secrets, reversed(secrets), listed, strict=True):
        assert own in memories
        assert other not in memories
    for request in gateway.chats:
        told = str(request)
        assert ("Miso" in told) != ("Rex" in told), "a prompt holds one person's words"
        assert all(name not in told for name in (alice.user_id, bob.user_id, chats[0].room_id))


async def test_in_a_room_with_others_the_bot_speaks_when_it_is_spoken_to(
    start_peer: StartPeer, bot: Bot
) -> None:
    alice, bob = await asyncio.gather(start_peer(JS_SDK, "alice"), start_peer(LIBOLM, "bob"))
    room_id = await alice.create_room(bob.user_id, bot.user_id)
    assert await bob.accept_invitation(sender=alice.user_id) == room_id
    for person in (bob.user_id, bot.user_id):
        await alice.joined(room_id, person)

    await bob.send(room_id, "Good morning, Alice.")
    asked = await alice.send(room_id, "Bot, are you there?", mentions=[bot.user_id])
    mentioned = await bob.next_message(room_id, bot.user_id)
    again = await bob.send(room_id, "And now?", reply_to=mentioned.event_id)
    first, replied = [await alice.next_message(room_id, bot.user_id) for _ in range(2)]

    assert first.event_id == mentioned.event_id
    assert (mentioned.reply_to, replied.reply_to) == (asked, again)
    assert mentioned.content["m.mentions"] == {"user_ids": [alice.user_id]}
    assert replied.content["m.mentions"] == {"user_ids": [bob.user_id]}
    for message in (mentioned, replied):
        assert_trustworthy(message)
    assert len(alice.messages(room_id, bot.user_id)) == 2, "it answered nobody else"


async def test_what_is_personal_is_answered_in_the_direct_chat(
    start_peer: StartPeer, bot: Bot
) -> None:
    alice, bob = await asyncio.gather(start_peer(JS_SDK, "alice"), start_peer(LIBOLM, "bob"))
    room_id = await alice.create_room(bob.user_id, bot.user_id)
    await alice.joined(room_id, bot.user_id)
    chat = await open_chat(alice, bot)
    await chat.ask("!memory add I play the oboe.")

    await alice.send(room_id, "!memory")
    private = await chat.heard()
    public = await alice.next_message(room_id, bot.user_id)

    assert "oboe" in private.text
    assert "oboe" not in public.text
    assert_trustworthy(public)


async def test_an_unencrypted_room_is_refused_with_the_way_to_encrypt_it(
    start_peer: StartPeer, bot: Bot
) -> None:
    alice = await start_peer(JS_SDK)
    room_id = await alice.direct_chat(bot.user_id, encrypted=False)

    told = await alice.next_message(room_id, bot.user_id)
    await alice.send(room_id, "Can you hear me?", encrypted=False)
    chat = await open_chat(alice, bot)
    await chat.ask("Here it is encrypted.")

    assert "not end-to-end encrypted" in told.text
    assert len(alice.messages(room_id, bot.user_id)) == 1


async def test_an_invitation_from_somebody_who_is_not_listed_is_rejected(
    start_peer: StartPeer, start_bot: StartBot
) -> None:
    mallory = await start_peer(JS_SDK, "mallory")
    bot = await start_bot(access={"users": ["@alice-*:localhost"]})

    room_id = await mallory.create_room(bot.user_id, direct=True)
    rejected = await mallory.membership(room_id, bot.user_id, "leave")

    assert rejected.sender == bot.user_id
