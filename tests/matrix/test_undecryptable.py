"""Messages that wait for their key."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.matrix import undecryptable
from bot.matrix.undecryptable import GRACE, LIMIT, Waiting
from bot.room_events import Undecryptable


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def event(number: int, sender: str = "@ann:b") -> dict[str, Any]:
    return {"event_id": f"${number}", "sender": sender, "content": {"session_id": "s"}}


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

    waiting.remove("$1")
    clock.now = GRACE

    assert waiting.overdue() == []
    assert not waiting


def test_the_oldest_goes_where_too_many_wait() -> None:
    waiting = Waiting(Clock())

    for number in range(LIMIT + 5):
        waiting.add("!room", event(number))

    kept = [found["event_id"] for _, found in waiting]
    begun, settled = waiting.changes()
    assert (len(kept), kept[0]) == (LIMIT, "$5")
    assert [event_id for event_id, _ in begun] == kept
    assert settled == ("$0", "$1", "$2", "$3", "$4")
    assert [one.event_id for one in waiting.overdue()] == list(settled)  # spoken of all the same
    assert waiting.overdue() == []


def test_who_was_told_already_is_not_told_when_their_event_makes_room() -> None:
    waiting = Waiting(Clock())
    waiting.recall("!room", event(0), told=True)

    for number in range(LIMIT):
        waiting.add("!room", event(number + 1))

    assert waiting.overdue() == []
    assert waiting.changes()[1] == ("$0",)


def test_a_flood_of_one_sender_washes_away_nobody_elses() -> None:
    waiting = Waiting(Clock())
    waiting.add("!room", event(-1))

    for number in range(LIMIT + 5):
        waiting.add("!room", event(number, "@eve:b"))

    kept = [found["event_id"] for _, found in waiting]
    assert (len(kept), kept[:2]) == (LIMIT, ["$-1", "$6"])


def test_an_event_without_an_id_never_waits() -> None:
    waiting = Waiting(Clock())

    waiting.add("!room", {"sender": "@ann:b"})

    assert not waiting
    assert waiting.changes() == ((), ())


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "recall", "remove", "changes", "overdue"]), st.integers(0, 9))
)


@given(STEPS)
def test_what_is_kept_on_disk_is_what_waits_whatever_happens(steps: list[tuple[str, int]]) -> None:
    waiting, on_disk = Waiting(Clock()), set[str]()

    def keep() -> None:
        begun, settled = waiting.changes()
        on_disk.update(event_id for event_id, _ in begun)
        on_disk.difference_update(settled)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(undecryptable, "LIMIT", 4)
        for step, number in steps:
            if step == "add":
                waiting.add("!room", event(number))
            elif step == "recall" and f"${number}" in on_disk:
                waiting.recall("!room", event(number), told=False)
            elif step == "remove":
                waiting.remove(f"${number}")
            elif step == "overdue":
                waiting.overdue()
            else:
                keep()
        keep()

    assert on_disk == {found["event_id"] for _, found in waiting}
