"""A verification under way, and the steps of the other side that it is made of."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.matrix.events import ClearEvent
from bot.matrix.sas import Sas
from bot.matrix.untrusted import member, number, text
from bot.messages import Comparison, Device

KIND = "m.key.verification."
SECONDS = 600.0  # that a verification may take (Matrix spec)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the other side; `room_id` is empty between devices."""

    kind: str
    sender: str
    room_id: str
    transaction_id: str
    content: Mapping[str, Any]


@dataclass(slots=True)
class Flow:
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
    answered: bool = False  # somebody said what they saw: another word comes too late
    agreed: bool = False  # they saw the same emoji on both sides, and so our keys are vouched for
    proved: frozenset[str] | None = None  # their keys, once their MACs are right
    accepted: bool = False  # it was another identity than the one remembered


def step_in_room(event: ClearEvent, *, me: str) -> Step | None:
    """What an event of a room is in a verification; None where it is none, or an old request."""
    kind, transaction_id, recent = event.type, text(event.relation, "event_id"), True
    if event.type == "m.room.message":
        kind = text(event.content, "msgtype") if text(event.content, "to") == me else ""
        transaction_id = event.event_id
        recent = abs(time.time() - event.sent_at.timestamp()) < SECONDS
    if not kind.startswith(KIND) or not recent:
        return None
    return Step(kind, event.sender, event.room_id, transaction_id, event.content)


def step_to_device(event: Mapping[str, Any]) -> Step | None:
    """What a message between devices is in a verification; None for an old request."""
    content = member(event, "content")
    if not isinstance(content, dict):
        return None
    age = int(time.time() * 1000) - number(content, "timestamp")  # integers have no bounds
    sender, kind = text(event, "sender"), text(event, "type")
    if kind == f"{KIND}request" and abs(age) >= SECONDS * 1000:
        return None
    return Step(kind, sender, "", text(content, "transaction_id"), content)
