"""Who may have a room's keys and be obeyed: devices that their owner's known identity has signed.

nio checks that a device signed itself, which a homeserver's administrator can arrange for a
device that nobody owns. The chain from the person's identity is checked here, the identity is
remembered on first use, and nio is told of each device whether it may have keys.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from enum import StrEnum
from typing import Any, Literal, Protocol

from nio import AsyncClient, KeysQueryResponse
from nio.crypto import OlmDevice, TrustState

from bot.matrix.chains import (
    DeviceKeys,
    Person,
    device_payloads,
    is_answered,
    read_device,
    read_person,
)
from bot.matrix.keyserver import KeyServer, query_keys
from bot.messages import Sessions, Standing

MAY_HAVE_KEYS = (TrustState.verified, TrustState.ignored)
UNREACHABLE_SECONDS = 60.0  # a server that didn't answer is not asked again for each message

ShareKeysWith = Literal["cross-signed", "all"]


class KnownIdentities(Protocol):
    """What survives a restart: the master key that each person had when first seen."""

    async def identity(self, user_id: str) -> str | None:
        """The remembered master key."""
        ...

    async def remember_identity(self, user_id: str, master_key: str) -> None:
        """Remember it, unless another is remembered."""
        ...

    async def replace_identity(self, user_id: str, master_key: str) -> None:
        """Remember it instead of another."""
        ...


class Reason(StrEnum):
    """Why a person gets no keys, as the end of a sentence about them."""

    NO_IDENTITY = "has not set up cross-signing"
    BROKEN_IDENTITY = "has a cross-signing identity whose signatures don't fit together"
    NO_SIGNED_DEVICE = "has no session that they have verified"
    IDENTITY_CHANGED = "has a new cross-signing identity that nobody has accepted yet"
    UNREACHABLE = "is on a homeserver that does not answer"


class Trust:
    """Decides and remembers, for each person, which of their devices may have keys.

    `own` is the bot's own identity: user id -> master key, known and not learned. Nothing is
    decided for people who were never given to `prepare`.
    """

    def __init__(
        self,
        client: AsyncClient,
        server: KeyServer,
        identities: KnownIdentities,
        *,
        share_keys_with: ShareKeysWith,
        own: Mapping[str, str],
    ) -> None:
        self._client = client
        self._server = server
        self._identities = identities
        self._everybody = share_keys_with == "all"
        self._own = own
        self._persons: dict[str, Person] = {}
        self._reasons: dict[str, Reason] = {}
        self._changed: set[str] = set()
        self._unreachable: set[str] = set()
        self._fresh: set[str] = set()
        self._asked: set[str] = set()
        self._asking = asyncio.Lock()
        self._setters: Mapping[TrustState, Callable[[OlmDevice], bool]] = {
            TrustState.verified: client.verify_device,
            TrustState.blacklisted: client.blacklist_device,
            TrustState.ignored: client.ignore_device,
        }

    @property
    def changed(self) -> frozenset[str]:
        """People whose identity is not the one remembered: memory pauses until they accept."""
        return frozenset(self._changed)

    @property
    def left_out(self) -> dict[str, Reason]:
        """People none of whose devices gets keys, and why."""
        return {} if self._everybody else dict(self._reasons)

    @property
    def unreachable(self) -> frozenset[str]:
        """People about whom the last question had no answer, whatever is known from before."""
        return frozenset(self._unreachable)

    def standing(self, user_id: str, device_id: str) -> Standing | None:
        """What this device is worth, after `prepare` with its owner; None where nobody can tell.

        A device that the server no longer shows is worth nothing: who signs a stolen phone out
        does not want it obeyed. While a homeserver is silent, what was proved before holds.
        """
        if self._everybody or user_id in self._own:  # of our own account, nothing is obeyed anyway
            return Standing.OWNED
        device = self._client.device_store[user_id].get(device_id)
        person = self._persons.get(user_id)
        if person is None:
            return Standing.OWNED if device and device.verified else None
        if device is None or person.signed.get(device_id) != _keys(device):
            return Standing.UNSIGNED
        return Standing.CHANGED if user_id in self._changed else Standing.OWNED

    def unsigned_devices(self, user_id: str) -> frozenset[str]:
        """Devices of this person that they have not signed: forgotten ones, or a ghost's."""
        person = self._persons.get(user_id)
        return frozenset(person.unsigned) if person else frozenset()

    def sessions(self, user_id: str) -> Sessions:
        """How many sessions of this person get keys, and how many don't, after `prepare`."""
        shown = [one for one in self._devices(user_id) if not one.deleted]
        given = [one for one in shown if one.trust_state in MAY_HAVE_KEYS]
        reason = self.left_out.get(user_id, "")
        return Sessions(len(given), len(shown) - len(given), reason)

    def invalidate(self, user_ids: Iterable[str]) -> None:
        """Ask again about these people: the server said that their devices changed."""
        gone = set(user_ids)
        self._fresh -= gone
        self._asked -= gone  # the answer under way may be older than the change

    def master_key(self, user_id: str) -> str | None:
        """The identity that the server shows for this person, for people to compare."""
        person = self._persons.get(user_id)
        return person.master_key if person else None

    async def accept(self, user_id: str, *, master_key: str) -> bool:
        """Take a changed identity for this person's own; False if it isn't the one shown now."""
        await self.prepare([user_id])  # after a restart nothing is known of them yet
        if user_id not in self._changed or self.master_key(user_id) != master_key:
            return False
        await self._identities.replace_identity(user_id, master_key)
        self.invalidate([user_id])
        await self.prepare([user_id])
        return user_id not in self._changed

    async def prepare(self, user_ids: Collection[str]) -> None:
        """Settle for every device of these people whether it may have keys.

        Call it with everybody in the room before a Megolm session is shared there. Asks the
        server only about people who are new or were invalidated; raises HomeserverError where
        it doesn't answer, and then nothing may be sent.
        """
        if not self._fresh.issuperset(user_ids):
            async with self._asking:
                await self._ask(set(user_ids) - self._fresh)

    async def _ask(self, user_ids: set[str]) -> None:
        if not user_ids:
            return
        self._asked = set(user_ids)
        answer = await query_keys(self._server, user_ids)
        for user_id in user_ids:
            await self._settle(user_id, answer)
            await asyncio.sleep(0)  # a large room must not hold up the others
        self._fresh |= self._asked

    async def _settle(self, user_id: str, answer: dict[str, Any]) -> None:
        before = self._standing(user_id)
        if is_answered(user_id, answer):
            person = read_person(user_id, answer)
            reason = await self._reason(person)
            self._persons[user_id] = person
            # From here on nothing yields: nio must not share with devices not yet judged.
            await self._client.receive_response(clean_response(user_id, answer))
            self._unreachable.discard(user_id)
        else:
            self._unreachable.add(user_id)
            loop = asyncio.get_running_loop()
            loop.call_later(UNREACHABLE_SECONDS, self.invalidate, [user_id])
            proved = any(device.verified for device in self._devices(user_id))
            reason = None if proved else Reason.UNREACHABLE
        self._reasons.pop(user_id, None)
        if reason:
            self._reasons[user_id] = reason
        with self._client.store.database.atomic():  # or each device costs a write to the disk
            for device in self._devices(user_id):
                self._tell_nio(device)
        if self._standing(user_id) != before:
            self._drop_sessions(user_id)

    def _devices(self, user_id: str) -> list[OlmDevice]:
        return list(self._client.device_store[user_id].values())

    def _standing(self, user_id: str) -> set[tuple[str, TrustState, bool]]:
        return {(one.id, one.trust_state, one.deleted) for one in self._devices(user_id)}

    async def _reason(self, person: Person) -> Reason | None:
        """Why this person gets no keys; remembers an identity that is used the first time."""
        user_id = person.user_id
        known = self._own.get(user_id) or await self._identities.identity(user_id)
        changed = None not in (known, person.master_key) and known != person.master_key
        (self._changed.add if changed else self._changed.discard)(user_id)
        if person.master_key is None:
            return Reason.NO_IDENTITY
        if person.self_signing_key is None:
            return Reason.BROKEN_IDENTITY
        if changed:
            return Reason.IDENTITY_CHANGED
        if not person.signed:
            return Reason.NO_SIGNED_DEVICE
        if known is None:
            await self._identities.remember_identity(user_id, person.master_key)
        return None

    def _tell_nio(self, device: OlmDevice) -> None:
        if (device.user_id, device.id) == (self._client.user_id, self._client.device_id):
            return
        person = self._persons.get(device.user_id)
        if person and (device.id in person.signed or device.id in person.unsigned):
            device.deleted = False  # nio never takes a device back that was once missing
        wanted = self._wanted(device, person)
        if device.trust_state is not wanted:
            self._setters[wanted](device)

    def _wanted(self, device: OlmDevice, person: Person | None) -> TrustState:
        if self._everybody:
            return TrustState.ignored  # gets keys without being called verified
        if device.user_id in self._reasons:
            return TrustState.blacklisted
        if person is None:  # their server doesn't answer: what was proved before still holds
            return TrustState.verified if device.verified else TrustState.blacklisted
        signed = person.signed.get(device.id) == _keys(device)
        return TrustState.verified if signed else TrustState.blacklisted

    def _drop_sessions(self, user_id: str) -> None:
        """Make nio begin new sessions wherever this person reads: who has the old ones changed.

        nio does so too, but spares a session that is being shared at this moment.
        """
        sessions = self._client.olm.outbound_group_sessions
        for room_id, session in list(sessions.items()):
            room = self._client.rooms.get(room_id)
            known_to = session.users_shared_with | session.users_ignored
            reads = (room and user_id in room.users) or any(user == user_id for user, _ in known_to)
            if reads or not session.shared:
                del sessions[room_id]


def _keys(device: OlmDevice) -> DeviceKeys:
    """The device as nio has it: under an old name the server may show new keys, nio does not."""
    return DeviceKeys(device.user_id, device.id, device.ed25519, device.curve25519)


def clean_response(user_id: str, answer: dict[str, Any]) -> KeysQueryResponse:
    """The answer about one person as nio can read it: nio raises on malformed devices."""
    devices = {
        device_id: {**device, "unsigned": {"device_display_name": _display_name(device)}}
        for device_id, device in device_payloads(user_id, answer).items()
        if read_device(user_id, device_id, device)
    }
    return KeysQueryResponse({user_id: devices}, {})


def _display_name(device: dict[str, Any]) -> str:
    unsigned = device.get("unsigned")
    name = unsigned.get("device_display_name") if isinstance(unsigned, dict) else None
    return name.encode(errors="replace").decode() if isinstance(name, str) else ""
