"""The bot as an operator runs it: a config.toml and `python -m bot run`, in its own process."""

import asyncio
import ctypes
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.demo.homeserver import Homeserver
from tests.live.events import Message
from tests.live.peers import Peer

REPOSITORY = Path(__file__).parents[2]
START_SECONDS = 60.0
STOP_SECONDS = 30.0

Settings = Mapping[str, Mapping[str, Any]]

STARTED: list["Bot"] = []  # whose audit rooms nobody has looked at yet: see audit_guard.py
_DATABASES: dict[str, Path] = {}  # of the homeservers, by the accounts of bots


class Bot:
    """A bot with an account and a folder; its log is kept across restarts."""

    program: Sequence[str | Path] = ("-m", "bot")  # what Python is given to run

    def __init__(self, user_id: str, folder: Path, settings: Settings) -> None:
        self.user_id = user_id
        self.device_id = ""
        self.data = folder / "data"
        self.log = folder / "bot.log"
        self.config = folder / "config.toml"
        self.config.write_text(_as_toml(settings))
        self.environment: Mapping[str, str] = {}  # besides the one that the tests have
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    @property
    def homeserver_database(self) -> Path:
        """Where its homeserver keeps all events."""
        return _DATABASES[self.user_id]

    @property
    def runs(self) -> bool:
        """Whether it was started and neither stopped nor killed since."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """The id of its process."""
        assert self._process is not None, "it runs"
        return self._process.pid

    async def start(self) -> None:
        """Start it and wait for its line that begins with `ready`."""
        process = await self.begin()
        try:
            async with asyncio.timeout(START_SECONDS):
                await self.ready_or_ended()
        except TimeoutError:
            await self.kill()
            raise AssertionError(f"the bot did not get ready: {self._tail()}") from None
        if process.returncode is not None:
            await self.kill()
            raise AssertionError(f"the bot ended at its start: {self._tail()}")

    async def begin(self) -> asyncio.subprocess.Process:
        """Start it and wait for nothing."""
        self._ready.clear()
        if self not in STARTED:
            STARTED.append(self)
        self._process = process = await asyncio.create_subprocess_exec(
            *(sys.executable, *self.program, "run", "--config", self.config),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=REPOSITORY,
            env={**os.environ, **self.environment},
            limit=2**20,
            preexec_fn=_die_with_parent,
        )
        self._reading = asyncio.create_task(self._read(process))
        return process

    async def ready_or_ended(self) -> None:
        """Wait until it syncs, or has ended instead."""
        await self._ready.wait()

    async def stop(self) -> None:
        """Ask it to stop, as an operator does, and see it end well; harmless when it has ended."""
        assert await self._end(signal.SIGTERM) in (0, None), f"it ended badly: {self._tail()}"

    async def kill(self) -> None:
        """Kill it without any warning."""
        await self._end(signal.SIGKILL)

    async def restart(self) -> None:
        """Stop it and start it again on the same data."""
        await self.stop()
        await self.start()

    async def _end(self, how: signal.Signals) -> int | None:
        process, self._process = self._process, None
        if process is None or self._reading is None:
            return None
        if process.returncode is None:
            process.send_signal(how)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
        await self._reading
        return await process.wait()

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        with self.log.open("ab", buffering=0) as log:
            async for line in process.stdout:
                log.write(line)
                if line.startswith(b"ready"):
                    _, user_id, self.device_id = line.decode().split()
                    assert user_id == self.user_id, "the ready line names the bot and its device"
                    self._ready.set()
        await process.wait()
        self._ready.set()  # whoever waits looks at the exit code

    def _tail(self) -> str:
        return f"{self.log}:\n{self.log.read_text(errors='replace')[-3000:]}"


@dataclass(frozen=True, slots=True)
class Chat:
    """A person and the bot in an encrypted direct chat."""

    person: Peer
    bot: Bot
    room_id: str

    async def ask(
        self, text: str, *, kind: str | None = None, reply_to: str | None = None
    ) -> Message:
        """Say something and return the bot's next finished message."""
        await self.person.send(self.room_id, text, reply_to=reply_to)
        return await self.heard(kind=kind)

    async def heard(self, *, kind: str | None = None) -> Message:
        """The bot's next finished message, which a strict client trusts."""
        message = await self.person.next_message(self.room_id, self.bot.user_id, kind=kind)
        assert_trustworthy(message)
        return message


def assert_trustworthy(message: Message) -> None:
    """It came encrypted from a device that its owner signed, and it pings nobody by accident."""
    assert (message.event.encrypted, message.event.shield) == (True, "none"), message
    assert "m.mentions" in message.content, message


async def open_chat(person: Peer, bot: Bot) -> Chat:
    """Open a new encrypted direct chat with the bot."""
    return Chat(person, bot, await person.direct_chat(bot.user_id))


def settings_for(
    homeserver: Homeserver, user_id: str, password: str, *, operators: list[str]
) -> dict[str, dict[str, Any]]:
    """A configuration as short as an operator's, with the log at its most talkative."""
    _DATABASES[user_id] = homeserver.database
    return {
        "homeserver": {"url": homeserver.url, "user_id": user_id, "password": password},
        "gateway": {"base_url": "builtin"},
        "privacy": {"operator": "the live tests", "gateway_training": "never"},
        "access": {"users": [f"@*:{homeserver.server_name}"], "operators": operators},
        "limits": {"messages_per_minute": 1000},
        "service": {"log_level": "DEBUG"},
    }


def _as_toml(settings: Settings) -> str:
    """Tables of strings, numbers and lists: as JSON writes them, so does TOML."""
    tables = (
        f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
        for name, table in settings.items()
    )
    return "\n".join(tables)


def _die_with_parent() -> None:
    """Linux ends the bot with the test run that started it, however that ends (prctl, 1)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
