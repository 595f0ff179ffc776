"""All is lost on the bot's side but its recovery key, and people's clients notice nothing."""

import asyncio
import base64
import re
import shutil
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bot.config import load_config
from bot.demo.homeserver import Homeserver
from bot.matrix.client import open_client
from bot.matrix.secret_storage import RecoveryKey, decoded
from bot.matrix.signed_json import SigningKey
from bot.messages import RoomMessage
from bot.room_events import Kept
from storage import MasterKey, open_storage
from tests.live.bots import REPOSITORY, Bot, open_chat
from tests.live.conftest import StartBot, StartPeer
from tests.live.peers import Implementation, run_peer

SECRETS = ("m.cross_signing.master", "m.cross_signing.self_signing", "m.cross_signing.user_signing")


async def confidant(bot: Bot, *verb: str, typed: str = "") -> tuple[int | None, str]:
    """Run a verb on the bot's configuration; its exit code and all that it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", *verb, "--config", str(bot.config)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=REPOSITORY,
    )
    said, _ = await process.communicate(typed.encode())
    return process.returncode, said.decode()


async def shown(bot: Bot) -> dict[str, str]:
    """What `identity show` says, by the name in front."""
    code, said = await confidant(bot, "identity", "show")
    assert code == 0, said
    return {line[:15].strip(): line[15:].strip() for line in said.splitlines()}


async def backed_up(bot: Bot, *, keys: int) -> dict[str, str]:
    """The same, once that many room keys are in the backup."""
    async with asyncio.timeout(60):
        while True:
            found = await shown(bot)
            version, _, count = found["Key backup"].partition(", ")
            if version.startswith("version") and int(count.split()[0]) >= keys:
                return found


async def recovery_key(bot: Bot) -> str:
    code, said = await confidant(bot, "identity", "show", "--recovery-key")
    assert code == 0, said
    return said.strip()


async def fetched(bot: Bot, room_id: str, event_id: str) -> Kept | None:
    """A message as the stopped bot's own device reads it."""
    config = load_config(bot.config, {})
    key = MasterKey.load("", bot.data)
    async with (
        open_storage(bot.data, key) as storage,
        open_client(
            config.homeserver,
            data=bot.data,
            master_key=key,
            rooms=storage.rooms,
            readings=storage.readings,
            share_keys_with="cross-signed",
            device_name="Confidant",
        ) as client,
    ):
        return await client.fetch(room_id, event_id)


def account_of(bot: Bot) -> Mapping[str, Any]:
    account: Mapping[str, Any] = tomllib.loads(bot.config.read_text())["homeserver"]
    return account


def spellings(key: str) -> list[bytes]:
    """A recovery key as it could lie somewhere."""
    raw = RecoveryKey.read(key).raw
    written = [key, key.replace(" ", ""), base64.b64encode(raw).decode().rstrip("="), raw.hex()]
    return [raw, *(one.encode() for one in written)]


def holding(what: Iterable[bytes], files: Iterable[Path]) -> list[Path]:
    """The files that hold any of these."""
    read = {file: file.read_bytes() for file in files if file.is_file()}
    return [file for file, content in read.items() if any(one in content for one in what)]


async def test_a_lost_data_directory_comes_back_with_the_recovery_key(
    start_peer: StartPeer, start_bot: StartBot
) -> None:
    alice, bot = await start_peer(Implementation.JS_SDK), await start_bot()
    chat = await open_chat(alice, bot)
    old = await alice.send(chat.room_id, "My cat is called Miso.")
    await chat.heard()
    known = await alice.request("identity", user_id=bot.user_id)
    before = await backed_up(bot, keys=2)
    assert before["Recovery key"].startswith("add --recovery-key to print it")
    key, lost_device = await recovery_key(bot), bot.device_id

    await bot.stop()
    shutil.rmtree(bot.data)
    refused, why = await confidant(bot, "run")
    code, said = await confidant(bot, "identity", "recover", typed=f"{key}\n")
    await bot.start()
    answer = await chat.ask("Are you still you?")
    known_now, after = await alice.request("identity", user_id=bot.user_id), await shown(bot)
    await bot.stop()

    assert (refused, "`confidant identity recover`" in why) == (1, True)
    assert code == 0, said
    assert re.search(r"^[1-9]\d* room keys came back", said, re.MULTILINE), said
    assert bot.device_id != lost_device in said, "the dead device is named"
    assert (answer.kind, answer.event.shield) == ("m.text", "none")
    assert known == known_now == {"known": True, "changed": False}
    assert after["Identity"] == before["Identity"]
    assert after["Fingerprint"] != before["Fingerprint"]
    assert (before["Cross-signed"], after["Cross-signed"]) == ("yes", "yes")
    read = await fetched(bot, chat.room_id, old)
    assert isinstance(read, RoomMessage)
    assert read.body == "My cat is called Miso."


async def test_another_client_of_the_bots_account_opens_all_with_the_recovery_key(
    start_peer: StartPeer, start_bot: StartBot, homeserver: Homeserver, tmp_path: Path
) -> None:
    alice, bot = await start_peer(Implementation.JS_SDK), await start_bot()
    chat = await open_chat(alice, bot)
    old = await alice.send(chat.room_id, "My cat is called Miso.")
    await chat.heard()
    before, key = await backed_up(bot, keys=2), await recovery_key(bot)

    localpart, password = bot.user_id[1:].partition(":")[0], account_of(bot)["password"]
    own_client = run_peer(
        homeserver,
        Implementation.JS_SDK,
        localpart,
        folder=tmp_path,
        signed=False,
        password=password,
    )
    async with own_client as element:
        opened = await element.request("open_secrets", recovery_key=key, names=SECRETS)
        recovered = await element.request("recover", recovery_key=key)
        read = await element.wait_for(
            lambda: next(
                (one for one in element.events if one.event_id == old and one.readable), None
            ),
            "the old message in the clear",
        )
        devices = await alice.devices(bot.user_id)

    seeds = [SigningKey(decoded(opened["secrets"][name])) for name in SECRETS]
    assert opened["fits"]
    assert seeds[0].public == before["Identity"].replace(" ", "")
    assert recovered["ready"]
    assert recovered["trusted"], "the backup is signed by the identity"
    assert recovered["matchesDecryptionKey"]
    assert recovered["imported"] == recovered["total"] >= 2
    assert read.content["body"] == "My cat is called Miso."
    assert devices == {bot.device_id: True, element.device_id: True}


async def test_a_wrong_key_changes_nothing_and_the_right_one_clears_the_dead_device_away(
    start_peer: StartPeer, start_bot: StartBot, homeserver: Homeserver, tmp_path: Path
) -> None:
    alice, bot = await start_peer(Implementation.LIBOLM), await start_bot()
    await open_chat(alice, bot)
    before, key = await backed_up(bot, keys=1), await recovery_key(bot)
    kept = holding(spellings(key), [*bot.data.rglob("*"), bot.log])
    (file := tmp_path / "recovery-key").write_text(f"{key}\n")

    await bot.stop()
    shutil.rmtree(bot.data)
    other = await confidant(bot, "identity", "recover", typed=RecoveryKey.generate().written)
    cut = await confidant(bot, "identity", "recover", typed=key[:-1])
    none = await confidant(bot, "identity", "recover", typed="")
    options = ("--recovery-key-file", str(file), "--delete-other-devices")
    code, said = await confidant(bot, "identity", "recover", *options)
    await bot.start()
    after = await shown(bot)

    assert (other[0], "does not open the secret storage" in other[1]) == (1, True)
    assert (cut[0], "That is no recovery key" in cut[1]) == (1, True)
    assert (none[0], "That is no recovery key" in none[1]) == (1, True)
    assert code == 0, said
    assert after["Identity"] == before["Identity"]
    assert await alice.devices(bot.user_id) == {bot.device_id: True}
    assert kept == holding(spellings(key), [*bot.data.rglob("*"), bot.log]) == []
    assert holding(spellings(key), homeserver.data.rglob("*")) == []
    assert holding(spellings(key), [file]) == [file], "or this test is blind"


def without_count(shown: dict[str, str]) -> dict[str, str]:
    """What is shown of an identity, without how many room keys there are by now."""
    return {**shown, "Key backup": shown["Key backup"].partition(",")[0]}


async def test_a_reset_is_a_new_identity_that_people_are_told_of(
    start_peer: StartPeer, start_bot: StartBot
) -> None:
    alice, bot = await start_peer(Implementation.JS_SDK), await start_bot()
    await open_chat(alice, bot)
    known = await alice.request("identity", user_id=bot.user_id)
    before, old_key = await backed_up(bot, keys=1), await recovery_key(bot)

    running = await confidant(bot, "identity", "reset", "--yes")
    await bot.stop()
    unsure = await confidant(bot, "identity", "reset", typed="hm\n")
    untouched = await shown(bot)
    code, said = await confidant(bot, "identity", "reset", typed="yes\n")
    await bot.start()
    after, new_key = await backed_up(bot, keys=1), await recovery_key(bot)
    known_now = await alice.request("identity", user_id=bot.user_id)
    await bot.stop()
    old = await confidant(bot, "identity", "recover", typed=old_key)
    new = await confidant(bot, "identity", "recover", typed=new_key)

    assert (running[0], "Another instance" in running[1]) == (1, True)
    assert (unsure[0], without_count(untouched)) == (1, without_count(before))
    assert (code, "has to verify it again" in said) == (0, True), said
    assert after["Identity"] != before["Identity"]
    assert after["Cross-signed"] == "yes"
    assert without_count(after)["Key backup"] != without_count(before)["Key backup"]
    assert (known["changed"], known_now["changed"]) == (False, True)
    assert (old[0], "does not open" in old[1]) == (1, True)
    assert new[0] == 0, new[1]
