"""A real Matrix homeserver of one's own: Synapse on loopback, for the demo and the live tests."""

import asyncio
import base64
import hashlib
import hmac
import importlib.util
import json
import os
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, BinaryIO

from bot.errors import HomeserverError

START_SECONDS = 90.0  # the very first start compiles Synapse's bytecode: 4 times the usual 3 s
STOP_SECONDS = 10.0

# Runs Synapse, and ends it when stdin does: the kernel closes that pipe however the parent dies,
# on every system, without a preexec_fn. The second kill is for a shutdown that hangs.
_CHILD = """
import os, runpy, signal, sys, threading, time

def leave_with_parent():
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)
    os._exit(1)

threading.Thread(target=leave_with_parent, daemon=True).start()
runpy.run_module("synapse.app.homeserver", run_name="__main__", alter_sys=True)
"""

_NO_LIMIT = {"per_second": 1e6, "burst_count": 1_000_000}
_NO_LIMITS: Mapping[str, Any] = {
    "rc_message": _NO_LIMIT,
    "rc_registration": _NO_LIMIT,
    "rc_admin_redaction": _NO_LIMIT,
    "rc_joins_per_room": _NO_LIMIT,
    "rc_key_requests": _NO_LIMIT,
    "rc_media_create": _NO_LIMIT,
    "rc_room_creation": _NO_LIMIT,
    "rc_profile": _NO_LIMIT,
    "rc_delayed_event_mgmt": _NO_LIMIT,
    "rc_reports": _NO_LIMIT,
    "rc_user_directory": _NO_LIMIT,
    "rc_login": dict.fromkeys(("address", "account", "failed_attempts"), _NO_LIMIT),
    "rc_joins": dict.fromkeys(("local", "remote"), _NO_LIMIT),
    "rc_invites": dict.fromkeys(("per_room", "per_user", "per_issuer"), _NO_LIMIT),
    "rc_presence": {"per_user": _NO_LIMIT},
}


class Homeserver:
    """A Synapse process and its folder; `stop` and `start` again keep address and accounts."""

    def __init__(self, data: Path, config: Mapping[str, Any]) -> None:
        self.data = data
        self.database = Path(config["database"]["args"]["database"])
        self.media = Path(config["media_store_path"])
        self.log = data / "homeserver.log"
        self.server_name: str = config["server_name"]
        self.port: int = config["listeners"][0]["port"]
        self.url = f"http://127.0.0.1:{self.port}"
        self._secret: str = config["registration_shared_secret"]
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start Synapse and return once it answers; HomeserverError says why it does not."""
        with _private(self.log, os.O_APPEND) as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-c", _CHILD, "--config-path", self.data / "config.json"),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self.data,
                umask=0o077,
                start_new_session=True,  # Ctrl-C is for the parent, which stops us in its order
            )
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._answering(self._process)
        except TimeoutError:
            await self.stop()
            raise self._failure(f"did not answer within {START_SECONDS:.0f} s") from None

    async def _answering(self, process: asyncio.subprocess.Process) -> None:
        while process.returncode is None:
            try:
                await self._request("/_matrix/client/versions")
            except OSError:
                await asyncio.sleep(0.05)
            else:
                return
        raise self._failure(f"ended with exit code {process.returncode}")

    def _failure(self, what: str) -> HomeserverError:
        return HomeserverError(f"The local homeserver {what}. Its log is {self.log}.")

    async def stop(self) -> None:
        """End the process and wait for its end; harmless when it isn't running."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        finally:
            if process.stdin is not None:
                process.stdin.close()

    async def register(self, localpart: str, password: str, *, admin: bool = False) -> str:
        """Create an account and return its user id (Synapse's shared-secret registration)."""
        endpoint = "/_synapse/admin/v1/register"
        try:
            nonce = (await self._request(endpoint))["nonce"]
            body = _signed_registration(self._secret, nonce, localpart, password, admin=admin)
            answer = await self._request(endpoint, body)
        except OSError:
            raise self._failure("can't be reached") from None
        if "user_id" not in answer:
            reason = answer.get("error", "no reason given")
            raise HomeserverError(f"The account {localpart!r} was not created: {reason}.")
        return str(answer["user_id"])

    async def _request(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return await asyncio.to_thread(_request, self.port, path, body)


@asynccontextmanager
async def run_homeserver(
    data: Path, *, port: int = 0, server_name: str = "localhost", rate_limits: bool = False
) -> AsyncIterator[Homeserver]:
    """Run a Synapse whose everything lies in `data`; a later run on the same folder goes on there.

    Port 0 is the folder's former port where that is free, else any free one. `rate_limits` keeps
    Synapse's default limits; without it there are none.
    """
    if importlib.util.find_spec("synapse") is None:
        raise HomeserverError("The local homeserver needs the package matrix-synapse (group demo).")
    homeserver = _prepare(data, port=port, server_name=server_name, rate_limits=rate_limits)
    try:
        await homeserver.start()
        yield homeserver
    finally:
        await homeserver.stop()


def _prepare(data: Path, *, port: int, server_name: str, rate_limits: bool) -> Homeserver:
    """Write the files that Synapse reads; the secrets of an earlier run stay."""
    data = data.absolute()
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = data / "config.json"
    earlier: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    if earlier.get("server_name", server_name) != server_name:
        name = earlier["server_name"]
        raise HomeserverError(f"The homeserver in {data} is called {name}, not {server_name}.")
    former = earlier["listeners"][0]["port"] if earlier else 0
    config = {
        **_settings(data, server_name, _free_port(port or former, exactly=port != 0)),
        **_secrets(earlier),
        **({} if rate_limits else _NO_LIMITS),
    }
    if not earlier:
        _write_private(data / "signing.key", _signing_key())
    _write_private(path, json.dumps(config, indent=1))
    return Homeserver(data, config)


def _settings(data: Path, server_name: str, port: int) -> dict[str, Any]:
    """Loopback only; no federation, no key server, no statistics, nothing fetched."""
    client = {"names": ["client"], "compress": False}
    return {
        "server_name": server_name,
        "public_baseurl": f"http://127.0.0.1:{port}/",
        "listeners": [
            {"type": "http", "port": port, "bind_addresses": ["127.0.0.1"], "resources": [client]}
        ],
        "database": {"name": "sqlite3", "args": {"database": str(data / "homeserver.db")}},
        "media_store_path": str(data / "media"),
        "signing_key_path": str(data / "signing.key"),
        "federation_domain_whitelist": [],
        "trusted_key_servers": [],
        "report_stats": False,
        "stats": {"enabled": False},
        "presence": {"enabled": False},
        "bcrypt_rounds": 4,  # accounts of a loopback server: a log-in in 5 ms instead of 300
        "user_directory": {"search_all_users": True},
    }


def _secrets(earlier: Mapping[str, Any]) -> dict[str, str]:
    names = ("registration_shared_secret", "macaroon_secret_key", "form_secret")
    return {name: earlier.get(name) or secrets.token_urlsafe(32) for name in names}


def _signing_key() -> str:
    seed = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    return f"ed25519 a_{secrets.token_hex(2)} {seed}\n"


def _write_private(path: Path, text: str) -> None:
    """Replace the file as a whole."""
    partial = path.with_suffix(".partial")
    with _private(partial, os.O_TRUNC) as file:
        file.write(text.encode())
    partial.replace(path)


def _private(path: Path, flag: int) -> BinaryIO:
    """Open for writing a file that only its owner may read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | flag, 0o600), "wb")


def _free_port(wanted: int, *, exactly: bool) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            if exactly:
                raise HomeserverError(f"Port {wanted} of this machine is taken.") from None
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _signed_registration(
    secret: str, nonce: str, localpart: str, password: str, *, admin: bool
) -> dict[str, Any]:
    """The request that proves knowledge of the shared secret (Synapse admin API, HMAC-SHA1)."""
    fields = (nonce, localpart, password, "admin" if admin else "notadmin")
    mac = hmac.new(secret.encode(), "\0".join(fields).encode(), hashlib.sha1).hexdigest()
    body = {"nonce": nonce, "username": localpart, "password": password}
    return {**body, "admin": admin, "mac": mac}


def _request(port: int, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
    """One JSON request to loopback, whatever proxy the environment names."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        headers = {"Content-Type": "application/json"}
        connection.request("POST" if body else "GET", path, json.dumps(body or {}), headers)
        answer: dict[str, Any] = json.load(connection.getresponse())
    return answer
