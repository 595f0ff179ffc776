"""One real homeserver for all live tests; for each test its own people and its own bot."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.demo.homeserver import Homeserver, run_homeserver
from tests.live.audit_guard import Guard
from tests.live.bots import Bot, settings_for
from tests.live.node import install_packages
from tests.live.peers import Implementation, Peer, run_peer
from tests.live.proxy import Proxy, fault_proxy
from tests.live.staging import Stage, staged

StartPeer = Callable[..., Awaitable[Peer]]
StartBot = Callable[..., Awaitable[Bot]]

GUARD = Guard()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Live tests share one event loop, because they share the homeserver's process."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.live)
            item.add_marker(pytest.mark.timeout(300))  # the first one may have npm ci to wait for
            if item.get_closest_marker("asyncio"):  # first in the list: it outdoes auto mode's own
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much was compared: 0 content in the audit rooms means little where 0 was read."""
    if GUARD.bots:
        terminalreporter.write_line(f"audit rooms against what was said elsewhere: {GUARD}")


@pytest.fixture(scope="session", autouse=True)
def last_look_at_the_audit_rooms() -> Iterator[None]:
    """Those of bots that serve several tests."""
    yield
    GUARD.check(ended=True)


@pytest.fixture(autouse=True)
def no_content_in_audit_rooms(last_look_at_the_audit_rooms: None) -> Iterator[None]:
    """Whatever a test is about, it fails if its bot let the audit room know what was said."""
    yield
    GUARD.check(ended=False)


@pytest.fixture(scope="session")
def node_packages() -> None:
    """matrix-js-sdk is installed as package-lock.json says; a failure says how to mend it."""
    install_packages()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def homeserver(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Homeserver]:
    """The Synapse of this test session."""
    async with run_homeserver(tmp_path_factory.mktemp("homeserver")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def start_peer(
    homeserver: Homeserver, node_packages: None, tmp_path: Path
) -> AsyncIterator[StartPeer]:
    """Starts a person's client: `await start_peer(implementation, "alice", strict=True)`."""
    async with AsyncExitStack() as stack:

        async def start(
            implementation: Implementation = Implementation.JS_SDK,
            name: str = "alice",
            **options: Any,
        ) -> Peer:
            localpart = f"{name}-{secrets.token_hex(4)}"
            peer = run_peer(homeserver, implementation, localpart, folder=tmp_path, **options)
            return await stack.enter_async_context(peer)

        yield start


@pytest_asyncio.fixture(loop_scope="session")
async def start_bot(homeserver: Homeserver, tmp_path: Path) -> AsyncIterator[StartBot]:
    """Starts a bot of this test alone: `await start_bot(gateway={"base_url": …})`."""
    async with AsyncExitStack() as stack:

        async def start(
            *,
            operators: Sequence[str] = (),
            program: Sequence[str | Path] = Bot.program,
            **overrides: Mapping[str, Any],
        ) -> Bot:
            bot = await _new_bot(homeserver, tmp_path, operators, overrides)
            bot.program = program
            stack.push_async_callback(bot.stop)
            await bot.start()
            return bot

        yield start


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bot(
    homeserver: Homeserver, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Bot]:
    """A bot with the built-in model for the tests of a module, each with people of its own."""
    running = await _new_bot(homeserver, tmp_path_factory.mktemp("bot"), (), {})
    await running.start()
    yield running
    await running.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def proxy(homeserver: Homeserver) -> AsyncIterator[Proxy]:
    """The bot's way to the homeserver, which can be disturbed."""
    async with fault_proxy(homeserver.url) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def stage(
    homeserver: Homeserver, node_packages: None, proxy: Proxy, tmp_path: Path
) -> AsyncIterator[Stage]:
    """A bot behind the proxy, not started yet, and a person."""
    async with staged(homeserver, tmp_path, url=proxy.url) as ready:
        yield ready


async def _new_bot(
    homeserver: Homeserver,
    folder: Path,
    operators: Sequence[str],
    overrides: Mapping[str, Mapping[str, Any]],
) -> Bot:
    localpart, password = f"bot-{secrets.token_hex(4)}", secrets.token_hex(16)
    user_id = await homeserver.register(localpart, password)
    settings = settings_for(homeserver, user_id, password, operators=list(operators))
    for table, values in overrides.items():
        settings[table] = {**settings.get(table, {}), **values}
    return Bot(user_id, folder, settings)
