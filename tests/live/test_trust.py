"""Who is obeyed on a real homeserver: not a ghost device, not a changed identity, not plaintext."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.demo.homeserver import Homeserver
from tests.live.bots import Bot, Chat, open_chat
from tests.live.conftest import StartBot, StartPeer
from tests.live.events import Event
from tests.live.peers import Implementation, Peer, run_peer
from tests.live.test_verification import asked, begun, told
from tests.responder import responder


def localpart(person: Peer) -> str:
    return person.user_id[1:].partition(":")[0]


def password(person: Peer) -> str:
    """What a peer's account was registered with."""
    return f"password of {localpart(person)}"


@asynccontextmanager
async def ghost_of(
    person: Peer, homeserver: Homeserver, implementation: Implementation, folder: Path
) -> AsyncIterator[Peer]:
    """Another log-in of the same account, which the person never signs."""
    (own := folder / "ghost").mkdir()
    ghost = run_peer(
        homeserver,
        implementation,
        localpart(person),
        folder=own,
        strict=False,
        signed=False,
        password=password(person),
    )
    async with ghost as peer:
        yield peer


def of_the_bot(peer: Peer, chat: Chat) -> list[Event]:
    """What this client made of everything that the bot said in the room."""
    kinds = ("m.room.encrypted", "m.room.message")
    said = [one for one in peer.events if one.type in kinds]
    return [one for one in said if (one.room_id, one.sender) == (chat.room_id, chat.bot.user_id)]


@pytest.mark.parametrize("implementation", list(Implementation))
async def test_a_ghost_decrypts_nothing_and_is_not_obeyed(
    start_peer: StartPeer,
    bot: Bot,
    homeserver: Homeserver,
    tmp_path: Path,
    implementation: Implementation,
) -> None:
    alice = await start_peer(Implementation.JS_SDK)
    chat = await open_chat(alice, bot)
    await chat.ask("!memory add My canary is K7.")

    async with ghost_of(alice, homeserver, implementation, tmp_path) as ghost:
        await ghost.send(chat.room_id, "!memory add The ghost was here.")
        refused = await chat.heard()
        await ghost.send(chat.room_id, "!memory")
        listed = await chat.ask("!memory")
        answer = await chat.ask("Which canary is mine?", kind="m.text")
        entries = await chat.ask("!audit")
        last = await ghost.received(entries.event_id)

        assert last.encrypted
        seen = of_the_bot(ghost, chat)
        assert {refused.event_id, listed.event_id, answer.event_id} <= {
            one.event_id for one in seen
        }
        assert [one for one in seen if one.decrypted or not one.encrypted] == []
    assert "a session of yours that you have not verified" in refused.text
    assert "K7" in listed.text
    assert "ghost" not in listed.text
    refused_in = "Refused a message in a direct chat: unverified session"
    assert entries.text.count(refused_in) == 2
    assert len([one for one in alice.messages(chat.room_id, bot.user_id) if one == refused]) == 1


async def test_a_changed_identity_pauses_memory_until_an_operator_compared(
    start_peer: StartPeer, start_bot: StartBot
) -> None:
    alice = await start_peer(Implementation.JS_SDK)
    jane = await start_peer(Implementation.LIBOLM, "jane")
    async with responder() as gateway:
        model = {"base_url": gateway.base_url, "model": gateway.models[0]}
        bot = await start_bot(operators=[jane.user_id], gateway=model)
        audit_room = await jane.accept_invitation(sender=bot.user_id)
        chat = await open_chat(alice, bot)
        await chat.ask("!memory add My canary is K7.")
        await chat.ask("I play the oboe.", kind="m.text")

        await alice.request("reset_identity", password=password(alice))
        notice = await chat.ask("What is my canary? I play the bassoon.")
        answer = await chat.heard(kind="m.text")
        paused = str(gateway.chats[-1])
        refused = await chat.ask("!memory")
        helped = await chat.ask("!help")
        verify = await chat.ask("!verify")

        theirs = await begun(chat, in_room=True)
        number, ours = await asked(jane, bot, audit_room)
        await alice.request("compared", same=True)
        await jane.send(audit_room, f"!verified {number}")
        ended = await told(jane, bot, audit_room)
        verified = await alice.request("verification", user_id=bot.user_id, until="Done")
        while "memory of you works again" not in (resumed := await chat.heard()).text:
            pass
        listed = await chat.ask("!memory")
        await chat.ask("What is my canary?", kind="m.text")
        again = str(gateway.chats[-1])
        changes = await chat.ask("!audit access")
        denials = await chat.ask("!audit message")

    assert "is not the one that I know you by" in notice.text
    assert answer.text == "Hello."
    assert "bassoon" in paused
    assert not [word for word in ("K7", "oboe") if word in paused]
    assert "K7" not in refused.text
    assert "I have not done it" in refused.text
    assert "!memory" in helped.text
    assert bot.device_id in verify.text
    assert ours == theirs
    assert "have verified each other" in ended
    assert verified["verified"]
    assert resumed.kind == "m.notice"
    assert "K7" in listed.text
    assert "K7" in again
    assert "oboe" in again
    assert "bassoon" not in again, "nothing was kept meanwhile"
    assert changes.text.count("what you may do: you came with another identity") == 1
    assert changes.text.count("what you may do: your new identity was accepted") == 1
    assert denials.text.count(": you came with another identity") == 1


async def test_plaintext_in_an_encrypted_room_is_not_obeyed_and_spoken_of_once_a_day(
    start_peer: StartPeer, bot: Bot
) -> None:
    alice = await start_peer(Implementation.LIBOLM)
    chat = await open_chat(alice, bot)
    await chat.ask("!memory add I wrote this.")

    await alice.send(chat.room_id, "!memory add A homeserver wrote this.", encrypted=False)
    refused = await chat.heard()
    await alice.send(chat.room_id, "!memory add And this.", encrypted=False)
    listed = await chat.ask("!memory")
    entries = await chat.ask("!audit")

    assert "came unencrypted into an encrypted room" in refused.text
    assert "I wrote this." in listed.text
    assert "homeserver" not in listed.text
    refused_in = "Refused a message in a direct chat: unencrypted message"
    assert entries.text.count(refused_in) == 2
    said = alice.messages(chat.room_id, bot.user_id)
    assert len([one for one in said if "came unencrypted" in one.text]) == 1
