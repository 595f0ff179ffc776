"""What is too long to read is refused politely; what is too long for one event comes in parts."""

from tests.live.bots import open_chat
from tests.live.conftest import StartBot, StartPeer
from tests.responder import answer, responder

LINES = 15_500  # of 64 characters: just under the megabyte that is read of an answer


def line(number: int) -> str:
    return f"{number:05} " + "x" * 57


async def test_a_message_of_48_kb_is_refused_in_one_sentence_and_the_next_is_answered(
    start_peer: StartPeer, start_bot: StartBot
) -> None:
    async with responder() as gateway:
        alice = await start_peer()
        bot = await start_bot(gateway={"base_url": gateway.base_url, "model": gateway.models[0]})
        chat = await open_chat(alice, bot)

        refused = await chat.ask("a" * 47_000)  # the most that fits into an encrypted event
        answered = await chat.ask("And this?")

    assert refused.text.startswith("That message is longer than the 16 KB that I read at once")
    assert (refused.kind, answered.text) == ("m.notice", "Hello.")
    assert len(gateway.chats) == 1


async def test_an_answer_of_a_megabyte_comes_in_parts_in_order_and_whole(
    start_peer: StartPeer, start_bot: StartBot
) -> None:
    said = [line(number) for number in range(LINES)]
    async with responder() as gateway:
        alice = await start_peer()
        bot = await start_bot(gateway={"base_url": gateway.base_url, "model": gateway.models[0]})
        chat = await open_chat(alice, bot)
        gateway.script(*[answer(*("\n".join(said[at : at + 500]) + "\n" for at in _starts()))])

        await alice.send(chat.room_id, "Tell me everything.")
        heard: list[str] = []
        while not heard or said[-1] not in heard[-1]:
            message = await alice.next_message(chat.room_id, bot.user_id, patience=120.0)
            assert len(message.text.encode()) < 24_000
            heard.append(message.text)
        last = await chat.ask("And now?")

    assert "\n".join(heard).split("\n") == said
    assert last.text == "Hello."


def _starts() -> range:
    return range(0, LINES, 500)
