"""Messages that wait for their key."""

from typing import Any

from bot.matrix.undecryptable import GRACE, LIMIT, Waiting
from bot.messages import Undecryptable


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def event(number: int) -> dict[str, Any]:
    return {"event_id": f"${number}", "sender": "@ann:b", "content": {"session_id": "s"}}


def test_a_message_is_spoken_of_once_and_not_at_once() -> None:
    clock = Clock()
    waiting = Waiting(clock)
    waiting.add("!room", event(1))

    early = waiting.overdue()
    clock.now = GRACE
    due, again = waiting.overdue(), waiting.overdue()

    assert early == again == []
    assert due == [Undecryptable("$1", "!room", "@ann:b", "s")]
    assert list(waiting) == [("!room", event(1))]
    assert not waiting.is_urgent


def test_a_message_that_was_read_in_time_is_never_spoken_of() -> None:
    clock = Clock()
    waiting = Waiting(clock)
    waiting.add("!room", event(1))

    waiting.remove(event(1))
    clock.now = GRACE

    assert waiting.overdue() == []
    assert not waiting


def test_the_oldest_goes_where_too_many_wait() -> None:
    waiting = Waiting(Clock())

    for number in range(LIMIT + 5):
        waiting.add("!room", event(number))

    kept = [found["event_id"] for _, found in waiting]
    assert (len(kept), kept[0]) == (LIMIT, "$5")
