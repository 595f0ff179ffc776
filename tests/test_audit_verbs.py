"""`confidant audit`: what it proves, prints and refuses."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot import auditing
from bot.command_line import FAILED, OK, WRONG
from storage import PublicEntry, read_audit_log
from storage.checkpoints import HeadKey
from storage.merkle import root_of
from tests.place import KEY, ROOT, SECRET, Output, Place


def test_verifying_says_how_many_heads_fit(place: Place, capsys: Output) -> None:
    place.witnessed(4, every=2)

    assert place.run("audit", "verify") == OK
    assert capsys.readouterr().out == (
        "The audit log is intact: 4 entries, as 2 signed heads had it.\n"
    )


def test_heads_that_somebody_copied_find_a_history_that_was_signed_again(
    place: Place, capsys: Output
) -> None:
    heads = place.folder / "heads.txt"
    heads.write_text("From the audit room:\n" + "\n\n".join(place.witnessed(4, every=2)), "utf-8")
    assert place.run("audit", "verify", "--heads", str(heads)) == OK
    assert (
        "4 entries, as 2 signed heads had it, 2 of these from outside." in capsys.readouterr().out
    )
    shutil.rmtree(place.data)
    place.witnessed(4, every=2)
    assert place.run("audit", "verify") == OK
    capsys.readouterr()

    assert place.run("audit", "verify", "--heads", str(heads)) == FAILED

    assert capsys.readouterr().err == (
        "confidant: The audit log was rewritten: its first 2 entries are not those that a head was "
        "signed for, and no entry says that a backup was restored.\n"
    )


@pytest.mark.parametrize("content", [None, b"", b"no heads here", b"\xff"])
def test_a_file_without_heads_is_a_sentence(
    place: Place, capsys: Output, content: bytes | None
) -> None:
    place.fill()
    heads = place.folder / "heads.txt"
    if content is not None:
        heads.write_bytes(content)

    assert place.run("audit", "verify", "--heads", str(heads)) == FAILED
    assert capsys.readouterr().err.startswith(f"confidant: {heads} ")


def test_the_key_is_the_one_of_the_heads(place: Place, capsys: Output) -> None:
    place.fill()

    assert place.run("audit", "key") == OK
    assert capsys.readouterr().out == f"{KEY.verifier_key}\n"


def test_another_master_key_is_not_taken_for_a_rewritten_log(place: Place, capsys: Output) -> None:
    place.witnessed(2, every=2)
    place.config.write_text(place.config.read_text("utf-8").replace(SECRET, "cd" * 32), "utf-8")

    assert place.run("audit", "verify") == FAILED
    assert "The master key is not the one that this data was made with" in capsys.readouterr().err


def test_the_room_is_not_read_beside_a_running_bot(place: Place, capsys: Output) -> None:
    place.fill()

    with place.running():
        assert place.run("audit", "verify", "--room") == FAILED

    assert capsys.readouterr().err == (
        "confidant: The bot is running, and nobody else can read the audit room as the bot "
        "meanwhile: type `!audit verify` in a direct chat with it, or stop it first.\n"
    )


def test_an_export_is_cloudevents_with_the_heads_behind(place: Place, capsys: Output) -> None:
    notes = place.witnessed(4, every=2)

    plain, events = place.exported(capsys), place.exported(capsys, "--heads")

    assert events[:4] == plain
    assert {name: plain[1][name] for name in plain[1] if name != "data"} == {
        "specversion": "1.0",
        "id": "2",
        "source": KEY.origin,
        "type": "org.confidant.memory.created",
        "time": "2026-11-23T12:01:00Z",
        "datacontenttype": "application/json",
    }
    assert [event["data"] for event in events[4:]] == notes
    assert events[5]["type"] == "org.confidant.audit.checkpoint"
    assert (events[5]["id"], events[5]["datacontenttype"]) == ("checkpoint-4", "text/plain")
    assert "time" not in events[5], "no signature is under it"
    assert len({event["id"] for event in events}) == 6


def test_an_export_without_a_log_makes_nothing(place: Place, capsys: Output) -> None:
    for verb in ("export", "key", "verify"):
        assert place.run("audit", verb) == FAILED
    assert not place.data.exists()
    assert place.run("audit", "export", "--config", "nowhere.toml") in (FAILED, WRONG)
    assert "There is no audit log in" in capsys.readouterr().err


class TestTheLogAlone:
    def test_an_intact_log_says_how_many_entries_it_has(self, place: Place, capsys: Output) -> None:
        place.witnessed(3, every=3)
        place.fill(2)

        assert place.run("audit", "verify") == OK
        assert capsys.readouterr().out == (
            "The audit log is intact: 5 entries, the first 3 of them as 1 signed head had it.\n"
        )

    @pytest.mark.parametrize("entries", [0, 3])
    def test_a_log_without_heads_is_not_called_intact(
        self, place: Place, capsys: Output, entries: int
    ) -> None:
        place.witnessed(3, every=3)
        place.tamper("DELETE FROM audit_head")
        for table in ("audit_entry", "audit_feed"):
            place.tamper(f"DELETE FROM {table} WHERE seq > {entries}")
        if not entries:
            heads = place.folder / "heads.txt"
            heads.write_text(KEY.sign(0, root_of([])).note, "utf-8")
            assert place.run("audit", "verify", "--heads", str(heads)) == OK
            place.fill(2)
            assert place.run("audit", "verify", "--heads", str(heads)) == FAILED
        capsys.readouterr()

        assert place.run("audit", "verify") == FAILED

        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("confidant: Nothing is proved: the audit log agrees with itself")
        assert "no signed head vouches for any" in said.err

    @pytest.mark.parametrize(
        ("sql", "changed"),
        [
            ("UPDATE audit_entry SET outcome = 'denied' WHERE seq = 2", 2),
            ("UPDATE audit_entry SET commitment = zeroblob(32) WHERE seq = 3", 3),
            ("UPDATE audit_entry SET leaf_hash = x'' WHERE seq = 1", 1),
            ("UPDATE audit_entry SET seq = 9 WHERE seq = 3", 3),
        ],
    )
    def test_a_changed_log_says_which_entry(
        self, place: Place, capsys: Output, sql: str, changed: int
    ) -> None:
        place.fill(3)
        place.tamper(sql)

        assert place.run("audit", "verify") == FAILED

        said = f"The audit log was changed: entry {changed} is not what was recorded."
        assert capsys.readouterr().err == f"confidant: {said}\n"

    @pytest.mark.parametrize("content", [None, b"", b"x" * 8192])
    def test_a_log_that_cannot_be_read_is_a_sentence(
        self, place: Place, capsys: Output, content: bytes | None
    ) -> None:
        if content is not None:
            place.data.mkdir()
            (place.data / "shared.db").write_bytes(content)

        assert place.run("audit", "verify") == FAILED
        assert capsys.readouterr().err.startswith("confidant: ")
        assert place.data.exists() == (content is not None)

    def test_it_can_be_looked_at_while_the_bot_runs_and_leaves_no_trace(
        self, place: Place, capsys: Output
    ) -> None:
        place.witnessed(2, every=2)
        with place.running():
            beside = sorted(place.data.iterdir())
            assert place.run("audit", "verify") == OK
            assert sorted(place.data.iterdir()) == beside
        stopped = sorted(place.data.iterdir())

        assert place.run("audit", "verify") == OK

        assert sorted(place.data.iterdir()) == stopped
        assert capsys.readouterr().out == (
            "The audit log is intact: 2 entries, as 1 signed head had it.\n" * 2
        )

    def test_the_export_is_json_lines_of_nobody_by_name(self, place: Place, capsys: Output) -> None:
        place.fill(2)

        assert place.run("audit", "export") == OK

        out = capsys.readouterr().out
        entries = [json.loads(line)["data"] for line in out.splitlines()]
        assert [entry["seq"] for entry in entries] == [1, 2]
        assert entries[0].keys() == {
            *("seq", "occurred_at", "action", "outcome", "commitment", "leaf_hash")
        }
        assert entries[1]["occurred_at"] == "2026-11-23T12:01Z"
        assert "alice" not in out
        assert "$event" not in out

    def test_who_reads_only_the_first_line_of_an_export_breaks_nothing(self, place: Place) -> None:
        place.fill(2)
        command = f"{sys.executable} -m bot audit export --config {place.config} | true"

        run = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=ROOT,
            capture_output=True,
            check=False,
        )

        assert (run.returncode, run.stderr) == (0, b"")


def test_one_head_that_came_twice_is_one(place: Place, capsys: Output) -> None:
    [note] = place.witnessed(2, every=2)
    heads = place.folder / "heads.txt"
    cosigned = note + HeadKey(bytes(32)).note("x\n").split("\n\n")[1]
    heads.write_text(f"{note}\n{cosigned}", "utf-8")

    assert place.run("audit", "verify", "--heads", str(heads)) == OK
    assert "as 1 signed head had it, 1 of these from outside." in capsys.readouterr().out


def test_heads_are_read_before_the_entries_which_go_on(
    place: Place, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.witnessed(2, every=2)

    def grown_meanwhile(path: Path) -> Iterator[PublicEntry]:
        entries = [*read_audit_log(path)]
        place.witnessed(2, every=2)
        yield from entries

    monkeypatch.setattr(auditing, "read_audit_log", grown_meanwhile)
    events = place.exported(capsys, "--heads")

    assert [event["id"] for event in events] == ["1", "2", "checkpoint-2"]


def test_a_head_that_is_not_whole_is_not_passed_over(place: Place, capsys: Output) -> None:
    good, other = place.witnessed(2, every=1)
    heads = place.folder / "heads.txt"
    heads.write_text(f"{good}\n{other}", "utf-8")
    assert place.run("audit", "verify", "--heads", str(heads)) == OK
    capsys.readouterr()

    heads.write_text(f"{good}\n{other.replace('—', '--')}", "utf-8")

    assert place.run("audit", "verify", "--heads", str(heads)) == FAILED
    assert "One of the heads is not whole" in "".join(capsys.readouterr())
