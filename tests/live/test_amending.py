"""People edit and delete what they said, in a client of their own; the bot's copy follows."""

from storage import MasterKey, open_storage
from tests.live.bots import Bot, Chat, open_chat
from tests.live.conftest import StartBot, StartPeer
from tests.live.events import Message
from tests.live.peers import Implementation, Peer


async def test_an_edit_changes_the_answer_in_place_and_a_deletion_leaves_no_copy(
    start_peer: StartPeer, start_bot: StartBot
) -> None:
    alice, bot = await start_peer(Implementation.JS_SDK), await start_bot()
    chat = await open_chat(alice, bot)
    cat = await alice.send(chat.room_id, "My cat is called Miso.")
    first = await chat.heard()
    await alice.edit(chat.room_id, cat, "My cat is called Nori.")
    changed = await _with(chat, first, "Nori")
    dog = await alice.send(chat.room_id, "My dog is called Rex.")
    await chat.heard()
    await chat.ask("!private My bird is called Kiwi.")
    before = await chat.ask("!memory")

    await alice.redact(chat.room_id, dog)
    after = await chat.ask("!memory")
    await bot.stop()
    kept = await _kept(bot, alice)

    assert changed.edits > first.edits
    assert "Miso" not in changed.text
    assert "Rex" in before.text, "it was learned, or this test is blind"
    assert "Rex" not in after.text
    assert "Nori" in after.text
    assert "My cat is called Nori." in kept
    assert not [word for word in ("Miso", "Rex", "Kiwi") if word in kept]


async def _with(chat: Chat, answer: Message, word: str) -> Message:
    """The same message, once it says that."""

    def changed() -> Message | None:
        said = chat.person.messages(chat.room_id, chat.bot.user_id)
        return next(
            (one for one in said if one.event_id == answer.event_id and word in one.text), None
        )

    return await chat.person.wait_for(changed, f"an answer with {word}")


async def _kept(bot: Bot, person: Peer) -> str:
    """All that the vault of a person holds, with the bot stopped."""
    key = MasterKey.load("", bot.data)
    async with (
        open_storage(bot.data, key) as storage,
        storage.vaults.open(person.user_id) as vault,
    ):
        return str(await vault.export())
