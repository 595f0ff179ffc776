"""The device's own keys on the homeserver."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bot.errors import HomeserverError
from bot.matrix.chains import read_device
from bot.matrix.crypto_store import close_crypto_store, open_crypto_store
from bot.matrix.guard import Guard
from bot.matrix.http import Http, RequestError
from bot.matrix.keys import DeviceKeyring, StaleStoreError
from bot.matrix.session import Session
from bot.matrix.signed_json import is_signed
from storage import MasterKey

BOT, DEVICE = "@bot:b", "BOTDEVICE"
SIGNED = "signed_curve25519"


class KeyStore(Http):
    """What a homeserver does with uploaded keys: an id, once taken, can't get another key."""

    def __init__(self) -> None:
        super().__init__("http://unused")
        self.device: Any = None
        self.one_time_keys: dict[str, Any] = {}
        self.ever: dict[str, Any] = {}
        self.fallback: dict[str, Any] = {}
        self.answers_get_lost = False
        self.refuses: RequestError | None = None

    async def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        shown = {} if self.device is None else {DEVICE: self.device}
        return 200, {"device_keys": {BOT: shown}}

    async def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, **options: Any
    ) -> dict[str, Any]:
        if self.refuses is not None:
            raise self.refuses
        sent = dict(body or {})
        self.device = sent.get("device_keys", self.device)
        self.fallback = sent.get("fallback_keys", self.fallback)
        for key_id, key in sent.get("one_time_keys", {}).items():
            if self.ever.setdefault(key_id, key) != key:
                raise RequestError("already exists", status=400, errcode="M_UNKNOWN")
            self.one_time_keys[key_id] = key
        if self.answers_get_lost and sent:
            raise RequestError("lost", status=502)
        return {"one_time_key_counts": {SIGNED: len(self.one_time_keys)}}

    def use_up(self, count: int) -> None:
        for key_id in list(self.one_time_keys)[:count]:
            del self.one_time_keys[key_id]


class Bot:
    """The bot's device, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = KeyStore()
        self.start()

    def start(self) -> None:
        session, key = Session(BOT, DEVICE), MasterKey(bytes(32))
        self.client = open_crypto_store(session, self.folder, key, must_exist=False)
        self.keys = DeviceKeyring(Guard(self.client), self.server)

    def kill(self) -> None:
        close_crypto_store(self.client)

    def sync(self, **more: Any) -> None:
        """What a sync says about the keys that are left."""
        counts = {SIGNED: len(self.server.one_time_keys)} if self.server.one_time_keys else {}
        self.keys.learn({"device_one_time_keys_count": counts, **more})


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[Bot]:
    bot = Bot(tmp_path)
    yield bot
    bot.kill()


def check(signed: Any) -> bool:
    device = read_device(BOT, DEVICE, signed["device"])
    assert device is not None
    key_id = f"ed25519:{DEVICE}"
    return all(
        is_signed(key, user_id=BOT, key_id=key_id, public=device.ed25519) for key in signed["keys"]
    )


async def test_the_first_start_publishes_everything_signed(bot: Bot) -> None:
    await bot.keys.publish()

    server = bot.server
    keys = [*server.one_time_keys.values(), *server.fallback.values()]
    assert (len(server.one_time_keys), len(server.fallback)) == (50, 1)
    assert check({"device": server.device, "keys": keys})
    assert [key["fallback"] for key in server.fallback.values()] == [True]


async def test_a_later_start_uploads_nothing(bot: Bot) -> None:
    await bot.keys.publish()
    before = (bot.server.device, dict(bot.server.ever), dict(bot.server.fallback))
    bot.kill()
    bot.start()

    await bot.keys.publish()

    assert (bot.server.device, bot.server.ever, bot.server.fallback) == before


@pytest.mark.parametrize("used", [30, 50])
async def test_used_keys_are_replaced_by_new_ones(bot: Bot, used: int) -> None:
    await bot.keys.publish()
    bot.server.use_up(used)

    bot.sync()
    await bot.keys.replenish()

    assert len(bot.server.one_time_keys) == 50
    assert len(bot.server.ever) == 50 + used


async def test_no_count_that_a_homeserver_claims_makes_more_keys_than_there_may_be(
    bot: Bot,
) -> None:
    await bot.keys.publish()
    bot.server.use_up(50)

    bot.keys.learn({"device_one_time_keys_count": {SIGNED: -1_000}})
    await bot.keys.replenish()

    assert len(bot.server.one_time_keys) == 50


async def test_a_used_fallback_key_is_replaced(bot: Bot) -> None:
    await bot.keys.publish()
    first = dict(bot.server.fallback)

    bot.sync(device_unused_fallback_key_types=[SIGNED])
    await bot.keys.replenish()
    kept = dict(bot.server.fallback)
    bot.sync(device_unused_fallback_key_types=[])
    await bot.keys.replenish()

    assert kept == first
    assert bot.server.fallback.keys() != first.keys()


async def test_a_kill_during_an_upload_leaves_nothing_that_can_not_be_uploaded(bot: Bot) -> None:
    await bot.keys.publish()
    bot.server.use_up(50)
    bot.sync()
    bot.server.answers_get_lost = True
    with pytest.raises(RequestError):
        await bot.keys.replenish()
    bot.kill()
    bot.start()
    bot.server.answers_get_lost = False

    await bot.keys.publish()
    bot.server.use_up(50)
    bot.sync()
    await bot.keys.replenish()

    assert len(bot.server.one_time_keys) == 50


async def test_a_device_that_the_homeserver_forgot_is_published_again(bot: Bot) -> None:
    await bot.keys.publish()
    device = bot.server.device
    bot.server.device, bot.server.one_time_keys, bot.server.ever = None, {}, {}

    await bot.keys.publish()

    assert bot.server.device == device
    assert len(bot.server.one_time_keys) == 50


async def test_a_device_with_other_keys_is_refused_and_untouched(bot: Bot, tmp_path: Path) -> None:
    await bot.keys.publish()
    other = Bot(tmp_path / "other")
    other.server, device = bot.server, bot.server.device
    other.keys = DeviceKeyring(Guard(other.client), bot.server)

    with pytest.raises(HomeserverError, match="holds other keys for the bot's device BOTDEVICE"):
        await other.keys.publish()
    other.kill()

    assert bot.server.device == device


async def test_an_older_copy_of_the_store_is_found_out(bot: Bot) -> None:
    await bot.keys.publish()
    bot.kill()
    copy = (bot.folder / "olm.db").read_bytes()
    bot.start()
    bot.server.use_up(50)
    bot.sync()
    await bot.keys.replenish()
    bot.kill()
    (bot.folder / "olm.db").write_bytes(copy)
    bot.start()
    bot.server.use_up(50)

    with pytest.raises(HomeserverError, match="restoring an old copy"):
        await bot.keys.publish()


@pytest.mark.parametrize(
    ("errcode", "kind"),
    [("M_UNKNOWN", StaleStoreError), ("M_BAD_JSON", RequestError)],
)
async def test_only_a_key_under_a_used_id_makes_a_running_bots_store_stale(
    bot: Bot, errcode: str, kind: type[HomeserverError]
) -> None:
    await bot.keys.publish()
    bot.server.use_up(50)
    bot.server.refuses = RequestError("no", status=400, errcode=errcode)

    bot.sync()
    with pytest.raises(kind) as refused:
        await bot.keys.replenish()

    assert type(refused.value) is kind


@pytest.mark.parametrize(
    "sync",
    [
        {"device_one_time_keys_count": 7, "device_unused_fallback_key_types": {}},
        {"device_one_time_keys_count": {SIGNED: "many"}, "device_unused_fallback_key_types": [[]]},
        {},
    ],
)
def test_a_malformed_count_is_no_error(bot: Bot, sync: dict[str, Any]) -> None:
    bot.keys.learn(sync)
