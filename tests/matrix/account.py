"""An account on a homeserver in memory: its secret storage, its room-key backups, its rooms."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import vodozemac
from nio.crypto import InboundGroupSession

from bot.matrix.crypto_store import close_crypto_store, open_crypto_store
from bot.matrix.device import OpenDevice
from bot.matrix.guard import Guard
from bot.matrix.http import Http, RequestError
from bot.matrix.identity import Identity, IdentityFile
from bot.matrix.keys import DeviceKeyring
from bot.matrix.recovery import RecoveryFile
from bot.matrix.session import Session
from storage import MasterKey

BOT, ROOM = "@bot:example.org", "!room:example.org"


class Account(Http):
    """What Synapse does with account data and room keys; every change is remembered.

    `refused` answers a request instead, once, by its method and the last part of its path.
    """

    def __init__(self) -> None:
        super().__init__("http://unused")
        self.data: dict[str, Any] = {}
        self.versions: dict[str, dict[str, Any]] = {}
        self.room_keys: dict[str, dict[str, dict[str, Any]]] = {}
        self.rooms = [ROOM]
        self.changes: list[str] = []
        self.batches: list[int] = []
        self.downloads: list[str] = []
        self.refused: dict[str, RequestError] = {}
        self.changed = asyncio.Condition()

    async def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        parts = [unquote(part) for part in path.removeprefix("/_matrix/client/v3/").split("/")]
        if refusal := self.refused.pop(f"{method} {parts[-1]}", None):
            raise refusal
        sent = json.loads(json.dumps(body))
        answer: dict[str, Any]
        match method, *parts:
            case "GET", "user", _, "account_data", kind:
                answer = self._found(self.data.get(kind))
            case "PUT", "user", _, "account_data", kind:
                self.data[kind] = answer = sent
            case "GET", "room_keys", "version":
                answer = self._found(self.versions.get(self.version))
            case "POST", "room_keys", "version":
                name = str(max(map(int, self.room_keys), default=0) + 1)
                self.room_keys[name] = {}
                self.versions[name] = {**sent, "version": name}
                answer = {"version": name}
            case "DELETE", "room_keys", "version", name:
                del self.versions[name]
                answer = {}
            case "PUT", "room_keys", "keys":
                answer = self._store(sent["rooms"], (query or {})["version"])
            case "GET", "room_keys", "keys", room_id:
                self.downloads.append(room_id)
                kept = self.room_keys[(query or {})["version"]]
                answer = {"sessions": kept.get(room_id, {})}
            case "GET", "joined_rooms":
                answer = {"joined_rooms": self.rooms}
            case _:
                raise AssertionError((method, path))
        if method != "GET":
            await self._note(f"{method} {parts[-1]}")
        return json.loads(json.dumps(answer))  # type: ignore[no-any-return]

    @property
    def version(self) -> str:
        """The current backup."""
        return max(self.versions, key=int, default="")

    @property
    def stored(self) -> dict[str, Any]:
        """The current backup's entries, by session id."""
        rooms = self.room_keys.get(self.version, {}).values()
        return {session_id: one for room in rooms for session_id, one in room.items()}

    async def has(self, count: int) -> None:
        """Wait until the current backup has that many entries."""
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(lambda: len(self.stored) == count)

    def _found(self, content: dict[str, Any] | None) -> dict[str, Any]:
        if content is None:
            raise RequestError("none", status=404, errcode="M_NOT_FOUND")
        return {"count": len(self.stored), **content} if "auth_data" in content else content

    def _store(self, rooms: dict[str, Any], version: str) -> dict[str, Any]:
        if version not in self.versions:
            raise RequestError("deleted", status=404, errcode="M_NOT_FOUND")
        if version != self.version:
            raise RequestError("replaced", status=403, errcode="M_WRONG_ROOM_KEYS_VERSION")
        self.batches.append(sum(len(room["sessions"]) for room in rooms.values()))
        for room_id, room in rooms.items():
            self.room_keys[version].setdefault(room_id, {}).update(room["sessions"])
        return {"count": len(self.stored)}

    async def _note(self, change: str) -> None:
        async with self.changed:
            self.changes.append(change)
            self.changed.notify_all()


class OwnDevice:
    """A device of the bot on that account, with a real crypto store; `close` ends it."""

    def __init__(self, folder: Path, http: Http, device_id: str = "BOTDEVICE") -> None:
        session, key = Session(BOT, device_id, "token"), MasterKey(bytes(32))
        client = open_crypto_store(session, folder / "crypto", key, must_exist=False)
        guard = Guard(client)
        self.open = OpenDevice(
            http,
            session,
            guard,
            DeviceKeyring(guard, http),
            IdentityFile(folder / "crypto" / "identity", key),
            RecoveryFile(folder / "crypto" / "recovery", key),
        )
        if self.open.identity_file.load(BOT) is None:
            self.open.identity_file.save(Identity.generate(BOT))

    @property
    def identity(self) -> Identity:
        identity = self.open.identity_file.load(BOT)
        assert identity is not None
        return identity

    def receive(self, session: InboundGroupSession) -> None:
        """Take a room key as nio does when one comes."""
        self.open.guard.olm.inbound_group_store.add(session)
        self.open.guard.olm.save_inbound_group_session(session)

    def close(self) -> None:
        close_crypto_store(self.open.guard.client)


class Speaker:
    """Somebody's Megolm session in a room."""

    def __init__(self, room_id: str = ROOM) -> None:
        self.outbound = vodozemac.GroupSession()
        self.room_id = room_id
        self.account = vodozemac.Account()

    def room_key(self) -> InboundGroupSession:
        """The key as it is shared at this moment."""
        return InboundGroupSession(
            self.outbound.session_key.to_base64(),
            self.account.ed25519_key.to_base64(),
            self.account.curve25519_key.to_base64(),
            self.room_id,
        )

    def say(self, text: str) -> str:
        """A message's ciphertext."""
        return self.outbound.encrypt(text.encode()).to_base64()
