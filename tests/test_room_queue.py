"""A long queue keeps its order and its ids, some of its texts, and tells of itself once."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from bot.messages import RoomMessage
from bot.room_events import Backlog, Edit, Invite, RoomEvent, Unfinished
from bot.room_queue import LONG, SHORT, WHOLE, WHOLE_EVERYWHERE, Held, RoomQueue

SENT = datetime(2026, 1, 1, tzinfo=UTC)


def message(number: int, *, mentions_bot: bool = False) -> RoomMessage:
    return RoomMessage(f"${number}", "!r", "@ann:x", "hello", SENT, True, mentions_bot=mentions_bot)


def filled(events: range, held: Held | None = None, *, mentions_bot: bool = False) -> RoomQueue:
    queue = RoomQueue(held or Held())
    for number in events:
        queue.append(message(number, mentions_bot=mentions_bot))
    return queue


def taken(queue: RoomQueue) -> list[RoomEvent]:
    """All that comes out, to the end."""
    events = []
    while queue:
        events.append(queue.next())
    return events


def backlogs(events: list[RoomEvent]) -> list[Backlog]:
    return [one for one in events if isinstance(one, Backlog)]


def test_a_room_holds_some_texts_and_of_what_is_behind_them_the_ids() -> None:
    held = Held()

    events = taken(filled(range(1000), held))

    whole, ids = events[1 : WHOLE + 1], events[WHOLE + 1 :]
    assert whole == [message(number) for number in range(WHOLE)]
    assert ids == [Unfinished(f"${number}", "!r", recovered=False) for number in range(WHOLE, 1000)]
    assert held.count == 0


def test_edits_are_held_and_counted_as_messages_are() -> None:
    held = Held()
    queue = RoomQueue(held)
    for number in range(1000):
        queue.append(Edit(message(number), "$edited"))

    events = taken(queue)

    assert events[:WHOLE] == [Edit(message(number), "$edited") for number in range(WHOLE)]
    assert events[WHOLE:] == [
        Unfinished(f"${number}", "!r", recovered=False) for number in range(WHOLE, 1000)
    ]
    assert held.count == 0


def test_all_rooms_together_hold_no_more_texts_than_they_may() -> None:
    held = Held()

    queues = [filled(range(WHOLE), held) for _ in range(WHOLE_EVERYWHERE // WHOLE + 1)]

    last = [one for one in taken(queues.pop()) if not isinstance(one, Backlog)]
    assert held.count == WHOLE_EVERYWHERE
    assert all(isinstance(one, Unfinished) for one in last)
    assert isinstance(filled(range(1), Held()).next(), RoomMessage)
    for queue in queues:
        queue.close()
    assert held.count == 0


def test_a_message_that_was_there_before_a_crash_stays_one() -> None:
    queue = filled(range(LONG))

    queue.append(Unfinished("$before", "!r"))

    assert taken(queue)[-1] == Unfinished("$before", "!r", recovered=True)


def test_a_long_queue_is_told_of_first_and_by_its_newest_message() -> None:
    queue = filled(range(LONG + 1))
    assert queue.next() == Backlog(message(LONG), LONG + 1)
    assert queue.next() == message(0)

    assert backlogs(taken(queue)) == []


def test_a_queue_that_grows_while_something_is_in_hand_is_told_of_next() -> None:
    queue = filled(range(LONG))
    assert queue.next() == message(0)

    for number in range(LONG, 100):
        queue.append(message(number))

    assert queue.next() == Backlog(message(99), 99)


def test_it_is_told_of_again_only_after_it_was_short() -> None:
    queue, told = filled(range(LONG + 1)), 0
    while (event := queue.next()) != message(LONG - SHORT - 1):  # one more than short
        told += isinstance(event, Backlog)
    for number in range(100, 200):
        queue.append(message(number))
    told += isinstance(queue.next(), Backlog)
    assert told == 1

    while queue.next() != Unfinished(f"${199 - SHORT}", "!r", recovered=False):
        pass
    for number in range(200, 300):
        queue.append(message(number))

    assert queue.next() == Backlog(message(299), 100 + SHORT)


def test_those_that_mention_the_bot_are_counted_apart() -> None:
    queue = filled(range(LONG), mentions_bot=True)
    for number in range(100, 110):
        queue.append(message(number))
    queue.append(message(110, mentions_bot=True))
    queue.append(message(111))

    everything, mentioning = queue.next(), queue.next()

    assert everything == Backlog(message(111), LONG + 12)
    assert mentioning == Backlog(message(110, mentions_bot=True), LONG + 1, mentioning=True)
    assert backlogs(taken(queue)) == []


def test_what_only_a_crash_left_is_no_news_until_somebody_writes() -> None:
    queue = RoomQueue(Held())
    for number in range(100):
        queue.append(Unfinished(f"${number}", "!r"))
    assert queue.next() == Unfinished("$0", "!r")

    queue.append(message(100))

    assert queue.next() == Backlog(message(100), 100)


@given(st.lists(st.integers(min_value=0, max_value=2), max_size=400))
def test_whatever_comes_and_goes_the_order_is_that_of_arrival(steps: list[int]) -> None:
    held, arrived, left = Held(), list[str](), list[str]()
    queue = RoomQueue(held)

    for number, step in enumerate([*steps, *[2] * 800]):
        if step == 2:
            event = queue.next() if queue else None
            left += [event.event_id] if isinstance(event, RoomMessage | Unfinished) else []
        else:
            events = (message(number), Unfinished(f"${number}", "!r"))
            queue.append(events[step])
            arrived.append(f"${number}")
        assert 0 <= held.count <= WHOLE

    assert left == arrived
    assert held.count == 0


def test_what_is_no_message_waits_in_its_place() -> None:
    queue = filled(range(WHOLE))
    queue.append(Invite("!r", "@ann:x"))
    queue.append(message(WHOLE))

    events = taken(queue)

    assert events[-2:] == [Invite("!r", "@ann:x"), Unfinished(f"${WHOLE}", "!r", recovered=False)]
