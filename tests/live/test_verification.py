"""Emoji verification that a person begins in a real client; an operator compares, nobody else."""

import re

import pytest

from tests.live.bots import Bot, Chat, open_chat
from tests.live.conftest import StartBot, StartPeer
from tests.live.peers import Implementation, Peer
from tests.live.test_rooms import other_device
from tests.live.test_unfit_audit_room import joinable_by

Shown = tuple[list[str], list[int]]  # the pictures, whose names differ between clients, and numbers


async def begun(chat: Chat, *, in_room: bool) -> Shown:
    """Begin a verification; what the person's client shows."""
    bot, alice = chat.bot, chat.person
    where = {"room_id": chat.room_id} if in_room else {"device_id": bot.device_id}
    shown = await alice.request("verify", user_id=bot.user_id, **where)
    return [picture for picture, _ in shown["emoji"]], shown["numbers"]


async def asked(jane: Peer, bot: Bot, audit_room: str) -> tuple[str, Shown]:
    """What the operator is asked to compare: its number, and what the bot shows."""
    while (
        "wants to verify me"
        not in (notice := await jane.next_message(audit_room, bot.user_id)).text
    ):
        pass
    shown = re.search(r"I show (.+?) \((\d+) (\d+) (\d+)\)", notice.text)
    number = re.search(r"verified (\d{6})", notice.text)
    assert shown, notice.text
    assert number, notice.text
    pictures = [one.split()[0] for one in shown[1].strip("*").split(" · ")]
    return number[1], (pictures, [int(shown[n]) for n in (2, 3, 4)])


async def told(jane: Peer, bot: Bot, audit_room: str) -> str:
    """How the operator hears that it ended."""
    while "🔐" not in (notice := await jane.next_message(audit_room, bot.user_id)).text:
        pass
    return notice.text


@pytest.mark.parametrize("in_room", [True, False], ids=["in a room", "between devices"])
async def test_an_operator_compares_and_both_sides_are_verified(
    start_peer: StartPeer, start_bot: StartBot, *, in_room: bool
) -> None:
    alice = await start_peer(Implementation.JS_SDK, "alice")
    jane = await start_peer(Implementation.LIBOLM, "jane")
    bot = await start_bot(operators=[jane.user_id])
    audit_room = await jane.accept_invitation(sender=bot.user_id)

    chat = await open_chat(alice, bot)
    theirs = await begun(chat, in_room=in_room)
    number, ours = await asked(jane, bot, audit_room)
    await alice.request("compared", same=True)
    await chat.ask("Say something, after all that came before.", kind="m.text")
    before = await alice.request("verification", user_id=bot.user_id)
    await jane.send(audit_room, f"!verified {number}")
    ended = await told(jane, bot, audit_room)
    after = await alice.request("verification", user_id=bot.user_id, until="Done")

    assert ours == theirs
    assert (before["phase"], before["verified"]) == ("Started", False), "nobody compared yet"
    assert "have verified each other" in ended
    assert alice.user_id in ended
    assert (after["phase"], after["verified"]) == ("Done", True)


async def test_emoji_that_differ_end_it_and_only_an_operator_can_say_so(
    start_peer: StartPeer, start_bot: StartBot
) -> None:
    alice = await start_peer(Implementation.JS_SDK, "alice")
    jane = await start_peer(Implementation.LIBOLM, "jane")
    bot = await start_bot(operators=[jane.user_id])
    audit_room = await jane.accept_invitation(sender=bot.user_id)
    chat = await open_chat(alice, bot)

    await begun(chat, in_room=False)
    number, _ = await asked(jane, bot, audit_room)
    await alice.send(chat.room_id, f"!verified {number}")
    await chat.heard()
    still = await alice.request("verification", user_id=bot.user_id)
    await jane.send(audit_room, f"!mismatch {number}")
    ended = await told(jane, bot, audit_room)
    after = await alice.request("verification", user_id=bot.user_id, until="Cancelled")

    assert still["phase"] == "Started"
    assert "The emoji are not the same" in ended
    assert (after["phase"], after["code"]) == ("Cancelled", "m.mismatched_sas")
    assert not after["verified"]


async def test_nobody_is_asked_in_an_audit_room_that_others_could_read(
    start_peer: StartPeer, start_bot: StartBot
) -> None:
    alice = await start_peer(Implementation.JS_SDK, "alice")
    jane = await start_peer(Implementation.LIBOLM, "jane")
    bot = await start_bot(operators=[jane.user_id])
    audit_room = await jane.accept_invitation(sender=bot.user_id)
    chat = await open_chat(alice, bot)

    async with other_device(bot) as bots:
        await joinable_by(bots, audit_room, "public")
        await begun(chat, in_room=False)
        after = await alice.request("verification", user_id=bot.user_id, until="Cancelled")

    assert (after["phase"], after["code"]) == ("Cancelled", "m.user")
    assert not [one for one in jane.events if "wants to verify me" in str(one.content)]
