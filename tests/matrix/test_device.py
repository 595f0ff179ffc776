"""The device, when its crypto store and the homeserver disagree."""

from pathlib import Path

import pytest

from bot.config import Homeserver
from bot.matrix import device
from bot.matrix.device import OpenDevice, open_device
from bot.matrix.http import Http
from bot.matrix.keys import StaleStoreError
from bot.matrix.session import Session, load, save
from storage import MasterKey

ACCOUNT = {"url": "http://unused", "user_id": "@bot:b", "password": "secret"}


async def test_a_homeserver_that_calls_every_device_stale_makes_no_endless_row_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    async def stale(
        http: Http, account: Homeserver, data: Path, master_key: MasterKey, device_name: str
    ) -> OpenDevice:
        session = load(data / "session")
        assert session is not None
        tried.append(session.device_id)
        raise StaleStoreError("stale")

    monkeypatch.setattr(device, "_as_before", stale)
    save(tmp_path / "session", Session("@bot:b", "FIRST", "token"))
    account, key = Homeserver.model_validate(ACCOUNT), MasterKey(bytes(32))

    for _ in range(3):
        with pytest.raises(StaleStoreError):
            async with open_device(account, data=tmp_path, master_key=key, device_name="test"):
                pass

    assert tried[0] == "FIRST"
    assert len(set(tried)) == 2
