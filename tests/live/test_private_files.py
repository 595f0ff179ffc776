"""What the running bot writes is its owner's alone, and no secret stands where others can look."""

import json
import os
import stat
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest

from bot.demo.homeserver import Homeserver
from tests.live.bots import open_chat
from tests.live.conftest import StartBot, StartPeer


async def test_files_are_private_under_any_umask_and_nothing_lies_in_the_temporary_folder(
    start_peer: StartPeer, start_bot: StartBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await start_peer()
    (temporary := tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    umask = os.umask(0)
    try:
        bot = await start_bot()
    finally:
        os.umask(umask)
    chat = await open_chat(alice, bot)

    await chat.ask("Hello! My cat is called Miso.")
    await chat.ask("!memory add I play the oboe.")
    await chat.ask("!export", kind="m.file")
    written = [bot.data, *bot.data.rglob("*")]
    await chat.ask("!forget everything")
    await chat.ask("yes")
    written += [*bot.data.rglob("*")]
    modes = {(one.is_dir(), stat.S_IMODE(one.stat().st_mode)) for one in written if one.exists()}
    await bot.stop()

    assert list(bot.data.glob("crypto/*"))
    assert any(one.match("vaults/*.db") for one in written), "a vault was seen, or this is blind"
    assert modes == {(True, 0o700), (False, 0o600)}
    assert list(temporary.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="only Linux shows them so")
async def test_no_process_has_a_secret_among_its_arguments(
    start_bot: StartBot, homeserver: Homeserver
) -> None:
    bot = await start_bot()
    settings = tomllib.loads(bot.config.read_text())
    secrets = [
        settings["homeserver"]["password"],
        json.loads((bot.data / "session").read_text())["access_token"],
        (bot.data / "master.key").read_bytes().strip().decode(errors="replace"),
        *_secrets_of(homeserver),
    ]

    arguments = _arguments()
    await bot.stop()

    assert any("--config" in one and str(bot.config) in one for one in arguments)
    assert all(len(secret) >= 16 for secret in secrets)
    assert [one for one in arguments if any(secret in one for secret in secrets)] == []


def _secrets_of(homeserver: Homeserver) -> list[str]:
    """What the homeserver's configuration keeps to itself."""
    config = json.loads((homeserver.data / "config.json").read_text())
    return [value for name, value in config.items() if "secret" in name]


def _arguments() -> list[str]:
    """The command line of every process, as anybody on the machine can read it."""
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            lines.append(
                (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            )
    return lines
