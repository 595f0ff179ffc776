"""Verification by emoji that somebody begins with the bot, in a room or between devices.

The bot answers and shows its emoji to whoever `Comparing` asks, its operators. Only when one of
them has said that the other side sees the same does it vouch for its keys: what a program finds
equal by itself proves nothing, and what it shows in the same room can be changed on the way.
"""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bot.errors import HomeserverError
from bot.matrix.chains import read_person
from bot.matrix.device import OpenDevice
from bot.matrix.events import ClearEvent
from bot.matrix.http import TokenRevokedError, path
from bot.matrix.keyserver import query_keys
from bot.matrix.sas import METHOD, Cancelled, Party, Sas
from bot.matrix.sender import Sender
from bot.matrix.trust import Trust
from bot.matrix.untrusted import items, member, number, text
from bot.matrix.vouching import vouch
from bot.messages import Comparison, Device, Standing

KIND = "m.key.verification."
SECONDS = 600.0  # that a verification may take (Matrix spec)
MOST = 20  # at once
WAITING = 200  # messages that wait to be handled; more are dropped
UNSIGNED = "the homeserver did not take my signature; please begin again"
LOOK = 15.0  # seconds between two looks for what has taken too long

Json = Mapping[str, Any]

_log = logging.getLogger(__name__)


class Comparing(Protocol):
    """Who may verify the bot, and who compares."""

    def may(self, user_id: str) -> bool:
        """Whether this person is answered at all."""
        ...

    async def ask(self, comparison: Comparison) -> None:
        """Have somebody compare; the answer comes to `Verifications.compared`."""
        ...

    async def ended(
        self, comparison: Comparison, *, verified: bool, reason: str, accepted: bool
    ) -> None:
        """Say how it ended, and whether a changed identity was taken for the person's own."""
        ...

    async def unknown(self, number: int) -> None:
        """Say that no verification waits for an answer under this number."""
        ...


@dataclass(frozen=True, slots=True)
class _Message:
    """One step of the other side; `room_id` is empty between devices."""

    kind: str
    sender: str
    room_id: str
    transaction_id: str
    content: Json


@dataclass(slots=True)
class _Flow:
    """One verification, from its request on."""

    number: int
    user_id: str
    device_id: str
    room_id: str
    transaction_id: str
    begun: float
    asking: Device | None  # of a changed identity: it gets no keys, and has to read this
    sas: Sas | None = None
    asked: Comparison | None = None
    agreed: bool = False  # somebody saw the same emoji on both sides
    proved: frozenset[str] | None = None  # their keys, once their MACs are right
    accepted: bool = False  # it was another identity than the one remembered


class Verifications:
    """All verifications under way; `run` is the task that carries them on."""

    def __init__(self, device: OpenDevice, sender: Sender, trust: Trust) -> None:
        self._device = device
        self._sender = sender
        self._trust = trust
        self._flows: dict[str, _Flow] = {}
        self._steps: asyncio.Queue[_Message | tuple[int, bool]] = asyncio.Queue(WAITING)
        device.guard.on_verification = self._take_to_device

    def watch(self, event: ClearEvent) -> None:
        """See an event of a room; what is no verification is none of ours."""
        if event.type == "m.room.message":
            asks_us = text(event.content, "to") == self._device.session.user_id
            kind = text(event.content, "msgtype") if asks_us else ""
            transaction_id = event.event_id
            recent = abs(time.time() - event.sent_at.timestamp()) < SECONDS
        else:
            kind, recent = event.type, True
            transaction_id = text(event.relation, "event_id")
        if kind.startswith(KIND) and recent:
            self._take(_Message(kind, event.sender, event.room_id, transaction_id, event.content))

    def compared(self, number: int, *, same: bool) -> None:
        """Somebody compared the emoji of this verification."""
        if not self._steps.full():
            self._steps.put_nowait((number, same))

    async def run(self, comparing: Comparing) -> None:
        """Carry on whatever comes, one step after the other."""
        while True:
            try:
                async with asyncio.timeout(LOOK):
                    step = await self._steps.get()
            except TimeoutError:
                step = None
            try:
                await self._expire(comparing)
                if isinstance(step, _Message):
                    await self._message(step, comparing)
                elif step is not None:
                    await self._answer(step, comparing)
            except TokenRevokedError:
                raise
            except HomeserverError as error:
                _log.warning("a verification did not go on: %s", error)

    def _take_to_device(self, event: Json) -> None:
        content = member(event, "content")
        if not isinstance(content, dict):
            return
        age = int(time.time() * 1000) - number(content, "timestamp")  # integers have no bounds
        is_request = text(event, "type") == f"{KIND}request"
        if is_request and abs(age) >= SECONDS * 1000:
            return
        sender, kind = text(event, "sender"), text(event, "type")
        self._take(_Message(kind, sender, "", text(content, "transaction_id"), content))

    def _take(self, message: _Message) -> None:
        if message.transaction_id and not self._steps.full():
            self._steps.put_nowait(message)

    async def _message(self, message: _Message, comparing: Comparing) -> None:
        kind, own = message.kind.removeprefix(KIND), self._device.session.user_id
        flow = self._flows.get(message.transaction_id)
        if message.sender == own:
            by_us = text(message.content, "from_device") == self._device.session.device_id
            if flow and kind == "ready" and not by_us:
                del self._flows[message.transaction_id]  # another device of ours answers
            return
        if kind == "request":
            await self._request(message, comparing)
        elif flow and (flow.user_id, flow.room_id) == (message.sender, message.room_id):
            try:
                await self._step(flow, kind, message.content, comparing)
            except Cancelled as cancelled:
                await self._cancel(flow, cancelled, comparing)

    async def _request(self, message: _Message, comparing: Comparing) -> None:
        device_id = text(message.content, "from_device")
        known = METHOD in items(message.content, "methods")
        again = message.transaction_id in self._flows or len(self._flows) >= MOST
        if again or not (known and device_id and comparing.may(message.sender)):
            return
        newer = Cancelled("m.user", "You have begun another verification.")
        for older in [one for one in self._flows.values() if one.user_id == message.sender]:
            await self._cancel(older, newer, comparing)
        named = secrets.randbelow(900_000) + 100_000  # an old answer, sent again, must not fit
        place = (message.sender, device_id, message.room_id, message.transaction_id)
        asking = await self._changed(message.sender, device_id)
        flow = _Flow(named, *place, time.monotonic(), asking)
        self._flows[flow.transaction_id] = flow
        ready = {"from_device": self._device.session.device_id, "methods": [METHOD]}
        await self._send(flow, "ready", ready)

    async def _changed(self, user_id: str, device_id: str) -> Device | None:
        await self._trust.prepare([user_id])
        changed = self._trust.standing(user_id, device_id) is Standing.CHANGED
        return Device(user_id, device_id) if changed else None

    async def _step(self, flow: _Flow, kind: str, content: Json, comparing: Comparing) -> None:
        match kind:
            case "start" if flow.sas is None:
                us, them = await self._parties(flow)
                flow.sas = Sas(flow.transaction_id, us, them, content)
                await self._send(flow, "accept", flow.sas.accept())
            case "key" if flow.sas is not None:
                await self._send(flow, "key", flow.sas.receive_key(content))
                shown = (flow.sas.emoji, flow.sas.numbers)
                flow.asked = Comparison(flow.number, flow.user_id, flow.room_id, *shown)
                await comparing.ask(flow.asked)
            case "mac" if flow.sas is not None and flow.proved is None:
                flow.proved = flow.sas.check(content)
                await self._finish(flow, comparing)
            case "cancel":
                del self._flows[flow.transaction_id]
                code = text(content, "code")
                why = code if re.fullmatch(r"[a-z._]{1,40}", code) else "without a reason"
                await self._tell(flow, comparing, f"they ended it ({why})")
            case "done":
                pass  # it may come before an operator has answered, and decides nothing
            case _:
                raise Cancelled("m.unexpected_message", "That step was not expected now.")

    async def _answer(self, answer: tuple[int, bool], comparing: Comparing) -> None:
        number, same = answer
        flow = next((one for one in self._flows.values() if one.number == number), None)
        if flow is None or flow.sas is None or flow.asked is None or flow.agreed:
            await comparing.unknown(number)
        elif same:
            flow.agreed = True
            await self._send(flow, "mac", flow.sas.mac())
            await self._finish(flow, comparing)
        else:
            differ = Cancelled("m.mismatched_sas", "The emoji are not the same.")
            await self._cancel(flow, differ, comparing)

    async def _finish(self, flow: _Flow, comparing: Comparing) -> None:
        """Both sides have vouched for their keys: believe, sign and say so."""
        if not flow.agreed or flow.proved is None:
            return None
        try:
            own = self._device.identity_file.load(self._device.session.user_id)
            answer = await query_keys(self._device.http, [flow.user_id])
            master = read_person(flow.user_id, answer).master_key
            if own is not None and master is not None and master in flow.proved:
                # Believing first: memory waits for it; our signature only tells our other clients.
                flow.accepted = await self._trust.accept(flow.user_id, master_key=master)
                shown = answer["master_keys"][flow.user_id]
                await vouch(self._device.http, own, flow.user_id, shown, master_key=master)
        except TokenRevokedError:
            raise
        except HomeserverError as error:
            _log.warning("a verification could not be finished: %s", error)
            return await self._cancel(flow, Cancelled("m.user", UNSIGNED), comparing)
        del self._flows[flow.transaction_id]
        try:
            await self._send(flow, "done", {})
        finally:  # whether they hear it or not
            await self._tell(flow, comparing)

    async def _parties(self, flow: _Flow) -> tuple[Party, Party]:
        own = self._device.own.keys
        identity = self._device.identity_file.load(own.user_id)
        us = Party(
            own.user_id, own.device_id, own.ed25519, identity.master.public if identity else ""
        )
        person = read_person(flow.user_id, await query_keys(self._device.http, [flow.user_id]))
        devices = {**person.unsigned, **person.signed}
        if flow.device_id not in devices:
            raise Cancelled("m.key_mismatch", "I don't see the device that you verify with.")
        ed25519 = devices[flow.device_id].ed25519
        return us, Party(flow.user_id, flow.device_id, ed25519, person.master_key or "")

    async def _expire(self, comparing: Comparing) -> None:
        late = Cancelled("m.timeout", "It took too long.")
        for flow in list(self._flows.values()):
            if time.monotonic() - flow.begun >= SECONDS:
                await self._cancel(flow, late, comparing)

    async def _cancel(self, flow: _Flow, why: Cancelled, comparing: Comparing) -> None:
        del self._flows[flow.transaction_id]
        await self._tell(flow, comparing, why.reason)
        await self._send(flow, "cancel", {"code": why.code, "reason": why.reason})

    async def _tell(self, flow: _Flow, comparing: Comparing, why: str = "") -> None:
        if flow.asked is not None:
            await comparing.ended(flow.asked, verified=not why, reason=why, accepted=flow.accepted)

    async def _send(self, flow: _Flow, kind: str, content: Json) -> None:
        transaction_id = secrets.token_hex(16)
        if flow.room_id:
            relation = {"rel_type": "m.reference", "event_id": flow.transaction_id}
            related = {**content, "m.relates_to": relation}
            await self._sender.verification(
                flow.room_id,
                KIND + kind,
                related,
                transaction_id=transaction_id,
                also_for=flow.asking,
            )
            return
        sent = {**content, "transaction_id": flow.transaction_id}
        target = path("sendToDevice", KIND + kind, transaction_id)
        messages = {"messages": {flow.user_id: {flow.device_id: sent}}}
        await self._device.http.call("PUT", target, messages)
