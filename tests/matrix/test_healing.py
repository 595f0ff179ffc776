"""What a dead device had comes to the one that replaces it, before anybody talks with that."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.matrix.healing import taken_over
from bot.matrix.session import load
from tests.matrix.account import BOT, ROOM, Account, OwnDevice, Speaker
from tests.matrix.test_key_backup import backed_up


class Listing(Account):
    """An account that deletes devices once it is told the password."""

    def __init__(self) -> None:
        super().__init__()
        self.deleted: list[str] = []
        self.flow = "m.login.password"

    async def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        assert path.endswith("/delete_devices")
        assert body is not None
        if body.get("auth", {}).get("password") != "secret":
            return 401, {"flows": [{"stages": [self.flow]}], "session": "abc"}
        self.deleted += body["devices"]
        return 200, {}


async def replaced(account: Listing, folder: Path) -> OwnDevice:
    """A new device of an account whose dead one has backed up a room key."""
    dead = OwnDevice(folder, account, "DEAD")
    dead.receive(Speaker().room_key())
    await backed_up(dead, account, 1)
    dead.close()
    (folder / "crypto" / "olm.db").unlink()
    new = OwnDevice(folder, account, "NEW")
    new.open = replace(new.open, session=replace(new.open.session, replaces="DEAD"))
    return new


async def test_room_keys_come_back_and_the_dead_device_is_deleted(tmp_path: Path) -> None:
    account = Listing()
    new = await replaced(account, tmp_path)

    await taken_over(new.open, tmp_path / "session", password="secret")

    kept = [(one.room_id, one.id) for one in new.open.guard.olm.inbound_group_store]
    session = load(tmp_path / "session")
    new.close()
    assert kept == [(ROOM, session_id) for session_id in account.stored]
    assert account.deleted == ["DEAD"]
    assert session is not None
    assert (session.user_id, session.device_id, session.replaces) == (BOT, "NEW", "")


async def test_a_dead_device_that_can_not_be_deleted_stays_listed_and_holds_up_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    account = Listing()
    account.flow = "org.example.browser"
    new = await replaced(account, tmp_path)

    await taken_over(new.open, tmp_path / "session", password="secret")
    new.close()

    session = load(tmp_path / "session")
    assert session is not None
    assert session.replaces == ""
    assert "the dead device DEAD stays listed" in caplog.text
