"""A configuration and its data directory, for tests of the command line."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlcipher3 import dbapi2

from bot.__main__ import main
from bot.command_line import OK
from storage import AuditEntry, MasterKey, open_storage
from storage.checkpoints import HeadKey

Output = pytest.CaptureFixture[str]
ROOT = Path(__file__).parents[1]
SECRET = "ab" * 32
KEY = HeadKey(MasterKey(bytes.fromhex(SECRET)).derive("audit head"))
CONFIG = f"""
[homeserver]
url = "https://matrix.example.org"
user_id = "@confidant:example.org"
[gateway]
base_url = "https://api.example.org/v1"
model = "m"
[storage]
master_key = "{SECRET}"
"""

# Keeps the data directory open, as a running bot does, until its standard input ends.
BOT = f"""
import asyncio, sys
from pathlib import Path
from typing import Any
from storage import MasterKey, open_storage
async def main():
    data = Path(sys.argv[1])
    async with open_storage(data, MasterKey.load("{SECRET}", data)):
        print("open", flush=True)
        sys.stdin.read()
asyncio.run(main())
"""


class Place:
    """A configuration and its data directory."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        self.config = folder / "config.toml"
        self.config.write_text(CONFIG, "utf-8")

    def run(self, *verb: str) -> int:
        return main([*verb, "--config", str(self.config)])

    def fill(self, entries: int = 3) -> None:
        """Write some entries of Alice's into the audit log."""

        async def write() -> None:
            key = MasterKey.load(SECRET, self.data)
            opening = open_storage(self.data, key)
            async with opening as storage, storage.vaults.open("@alice:hs") as vault:
                for number in range(entries):
                    moment = datetime(2026, 11, 23, 12, number, tzinfo=UTC)
                    entry = AuditEntry(moment, "@alice:hs", "memory.created", "ok", "$event")
                    await storage.audit_log.append(entry, vault)

        asyncio.run(write())

    def witnessed(self, entries: int, *, every: int) -> list[str]:
        """Fill the log, sign heads as it grows; what the audit room would show of them."""

        async def sign() -> str:
            async with open_storage(self.data, MasterKey.load(SECRET, self.data)) as storage:
                return (await storage.audit_log.head()).note

        notes = list[str]()
        for _ in range(0, entries, every):
            self.fill(every)
            notes.append(asyncio.run(sign()))
        return notes

    def exported(self, capsys: Output, *options: str) -> list[dict[str, Any]]:
        """The lines of an export."""
        assert self.run("audit", "export", *options) == OK
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    def tamper(self, sql: str) -> None:
        """Change shared.db as somebody would who has read its schema."""
        connection = dbapi2.connect(str(self.data / "shared.db"), isolation_level=None)
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("DROP TRIGGER IF EXISTS audit_entry_update")
        connection.execute("DROP TRIGGER IF EXISTS audit_entry_delete")
        connection.execute(sql)
        connection.close()

    @contextmanager
    def running(self) -> Iterator[None]:
        """A bot that holds the data directory."""
        command = [sys.executable, "-c", BOT, str(self.data)]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as bot:
            assert bot.stdout is not None
            assert bot.stdout.readline() == "open\n"
            yield
            bot.communicate()
        assert bot.returncode == 0
