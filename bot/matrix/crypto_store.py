"""nio's crypto store, opened so that it is worth something: a real key, private files, no log."""

import logging
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import nio
import peewee
from nio.crypto import GroupSessionStore, InboundGroupSession, OlmAccount, OlmDevice
from nio.crypto import Session as OlmSession
from nio.store import SqliteStore
from nio.store.models import (
    Accounts,
    DeviceKeys,
    DeviceTrustState,
    Keys,
    MegolmInboundSessions,
    OlmSessions,
)

from bot.errors import StorageError
from bot.matrix.chains import DeviceKeys as PublicKeys
from bot.matrix.session import Session
from storage import MasterKey

FILE = "olm.db"


def open_crypto_store(
    session: Session, folder: Path, master_key: MasterKey, *, must_exist: bool
) -> nio.AsyncClient:
    """nio with its Olm account loaded or, where the store is new, made.

    A device that was in use but whose store is gone is refused: its one-time keys are still on
    the homeserver, so nobody could reach it, and an empty store would look like a harmless start.
    """
    _silence_what_logs_contents()
    file = folder / FILE
    if must_exist and not file.exists():
        raise StorageError(
            f"The crypto store {file} is gone, and with it every key of device "
            f"{session.device_id}. Restore the data directory, or start with an empty one."
        )
    try:
        _make_private(folder, file)
        client = _client(session, folder, master_key)
        client.load_store()
        if session.replaces:
            client.store.take_over(session.replaces, client.olm)
        client.store.watch(client.olm)
    except (peewee.DatabaseError, OSError, ValueError) as error:  # ValueError: vodozemac's
        raise StorageError(
            f"The crypto store {file} can't be opened with this master key "
            f"({type(error).__name__}): it is damaged, or storage.master_key is another one."
        ) from None
    return client


class _RoomKeys(GroupSessionStore):  # type: ignore[misc]  # nio has no types
    """nio's room keys in memory; one that decrypts less never replaces one that decrypts more.

    After a recovery both come: the whole one from the backup, and from its owner's device the
    same one as of now.
    """

    def best(self, session: InboundGroupSession) -> InboundGroupSession:
        """The one that we have of this session, if it is as good."""
        known = self.get(session.room_id, session.sender_key, session.id)
        as_good = known and known.first_known_index <= session.first_known_index
        return known if as_good else session

    def add(self, session: InboundGroupSession) -> bool:
        best = self.best(session)
        return best is session and bool(super().add(session))

    def forget(self, session: InboundGroupSession) -> None:
        """Have this one no longer, nor an entry for it."""
        of_room = self._entries[session.room_id]
        of_room[session.sender_key].pop(session.id, None)
        if not of_room[session.sender_key]:
            del of_room[session.sender_key]
        if not of_room:
            del self._entries[session.room_id]


class _Store(SqliteStore):  # type: ignore[misc]  # nio has no types
    """nio's store, made quick: a key for 200 devices takes 0.05 s, not 1 s of every room's time.

    `on_room_key` hears of each room key that is saved and not held back.
    """

    on_room_key: Callable[[InboundGroupSession], None] = staticmethod(lambda session: None)
    is_held_back: Callable[[InboundGroupSession], bool] = staticmethod(lambda session: False)
    _row: Any = None
    _room_keys: _RoomKeys

    def take_over(self, device_id: str, olm: Any) -> None:
        """Have the room keys of a dead device, and nothing else of it."""
        with self.database.bind_ctx(self.models), self.database.atomic():
            dead = Accounts.get_or_none(
                Accounts.user_id == self.user_id, Accounts.device_id == device_id
            )
            if dead is not None:
                its_keys = MegolmInboundSessions.account == dead
                new = {MegolmInboundSessions.account: self._get_account()}
                MegolmInboundSessions.update(new).where(its_keys).execute()
                its_devices = DeviceKeys.select(DeviceKeys.id).where(DeviceKeys.account == dead)
                for model in (Keys, DeviceTrustState):  # all else goes with the account
                    model.delete().where(model.device.in_(its_devices)).execute()
                dead.delete_instance()
        olm.inbound_group_store = self.load_inbound_group_sessions()

    def watch(self, olm: Any) -> None:
        """Let nio keep its room keys in a store that spares the better one."""
        self._room_keys = _RoomKeys()
        for session in olm.inbound_group_store:
            self._room_keys.add(session)
        olm.inbound_group_store = self._room_keys

    def save_inbound_group_session(self, session: InboundGroupSession) -> None:
        best = self._room_keys.best(session)
        if self._is_anothers(best):
            self._save_beside(best)
        else:
            super().save_inbound_group_session(best)
        if not self.is_held_back(best):
            self.on_room_key(best)

    def forget_room_key(self, session: InboundGroupSession) -> None:
        """Have it no longer, neither here nor in memory."""
        self._room_keys.forget(session)
        ids = (session.id, _longer_id(session))
        with self.database.bind_ctx(self.models):
            MegolmInboundSessions.delete().where(
                MegolmInboundSessions.session_id.in_(ids),
                MegolmInboundSessions.sender_key == session.sender_key,
                MegolmInboundSessions.room_id == session.room_id,
            ).execute()

    def forget_channels(self, sessions: Sequence[OlmSession]) -> None:
        """Delete Olm sessions from the file."""
        if sessions:
            ids = [one.id for one in sessions]
            with self.database.bind_ctx(self.models):
                OlmSessions.delete().where(OlmSessions.session_id.in_(ids)).execute()

    def _is_anothers(self, session: InboundGroupSession) -> bool:
        """Whether the row of this session's id has it as of another device or room.

        nio's rows are found by that id alone, so the second one would be lost at the next start.
        """
        with self.database.bind_ctx(self.models):
            row = MegolmInboundSessions.get_or_none(MegolmInboundSessions.session_id == session.id)
        whose = (session.sender_key, session.room_id)
        return row is not None and (row.sender_key, row.room_id) != whose

    def _save_beside(self, session: InboundGroupSession) -> None:
        """Save it under a longer id; the right one is in the session itself."""
        with self.database.bind_ctx(self.models):
            MegolmInboundSessions.replace(
                account=self._get_account(),
                sender_key=session.sender_key,
                fp_key=session.ed25519,
                room_id=session.room_id,
                session=session.pickle(self.pickle_key),
                session_id=_longer_id(session),
            ).execute()

    def _create_database(self) -> Any:
        # In WAL mode a change is one fsync instead of four.
        pragmas = {"foreign_keys": 1, "secure_delete": 1, "journal_mode": "wal"}
        database = peewee.SqliteDatabase(self.database_path, pragmas=pragmas)
        # Each call of nio binds all models anew; without this, each model's relations too.
        database.bind_ctx = partial(database.bind_ctx, bind_refs=False, bind_backrefs=False)
        return database

    def _get_account(self) -> Any:
        if self._row is None:
            self._row = super()._get_account()
        return self._row

    # A device carries its trust; nio reads it from the file each time it is asked.

    def is_device_verified(self, device: OlmDevice) -> bool:
        return bool(device.verified)

    def is_device_blacklisted(self, device: OlmDevice) -> bool:
        return bool(device.blacklisted)

    def is_device_ignored(self, device: OlmDevice) -> bool:
        return bool(device.ignored)


def _longer_id(session: InboundGroupSession) -> str:
    return f"{session.id} {session.sender_key} {session.room_id}"


def kept_device_keys(session: Session, folder: Path, master_key: MasterKey) -> PublicKeys:
    """The public keys of the device, read from beside a running bot; StorageError without any."""
    file = folder / FILE
    database = peewee.SqliteDatabase(f"{file.absolute().as_uri()}?mode=ro", uri=True)
    try:
        with database, database.bind_ctx([Accounts]):
            row = Accounts.get(
                Accounts.user_id == session.user_id, Accounts.device_id == session.device_id
            )
        keys = OlmAccount.from_pickle(row.account, _pickle_key(master_key)).identity_keys
    except (peewee.PeeweeException, Accounts.DoesNotExist, ValueError) as error:
        raise StorageError(
            f"The keys of device {session.device_id} can't be read from {file} "
            f"({type(error).__name__}): it is missing or damaged, or storage.master_key is "
            "another one."
        ) from None
    return PublicKeys(session.user_id, session.device_id, keys["ed25519"], keys["curve25519"])


def close_crypto_store(client: nio.AsyncClient) -> None:
    """Close the file; its journal is merged into it."""
    if client.store is not None:
        client.store.database.close()


def _client(session: Session, folder: Path, master_key: MasterKey) -> nio.AsyncClient:
    config = nio.AsyncClientConfig(
        store=_Store,  # trust in the same file, not in text files named after ids
        store_name=FILE,
        store_sync_tokens=False,
        pickle_key=_pickle_key(master_key),
        # nio's own requests are not used; should one ever be, it must end.
        max_timeouts=1,
        max_limit_exceeded=1,
    )
    client = nio.AsyncClient(
        "", session.user_id, session.device_id, store_path=str(folder), config=config
    )
    client.user_id = session.user_id
    return client


def _pickle_key(master_key: MasterKey) -> str:
    return master_key.derive("matrix crypto store").hex()


def _make_private(folder: Path, file: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    file.chmod(0o600)


def _silence_what_logs_contents() -> None:
    """nio logs whole responses, peewee every row it writes."""
    for name in ("nio", "peewee"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
