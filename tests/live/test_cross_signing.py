"""Cross-signing against a real Synapse: whole, idempotent, and respectful of other identities."""

import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from bot.demo.homeserver import Homeserver
from bot.errors import HomeserverError
from bot.matrix.chains import read_person
from bot.matrix.cross_signing import ensure_cross_signed, reset_identity
from bot.matrix.identity import IdentityFile
from bot.matrix.keyserver import query_keys
from storage import MasterKey
from tests.matrix.people import Device, Json

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="session")]

LOG_IN = "/_matrix/client/v3/login"
UPLOAD_KEYS = "/_matrix/client/v3/keys/upload"


class Account:
    """An account that is logged in on one device, with every request counted."""

    def __init__(self, session: aiohttp.ClientSession, user_id: str, password: str) -> None:
        self.user_id = user_id
        self.password = password
        self.requests: list[str] = []
        self._session = session
        self._token = ""

    async def log_in(self) -> Device:
        """Log in on a new device and upload its keys, as the client does before cross-signing."""
        identifier = {"type": "m.id.user", "user": self.user_id}
        login = {"type": "m.login.password", "identifier": identifier, "password": self.password}
        status, answer = await self.request("POST", LOG_IN, login)
        assert status == 200, answer
        self._token = answer["access_token"]
        device = Device(self.user_id, answer["device_id"])
        status, answer = await self.request("POST", UPLOAD_KEYS, {"device_keys": device.payload()})
        assert status == 200, answer
        self.requests.clear()
        return device

    async def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> tuple[int, Json]:
        """One request, as `KeyServer` wants it."""
        self.requests.append(path.rpartition("/keys/")[2])
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        async with self._session.request(method, path, json=body, headers=headers) as response:
            return response.status, await response.json()


@pytest_asyncio.fixture(loop_scope="session")
async def account(homeserver: Homeserver) -> AsyncIterator[Account]:
    localpart, password = f"bot-{secrets.token_hex(4)}", secrets.token_hex(16)
    user_id = await homeserver.register(localpart, password)
    async with aiohttp.ClientSession(homeserver.url) as session:
        yield Account(session, user_id, password)


@pytest.fixture
def kept(tmp_path: Path) -> IdentityFile:
    return IdentityFile(tmp_path / "crypto" / "cross-signing", MasterKey(bytes(32)))


async def test_everybody_sees_the_chain_from_the_identity_to_the_device(
    homeserver: Homeserver, account: Account, kept: IdentityFile
) -> None:
    device = await account.log_in()
    somebody = await homeserver.register(f"else-{secrets.token_hex(4)}", "secret")

    public = await ensure_cross_signed(account, device.own(), kept)

    async with aiohttp.ClientSession(homeserver.url) as session:
        stranger = Account(session, somebody, "secret")
        await stranger.log_in()
        person = read_person(account.user_id, await query_keys(stranger, [account.user_id]))
    assert person.master_key == public.master_key
    assert person.signed == {device.keys.device_id: device.keys}


async def test_a_second_start_asks_once_and_uploads_nothing(
    account: Account, kept: IdentityFile
) -> None:
    device = await account.log_in()
    first = await ensure_cross_signed(account, device.own(), kept)
    uploads = list(account.requests)
    account.requests.clear()

    second = await ensure_cross_signed(account, device.own(), kept)

    assert second == first
    assert uploads == ["query", "device_signing/upload", "query", "signatures/upload", "query"]
    assert account.requests == ["query"]


async def test_a_new_device_of_the_same_data_is_signed_without_the_password(
    account: Account, kept: IdentityFile
) -> None:
    first = await ensure_cross_signed(account, (await account.log_in()).own(), kept)
    device = await account.log_in()

    second = await ensure_cross_signed(account, device.own(), kept)

    answer = await query_keys(account, [account.user_id])
    assert second == first
    assert len(read_person(account.user_id, answer).signed) == 2


async def test_a_foreign_identity_is_refused_and_left_as_it_is(
    account: Account, kept: IdentityFile, tmp_path: Path
) -> None:
    elsewhere = IdentityFile(tmp_path / "elsewhere", MasterKey(bytes(32)))
    foreign = await ensure_cross_signed(account, (await account.log_in()).own(), elsewhere)
    device = await account.log_in()

    with pytest.raises(HomeserverError, match=r"`confidant identity recover`.*reset"):
        await ensure_cross_signed(account, device.own(), kept, password=account.password)

    answer = await query_keys(account, [account.user_id])
    assert read_person(account.user_id, answer).master_key == foreign.master_key
    assert account.requests == ["query", "query"]


async def test_lost_keys_end_in_the_same_sentence_and_a_reset_mends_them(
    account: Account, kept: IdentityFile, tmp_path: Path
) -> None:
    device = await account.log_in()
    first = await ensure_cross_signed(account, device.own(), kept)
    (tmp_path / "crypto" / "cross-signing").unlink()

    with pytest.raises(HomeserverError, match="confidant identity recover"):
        await ensure_cross_signed(account, device.own(), kept)
    with pytest.raises(HomeserverError, match=r"set homeserver\.password"):
        await reset_identity(account, device.own(), kept)
    with pytest.raises(HomeserverError, match=r"refused homeserver\.password"):
        await reset_identity(account, device.own(), kept, password="wrong")
    second = await reset_identity(account, device.own(), kept, password=account.password)

    answer = await query_keys(account, [account.user_id])
    person = read_person(account.user_id, answer)
    assert second.master_key == person.master_key != first.master_key
    assert person.signed == {device.keys.device_id: device.keys}


async def test_a_device_whose_keys_are_not_on_the_server_is_refused(
    account: Account, kept: IdentityFile
) -> None:
    device = await account.log_in()
    other = replace(device.own(), keys=Device(account.user_id, device.keys.device_id).keys)

    with pytest.raises(HomeserverError, match="does not show the keys of the bot's device"):
        await ensure_cross_signed(account, other, kept)

    assert account.requests == ["query"]
