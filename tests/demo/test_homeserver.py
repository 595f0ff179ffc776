"""The demo's homeserver is a real one: it keeps its data, listens on loopback, dies with us."""

import asyncio
import os
import re
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio

from bot.demo.homeserver import Homeserver, run_homeserver
from bot.errors import HomeserverError

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]

# Runs a homeserver as the demo does, says its address, and waits to be killed.
_PARENT = """
import asyncio, pathlib, sys
from bot.demo.homeserver import run_homeserver

async def main():
    async with run_homeserver(pathlib.Path(sys.argv[1])) as homeserver:
        print(homeserver.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def homeserver(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Homeserver]:
    async with run_homeserver(tmp_path_factory.mktemp("demo") / "server") as running:
        yield running


async def test_accounts_and_address_survive_a_restart_on_the_same_folder(
    homeserver: Homeserver,
) -> None:
    await homeserver.register("alice", "secret one")
    await homeserver.stop()

    async with run_homeserver(homeserver.data) as again:
        root = await again.register("root", "secret two", admin=True)
    await homeserver.start()

    assert root == "@root:localhost"
    assert again.url == homeserver.url
    assert _accounts(homeserver) == {"@alice:localhost": 0, "@root:localhost": 1}


async def test_an_account_that_exists_is_refused_with_a_sentence(homeserver: Homeserver) -> None:
    await homeserver.register("bob", "secret one")

    with pytest.raises(HomeserverError, match=r"'bob' was not created: User ID already"):
        await homeserver.register("bob", "secret two")


async def test_only_this_machine_can_reach_it(homeserver: Homeserver) -> None:
    assert _listening_addresses(homeserver.pid) == {f"127.0.0.1:{homeserver.port}"}


async def test_only_its_owner_can_read_its_files(homeserver: Homeserver) -> None:
    paths = [homeserver.data, *homeserver.data.rglob("*")]

    assert [path for path in paths if path.stat().st_mode & 0o077] == []


async def test_a_folder_keeps_its_server_name(homeserver: Homeserver) -> None:
    with pytest.raises(HomeserverError, match=r"called localhost, not other\.test"):
        async with run_homeserver(homeserver.data, server_name="other.test"):
            pass


async def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _PARENT, tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    homeserver = os.pidfd_open(int(await parent.stdout.readline()))

    os.kill(parent.pid, signal.SIGKILL)
    await parent.wait()

    await _ended(homeserver)


async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        with pytest.raises(HomeserverError, match=f"Port {port} of this machine is taken"):
            async with run_homeserver(tmp_path, port=port):
                pass


async def test_a_failed_start_names_the_log(tmp_path: Path) -> None:
    (tmp_path / "homeserver.db").write_bytes(b"this is not a database" * 100)

    with pytest.raises(HomeserverError, match=r"ended with exit code 1\. Its log is (.*)\.") as it:
        async with run_homeserver(tmp_path):
            pass

    assert "not a database" in _named_log(it.value)


def _accounts(homeserver: Homeserver) -> dict[str, int]:
    with closing(sqlite3.connect(homeserver.database)) as database:
        return dict(database.execute("SELECT name, admin FROM users"))


def _named_log(error: HomeserverError) -> str:
    named = re.search("log is (.*)[.]", str(error))
    assert named
    return Path(named[1]).read_text()


async def _ended(pidfd: int) -> None:
    """Return when the process of this descriptor has ended (Linux)."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(pidfd, ended.set)
    try:
        async with asyncio.timeout(10):
            await ended.wait()
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)


def _listening_addresses(pid: int | None) -> set[str]:
    """The TCP addresses on which the process listens, from /proc (Linux)."""
    sockets = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        if found := re.fullmatch(r"socket:\[(\d+)\]", str(descriptor.readlink())):
            sockets.add(found[1])
    return {
        f"{socket.inet_ntoa(bytes.fromhex(host)[::-1])}:{int(port, 16)}"
        if len(host) == 8
        else f"[{host}]:{int(port, 16)}"
        for table in ("tcp", "tcp6")
        for _, local, _, state, *rest in map(
            str.split, Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
        )
        if state == "0A" and rest[5] in sockets
        for host, port in [local.split(":")]
    }
