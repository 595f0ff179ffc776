"""The composition root: opens every part, wires them, runs until told to stop."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from bot import doctor
from bot.audit_room import audit_room
from bot.beside import daily, feeding, withdrawing
from bot.config import BUILTIN, Config
from bot.demo.model import serve_demo_model
from bot.dispatcher import Dispatcher, left_over
from bot.doctor import Finding
from bot.errors import (
    AuditUnavailableError,
    BotError,
    GatewayError,
    StorageError,
)
from bot.exchange import record
from bot.gateway import Gateway
from bot.gateway_patience import Patience
from bot.jobs import Job, inbox_sweep, ticking
from bot.journal import Journal
from bot.matrix.client import QUIET, MatrixClient, open_client, reach
from bot.messages import Action, Effect
from bot.pacing import Pacing
from bot.service import notify, watchdog, watchdog_seconds, watched
from bot.spine import spine
from bot.tasks import given_up, task_group
from bot.verifying import Verifying
from bot.withdrawing import Withdrawing
from storage import MasterKey, Storage, StorageFailure, open_storage

log = logging.getLogger(__name__)

DRAIN = 18.0  # seconds that a stop waits for what is being answered; the whole has 25
# Seconds for one event: two requests to the gateway, and as much again for the homeserver's part.
LONGEST = 3 * Patience().deadline

Ready = Callable[[str, str], None]


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


async def run(config: Config, *, stop: asyncio.Event, ready: Ready) -> None:
    """Run the bot until `stop` is set; `ready(user_id, device_id)` once it syncs.

    What runs by then is drained; a start is given up where it stands, such as in an outage.
    Raises BotError with one sentence when it can't start or go on.
    """
    started = asyncio.Event()
    await given_up(_run(config, stop, ready, started), at=stop, unless=started)


async def _run(config: Config, stop: asyncio.Event, ready: Ready, started: asyncio.Event) -> None:
    async with AsyncExitStack() as stack:
        stack.enter_context(_explained())
        master_key = MasterKey.load(
            config.storage.master_key.get_secret_value(), config.storage.path
        )
        storage = await stack.enter_async_context(open_storage(config.storage.path, master_key))
        gateway = await _gateway(config, stack, master_key.derive("gateway person ids"))
        client = await stack.enter_async_context(
            open_client(
                config.homeserver,
                data=config.storage.path,
                master_key=master_key,
                rooms=storage.rooms,
                readings=storage.readings,
                share_keys_with=config.privacy.share_keys_with,
                device_name="Confidant",
            )
        )
        room_id = await audit_room(config, client.sender, storage)
        started.set()
        await _Bot(config, storage, gateway, client, room_id).serve(stop, ready)


@contextmanager
def _explained() -> Iterator[None]:
    """Leave with a failure that has a sentence for the operator, if there is one among several."""
    known = (BotError, StorageFailure, AuditUnavailableError)
    try:
        yield
    except known as error:
        raise _for_operators(error) from error
    except BaseExceptionGroup as group:
        found = group.subgroup(known)
        if found is None:
            raise
        raise _for_operators(_first(found)) from group


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def _for_operators(error: BaseException) -> BotError:
    """Storage knows nothing of ours: its failures become those that the command line says."""
    return error if isinstance(error, BotError) else StorageError(str(error))


async def examine(config: Config, *, file: Path) -> list[Finding]:
    """What `confidant doctor` finds, asking homeserver and gateway as `run` would."""
    async with AsyncExitStack() as stack:
        gateway = await _gateway(config, stack)

        async def asked_gateway() -> str:
            check = await gateway.check()
            if not check.ok:
                raise GatewayError(check.sentence)
            return check.sentence

        async def seen() -> str:
            await gateway.look()
            return _whereabouts(gateway)

        async def embedded() -> str:
            model = config.gateway.embedding_model
            try:
                await gateway.embed(["Is this embedded?"])
            except GatewayError:
                raise GatewayError(
                    f"The gateway gives no vectors with “{model}” at /embeddings, so memory would "
                    "be searched by words alone. Name another model, or leave this empty."
                ) from None
            return f"The model gateway embeds with “{model}”."

        async def asked_homeserver() -> str:
            return await reach(config.homeserver.url)

        return await doctor.examine(
            config,
            homeserver=asked_homeserver,
            gateway=asked_gateway,
            evidence=seen,
            embeddings=embedded if config.gateway.embedding_model else None,
            file=file,
        )


def _whereabouts(gateway: Gateway) -> str:
    seen = gateway.observation
    if not seen.address:
        raise GatewayError("Where requests to the gateway end can't be said: none arrived there.")
    near = "here or in a private network" if seen.near else "outside of private networks"
    return f"Requests to the gateway end at {seen.address}, {near}; !privacy says so."


async def _gateway(config: Config, stack: AsyncExitStack, person_key: bytes = b"") -> Gateway:
    base_url = config.gateway.base_url
    if base_url == BUILTIN:
        base_url = await stack.enter_async_context(serve_demo_model())
    gateway = Gateway(config.gateway, base_url=base_url, person_key=person_key)
    return await stack.enter_async_context(gateway)


class _Bot:
    """The running parts, from the first sync to the drain."""

    def __init__(
        self,
        config: Config,
        storage: Storage,
        gateway: Gateway,
        client: MatrixClient,
        audit_room: str,
    ) -> None:
        self._config = config
        self._storage = storage
        self._gateway = gateway
        self._client = client
        self._audit_room = audit_room
        self._journal = Journal(storage.audit_log, now=utc_now)

    async def serve(self, stop: asyncio.Event, ready: Ready) -> None:
        """Sync and answer until told to stop, then drain."""
        feed = feeding(
            self._config,
            self._storage,
            self._client.sender,
            audit_room=self._audit_room,
            now=utc_now,
        )
        await self._look()  # before anything is sent there
        async with task_group() as tasks:
            handler = spine(
                self._config,
                self._storage,
                self._client.sender,
                self._gateway,
                fetch=self._client.fetch,
                identity=self._client.identity,
                gateway_host=self._gateway.host,
                observed=lambda: self._gateway.observation,
                posted_heads=lambda: self._client.sender.posted_heads(self._audit_room),
                audit_room=self._audit_room,
                pacing=Pacing(),
                now=utc_now,
                embedder=self._gateway,
                synced=lambda: self._client.synced_at,
                compared=self._client.verifications.compared,
            )
            dispatcher = Dispatcher(handler.handle, self._storage.inbox, tasks)
            await self._journal.of_the_bot(Effect(Action.BOT_STARTED))
            dispatcher.enqueue(left_over(*row) for row in await self._storage.inbox.unfinished())
            verifying = Verifying(
                self._config,
                self._client.sender,
                self._audit_room,
                rules=self._storage.access,
                accepted=lambda event: dispatcher.enqueue([event]),
                record=partial(record, storage=self._storage, journal=self._journal),
                now=utc_now,
            )
            syncing = tasks.create_task(self._sync(dispatcher, ready), name="sync")
            posting = tasks.create_task(feed.run(), name="audit feed")
            leaving = tasks.create_task(self._withdrawing().run(), name="withdrawing")
            watching = tasks.create_task(self._watch(dispatcher), name="watchdog")
            aside = tasks.create_task(self._client.keep_up(verifying), name="aside")
            async with ticking(self._jobs(), self._storage, tasks, now=utc_now):
                await stop.wait()
            notify("STOPPING=1")
            syncing.cancel()
            leaving.cancel()
            aside.cancel()
            if not await dispatcher.drain(DRAIN):
                log.warning("some answers were not finished; they follow after the next start")
            await self._journal.of_the_bot(Effect(Action.BOT_STOPPED))
            posting.cancel()
            watching.cancel()
            dispatcher.cancel()

    def _withdrawing(self) -> Withdrawing:
        return withdrawing(
            self._config,
            self._storage,
            self._client.sender,
            gateway_host=self._gateway.host,
            audit_room=self._audit_room,
            now=utc_now,
        )

    async def _watch(self, dispatcher: Dispatcher) -> None:
        interval = watchdog_seconds()
        if interval is not None:
            parts = watched(self._client, dispatcher, quiet=QUIET, longest=LONGEST)
            await watchdog(parts, interval)

    async def _sync(self, dispatcher: Dispatcher, ready: Ready) -> None:
        invites = await self._client.pending_invites()

        async def is_ready() -> None:
            dispatcher.enqueue(invites)  # not before the sync knows who is in which room
            ready(self._client.user_id, self._client.device_id)

        since = await self._storage.inbox.token()
        await self._client.sync_forever(
            dispatcher.receive,
            since=since,
            ready=is_ready,
            watch=self._client.verifications.watch,
            waiting=await self._storage.inbox.waiting(),
        )

    async def _look(self) -> None:
        """See what the gateway really is; what that forbids is in the log, and is not sent."""
        with suppress(GatewayError):
            await self._gateway.look()

    def _jobs(self) -> list[Job]:
        often = daily(
            self._config,
            self._storage,
            self._client.sender,
            audit_room=self._audit_room,
            now=utc_now,
        )
        often = {**often, "gateway evidence": self._look}
        by_day = [Job(name, timedelta(days=1), run) for name, run in often.items()]
        return [inbox_sweep(self._storage, now=utc_now), *by_day]
