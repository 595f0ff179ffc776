"""The crash benchmark counts what it says it counts, runs, and owns up to being blind."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.events import LIVE, Event
from tests.live.reckoning import Reckoning, Sent, question, reckon, reply, said

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "crash.py"

QUESTIONS = [question(number, 0) for number in range(4)]
ANSWERS = [reply(one) for one in QUESTIONS]


def read(event_id: str, body: str, *, replaces: str | None = None, live: bool = False) -> Event:
    """An event as the person's client reads it."""
    content: dict[str, object] = {"body": body}
    if replaces:
        content = {"body": f"* {body}", "m.new_content": content}
    if live:
        content[LIVE] = {}
    return Event(
        event_id=event_id,
        room_id="!a",
        sender="@bot:x",
        type="m.room.message",
        state_key=None,
        content=content,
        encrypted=True,
        decrypted=True,
        shield="none",
        reason=None,
    )


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        (ANSWERS, Reckoning(asked=4)),
        (ANSWERS[1:], Reckoning(asked=4, lost=1)),
        ([], Reckoning(asked=4, lost=4)),
        ([*ANSWERS, ANSWERS[3]], Reckoning(asked=4, doubled=1)),
        ([ANSWERS[0], *ANSWERS, ANSWERS[0]], Reckoning(asked=4, doubled=2)),
        ([ANSWERS[1], ANSWERS[0], *ANSWERS[2:]], Reckoning(asked=4, reordered=1)),
        ([*ANSWERS[1:], ANSWERS[0]], Reckoning(asked=4, reordered=1)),
        ([*ANSWERS[:3], None], Reckoning(asked=4, lost=1, unread=1)),
        ([*ANSWERS, "Sorry."], Reckoning(asked=4, besides=("Sorry.",))),
        ([*ANSWERS[:3], ANSWERS[3][:20]], Reckoning(asked=4, lost=1, besides=(ANSWERS[3][:20],))),
    ],
    ids=[
        "all well",
        "one lost",
        "all lost",
        "doubled",
        "doubled twice",
        "swapped",
        "late",
        "not readable",
        "something else",
        "half an answer",
    ],
)
def test_the_reckoning_counts_every_kind_of_fault(
    heard: list[str | None], expected: Reckoning
) -> None:
    assert reckon(QUESTIONS, heard) == expected


def test_a_message_is_what_its_last_edit_says_and_counts_once_where_it_began() -> None:
    sent = [
        Sent("$1", "!a", None),
        Sent("$2", "!a", None),
        Sent("$3", "!b", None),
        Sent("$4", "!a", "$1"),
    ]
    events = {
        "$1": read("$1", "You", live=True),
        "$2": read("$2", "second"),
        "$4": read("$4", "You asked", replaces="$1"),
    }

    assert said(sent, events, "!a") == ["You asked", "second"]
    assert said(sent[:2], events, "!a") == [None, "second"], "still being written"
    assert said(sent[2:3], events, "!b") == [None], "never read"


def test_an_empty_run_is_refused() -> None:
    command = [sys.executable, str(SCRIPT), "--control-kills", "0"]

    refused = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (refused.returncode, refused.stdout) == (2, "")
    assert "at least 1" in refused.stderr


@pytest.mark.live
@pytest.mark.timeout(300)
async def test_it_ends_with_its_figures_as_one_object_and_fails_where_it_saw_nothing() -> None:
    options = ("--kills", "2", "--messages", "12", "--rooms", "2", "--control-kills", "3")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, SCRIPT, *options, "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, told = await process.communicate()

    figures = json.loads(printed)
    doubled = figures.pop("control_doubled")
    assert figures == {"kills": 2, "messages": 12, "lost": 0, "doubled": 0, "reordered": 0}
    assert process.returncode == (0 if doubled else 1)
    assert ("blind" in told.decode()) is (doubled == 0)
