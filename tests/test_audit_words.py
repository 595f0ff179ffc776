"""Every action and every end of it has words, and the page of an export has the same."""

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from bot import audit_words
from bot.audit_view import folded
from bot.messages import Action, Outcome
from storage import AuditEntry
from tests.place import ROOT

ENDS = list(Outcome)
BEGUN = Outcome.BEGUN
AT = datetime(2026, 1, 1, 12, tzinfo=UTC)


def entry(action: str, outcome: str = "ok", *, target: str = "", **facts: object) -> AuditEntry:
    return AuditEntry(AT, "@ann:x.org", action, outcome, target, facts)  # type: ignore[arg-type]


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("outcome", ENDS)
def test_every_action_and_outcome_has_words(action: Action, outcome: str) -> None:
    told = audit_words.sentence(entry(action, outcome))

    assert told[0].isupper()
    assert action not in told, "a name for machines"
    assert "{" not in told
    assert f"({outcome})" not in told


@pytest.mark.parametrize("action", [one for one in Action if one not in audit_words.SAYS_ITSELF])
def test_no_two_ends_of_an_action_sound_the_same(action: Action) -> None:
    assert len({audit_words.said(action, one) for one in ENDS}) == len(ENDS)


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (
            entry(
                Action.MESSAGE_ANSWERED,
                room="shared",
                model="llama3.2",
                prompt_tokens=1_800,
                completion_tokens=12,
                memories=3,
                ms=2_345,
            ),
            "Answered a message of yours in a shared room: model llama3.2, 1,812 tokens, "
            "3 memories used, 2,345 ms",
        ),
        (entry(Action.MESSAGE_ANSWERED, command="export"), "Carried out the command “export”"),
        (
            entry(Action.MESSAGE_ANSWERED, "interrupted", command="import"),
            "Began to carry out the command “import”, and was interrupted",
        ),
        (
            entry(Action.MESSAGE_ANSWERED, command="unknown"),
            "Answered a command that I do not know",
        ),
        (
            entry(Action.MESSAGE_ANSWERED, memories=0, messages=0, room="direct"),
            "Answered a message of yours in a direct chat",
        ),
        (
            entry(Action.MEMORY_USED, target="memories 7, 12"),
            "Used what I remember: memories 7, 12",
        ),
        (
            entry(Action.EXPORT_CREATED, bytes=33_736, form="zip", memories=0),
            "Made an export: 0 memories, 34 kB, form zip",
        ),
        (entry(Action.MEMORY_DELETED, target="memory 7"), "Deleted a memory: memory 7"),
        (entry(Action.MEMORY_UPDATED, pinned=True), "Changed a memory: pinned"),
        (entry(Action.ROOM_JOINED, target="!secret:x.org"), "Came into a room"),
        (
            entry(Action.IDENTITY_LOOKED_UP, by="an operator"),
            "Told `@ann:x.org`, an operator, who is behind your pseudonym",
        ),
        (entry(Action.ACCESS_CHANGED, target="@*:x.org", rule="block"), "You blocked `@*:x.org`"),
        (
            entry(Action.ACCESS_CHANGED, "failed", target="@bob:x.org\n# loud", rule="allow"),
            "Tried to let `@bob:x.org?#?loud` talk with me, and failed",
        ),
        (entry(Action.ACCESS_CHANGED, bot="paused"), "You paused me"),
        (
            entry(Action.ACCESS_CHANGED, rule="of a later release"),
            "Noted a change of who you are to others, or of what you may do: "
            "rule of a later release",
        ),
        (
            entry(Action.MESSAGE_DENIED, "denied", reason="too fast", edited=True),
            "Refused a message: too fast, an edit",
        ),
        (
            entry(Action.MESSAGE_ANSWERED, BEGUN, command="memory", room="direct"),
            "Began to carry out the command “memory” in a direct chat, and was cut short before I "
            "could note how it ended",
        ),
        (
            entry(Action.MESSAGE_ANSWERED, "failed", room="shared"),
            "Tried to answer a message of yours in a shared room, and failed",
        ),
        (
            entry(Action.MESSAGE_ANSWERED, edited=True, answered=False, room="direct"),
            "Took over an edit of yours in a direct chat",
        ),
        (
            entry(Action.MESSAGE_ANSWERED, BEGUN, edited=True, answered=False),
            "Began to take over an edit of yours, and was cut short before I could note how it "
            "ended",
        ),
        (
            entry(Action.MESSAGE_ANSWERED, edited=True, model="m"),
            "Answered an edited message of yours: model m",
        ),
        (entry(Action.MESSAGE_ANSWERED, reaction=True), "Did what you decided by a reaction"),
        (
            entry(Action.MEMORY_CREATED, target="memory 1", by="model", pending=True),
            "Noted a memory to ask you about: memory 1, from what you said",
        ),
        (
            entry(Action.MEMORY_CREATED, target="memory 1", approved=True),
            "Kept a memory: memory 1, you approved it",
        ),
        (
            entry(Action.SETTINGS_CHANGED, setting="memory mode", value="ask"),
            "Changed a setting: memory mode set to ask",
        ),
        (
            entry(Action.ACCESS_CHANGED, identity="known", memory="resumed"),
            "Noted a change of who you are to others, or of what you may do: you came with the "
            "identity that I know you by, my memory of you works again",
        ),
        (
            entry(Action.ROOM_REFUSED, "denied", reason="not joinable"),
            "Turned down an invitation into a room: it can't be joined",
        ),
        (entry("thing.done", "well"), "thing.done (well)"),
    ],
)  # fmt: skip
def test_an_entry_reads_as_a_sentence(told: AuditEntry, sentence: str) -> None:
    assert audit_words.sentence(told) == sentence


A, B = "$a", "$b"
ANSWERED, FAILED = Action.MESSAGE_ANSWERED, Action.GATEWAY_FAILED
DENIED = Action.MESSAGE_DENIED


@pytest.mark.parametrize(
    ("happened", "left"),
    [
        ([(ANSWERED, BEGUN, A), (ANSWERED, "ok", A)], [2]),
        ([(ANSWERED, BEGUN, A), (ANSWERED, BEGUN, A), (ANSWERED, "ok", A)], [3]),
        ([(ANSWERED, BEGUN, A), (ANSWERED, BEGUN, B), (ANSWERED, "ok", A)], [2, 3]),
        ([(ANSWERED, BEGUN, A), (ANSWERED, "interrupted", "")], [2]),
        ([(ANSWERED, BEGUN, A), (FAILED, BEGUN, ""), (FAILED, "failed", "")], [3]),
        ([(ANSWERED, BEGUN, A), (ANSWERED, BEGUN, ""), (ANSWERED, "failed", "")], [3]),
        ([(ANSWERED, BEGUN, A), (DENIED, "denied", A)], [2]),
        ([(ANSWERED, BEGUN, A), (DENIED, "denied", B)], [1, 2]),
        ([(ANSWERED, BEGUN, A), (Action.MEMORY_CREATED, "ok", "memory 1")], [1, 2]),
        ([("export.created", BEGUN, ""), ("export.created", BEGUN, ""),
          ("export.created", "ok", "")], [1, 3]),
        ([("room.joined", "ok", A), ("room.joined", BEGUN, A)], [1, 2]),
    ],
)  # fmt: skip
def test_what_was_begun_and_ended_is_one_entry(
    happened: list[tuple[str, str, str]], left: list[int]
) -> None:
    entries = [
        (seq, entry(action, outcome, target=target))
        for seq, (action, outcome, target) in enumerate(happened, start=1)
    ]

    assert [seq for seq, _ in folded(entries)] == left


def test_words_of_the_log_bring_no_commands_of_operators_with_them() -> None:
    look = "import sys, bot.archive.page; print(*sys.modules)"
    run = [sys.executable, "-c", look]

    loaded = subprocess.check_output(run, text=True, cwd=ROOT).split()

    assert "bot.audit_words" in loaded
    assert {"bot.operator_words", "bot.operator_command", "bot.status"}.isdisjoint(loaded)
