"""The second clients understand each other: what the other live tests rest on."""

import asyncio

import pytest

from tests.live.conftest import StartPeer
from tests.live.events import LIVE
from tests.live.peers import Implementation, Peer

JS_SDK, LIBOLM = Implementation.JS_SDK, Implementation.LIBOLM
BOTH_WAYS = pytest.mark.parametrize(("first", "second"), [(JS_SDK, LIBOLM), (LIBOLM, JS_SDK)])


async def _chat(
    start_peer: StartPeer, first: Implementation, second: Implementation
) -> tuple[Peer, Peer, str]:
    """Two people in a new encrypted chat that the first one opened."""
    alice, bob = await asyncio.gather(start_peer(first, "alice"), start_peer(second, "bob"))
    room_id = await alice.create_room(bob.user_id, direct=True)
    assert await bob.accept_invitation(sender=alice.user_id) == room_id
    await alice.joined(room_id, bob.user_id)
    return alice, bob, room_id


@BOTH_WAYS
async def test_two_implementations_chat_in_strict_mode_and_after_a_restart(
    start_peer: StartPeer, first: Implementation, second: Implementation
) -> None:
    alice, bob, room_id = await _chat(start_peer, first, second)

    await alice.send(room_id, "from alice")
    heard = await bob.next_message(room_id, alice.user_id)
    await bob.send(room_id, "from bob", reply_to=heard.event_id, mentions=[alice.user_id])
    answer = await alice.next_message(room_id, bob.user_id)
    await alice.restart()
    await alice.send(room_id, "once more", thread_id=heard.event_id)
    again = await bob.next_message(room_id, alice.user_id)

    assert (heard.text, answer.text, again.text) == ("from alice", "from bob", "once more")
    assert (answer.reply_to, again.thread_id) == (heard.event_id, heard.event_id)
    assert answer.content["m.mentions"] == {"user_ids": [alice.user_id]}
    assert {(message.event.decrypted, message.event.shield) for message in (heard, answer)} == {
        (True, "none")
    }


@BOTH_WAYS
async def test_a_growing_message_is_one_message_with_its_last_text(
    start_peer: StartPeer, first: Implementation, second: Implementation
) -> None:
    alice, bob, room_id = await _chat(start_peer, first, second)

    growing = {"msgtype": "m.text", "body": "It", LIVE: {}}
    message = await alice.send_event(room_id, growing)
    await alice.edit(room_id, message, "It grew")
    heard = await bob.next_message(room_id, alice.user_id)

    assert (heard.event_id, heard.text, heard.edits) == (message, "It grew", 1)
    assert bob.messages(room_id, alice.user_id) == [heard]


@BOTH_WAYS
async def test_an_encrypted_file_arrives_whole(
    start_peer: StartPeer, first: Implementation, second: Implementation
) -> None:
    alice, bob, room_id = await _chat(start_peer, first, second)
    content = bytes(range(256)) * 1000

    await alice.send_file(room_id, "table.bin", content)
    heard = await bob.next_message(room_id, alice.user_id, kind="m.file")

    assert (heard.text, await bob.download(heard)) == ("table.bin", content)


@BOTH_WAYS
async def test_strict_clients_give_no_keys_to_a_device_that_its_owner_did_not_sign(
    start_peer: StartPeer, first: Implementation, second: Implementation
) -> None:
    alice, insecure = await asyncio.gather(
        start_peer(first), start_peer(second, "insecure", signed=False)
    )
    room_id = await alice.create_room(insecure.user_id, direct=True)
    await insecure.accept_invitation(sender=alice.user_id)
    await alice.joined(room_id, insecure.user_id)

    sent = await alice.send(room_id, "not for you")
    unread = await insecure.received(sent)

    assert await alice.devices(insecure.user_id) == {insecure.device_id: False}
    assert (unread.encrypted, unread.decrypted) == (True, False)


async def test_the_strict_js_sdk_does_not_decrypt_what_an_unsigned_device_sent(
    start_peer: StartPeer,
) -> None:
    alice, insecure = await asyncio.gather(
        start_peer(JS_SDK), start_peer(LIBOLM, "insecure", signed=False)
    )
    room_id = await alice.create_room(insecure.user_id, direct=True)
    await insecure.accept_invitation(sender=alice.user_id)

    unread = await alice.received(await insecure.send(room_id, "trust me"))

    assert (unread.encrypted, unread.decrypted) == (True, False)
    assert unread.reason == "UNSIGNED_SENDER_DEVICE"
