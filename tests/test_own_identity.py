"""`confidant identity`, as far as it goes without a homeserver: what it says and what it leaves."""

import io
from pathlib import Path

import pytest

from bot.__main__ import main
from bot.command_line import FAILED, OK
from bot.matrix.recovery import Recovery, RecoveryFile
from bot.matrix.session import Session, save
from storage import MasterKey

BOT = "@confidant:example.org"
SECRET = "ab" * 32
CONFIG = f"""
[homeserver]
url = "http://127.0.0.1:1"
user_id = "{BOT}"
password = "secret"
[gateway]
base_url = "builtin"
[storage]
master_key = "{SECRET}"
"""


class Place:
    """A configuration and its data directory."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        self.config = folder / "config.toml"
        self.config.write_text(CONFIG, "utf-8")

    def run(self, *verb: str) -> int:
        return main(["identity", *verb, "--config", str(self.config)])

    def keep(self) -> Recovery:
        """A recovery key as a run has kept it."""
        key = MasterKey.load(SECRET, self.data)
        recovery = Recovery.generate(BOT)
        RecoveryFile(self.data / "crypto" / "recovery", key).save(recovery)
        return recovery


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    return captured.out + captured.err


def test_before_the_first_run_there_is_nothing_to_show(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert place.run("show") == FAILED
    assert "has not run with the data directory" in said(capsys)
    assert place.run("show", "--recovery-key") == FAILED
    assert "There is no recovery key in the data directory" in said(capsys)
    assert not place.data.exists()


def test_the_recovery_key_is_printed_alone_and_only_when_asked_for(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    recovery = place.keep()

    assert place.run("show", "--recovery-key") == OK
    assert capsys.readouterr().out == f"{recovery.key.written}\n"


def test_a_lost_crypto_store_is_named(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.keep()
    save(place.data / "session", Session(BOT, "BOTDEVICE", "token"))

    assert place.run("show") == FAILED
    assert "The keys of device BOTDEVICE can't be read" in said(capsys)


@pytest.mark.parametrize("typed", ["", "\n", "not a key\n", "EsTc LW2K\n"])
def test_what_is_no_recovery_key_is_refused_before_anything_is_done(
    typed: str, place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))

    assert place.run("recover") == FAILED
    assert "That is no recovery key" in said(capsys)
    assert not place.data.exists()


def test_a_key_file_that_is_not_there_is_named(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    file = place.folder / "key"

    assert place.run("recover", "--recovery-key-file", str(file)) == FAILED
    assert f"can't be read from {file} (FileNotFoundError)" in said(capsys)


def test_an_unreachable_homeserver_is_named_and_the_key_is_not(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key = Recovery.generate(BOT).key.written
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{key}\n"))
    monkeypatch.setattr("bot.matrix.session.PATIENCE", 0.0)

    assert place.run("recover") == FAILED
    words = said(capsys)
    assert "http://127.0.0.1:1 can't be reached" in words
    assert key[:4] not in words


@pytest.mark.parametrize("typed", ["no\n", "\n", "YES\n", ""])
def test_a_reset_says_what_it_means_and_waits_for_a_yes(
    typed: str, place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))

    assert place.run("reset") == FAILED
    words = said(capsys)
    assert f"This gives {BOT} a new identity." in words
    assert "has to verify it again" in words
    assert "Nothing was changed." in words
    assert not place.data.exists()
