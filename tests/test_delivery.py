"""How a reply gets into a room: in parts, growing, and never twice."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.assistant import Answer
from bot.completions import Completion
from bot.delivery import Address, Delivery, address
from bot.errors import GatewayError
from bot.messages import Attachment, Outgoing, Reply, Room, RoomMessage
from bot.parts import LEFT_OVER
from bot.recall import Context
from bot.splitting import PART_LIMIT, split_text

QUESTION = RoomMessage("$q", "!r", "@ann:x", "hello", datetime(2026, 1, 1, tzinfo=UTC), True)
TO = Address("!r", "$q")


class RememberingOutlet:
    """Keeps what is sent; answers a repeated transaction id with the event it already has."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.events: dict[str, str] = {}
        self.begun = asyncio.Event()

    async def send(self, outgoing: Outgoing) -> str:
        self.sent.append(outgoing)
        self.begun.set()
        return self.events.setdefault(outgoing.transaction_id, f"$e{len(self.events)}")

    async def typing(self, room_id: str, *, active: bool) -> None:
        return


def answer(text: str) -> Answer:
    return Answer(Reply(text, generated=True), text, Completion(text, "m"), Context(), "host")


async def pieces(*words: str, gate: asyncio.Event | None = None) -> AsyncIterator[str | Answer]:
    for word in words:
        yield word
    if gate is not None:
        await gate.wait()
    yield answer("".join(words))


class Anywhere:
    """Where a test looks at no more than in which events an answer stands."""

    def __init__(self) -> None:
        self.stands: list[list[str]] = []

    async def keep(self, answer: Answer) -> None:
        return

    def ensure(self) -> None:
        return

    async def sent(self, event_ids: Sequence[str]) -> None:
        self.stands.append([*event_ids])

    async def orphaned(self, event_ids: Sequence[str]) -> None:
        return

    async def refused(self, event_ids: Sequence[str]) -> None:
        return


@pytest.fixture
def keeping() -> Anywhere:
    return Anywhere()


async def failing(*words: str) -> AsyncIterator[str | Answer]:
    for word in words:
        yield word
    raise GatewayError("the gateway is away")


def escaped(character: str) -> int:
    """Bytes of a character in JSON that is ASCII."""
    return 1 if character < "\x80" else 6 if character < "\U00010000" else 12


@given(st.text(max_size=400), st.integers(min_value=8, max_value=60))
def test_parts_hold_the_whole_text_in_order_and_fit(text: str, limit: int) -> None:
    parts = split_text(text, limit)

    assert all(sum(map(escaped, part)) <= max(limit, 12) for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


@given(st.text(min_size=1, max_size=200), st.text(max_size=200))
def test_finished_parts_stay_as_they_are_while_the_text_grows(text: str, more: str) -> None:
    before, after = split_text(text, 40), split_text(text + more, 40)

    assert after[: len(before) - 1] == before[:-1]


async def test_a_quick_answer_is_one_event_without_edits(keeping: Anywhere) -> None:
    outlet = RememberingOutlet()

    finished = await Delivery(outlet).stream(
        pieces("Hel", "lo"), TO, keeping=keeping, recovered=False
    )

    assert finished.text == "Hello"
    assert keeping.stands == [["$e0"]]
    assert [(one.text, one.live, one.replaces) for one in outlet.sent] == [("Hello", False, None)]


async def test_a_slow_answer_shows_at_once_and_ends_with_an_edit_that_is_not_live(
    keeping: Anywhere,
) -> None:
    outlet = RememberingOutlet()
    gate = asyncio.Event()
    delivery = Delivery(outlet, ramp=(0.01,))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(
            delivery.stream(pieces("Once ", gate=gate), TO, keeping=keeping, recovered=False)
        )
        await outlet.begun.wait()
        gate.set()

    first, *_, last = outlet.sent
    assert (first.text, first.live, first.replaces) == ("Once ", True, None)
    assert (last.text, last.live, [[last.replaces]]) == ("Once ", False, keeping.stands)


async def test_the_same_text_is_never_edited_twice(keeping: Anywhere) -> None:
    outlet = RememberingOutlet()
    gate = asyncio.Event()
    delivery = Delivery(outlet, ramp=(0.001,))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(
            delivery.stream(pieces("Once", gate=gate), TO, keeping=keeping, recovered=False)
        )
        await outlet.begun.wait()
        for _ in range(20):
            await asyncio.sleep(0.001)
        gate.set()

    assert len(outlet.sent) == 2


async def test_after_a_crash_the_finished_text_lands_in_the_event_that_stands_there(
    keeping: Anywhere,
) -> None:
    outlet = RememberingOutlet()
    outlet.events[TO.part("part 0")] = "$half"

    await Delivery(outlet).stream(pieces("All ", "of it"), TO, keeping=keeping, recovered=True)

    assert keeping.stands == [["$half"]]
    assert outlet.sent[-1].replaces == "$half"
    assert outlet.sent[-1].text == "All of it"
    assert not any(one.live for one in outlet.sent)


async def test_the_same_message_is_always_answered_under_the_same_transaction_ids() -> None:
    one, other = RememberingOutlet(), RememberingOutlet()

    for outlet in (one, other):
        await Delivery(outlet).send(Reply("x" * (PART_LIMIT + 1)), TO)

    ids = [sent.transaction_id for sent in one.sent]
    assert ids == [sent.transaction_id for sent in other.sent]
    assert len(set(ids)) == len(ids) == 2


async def test_a_text_takes_the_place_of_another_part_by_part(keeping: Anywhere) -> None:
    outlet = RememberingOutlet()
    long = "word " * (PART_LIMIT // 3)

    for text, count in (("short", 3), (long, 1)):
        place = ["$a", "$b", "$c"][:count]
        await Delivery(outlet).put_in_place(text, place, TO, keeping=keeping)

    same, longer = keeping.stands
    assert same == ["$a", "$b", "$c"]
    assert [(one.replaces, one.text) for one in outlet.sent[:3]] == [
        ("$a", "short"),
        ("$b", LEFT_OVER),
        ("$c", LEFT_OVER),
    ]
    assert [one.replaces for one in outlet.sent[3:]] == ["$a", None]
    assert longer[0] == "$a"
    assert len(longer) == 2
    assert not any(one.live for one in outlet.sent)


async def test_a_failure_ends_what_had_begun_to_show_and_is_raised(keeping: Anywhere) -> None:
    outlet = RememberingOutlet()

    with pytest.raises(GatewayError, match="away"):
        await Delivery(outlet).stream(failing("Half an "), TO, keeping=keeping, recovered=False)

    assert not outlet.sent[-1].live


async def test_a_failure_before_the_first_word_sends_nothing(keeping: Anywhere) -> None:
    outlet = RememberingOutlet()

    with pytest.raises(GatewayError, match="away"):
        await Delivery(outlet).stream(failing(), TO, keeping=keeping, recovered=False)

    assert outlet.sent == []


async def test_a_file_comes_before_the_words_that_end_the_reply() -> None:
    outlet = RememberingOutlet()
    file = Attachment("a.json", "application/json", b"{}")

    await Delivery(outlet).send(Reply("Here.", attachment=file), TO)

    assert [one.attachment for one in outlet.sent] == [file, None]


def test_in_a_shared_room_the_asker_is_answered_and_notified() -> None:
    shared = Room("!r", frozenset({"@bot:x", "@ann:x", "@bob:x"}), encrypted=True)
    direct = Room("!r", frozenset({"@bot:x", "@ann:x"}), encrypted=True)

    among_others, alone = address(QUESTION, shared), address(QUESTION, direct)

    assert (among_others.reply_to, among_others.mention) == ("$q", "@ann:x")
    assert (alone.reply_to, alone.mention) == (None, None)


def test_other_rooms_have_other_transaction_ids() -> None:
    assert Address("!a", "$q").part("part 0") != Address("!b", "$q").part("part 0")
