"""`confidant identity forget`: the way out for whoever has nobody to vouch for them."""

import asyncio
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlcipher3 import dbapi2

from bot.__main__ import main
from bot.changes import noted
from bot.command_line import FAILED, OK, WRONG
from storage import AuditEntry, MasterKey, open_storage
from storage.opening import locked
from tests.spine import disclosed

ANN, BOB = "@ann:example.org", "@bob:example.org"
SECRET = "ab" * 32
CONFIG = f"""
[homeserver]
url = "http://127.0.0.1:1"
user_id = "@confidant:example.org"
[gateway]
base_url = "builtin"
[storage]
master_key = "{SECRET}"
"""

Output = pytest.CaptureFixture[str]


@dataclass(frozen=True, slots=True)
class Kept:
    """What the data directory says of Ann."""

    identity: str | None
    noted: str | None
    has_vault: bool
    entries: Sequence[AuditEntry]


class Place:
    """A configuration and its data directory."""

    def __init__(self, folder: Path) -> None:
        self.data, self.config = folder / "data", folder / "config.toml"
        self.config.write_text(CONFIG, "utf-8")

    def forget(self, *options: str) -> int:
        return main(["identity", "forget", *options, "--config", str(self.config)])

    def fill(self, *, vault: bool = True) -> None:
        """Know Ann and Bob, and have noted that Ann's identity changed."""

        async def write() -> None:
            async with open_storage(self.data, MasterKey.load(SECRET, self.data)) as storage:
                await storage.rooms.remember_identity(ANN, "first")
                await storage.rooms.remember_identity(BOB, "another")
                await storage.set_state(noted(storage, ANN), "noted")
                if vault:
                    async with storage.vaults.open(ANN):
                        pass

        asyncio.run(write())

    def kept(self) -> Kept:
        async def read() -> Kept:
            async with open_storage(self.data, MasterKey.load(SECRET, self.data)) as storage:
                assert await storage.rooms.identity(BOB) == "another"
                identity, state = (
                    await storage.rooms.identity(ANN),
                    await storage.state(noted(storage, ANN)),
                )
                has_vault = await storage.vaults.exists(ANN)
                entries: list[AuditEntry] = []
                if has_vault:
                    async with storage.vaults.open(ANN) as vault:
                        found = (await disclosed(storage.audit_log, vault))[:9]
                    entries = [entry for _, entry in found]
                return Kept(identity, state, has_vault, entries)

        return asyncio.run(read())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_forgotten_identity_is_gone_recorded_and_its_next_change_is_noticed_again(
    place: Place, capsys: Output
) -> None:
    place.fill()

    assert place.forget(ANN, "--yes") == OK

    kept = place.kept()
    assert (kept.identity, kept.noted) == (None, None)
    [entry] = kept.entries
    assert (entry.actor, entry.action, entry.outcome) == (ANN, "access.changed", "ok")
    assert entry.facts == {"identity": "forgotten", "by": "command line"}
    words = capsys.readouterr().out
    assert "compare with\nthem in person that they did reset it, before you do this" in words
    assert f"The identity that {ANN} was known by is forgotten" in words


def test_who_has_no_vault_gets_none_for_being_forgotten(place: Place) -> None:
    place.fill(vault=False)

    assert place.forget(ANN, "--yes") == OK

    kept = place.kept()
    assert (kept.identity, kept.has_vault) == (None, False)
    connection = dbapi2.connect(str(place.data / "shared.db"))
    assert connection.execute("SELECT action FROM audit_entry").fetchall() == [("access.changed",)]
    connection.close()


@pytest.mark.parametrize("typed", ["no\n", "\n", "YES\n", ""])
def test_nothing_is_forgotten_without_a_yes(
    typed: str, place: Place, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    place.fill()
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))

    assert place.forget(ANN) == FAILED

    kept = place.kept()
    assert (kept.identity, kept.noted, kept.entries) == ("first", "noted", [])
    assert capsys.readouterr().out.endswith("Type yes to go on.\nNothing was changed.\n")


def test_a_yes_is_enough(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.fill()
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))

    assert place.forget(ANN) == OK
    assert place.kept().identity is None


def test_who_is_not_known_is_said_and_nothing_is_recorded(place: Place, capsys: Output) -> None:
    place.fill()

    assert place.forget("@anne:example.org", "--yes") == FAILED

    assert "The bot knows no identity of @anne:example.org" in capsys.readouterr().err
    assert place.kept().entries == []


@pytest.mark.parametrize("typed", ["ann", "@ann", "ann:example.org", "@a b:example.org", ""])
def test_what_is_no_id_is_wrong_usage(typed: str, place: Place, capsys: Output) -> None:
    with pytest.raises(SystemExit) as ended:
        place.forget(typed, "--yes")

    assert ended.value.code == WRONG
    assert f"{typed!r} is no Matrix id, which is @name:server" in capsys.readouterr().err
    assert not place.data.exists()


def test_a_running_bot_is_to_be_stopped_first(place: Place, capsys: Output) -> None:
    place.fill()

    with locked(place.data):
        assert place.forget(ANN, "--yes") == FAILED

    sentence = f"Another instance of Confidant is using {place.data}: stop it first."
    assert capsys.readouterr().err == f"confidant: {sentence}\n"
    assert place.kept().identity == "first"


def test_before_the_first_run_there_is_nobody_to_forget(place: Place, capsys: Output) -> None:
    assert place.forget(ANN, "--yes") == FAILED

    assert "has not run with the data directory" in capsys.readouterr().err
    assert not place.data.exists()


def test_what_can_not_be_recorded_is_not_done(place: Place, capsys: Output) -> None:
    place.fill()
    connection = dbapi2.connect(str(place.data / "shared.db"), isolation_level=None)
    connection.execute("ALTER TABLE audit_feed RENAME TO elsewhere")

    assert place.forget(ANN, "--yes") == FAILED

    connection.execute("ALTER TABLE elsewhere RENAME TO audit_feed")
    connection.close()
    assert "It can't be recorded, so nothing was changed." in capsys.readouterr().err
    kept = place.kept()
    assert (kept.identity, kept.noted) == ("first", "noted")
