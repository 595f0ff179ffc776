"""Everything that a bot could read: its homeserver's own table of events, opened with its own keys.

No client has to be in a room for that, and nothing in the bot is changed: what stands here is what
the homeserver took, whatever way it was sent.
"""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nio.crypto import InboundGroupSession

from bot.config import load_config
from bot.errors import ConfigError
from storage import MasterKey
from tests.live.bots import Bot

EVENTS = """
    SELECT events.event_id, events.room_id, sender, type, state_key, json
    FROM events JOIN event_json USING (event_id)
    WHERE events.room_id IN
        (SELECT room_id FROM room_memberships WHERE user_id = ? AND membership = 'join')
    ORDER BY stream_ordering
"""
KEYS = "SELECT room_id, session_id, session, fp_key, sender_key FROM megolminboundsessions"

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Overheard:
    """An event of a room that the bot was in; without content where it has no key to it."""

    event_id: str
    room_id: str
    sender: str
    type: str
    state_key: str | None
    content: Json | None = field(repr=False)


class Keys:
    """The room keys that lie in a bot's data directory, whether it runs or not."""

    def __init__(self, bot: Bot) -> None:
        secret = load_config(bot.config, {}).storage.master_key.get_secret_value()
        self._secret = MasterKey.load(secret, bot.data).derive("matrix crypto store").hex()
        kept = rows(bot.data / "crypto" / "olm.db", KEYS)
        self._pickled = {(room_id, session.split()[0]): one for room_id, session, *one in kept}
        self._opened: dict[tuple[str, str], InboundGroupSession] = {}

    def content(self, room_id: str, event: Json) -> tuple[str, Json | None]:
        """The type and content of an event, in the clear."""
        kind, content = str(event["type"]), event["content"]
        if kind != "m.room.encrypted" or not content:
            return kind, content
        try:
            session = self._session(room_id, content["session_id"])
            clear = json.loads(session.decrypt(content["ciphertext"])[0]) if session else {}
            return str(clear["type"]), {**clear["content"]}
        except Exception:  # some tests send anything at all
            return kind, None

    def _session(self, room_id: str, session_id: str) -> InboundGroupSession | None:
        at = (room_id, session_id)
        if at in self._pickled and at not in self._opened:
            pickled, *keys = self._pickled[at]
            session = InboundGroupSession.from_pickle(pickled, *keys, room_id, self._secret)
            self._opened[at] = session
        return self._opened.get(at)


def overheard(bot: Bot) -> list[Overheard]:
    """All events of all rooms that the bot was ever in, in the homeserver's order."""
    keys, database, found = Keys(bot), bot.homeserver_database, list[Overheard]()
    for event_id, room_id, sender, _, state_key, event in rows(database, EVENTS, bot.user_id):
        kind, content = keys.content(room_id, json.loads(event))
        found.append(Overheard(event_id, room_id, sender, kind, state_key, content))
    return found


def audit_room_of(bot: Bot) -> str:
    """The id of its audit room; empty where it had none to begin with."""
    try:
        configured = load_config(bot.config, {}).audit.room
    except ConfigError:  # of a test that refuses it
        return ""
    if configured or not (bot.data / "shared.db").exists():
        return configured
    made = rows(bot.data / "shared.db", "SELECT value FROM state WHERE name = 'audit.room'")
    return str(made[0][0]) if made else ""


def rows(file: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    """What a database says that somebody else may be writing."""
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
        return database.execute(query, values).fetchall()
