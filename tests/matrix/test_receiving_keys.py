"""A room key comes once: a crash at any write of the crypto store must not be the end of it."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nio
import pytest
import vodozemac

from bot.matrix.crypto_store import close_crypto_store, open_crypto_store
from bot.matrix.guard import Guard
from bot.matrix.session import Session
from storage import MasterKey

BOT, ANN, ROOM = "@bot:b", "@ann:b", "!room"
WRITES = ("save_account", "save_session", "save_inbound_group_session")


class CrashError(BaseException):
    """The process ends here: nothing of the bot's may catch it."""


class Phone:
    """Ann's device, which has an Olm channel to the bot."""

    def __init__(self, guard: Guard) -> None:
        self.account = vodozemac.Account()
        own = guard.olm.account
        own.generate_one_time_keys(1)
        [one_time_key] = own.one_time_keys["curve25519"].values()
        guard.olm.save_account()
        self.bot_keys = dict(own.identity_keys)
        self.channel = self.account.create_outbound_session(
            vodozemac.Curve25519PublicKey.from_base64(self.bot_keys["curve25519"]),
            vodozemac.Curve25519PublicKey.from_base64(one_time_key),
        )

    def room_key(self, session: vodozemac.GroupSession) -> dict[str, Any]:
        """The to-device event that carries the key of a room session."""
        payload = {
            "type": "m.room_key",
            "content": {
                "algorithm": "m.megolm.v1.aes-sha2",
                "room_id": ROOM,
                "session_id": session.session_id,
                "session_key": session.session_key.to_base64(),
            },
            "sender": ANN,
            "sender_device": "PHONE",
            "keys": {"ed25519": self.account.ed25519_key.to_base64()},
            "recipient": BOT,
            "recipient_keys": {"ed25519": self.bot_keys["ed25519"]},
        }
        kind, body = self.channel.encrypt(json.dumps(payload).encode()).to_parts()
        sealed = {"type": kind, "body": base64.b64encode(body).decode().rstrip("=")}
        content = {
            "algorithm": "m.olm.v1.curve25519-aes-sha2",
            "sender_key": self.account.curve25519_key.to_base64(),
            "ciphertext": {self.bot_keys["curve25519"]: sealed},
        }
        return {"type": "m.room.encrypted", "sender": ANN, "content": content}


def opened(folder: Path) -> Guard:
    session, key = Session(BOT, "BOTDEVICE"), MasterKey(bytes(32))
    return Guard(open_crypto_store(session, folder, key, must_exist=False))


def crash_at(write: int, client: nio.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let so many writes of the crypto store succeed, and crash after that."""
    left = [write]

    def trapped(save: Callable[..., None]) -> Callable[..., None]:
        def saved(*arguments: Any) -> None:
            save(*arguments)
            left[0] -= 1
            if left[0] == 0:
                raise CrashError

        return saved

    for name in WRITES:
        monkeypatch.setattr(client.store, name, trapped(getattr(client.store, name)))


@pytest.mark.parametrize("write", [1, 2, 3])
@pytest.mark.parametrize("known", [False, True], ids=["new channel", "known channel"])
def test_a_key_that_was_being_stored_at_a_crash_is_stored_when_it_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: int, known: bool
) -> None:
    guard = opened(tmp_path)
    phone = Phone(guard)
    if known:
        guard.receive_to_device([phone.room_key(vodozemac.GroupSession())])
    session = vodozemac.GroupSession()
    event = phone.room_key(session)

    crash_at(write, guard.client, monkeypatch)
    try:
        guard.receive_to_device([event])
    except CrashError:
        crashed = True
    else:
        crashed = False
    close_crypto_store(guard.client)
    restarted = opened(tmp_path)
    restarted.receive_to_device([event])
    stored = restarted.olm.inbound_group_store[ROOM]
    close_crypto_store(restarted.client)

    assert crashed is (write <= (2 if known else 3))
    assert session.session_id in stored[phone.account.curve25519_key.to_base64()]
