"""The command line: what it prints, what it leaves, and with which code it ends."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bot.__main__ import main
from bot.command_line import FAILED, OK, WRONG
from tests.place import CONFIG, ROOT, Output, Place


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path)


class TestExitCodes:
    @pytest.mark.parametrize(
        "typed", [[], ["dance"], ["audit"], ["backup"], ["restore"], ["run", "--fast"]]
    )
    def test_wrong_usage_is_2_and_shows_the_usage(self, typed: list[str], capsys: Output) -> None:
        with pytest.raises(SystemExit) as ended:
            main(typed)

        assert ended.value.code == WRONG
        assert capsys.readouterr().err.startswith("usage: confidant")

    @pytest.mark.parametrize(
        "verb", ["run", "doctor", "audit verify", "audit export", "backup to", "restore from"]
    )
    def test_a_wrong_configuration_is_2_and_every_mistake_is_named(
        self, verb: str, place: Place, capsys: Output
    ) -> None:
        place.config.write_text(f"{CONFIG}\nunknown = 1\n[limits]\ntokens_per_day = -1", "utf-8")

        assert place.run(*verb.split()) == WRONG

        mistakes = capsys.readouterr().err.splitlines()
        named = [line.partition(":")[0] for line in mistakes]
        assert named == ["storage.unknown", "limits.tokens_per_day"]

    def test_a_missing_configuration_is_2_and_says_how_to_make_one(
        self, place: Place, capsys: Output
    ) -> None:
        place.config.unlink()

        assert place.run("run") == WRONG
        assert capsys.readouterr().err.endswith("make it with: confidant init\n")

    def test_any_other_known_failure_is_1_and_one_line(self, place: Place) -> None:
        place.data.write_text("a file", "utf-8")
        command = [sys.executable, "-m", "bot", "run", "--config", str(place.config)]

        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

        assert run.returncode == FAILED
        assert "Traceback" not in run.stderr
        assert run.stderr.splitlines()[-1].endswith("/data can't be used: File exists.")


@pytest.mark.parametrize("typed", [["--help"], ["--version"], ["audit", "--help"]])
def test_asking_for_help_loads_no_client_of_anything(typed: list[str]) -> None:
    code = (
        "import sys\nfrom bot.__main__ import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print({'nio', 'openai', 'pydantic', 'storage'} & {*sys.modules})"
    )

    command = [sys.executable, "-c", code, *typed]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)

    assert run.stdout.endswith(b"\nset()\n")


class TestInit:
    def test_the_file_is_private_and_understood(self, place: Place, capsys: Output) -> None:
        place.config.unlink()

        assert place.run("init") == OK

        assert stat.S_IMODE(place.config.stat().st_mode) == 0o600
        assert f"confidant doctor --config {place.config}" in capsys.readouterr().out
        assert place.run("audit", "verify") == FAILED  # not WRONG: only the data is missing

    def test_a_file_that_is_there_stays_as_it_is(self, place: Place, capsys: Output) -> None:
        assert place.run("init") == WRONG

        assert place.config.read_text("utf-8") == CONFIG
        assert "is there already" in capsys.readouterr().err


class TestBackup:
    def test_backing_up_and_restoring_say_what_was_done(self, place: Place, capsys: Output) -> None:
        place.fill()
        there = str(place.folder / "backup")

        assert place.run("backup", there) == OK
        assert place.run("restore", there) == FAILED
        assert place.run("restore", "--replace", there) == OK
        place.data.rename(place.folder / "lost")
        assert place.run("restore", there) == OK

        said = capsys.readouterr()
        backed_up, apart, restored, known, new, rules, *second = said.out.splitlines()
        assert backed_up == f"Backed up 1 vault to {there}."
        assert apart.endswith("a copy of storage.master_key somewhere else.")
        assert restored.startswith("Restored 1 vault as of 20")
        assert known == "Forgotten since then, and so not restored: 0 vaults."
        again, unknown, *new_again = second
        assert again == restored
        assert unknown.startswith("Who was forgotten since then can't be known")
        assert [new, rules] == new_again
        assert rules == (
            "Whom operators let in or shut out, and whether I am paused, is as of then."
        )
        assert new.startswith("The bot logs in as a new device")
        assert "--replace" in said.err

    def test_a_running_bot_is_to_be_stopped_first(self, place: Place, capsys: Output) -> None:
        place.fill()

        with place.running():
            assert place.run("backup", str(place.folder / "backup")) == FAILED

        assert capsys.readouterr().err.endswith("stop it first.\n")

    def test_an_access_token_of_the_old_device_is_to_be_replaced(
        self, place: Place, capsys: Output
    ) -> None:
        place.fill()
        config = CONFIG.replace("[gateway]", 'access_token = "old"\n[gateway]')
        place.config.write_text(config, "utf-8")
        place.run("backup", str(place.folder / "backup"))

        place.run("restore", "--replace", str(place.folder / "backup"))

        assert "access_token belongs to the old device" in capsys.readouterr().out
