"""Vectors of texts from the gateway: one short request, and nothing but vectors comes back."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from bot.errors import GatewayError
from bot.gateway_faults import Fault, FaultError, Kind
from bot.gateway_patience import Breaker
from bot.gateway_wire import encodable

_MOST_NUMBERS = 16_384  # of one vector; no model gives more

Post = Callable[[dict[str, Any]], Awaitable[object]]
"""Sends a request's body to /embeddings; raises FaultError."""


class Embeddings:
    """Asks for vectors. It has a breaker of its own: chats go on where this doesn't work."""

    def __init__(
        self,
        model: str,
        *,
        admit: Callable[[str], None],
        where: str,
        post: Post,
        log: Callable[[Fault], None],
        clock: Callable[[], float],
    ) -> None:
        self.model = model
        self._admit = admit
        self._where = where
        self._post = post
        self._log = log
        self._clock = clock
        self._breaker = Breaker()

    async def of(
        self, texts: Sequence[str], privacy: Mapping[str, Any], *, seconds: float
    ) -> list[list[float]]:
        """One vector a text, all of the same length; asked for once, within so many seconds."""
        body = {"model": self.model, "input": [encodable(text) for text in texts], **privacy}
        try:
            self._admit(self.model)
            self._breaker.admit(self._clock())
            vectors = await self._asked(body, len(texts), seconds)
        except FaultError as error:
            fault = error.fault
        else:
            self._breaker.note(None, self._clock())
            return vectors
        if fault.kind is not Kind.RESTING:
            self._breaker.note(fault, self._clock())
            self._log(fault)
        raise GatewayError(fault.sentence(self._where, self.model))

    async def _asked(self, body: dict[str, Any], count: int, seconds: float) -> list[list[float]]:
        try:
            async with asyncio.timeout(seconds):
                return vectors_in(await self._post(body), count)
        except TimeoutError:
            raise FaultError(Fault(Kind.SILENT)) from None
        except ValueError:
            raise FaultError(Fault(Kind.GARBLED)) from None


def vectors_in(answer: object, count: int) -> list[list[float]]:
    """The vectors of an answer in the order of the texts. ValueError if it is anything else."""
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, list) or len(data) != count:
        raise ValueError("not as many vectors as texts")
    found = dict(_numbered(place, entry) for place, entry in enumerate(data))
    if found.keys() != set(range(count)):
        raise ValueError("vectors of no text")
    vectors = [found[place] for place in range(count)]
    if len({len(vector) for vector in vectors}) > 1:
        raise ValueError("vectors of several lengths")
    return vectors


def _numbered(place: int, entry: object) -> tuple[int, list[float]]:
    """A vector and the place of its text; some servers leave the index out."""
    if not isinstance(entry, dict):
        raise ValueError("no vector")
    index, values = entry.get("index", place), entry.get("embedding")
    if type(index) is not int or not isinstance(values, list):
        raise ValueError("no vector")
    if not 0 < len(values) <= _MOST_NUMBERS or not all(map(_is_number, values)) or not any(values):
        raise ValueError("no vector")
    return index, [float(value) for value in values]


def _is_number(value: object) -> bool:
    """Whether it is a number of a sane size: infinity is larger, and NaN smaller than nothing."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30
