"""Whether a gateway answers and knows a model, in one sentence, for `confidant doctor`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.errors import GatewayError
from bot.gateway_faults import FaultError, Kind
from bot.gateway_wire import lists_model

_CONCLUSIVE = frozenset(
    {Kind.UNREACHABLE, Kind.SILENT, Kind.CERTIFICATE, Kind.REDIRECT, Kind.WITHHELD, Kind.KEY}
)


@dataclass(frozen=True, slots=True)
class Check:
    """What `confidant doctor` says about the gateway."""

    ok: bool
    sentence: str


async def check(
    model: str,
    where: str,
    *,
    listing: Callable[[], Awaitable[object]],
    word: Callable[[], Awaitable[object]],
) -> Check:
    """Look for the model in the list; some list nothing, or not everything: ask for one word."""
    known = f"The model gateway at {where} answers and knows the model “{model}”."
    try:
        if lists_model(await listing(), model):
            return Check(True, known)
    except FaultError as error:
        if error.fault.kind in _CONCLUSIVE:
            return Check(False, error.fault.sentence(where, model))
    try:
        await word()
    except GatewayError as error:
        return Check(False, str(error))
    return Check(True, known)
