"""Everything that the demo needs on one machine: homeserver, bot, operator and user."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.app import run
from bot.config import load_config
from bot.demo.homeserver import Homeserver, run_homeserver
from bot.demo.person import Person, person
from bot.log import configure_logging, quiet_loop
from bot.tasks import task_group

BOT, OPERATOR, USER = "confidant", "operator", "you"

Progress = Callable[[str], None]

_CONFIG = """\
[homeserver]
url = "{url}"
user_id = "@confidant:localhost"
password = "{password}"
[gateway]
base_url = "builtin"
[privacy]
operator = "the person who started this demo"
jurisdiction = "wherever this machine stands"
[access]
users = ["@*:localhost"]
operators = ["@operator:localhost"]
[limits]
messages_per_minute = 600
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """The running demo: the user and their chat, the operator, and how to log in from elsewhere.

    Files that the user gets are saved in `received`.
    """

    url: str
    passwords: dict[str, str]
    user: Person
    operator: Person
    room_id: str
    received: Path


@asynccontextmanager
async def stage(data: Path, progress: Progress) -> AsyncIterator[Stage]:
    """Start all of it in `data`, saying what is being done; ends all of it in order."""
    passwords = _passwords(data)
    async with AsyncExitStack() as stack:
        _log_to(data / "confidant.log", stack)
        with _timed(progress, "Starting a Matrix homeserver (Synapse, loopback only)"):
            homeserver = await stack.enter_async_context(run_homeserver(data / "homeserver"))
            await _register(homeserver, data, passwords)
        tasks = await stack.enter_async_context(task_group())
        with _timed(progress, "Starting the bot: device keys, cross-signing, its audit room"):
            stop = asyncio.Event()
            stack.callback(stop.set)
            await _start_bot(homeserver, data, passwords[BOT], tasks, stop)
        with _timed(progress, "Logging in as an operator and as you, each with keys of their own"):
            people = [
                await stack.enter_async_context(
                    person(homeserver.url, f"@{name}:localhost", passwords[name], data / name)
                )
                for name in (OPERATOR, USER)
            ]
            operator, user = people
            followers = [await _follow(one, tasks) for one in people]
            stack.callback(lambda: [task.cancel() for task in followers])
            await operator.join_invited()
        with _timed(progress, "Opening an encrypted chat between you and the bot"):
            room_id = await user.direct_chat(f"@{BOT}:localhost")
        yield Stage(homeserver.url, passwords, user, operator, room_id, data / "received")


def _passwords(data: Path) -> dict[str, str]:
    """Random passwords, kept with the data so that a second demo on it can log in."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = data / "accounts.json"
    if not path.exists():
        made = {name: secrets.token_urlsafe(9) for name in (BOT, OPERATOR, USER)}
        path.touch(mode=0o600)
        path.write_text(json.dumps(made))
    passwords: dict[str, str] = json.loads(path.read_text())
    return passwords


async def _register(homeserver: Homeserver, data: Path, passwords: dict[str, str]) -> None:
    done = data / "registered"
    if done.exists():
        return
    for name, password in passwords.items():
        await homeserver.register(name, password)
    done.touch()


async def _start_bot(
    homeserver: Homeserver, data: Path, password: str, tasks: asyncio.TaskGroup, stop: asyncio.Event
) -> None:
    path = data / "config.toml"
    path.touch(mode=0o600)
    path.write_text(_CONFIG.format(url=homeserver.url, password=password))
    config = load_config(path, {})
    ready = asyncio.Event()
    tasks.create_task(run(config, stop=stop, ready=lambda *_: ready.set()), name="bot")
    await ready.wait()


async def _follow(one: Person, tasks: asyncio.TaskGroup) -> asyncio.Task[None]:
    ready = asyncio.Event()
    task = tasks.create_task(one.sync(ready))
    await ready.wait()
    return task


@contextmanager
def _timed(progress: Progress, what: str) -> Iterator[None]:
    begun = time.monotonic()
    progress(f"{what} …")
    yield
    progress(f"  done in {time.monotonic() - begun:.1f} s")


def _log_to(path: Path, stack: AsyncExitStack) -> None:
    path.touch(mode=0o600)
    configure_logging("INFO", stack.enter_context(path.open("a")))
    quiet_loop(asyncio.get_running_loop())
