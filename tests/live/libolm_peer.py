"""A Matrix client for the live tests: mautrix with libolm, cross-signed by itself.

A program, driven like js/peer.mjs: a request {id, do, …} is answered by {id, ok} or {id, error};
what the homeserver brings is reported as {event} and {invite}. It ends when its input does.
"""

import asyncio
import base64
import json
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mautrix.client import Client
from mautrix.client.encryption_manager import DecryptionDispatcher
from mautrix.client.state_store import MemoryStateStore
from mautrix.client.syncer import SyncStream
from mautrix.crypto import OlmMachine
from mautrix.crypto import StateStore as CryptoStateStore
from mautrix.crypto.attachments import decrypt_attachment, encrypt_attachment
from mautrix.crypto.store import MemoryCryptoStore
from mautrix.errors import DecryptionError, SessionNotFound
from mautrix.types import (
    CrossSigningUsage,
    EncryptedEvent,
    Event,
    EventType,
    Filter,
    RoomCreatePreset,
    SigningKey,
    TOFUSigningKey,
    TrustState,
    UserID,
)

KEY_WAIT_SECONDS = 3  # a key comes with the event's sync or before it; only its handling may lag


def tell(message: Mapping[str, Any]) -> None:
    """One line of the protocol."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


class Rooms(MemoryStateStore, CryptoStateStore):  # type: ignore[misc]  # bool or bool | None
    """What the crypto needs to know about rooms beside what mautrix keeps."""

    async def find_shared_rooms(self, user_id: UserID) -> list[Any]:
        """The encrypted rooms that this person is in."""
        return [room for room, people in self.members.items() if user_id in people]


class Keys(MemoryCryptoStore):
    """mautrix 0.21.1 fails at a cross-signing key that it sees twice: it sets a tuple's field."""

    async def put_cross_signing_key(
        self, user_id: UserID, usage: CrossSigningUsage, key: SigningKey
    ) -> None:
        """Remember the newest key beside the first one seen."""
        known = self._cross_signing_keys.setdefault(user_id, {})
        known[usage] = TOFUSigningKey(key=key, first=known[usage].first if usage in known else key)


class LibolmPeer:
    """One logged-in device."""

    client: Client
    crypto: OlmMachine

    async def start(
        self, url: str, user: str, password: str, *, strict: bool, signed: bool
    ) -> dict[str, Any]:
        """Log in as a new device, sign it, follow the sync."""
        self.client = Client(base_url=url, state_store=(rooms := Rooms()))
        await self.client.login(
            UserID(user),
            password=password,
            device_name="live test, libolm",
            store_access_token=True,
        )
        store = Keys(self.client.device_id, "pickle key of a live test")
        self.crypto = OlmMachine(self.client, store, rooms)
        if strict:
            self.crypto.send_keys_min_trust = TrustState.CROSS_SIGNED_TOFU
        self.client.crypto = self.crypto
        # mautrix's own one gives up at once where a room key is still on its way.
        self.client.remove_dispatcher(DecryptionDispatcher)
        self.incoming: asyncio.Queue[Event] = asyncio.Queue()
        self.given_up: set[str] = set()  # sessions whose key was waited for once
        self.client.add_event_handler(EventType.ALL, self.incoming.put, wait_sync=True)
        await self.crypto.load()
        await self.crypto.share_keys()
        if signed:
            await self.crypto.generate_recovery_key()
        self.reporter = asyncio.create_task(self.report_all())
        self.client.start(Filter())
        return {"user_id": self.client.mxid, "device_id": self.client.device_id}

    async def report_all(self) -> None:
        """Report events in the order in which they came."""
        while True:
            event = await self.incoming.get()
            stream = getattr(event, "source", SyncStream.INTERNAL)
            if stream & SyncStream.INVITED_ROOM:
                self.report_invite(event)
            elif stream & SyncStream.TIMELINE:
                await self.report(event)

    def report_invite(self, event: Event) -> None:
        """The stripped membership event about ourselves is the invitation."""
        if event.type == EventType.ROOM_MEMBER and event.state_key == self.client.mxid:
            tell({"invite": {"room_id": event.room_id, "sender": event.sender}})

    async def report(self, event: Event) -> None:
        """Decrypt where needed and tell."""
        encrypted, reason = isinstance(event, EncryptedEvent), None
        if encrypted:
            try:
                event = await self.decrypt(event)
            except DecryptionError as error:
                reason = type(error).__name__
        trust = event.get("mautrix", {}).get("trust_state")
        described = {
            "event_id": event.event_id,
            "room_id": event.room_id,
            "sender": event.sender,
            "type": str(event.type),
            "state_key": getattr(event, "state_key", None),
            "content": event.content.serialize(),
            "encrypted": encrypted,
            "decrypted": encrypted and reason is None,
            "shield": None if trust is None else _shield(trust),
            "reason": reason,
        }
        tell({"event": described})

    async def decrypt(self, event: EncryptedEvent) -> Event:
        """Decrypt, after waiting for the room key if it isn't here yet."""
        try:
            return await self.crypto.decrypt_megolm_event(event)
        except SessionNotFound:
            session = event.content.session_id
            if session in self.given_up:
                raise
            self.given_up.add(session)
            await self.crypto.wait_for_session(event.room_id, session, timeout=KEY_WAIT_SECONDS)
            return await self.crypto.decrypt_megolm_event(event)

    async def create_room(
        self, invite: list[UserID], *, encrypted: bool, direct: bool
    ) -> dict[str, Any]:
        """Create a room that is encrypted from birth."""
        content = {"algorithm": "m.megolm.v1.aes-sha2"}
        state = [{"type": "m.room.encryption", "state_key": "", "content": content}]
        preset = RoomCreatePreset.TRUSTED_PRIVATE if direct else RoomCreatePreset.PRIVATE
        room_id = await self.client.create_room(
            preset=preset,
            is_direct=direct,
            invitees=invite,
            initial_state=state if encrypted else None,
        )
        return {"room_id": room_id}

    async def join(self, room_id: Any) -> dict[str, Any]:
        """Accept an invitation."""
        await self.client.join_room_by_id(room_id)
        return {}

    async def leave(self, room_id: Any) -> dict[str, Any]:
        """Leave, or reject an invitation."""
        await self.client.leave_room(room_id)
        return {}

    async def send(self, room_id: Any, type: str, content: Any, *, clear: bool) -> dict[str, Any]:
        """Send an event, encrypted unless asked for in the clear."""
        if not clear:
            # The answer is put into the state store: a room just made isn't synced yet.
            await self.client.get_state_event(room_id, EventType.ROOM_ENCRYPTION)
        event_type = EventType.find(type)
        event_id = await self.client.send_message_event(
            room_id, event_type, content, disable_encryption=clear
        )
        return {"event_id": event_id}

    async def redact(self, room_id: Any, event_id: Any) -> dict[str, Any]:
        """Redact an event."""
        return {"event_id": await self.client.redact(room_id, event_id)}

    async def upload(self, content: str) -> dict[str, Any]:
        """Encrypt and upload a file; returns what goes into the event's `file`."""
        ciphertext, file = encrypt_attachment(base64.b64decode(content))
        file.url = await self.client.upload_media(ciphertext, mime_type="application/octet-stream")
        described: dict[str, Any] = file.serialize()
        return described

    async def download(self, file: dict[str, Any]) -> dict[str, Any]:
        """Fetch an encrypted attachment and decrypt it."""
        ciphertext = await self.client.download_media(file["url"])
        plain = decrypt_attachment(
            ciphertext, file["key"]["k"], file["hashes"]["sha256"], file["iv"]
        )
        return {"base64": base64.b64encode(plain).decode()}

    async def devices(self, user_id: Any) -> list[dict[str, Any]]:
        """The devices of a person and whether their owner signed them."""
        await self.crypto.get_cross_signing_public_keys(user_id)
        known = await self.crypto.crypto_store.get_devices(user_id) or {}
        return [
            {
                "device_id": device_id,
                "signed_by_owner": await self.crypto.resolve_trust(device)
                >= TrustState.CROSS_SIGNED_UNTRUSTED,
            }
            for device_id, device in known.items()
        ]

    async def restart(self) -> dict[str, Any]:
        """Stop the sync and go on from its token."""
        self.client.stop()
        self.client.start(Filter())
        return {}


def _shield(trust: TrustState) -> str:
    """Like the js-sdk's: none for a device that its owner signed."""
    return "none" if trust >= TrustState.CROSS_SIGNED_TOFU else "red"


async def answer(peer: LibolmPeer, request: dict[str, Any]) -> None:
    """Carry out one request."""
    number, name = request.pop("id"), request.pop("do")
    command: Callable[..., Awaitable[Any]] = getattr(peer, name)
    try:
        tell({"id": number, "ok": await command(**request)})
    except Exception as error:  # the test that asked gets whatever went wrong
        traceback.print_exc()
        tell({"id": number, "error": f"{name}: {type(error).__name__}: {error}"})


async def main() -> None:
    """Answer requests side by side until the input ends."""
    reader = asyncio.StreamReader(limit=2**26)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    peer = LibolmPeer()
    tasks = set()
    while line := await reader.readline():
        tasks.add(task := asyncio.create_task(answer(peer, json.loads(line))))
        task.add_done_callback(tasks.discard)
    peer.client.stop()
    peer.reporter.cancel()
    await peer.client.api.session.close()


if __name__ == "__main__":
    asyncio.run(main())
