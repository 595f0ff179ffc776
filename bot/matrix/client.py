"""The bot on its homeserver: logged in once, cross-signed, syncing, never losing an event."""

import asyncio
import json
import logging
import math
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from bot.config import Homeserver
from bot.errors import HomeserverError
from bot.matrix.backing_up import BackingUp
from bot.matrix.cross_signing import ensure_cross_signed, own_identity
from bot.matrix.device import OpenDevice, open_device
from bot.matrix.events import kept
from bot.matrix.healing import taken_over
from bot.matrix.http import Http, TokenRevokedError, backoff, path
from bot.matrix.identity import PublicIdentity
from bot.matrix.keys import StaleStoreError
from bot.matrix.reading import Reader, Watch
from bot.matrix.recalling import fetched
from bot.matrix.replays import KnownReadings
from bot.matrix.sender import Sender
from bot.matrix.sharing import RoomKeys
from bot.matrix.sharing_ahead import SharingAhead
from bot.matrix.tally import Tally
from bot.matrix.trust import ShareKeysWith, Trust
from bot.matrix.undecryptable import Waiting
from bot.matrix.untrusted import items, name, text
from bot.matrix.verification import Comparing, Verifications
from bot.matrix.withheld import Withheld
from bot.messages import OwnIdentity
from bot.room_events import Batch, Invite, Kept
from storage import MasterKey, Rooms, StillWaiting

POLL_MS = 30_000  # how long a sync waits for something to happen
SOON_MS = 5_000  # the same, while somebody waits to hear that their message can't be read
FIRST_SYNC = 300.0  # seconds: the state of every room, from a slow homeserver
QUIET = FIRST_SYNC + 60.0  # seconds at most between two signs of life of the sync
TIMELINE = 100  # events of a room in one sync; what is more is fetched as a gap

_log = logging.getLogger(__name__)


class MatrixClient:
    """One device of one account."""

    def __init__(
        self,
        device: OpenDevice,
        identity: PublicIdentity,
        reader: Reader,
        sender: Sender,
        verifications: Verifications,
        *,
        sharing_ahead: SharingAhead,
        withheld: Withheld,
    ) -> None:
        self._http = device.http
        self._own = device.own
        self._identity = identity
        self._reader = reader
        self.user_id = device.session.user_id
        self.device_id = device.session.device_id
        self.sender = sender
        self.backing_up = BackingUp(device)
        self.verifications = verifications
        self.sharing_ahead = sharing_ahead
        self.withheld = withheld
        self._tally = Tally(device.guard.drops, asyncio.get_running_loop().time)
        self._came_round_at = time.monotonic()
        self.synced_at: datetime | None = None  # when the homeserver last answered a sync

    @property
    def alive_at(self) -> float:
        """When the sync last came round or got on, or a try ended with the homeserver away."""
        return max(self._came_round_at, self._reader.got_on_at, self.away_at)

    @property
    def away_at(self) -> float:
        """When the homeserver was last found to be away (time.monotonic)."""
        return self._http.away_at

    async def identity(self) -> OwnIdentity:
        """Who the bot is to others, and whether the homeserver shows it so at this moment."""
        return await own_identity(self._http, self._own.keys, self._identity.master_key)

    async def sync_forever(
        self,
        receive: Callable[[Batch], Awaitable[None]],
        *,
        since: str | None,
        ready: Callable[[], Awaitable[None]] | None = None,
        watch: Watch = lambda event: None,
        waiting: Iterable[StillWaiting] = (),
    ) -> None:
        """Hand over what happens, batch by batch; the next sync waits until `receive` returns.

        Without `since` nothing from before the start is handed over. `ready` is awaited once,
        after the first batch; `watch` sees every readable event, also those that are no message
        for the bot; `waiting` are those that waited for their keys before a restart. Outages are
        waited out; raises HomeserverError when the token is revoked, or the device's keys are
        found to be stale.
        """
        self._reader.recalling.expect(waiting)
        token = since
        try:
            async for batch in self._batches(since, watch):
                self._tally.tell()
                if batch != Batch((), token or ""):
                    await receive(batch)
                token = batch.token
                if ready is not None:
                    await ready()
                    ready = None
        finally:
            self._tally.tell(at_once=True)

    async def fetch(self, room_id: str, event_id: str) -> Kept | None:
        """A message, or what was done to one, by its id, decrypted again with the stored key.

        None where either is gone.

        Raises HomeserverError where the homeserver does not say that it is gone, and fails all the
        same for as long as a request is repeated.
        """
        event = await fetched(self._http, room_id, event_id)
        clear = await self._reader.open(room_id, event) if event else None
        return kept(clear, bot=self.user_id, recovered=True) if clear else None

    async def pending_invites(self) -> list[Invite]:
        """Invites that nobody has answered, also those from before the last sync."""
        nothing = {"types": list[str]()}
        parts = {"timeline": {**nothing, "limit": 1}, "state": nothing}
        only_invites = _filter({**parts, "ephemeral": nothing, "account_data": nothing})
        query = {"filter": only_invites, "timeout": _another()}
        sync = await self._http.call("GET", path("sync"), query=query, seconds=FIRST_SYNC)
        return self._reader.pending(sync)

    async def _batches(self, since: str | None, watch: Watch) -> AsyncIterator[Batch]:
        """Sync without end; a failure is waited out and the same token asked for again."""
        first, failures = True, 0
        while True:
            self._came_round_at = time.monotonic()
            try:
                batch = await self._sync(since, watch, first=first)
            except (TokenRevokedError, StaleStoreError):
                raise
            except HomeserverError as error:
                _log.warning("sync failed, trying again: %s", str(error))  # a sentence of ours
                await asyncio.sleep(backoff(failures))
                failures += 1
                continue
            if failures:
                _log.info("the homeserver answers again")
            self.synced_at = datetime.now(UTC)
            yield batch
            since, first, failures = batch.token, False, 0

    async def _sync(self, since: str | None, watch: Watch, *, first: bool) -> Batch:
        poll = SOON_MS if self._reader.waiting.is_urgent else POLL_MS
        if self._reader.recalling.is_eager:
            poll = 0
        query = {"filter": _SYNC_FILTER, "timeout": str(poll)}
        if since:
            query["since"] = since
        if first:
            # nio keeps no rooms over a restart: members and encryption come with the full state.
            query |= {"full_state": "true", "timeout": _another()}
        seconds = FIRST_SYNC if first else POLL_MS / 500
        sync = await self._http.call(
            "GET", path("sync"), query=query, seconds=seconds, patience=0.0
        )
        if not text(sync, "next_batch"):
            raise HomeserverError("The homeserver answered a sync without a token.")
        return await self._reader.read(sync, since=since, watch=watch)

    async def keep_up(self, comparing: Comparing) -> None:
        """Without end, what goes on beside the sync: backups, verifications, keys of rooms."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.backing_up.run(), name="key backup")
            tasks.create_task(self.verifications.run(comparing), name="verification")
            tasks.create_task(self.sharing_ahead.run(), name="keys ahead")
            tasks.create_task(self.withheld.run(), name="withheld keys")


@asynccontextmanager
async def open_client(
    account: Homeserver,
    *,
    data: Path,
    master_key: MasterKey,
    rooms: Rooms,
    readings: KnownReadings,
    share_keys_with: ShareKeysWith,
    device_name: str,
) -> AsyncIterator[MatrixClient]:
    """Log in, or go on as before, and be ready for encrypted rooms; closed at the end.

    Our device's keys are on the homeserver and cross-signed before anybody can talk to us.
    Raises HomeserverError or StorageError with one clear sentence.
    """
    opening = open_device(account, data=data, master_key=master_key, device_name=device_name)
    async with opening as device:
        password = account.password.get_secret_value()
        identity = await ensure_cross_signed(
            device.http, device.own, device.identity_file, password=password
        )
        if device.session.replaces:
            await taken_over(device, data / "session", password=password)
        device.http.patience = math.inf  # a room waits where it is until the homeserver is back
        yield _assembled(device, identity, rooms, readings, share_keys_with)


def _assembled(
    device: OpenDevice,
    identity: PublicIdentity,
    rooms: Rooms,
    readings: KnownReadings,
    share_keys_with: ShareKeysWith,
) -> MatrixClient:
    http, guard = device.http, device.guard
    own = {identity.user_id: identity.master_key}
    trust = Trust(guard.client, http, rooms, share_keys_with=share_keys_with, own=own)
    room_keys = RoomKeys(guard, http, trust)
    sharing_ahead = SharingAhead(room_keys, rooms)
    reader = Reader(
        http,
        guard,
        trust,
        device_keys=device.keyring,
        room_keys=room_keys,
        waiting=Waiting(asyncio.get_running_loop().time),
        remembered=rooms,
        readings=readings,
        expect=sharing_ahead.expect,
    )
    sender = Sender(http, guard, room_keys, rooms, sharing_ahead.expect, read=reader.open)
    verifications = Verifications(device, sender, trust)
    return MatrixClient(
        device,
        identity,
        reader,
        sender,
        verifications,
        sharing_ahead=sharing_ahead,
        withheld=room_keys.withheld,
    )


def _another() -> str:
    """A timeout for what comes at once, only there to be another one each time.

    Synapse answers the same question for two minutes with the same old answer.
    """
    return str(secrets.randbelow(POLL_MS))


def _filter(room: object) -> str:
    nothing = {"types": list[str]()}
    return json.dumps({"room": room, "presence": nothing, "account_data": nothing})


_SYNC_FILTER = _filter(
    {
        "timeline": {"limit": TIMELINE},
        "state": {"types": ["m.room.member", "m.room.encryption", "m.room.tombstone"]},
        "ephemeral": {"types": ["m.typing"]},
        "account_data": {"types": []},
    }
)


async def reach(url: str) -> str:
    """Say that a homeserver answers at this address; raises HomeserverError where none does."""
    http = Http(url)
    try:
        answer = await http.call("GET", "/_matrix/client/versions", patience=0.0)
    finally:
        await http.close()
    versions = [one for one in items(answer, "versions") if isinstance(one, str)]
    if not versions:
        raise HomeserverError(f"Something answers at {url}, but it is no Matrix homeserver.")
    return f"The homeserver at {url} answers (Matrix {name(versions[-1])})."
