"""Which room keys of this device are in the server's backup: kept beside the keys themselves."""

from collections.abc import Iterable
from typing import Any

import peewee
from nio.crypto import InboundGroupSession


class _BackedUp(peewee.Model):  # type: ignore[misc]  # peewee has no types
    """A room key in a version of the backup, and from which message on it can decrypt."""

    device_id = peewee.TextField()
    version = peewee.TextField()
    room_id = peewee.TextField()
    session_id = peewee.TextField()
    first_index = peewee.IntegerField()

    class Meta:
        table_name = "backed_up"
        primary_key = peewee.CompositeKey("device_id", "version", "room_id", "session_id")


class BackupLedger:
    """The ledger of one device and one version of the backup."""

    def __init__(self, database: Any, *, device_id: str, version: str) -> None:
        self._database = database
        self._key = {"device_id": device_id, "version": version}
        with self._bound():
            database.create_tables([_BackedUp])
            mine = (_BackedUp.device_id == device_id) & (_BackedUp.version == version)
            columns = (_BackedUp.room_id, _BackedUp.session_id, _BackedUp.first_index)
            found = _BackedUp.select(*columns).where(mine).tuples()
            self._known = {(room_id, session_id): index for room_id, session_id, index in found}

    def __bool__(self) -> bool:
        """Whether this device has ever put a key into this version, or taken one out of it."""
        return bool(self._known)

    def holds(self, session: InboundGroupSession) -> bool:
        """Whether the backup has this key, or one that decrypts more."""
        index = self._known.get((session.room_id, session.id))
        return index is not None and index <= session.first_known_index

    def add(self, sessions: Iterable[InboundGroupSession]) -> None:
        """The backup has these now."""
        added = {(one.room_id, one.id): one.first_known_index for one in sessions}
        rows = [
            {**self._key, "room_id": room_id, "session_id": session_id, "first_index": index}
            for (room_id, session_id), index in added.items()
        ]
        if rows:
            with self._bound():
                _BackedUp.replace_many(rows).execute()
        self._known |= added

    def _bound(self) -> Any:
        return self._database.bind_ctx([_BackedUp])
