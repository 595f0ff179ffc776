"""What a gateway really is: where connections to it end, and what its program says about itself."""

import logging
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bot.config import Gateway as Settings
from bot.errors import GatewayError
from bot.evidence import Observation, is_near
from bot.gateway_faults import Fault, FaultError, Kind
from bot.gateway_policy import PRESETS, is_cloud_model

log = logging.getLogger(__name__)

_SECONDS = 4.0  # for one question


@dataclass(frozen=True, slots=True)
class Question:
    """Something that a gateway's program can be asked about itself: by the path of an address, or
    by the name of a `model` and nothing else. No word of any person has a place in it."""

    path: str
    model: str = ""

    @property
    def body(self) -> dict[str, str] | None:
        """What is posted, None where the path alone asks."""
        return {"model": self.model} if self.model else None


def questions(settings: Settings, path: str) -> tuple[Question, ...]:
    """What this gateway is asked; `path` is that of its API, as in "/v1".

    The list of models comes last: it tells nothing that matters, but where the connection ends.
    """
    asked = (*_about(settings, path.removesuffix("/v1"), path), Question(f"{path}/models"))
    return tuple(dict.fromkeys(asked))


def _about(settings: Settings, root: str, path: str) -> Iterator[Question]:
    match settings.preset:
        case "llamacpp":
            yield Question(f"{root}/props")
            yield Question(f"{root}/slots")
        case "vllm":
            yield Question(f"{root}/version")
        case "litellm":
            yield Question(f"{root}/health/readiness")
        case "openrouter":
            yield Question(f"{path}/endpoints/zdr")
        case _ if settings.preset == "ollama" or settings.runs_here:
            for model in filter(None, (settings.model, settings.embedding_model)):
                yield Question(f"{root}/api/show", model)


Ask = Callable[[Question, float], Awaitable[object]]
"""Asks a question within so many seconds; raises FaultError."""


class Watch:
    """Keeps what is seen of one gateway, and lets no request pass that it shows to be betrayed."""

    def __init__(self, settings: Settings, path: str, *, now: Callable[[], datetime]) -> None:
        """`path` is that of the gateway's API, as in "/v1"."""
        self.questions = questions(settings, path)
        self._settings = settings
        self._models = tuple(filter(None, (settings.model, settings.embedding_model)))
        self._now = now
        self.observation = Observation(elsewhere=frozenset(filter(is_cloud_model, self._models)))
        self._ends: set[str] = set()  # of the connections since the last look began

    def connected(self, address: str) -> None:
        """Note where a connection ended that a request was answered on."""
        seen = self.observation
        self._ends.add(address)
        self.observation = replace(
            seen,
            address=address,
            connected_at=self._now(),
            strayed=seen.strayed or not is_near(address),
        )

    def admit(self, model: str) -> None:
        """Let a request for this model pass; FaultError where it would go who knows where."""
        if PRESETS[self._settings.preset].refuses(model):
            raise FaultError(Fault(Kind.WITHHELD))
        if kind := self._broken(model):
            raise FaultError(Fault(kind))

    async def look(self, ask: Ask, where: str) -> None:
        """Ask the gateway's program about itself; what it doesn't answer is not known any more.

        Raises GatewayError where that shows that what the operator promised does not hold: then
        nothing is sent there any more, until another look shows that it does.
        """
        seen = Observation(elsewhere=frozenset(filter(is_cloud_model, self._models)))
        self._ends.clear()
        for question in self.questions:
            try:
                answer = await ask(question, _SECONDS)
            except FaultError as error:
                if error.fault.status is None:  # no answer; a refusal is one
                    continue
                answer = None
            learned = _learned(seen, question, answer, self._settings.model)
            if learned != seen:
                seen = replace(learned, asked_at=self._now())
        self._keep(seen)
        for model in self._models:
            if kind := self._broken(model):
                address = self.observation.address
                log.error("nothing is sent to %s (%s, %s): %s", where, kind, model, address)
                raise GatewayError(Fault(kind).sentence(where, model))

    def _keep(self, told: Observation) -> None:
        """Keep what the program said beside what the connections show.

        A model that it called another machine's stays one while it says nothing of it. Where
        connections strayed, they still do until all those of a look end nearby.
        """
        seen = self.observation
        strayed = not all(map(is_near, self._ends)) if self._ends else seen.strayed
        self.observation = replace(
            told,
            address=seen.address,
            connected_at=seen.connected_at,
            strayed=strayed,
            elsewhere=told.elsewhere | (seen.elsewhere - told.here),
        )

    def _broken(self, model: str) -> Kind | None:
        """How it shows that the operator's settings promise a model nearby, and this is none."""
        seen, near = self.observation, self._settings.runs_here
        if model in seen.elsewhere and (near or self._settings.preset == "ollama"):
            return Kind.ELSEWHERE
        return Kind.STRAYED if near and seen.strayed else None


def _learned(seen: Observation, question: Question, answer: object, model: str) -> Observation:
    """What is known with this answer to a question; anything may stand in an answer."""
    last = question.path.rpartition("/")[2]
    if last == "slots":  # refused where it is off; and what it shows where it is on, nobody needs
        unsaid = seen.shows_work is None
        return replace(seen, shows_work=answer is not None) if unsaid else seen
    if not isinstance(answer, dict):
        return seen
    match last:
        case "show":
            return _of_model(seen, question.model, answer)
        case "props" if isinstance(shows := answer.get("endpoint_slots"), bool):
            return replace(seen, shows_work=shows)
        case "zdr":
            return replace(seen, zero_retention=_is_listed(answer, model))
    return seen


def _of_model(seen: Observation, model: str, answer: Mapping[str, Any]) -> Observation:
    """Ollama names the host on which a model runs that isn't its own."""
    if answer.get("remote_host") or answer.get("remote_model"):
        return replace(seen, elsewhere=seen.elsewhere | {model}, here=seen.here - {model})
    if not isinstance(answer.get("details"), dict):  # not an answer of Ollama's
        return seen
    return replace(seen, here=seen.here | ({model} - seen.elsewhere))


def _is_listed(answer: Mapping[str, Any], model: str) -> bool | None:
    """Whether OpenRouter lists a provider for the model that keeps nothing, if it lists any."""
    listed = answer.get("data")
    names = [_name(one) for one in listed if isinstance(one, dict)] if listed else []
    return re.sub(r":\w+$", "", model) in names if any(names) else None


def _name(endpoint: Mapping[str, Any]) -> str:
    """The model of an endpoint; older answers have it only in "Provider | model"."""
    name = endpoint.get("model_id") or str(endpoint.get("name", "")).rpartition("| ")[2]
    return name if isinstance(name, str) else ""
