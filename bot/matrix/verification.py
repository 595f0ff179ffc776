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
from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

from bot.errors import ConfigError, HomeserverError
from bot.matrix.chains import read_person
from bot.matrix.device import OpenDevice
from bot.matrix.events import ClearEvent
from bot.matrix.http import TokenRevokedError, path
from bot.matrix.keyserver import query_keys
from bot.matrix.sas import METHOD, Cancelled, Party, Sas
from bot.matrix.sender import Sender
from bot.matrix.trust import Trust
from bot.matrix.untrusted import items, text
from bot.matrix.verification_flow import (
    KIND,
    SECONDS,
    Flow,
    Step,
    step_in_room,
    step_to_device,
)
from bot.matrix.vouching import vouch
from bot.messages import Comparison, Device, Standing

MOST = 20  # at once
WAITING = 200  # messages that wait to be handled; more are dropped
UNSIGNED = "the homeserver did not take my signature; please begin again"
UNASKED = "My operators can't be asked to compare at this moment; please tell them."
LOOK = 15.0  # seconds between two looks for what has taken too long

Json = Mapping[str, Any]

_log = logging.getLogger(__name__)


class Comparing(Protocol):
    """Who may verify the bot, and who compares."""

    def may(self, user_id: str) -> bool:
        """Whether this person is answered at all."""
        ...

    async def ask(self, comparison: Comparison) -> None:
        """Have somebody compare; the answer comes to `Verifications.compared`.

        ConfigError where there is no fit place to ask.
        """
        ...

    async def ended(
        self, comparison: Comparison, *, verified: bool, reason: str, accepted: bool
    ) -> None:
        """Say how it ended, and whether a changed identity was taken for the person's own."""
        ...

    async def accepts(self, comparison: Comparison) -> None:
        """Record that a changed identity is about to be taken for the person's own."""
        ...


class Verifications:
    """All verifications under way; `run` is the task that carries them on."""

    def __init__(self, device: OpenDevice, sender: Sender, trust: Trust) -> None:
        self._device = device
        self._sender = sender
        self._trust = trust
        self._flows: dict[str, Flow] = {}
        self._steps: asyncio.Queue[Step | tuple[Flow, bool]] = asyncio.Queue(WAITING)
        device.guard.on_verification = self._take_to_device

    def watch(self, event: ClearEvent) -> None:
        """See an event of a room; what is no verification is none of ours."""
        self._take(step_in_room(event, me=self._device.session.user_id))

    async def compared(self, number: int, *, same: bool) -> bool:
        """Somebody compared the emoji of this verification; whether one waited for that.

        What comes of it is told when it has ended.
        """
        flow = next((one for one in self._flows.values() if one.number == number), None)
        if flow is None or flow.asked is None or flow.answered:
            return False
        flow.answered = True
        await self._steps.put((flow, same))
        return True

    async def run(self, comparing: Comparing) -> None:
        """Carry on whatever comes, one step after the other."""
        while True:
            step = await self._next()
            await self._tried(self._expire(comparing))
            if isinstance(step, Step):
                await self._tried(self._message(step, comparing))
            elif step is not None:
                flow, same = step
                await self._tried(self._answer(flow, same=same, comparing=comparing))

    async def _next(self) -> Step | tuple[Flow, bool] | None:
        try:
            async with asyncio.timeout(LOOK):
                return await self._steps.get()
        except TimeoutError:
            return None

    async def _tried(self, going_on: Awaitable[None]) -> None:
        try:
            await going_on
        except TokenRevokedError:
            raise
        except (HomeserverError, ConfigError) as error:
            _log.warning("a verification did not go on: %s", error)

    def _take_to_device(self, event: Json) -> None:
        self._take(step_to_device(event))

    def _take(self, step: Step | None) -> None:
        if step is not None and step.transaction_id and not self._steps.full():
            self._steps.put_nowait(step)

    async def _message(self, message: Step, comparing: Comparing) -> None:
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

    async def _request(self, message: Step, comparing: Comparing) -> None:
        device_id = text(message.content, "from_device")
        known = METHOD in items(message.content, "methods")
        again = message.transaction_id in self._flows or len(self._flows) >= MOST
        if again or not (known and device_id and comparing.may(message.sender)):
            return
        newer = Cancelled("m.user", "You have begun another verification.")
        for older in [one for one in self._flows.values() if one.user_id == message.sender]:
            await self._cancel(older, newer, comparing)
        flow = Flow(
            number=secrets.randbelow(900_000) + 100_000,  # an old answer, sent again, must not fit
            user_id=message.sender,
            device_id=device_id,
            room_id=message.room_id,
            transaction_id=message.transaction_id,
            begun=time.monotonic(),
            asking=await self._changed(message.sender, device_id),
        )
        self._flows[flow.transaction_id] = flow
        ready = {"from_device": self._device.session.device_id, "methods": [METHOD]}
        await self._send(flow, "ready", ready)

    async def _changed(self, user_id: str, device_id: str) -> Device | None:
        await self._trust.prepare([user_id])
        changed = self._trust.standing(user_id, device_id) is Standing.CHANGED
        return Device(user_id, device_id) if changed else None

    async def _step(self, flow: Flow, kind: str, content: Json, comparing: Comparing) -> None:
        match kind:
            case "start" if flow.sas is None:
                us, them = await self._parties(flow)
                flow.sas = Sas(flow.transaction_id, us, them, content)
                await self._send(flow, "accept", flow.sas.accept())
            case "key" if flow.sas is not None:
                await self._send(flow, "key", flow.sas.receive_key(content))
                await self._ask(flow, flow.sas, comparing)
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

    async def _ask(self, flow: Flow, sas: Sas, comparing: Comparing) -> None:
        flow.asked = Comparison(flow.number, flow.user_id, flow.room_id, sas.emoji, sas.numbers)
        try:
            await comparing.ask(flow.asked)
        except ConfigError as error:
            _log.error("nobody is asked to compare in a verification. %s", error)
            flow.asked = None  # and so nobody is told how it ends
            raise Cancelled("m.user", UNASKED) from None

    async def _answer(self, flow: Flow, *, same: bool, comparing: Comparing) -> None:
        if self._flows.get(flow.transaction_id) is not flow or flow.sas is None:
            return None  # it ended meanwhile, and how was told
        if not same:
            differ = Cancelled("m.mismatched_sas", "The emoji are not the same.")
            return await self._cancel(flow, differ, comparing)
        flow.agreed = True
        await self._send(flow, "mac", flow.sas.mac())
        return await self._finish(flow, comparing)

    async def _finish(self, flow: Flow, comparing: Comparing) -> None:
        """Both sides have vouched for their keys: believe, sign and say so."""
        if not flow.agreed or flow.proved is None:
            return None
        try:
            own = self._device.identity_file.load(self._device.session.user_id)
            answer = await query_keys(self._device.http, [flow.user_id])
            master = read_person(flow.user_id, answer).master_key
            if own is not None and master is not None and master in flow.proved:
                # Believing first: memory waits for it; our signature only tells our other clients.
                await self._accept(flow, master, comparing)
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

    async def _accept(self, flow: Flow, master_key: str, comparing: Comparing) -> None:
        """Take a changed identity for the person's own, once it is on the record."""
        await self._trust.prepare([flow.user_id])
        if flow.asked is not None and flow.user_id in self._trust.changed:
            await comparing.accepts(flow.asked)
            flow.accepted = await self._trust.accept(flow.user_id, master_key=master_key)

    async def _parties(self, flow: Flow) -> tuple[Party, Party]:
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

    async def _cancel(self, flow: Flow, why: Cancelled, comparing: Comparing) -> None:
        del self._flows[flow.transaction_id]
        try:
            await self._tell(flow, comparing, why.reason)
        finally:  # whether operators hear it or not
            await self._send(flow, "cancel", {"code": why.code, "reason": why.reason})

    async def _tell(self, flow: Flow, comparing: Comparing, why: str = "") -> None:
        if flow.asked is not None:
            await comparing.ended(flow.asked, verified=not why, reason=why, accepted=flow.accepted)

    async def _send(self, flow: Flow, kind: str, content: Json) -> None:
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
