"""The command line: what it prints, what it leaves, and with which code it ends."""

import asyncio
import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlcipher3 import dbapi2

from bot.__main__ import FAILED, OK, WRONG, main
from storage import AuditEntry, MasterKey, open_storage

ROOT = Path(__file__).parents[1]
SECRET = "ab" * 32
CONFIG = f"""
[homeserver]
url = "https://matrix.example.org"
user_id = "@confidant:example.org"
[gateway]
base_url = "https://api.example.org/v1"
model = "m"
[storage]
master_key = "{SECRET}"
"""

# Keeps the data directory open, as a running bot does, until its standard input ends.
BOT = f"""
import asyncio, sys
from pathlib import Path
from storage import MasterKey, open_storage
async def main():
    data = Path(sys.argv[1])
    async with open_storage(data, MasterKey.load("{SECRET}", data)):
        print("open", flush=True)
        sys.stdin.read()
asyncio.run(main())
"""


class Place:
    """A configuration and its data directory."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        self.config = folder / "config.toml"
        self.config.write_text(CONFIG, "utf-8")

    def run(self, *verb: str) -> int:
        return main([*verb, "--config", str(self.config)])

    def fill(self, entries: int = 3) -> None:
        """Write some entries of Alice's into the audit log."""

        async def write() -> None:
            key = MasterKey.load(SECRET, self.data)
            opening = open_storage(self.data, key)
            async with opening as storage, storage.vaults.open("@alice:hs") as vault:
                for number in range(entries):
                    moment = datetime(2026, 11, 23, 12, number, tzinfo=UTC)
                    entry = AuditEntry(moment, "@alice:hs", "memory.created", "ok", "$event")
                    await storage.audit_log.append(entry, vault)

        asyncio.run(write())

    def tamper(self, sql: str) -> None:
        """Change shared.db as somebody would who has read its schema."""
        connection = dbapi2.connect(str(self.data / "shared.db"), isolation_level=None)
        connection.execute("DROP TRIGGER audit_entry_update")
        connection.execute("DROP TRIGGER audit_entry_delete")
        connection.execute(sql)
        connection.close()

    @contextmanager
    def running(self) -> Iterator[None]:
        """A bot that holds the data directory."""
        command = [sys.executable, "-c", BOT, str(self.data)]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as bot:
            assert bot.stdout is not None
            assert bot.stdout.readline() == "open\n"
            yield
            bot.communicate()
        assert bot.returncode == 0


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path)


Output = pytest.CaptureFixture[str]


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


class TestAudit:
    def test_an_intact_log_says_how_many_entries_it_has(self, place: Place, capsys: Output) -> None:
        place.fill(3)

        assert place.run("audit", "verify") == OK
        assert capsys.readouterr().out == "The audit log is intact: 3 entries.\n"

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
        place.fill(2)
        with place.running():
            beside = sorted(place.data.iterdir())
            assert place.run("audit", "verify") == OK
            assert sorted(place.data.iterdir()) == beside
        stopped = sorted(place.data.iterdir())

        assert place.run("audit", "verify") == OK

        assert sorted(place.data.iterdir()) == stopped
        assert capsys.readouterr().out == "The audit log is intact: 2 entries.\n" * 2

    def test_the_export_is_json_lines_of_nobody_by_name(self, place: Place, capsys: Output) -> None:
        place.fill(2)

        assert place.run("audit", "export") == OK

        out = capsys.readouterr().out
        entries = [json.loads(line) for line in out.splitlines()]
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
        backed_up, apart, restored, known, new, again, unknown, new_again = said.out.splitlines()
        assert backed_up == f"Backed up 1 vault to {there}."
        assert apart.endswith("a copy of storage.master_key somewhere else.")
        assert restored.startswith("Restored 1 vault as of 20")
        assert known == "Forgotten since then, and so not restored: 0 vaults."
        assert again == restored
        assert unknown.startswith("Who was forgotten since then can't be known")
        assert new == new_again
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
