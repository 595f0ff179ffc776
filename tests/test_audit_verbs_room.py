"""`confidant audit verify --room`: the heads that the audit room shows, read as the bot."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bot import auditing
from bot.audit_room import STATE
from bot.command_line import FAILED, OK
from storage import MasterKey, open_storage
from storage.checkpoints import HeadKey
from tests.place import CONFIG, KEY, SECRET, Output, Place


class Room:
    """Stands for the client: an audit room, and which of the bot's heads it shows."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, notes: list[str]) -> None:
        self.notes, self.asked = notes, list[str]()
        self.sender = self

        @asynccontextmanager
        async def opened(*_: object, **__: object) -> AsyncIterator["Room"]:
            yield self

        monkeypatch.setattr(auditing, "open_client", opened)

    async def join(self, room: str) -> str:
        return room.replace("#", "!")

    async def posted_heads(self, room_id: str) -> list[str]:
        self.asked.append(room_id)
        return self.notes


def with_a_room(place: Place, room_id: str) -> None:
    async def keep() -> None:
        async with open_storage(place.data, MasterKey.load(SECRET, place.data)) as storage:
            await storage.set_state(STATE, room_id)

    asyncio.run(keep())


def test_history_signed_again_with_the_real_key_is_found_from_the_room(
    place: Place, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Room(monkeypatch, place.witnessed(4, every=2))
    with_a_room(place, "!ours:hs")
    assert place.run("audit", "verify", "--room") == OK
    assert "2 of these from outside" in capsys.readouterr().out
    shutil.rmtree(place.data)
    place.witnessed(4, every=2)
    with_a_room(place, "!ours:hs")
    assert place.run("audit", "verify") == OK

    assert place.run("audit", "verify", "--room") == FAILED

    assert "The audit log was rewritten: its first 2 entries" in capsys.readouterr().err
    assert room.asked == ["!ours:hs"] * 2


def test_the_room_that_the_configuration_names_is_the_one_that_is_read(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Room(monkeypatch, place.witnessed(2, every=2))
    place.config.write_text(f'{CONFIG}[audit]\nroom = "#audit:example.org"\n', "utf-8")

    assert place.run("audit", "verify", "--room") == OK
    assert room.asked == ["!audit:example.org"]


def test_what_others_put_into_the_room_is_left_out_and_counted(
    place: Place, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = HeadKey(bytes(32)).sign(2, bytes(32)).note
    [note] = place.witnessed(2, every=2)
    forged = KEY.sign(3, bytes(32)).note.replace("\n3\n", "\n2\n")
    room = Room(monkeypatch, [other, note, note, forged, "hello"])
    with_a_room(place, "!ours:hs")

    assert place.run("audit", "verify", "--room") == OK
    assert capsys.readouterr().out == (
        "The audit log is intact: 2 entries, as 1 signed head had it, 1 of these from outside. "
        "3 heads in the audit room that this log's key did not sign were left out.\n"
    )
    room.notes = [other, forged]
    assert place.run("audit", "verify", "--room") == FAILED
    assert "shows no signed head of this log that can be read" in capsys.readouterr().err
    heads = place.folder / "heads.txt"
    heads.write_text(other, "utf-8")
    assert place.run("audit", "verify", "--heads", str(heads)) == FAILED, "a file is taken whole"


def test_a_room_that_shows_nothing_proves_nothing(
    place: Place, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    Room(monkeypatch, [])
    place.fill()
    with monkeypatch.context() as patch:
        patch.setattr(auditing, "open_client", None)  # it is not come to that
        assert place.run("audit", "verify", "--room") == FAILED
    assert "There is no audit room yet" in capsys.readouterr().err
    with_a_room(place, "!ours:hs")

    assert place.run("audit", "verify", "--room") == FAILED
    assert "shows no signed head of this log that can be read" in capsys.readouterr().err
