"""The OpenAI-compatible gateway: one streamed call, our own patience, and nothing sent in vain.

The only file that imports openai, and it does so when a Gateway is made: that takes half a second.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from bot.completions import ChatMessage, Completion, Tool
from bot.errors import ConfigError, GatewayError
from bot.evidence import Observation
from bot.gateway_check import Check, check
from bot.gateway_embeddings import Embeddings
from bot.gateway_evidence import Question, Watch
from bot.gateway_faults import Fault, FaultError, Kind, connection_kind, fault_of
from bot.gateway_http import Rules, arriving, chunks_of, departing, status_in
from bot.gateway_patience import Ask, Breaker, Patience, next_try
from bot.gateway_policy import PRESETS, extra_body, person_id
from bot.gateway_wire import Answer

if TYPE_CHECKING:
    import openai

    from bot.config import Gateway as Settings

log = logging.getLogger(__name__)

_LISTING = 20.0  # seconds for the list of models, which no server has to think about
_END = object()


class Gateway:
    """One configured gateway; many answers may stream at once."""

    def __init__(
        self,
        settings: "Settings",
        *,
        base_url: str,
        person_key: bytes = b"",
        patience: Patience = Patience(),  # noqa: B008  frozen, so it can be shared
        breaker: Breaker | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`base_url` is the settings' own, or the address of what "builtin" there stands for.

        `person_key` makes the ids under which a gateway may tell people apart; without one they
        change at every start.
        """
        builtin = base_url != settings.base_url
        parts = urlsplit(base_url)
        self.host = settings.base_url if builtin else (parts.hostname or base_url)
        self.model = settings.model
        self._where = parts.netloc + (" (the built-in demo model)" if builtin else "")
        self._policy = PRESETS[settings.preset]
        try:
            self._extra = extra_body(settings.extra_body, self._policy)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"gateway.extra_body: {error}") from None
        self._person_key = person_key or secrets.token_bytes(32)
        self._patience = patience
        self._breaker = breaker or Breaker()
        self._clock = clock
        self._refused: dict[str, frozenset[str]] = {}  # fields that a model's server doesn't take
        self._watch = Watch(settings, parts.path.rstrip("/"), now=now)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._client = self._connect(base_url, settings.api_key.get_secret_value() or "none")
        self._embeddings = Embeddings(
            settings.embedding_model,
            admit=self._watch.admit,
            where=self._where,
            post=self._post_embeddings,
            log=self._log,
            clock=clock,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def stream(
        self,
        messages: Sequence[ChatMessage],
        *,
        model: str | None = None,
        tools: Sequence[Tool] = (),
        person: str = "",
    ) -> AsyncGenerator[str | Completion, None]:
        """Pieces of text as they come, then exactly one Completion, last.

        What fails before the first piece is tried again and, if that doesn't help, raised as a
        GatewayError; what breaks off later ends in a Completion that says so.
        """
        deadline = asyncio.get_running_loop().time() + self._patience.deadline
        ask = self._first(messages, model or self.model, tools, person)
        while True:
            answer, fault = Answer(ask.model), None
            try:
                async with aclosing(self._attempt(ask, answer, deadline)) as pieces:
                    async for piece in pieces:
                        yield piece
            except FaultError as error:
                fault = error.fault
                self._log(fault)
            if fault is None or answer.shown:
                self._succeeded(ask)
                yield answer.completion()
                return
            ask = await self._again(ask, fault, deadline)

    async def embed(
        self, texts: Sequence[str], *, person: str = "", seconds: float = _LISTING
    ) -> list[list[float]]:
        """One vector a text, of the model for that; asked for once. GatewayError without them."""
        return await self._embeddings.of(texts, self._privacy(person), seconds=seconds)

    def takes_tools(self, model: str | None = None) -> bool:
        """False once the server has refused tools for this model."""
        return "tools" not in self._refused.get(model or self.model, frozenset())

    async def check(self, model: str | None = None) -> Check:
        """Whether the gateway answers and knows the model, in one sentence (`confidant doctor`)."""
        model = model or self.model

        async def listing() -> object:
            return await self._ask(self._watch.questions[-1], _LISTING)

        async def word() -> object:
            asked = self.stream([ChatMessage("user", "Say OK.")], model=model)
            async with aclosing(asked) as said:
                return await anext(said)

        return await check(model, self._where, listing=listing, word=word)

    @property
    def observation(self) -> Observation:
        """What has been seen of the gateway so far."""
        return self._watch.observation

    async def look(self) -> None:
        """Ask the gateway's program about itself; GatewayError where that breaks a promise."""
        await self._watch.look(self._ask, self._where)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()

    def _first(
        self, messages: Sequence[ChatMessage], model: str, tools: Sequence[Tool], person: str
    ) -> Ask:
        try:
            self._watch.admit(model)
            self._breaker.admit(self._clock())
        except FaultError as error:
            fault = error.fault
        else:
            dropped = self._refused.get(model, frozenset())
            return Ask(tuple(messages), model, tuple(tools), person, dropped=dropped)
        raise GatewayError(fault.sentence(self._where, model))

    async def _attempt(
        self, ask: Ask, answer: Answer, deadline: float
    ) -> AsyncGenerator[str, None]:
        """One request. Leaving it, by an error or by the person's stop, hangs up at once."""
        with _translated():
            async with asyncio.timeout_at(deadline):
                stream = await self._client.post(
                    "/chat/completions",
                    body=self._body(ask),
                    cast_to=object,
                    stream=True,
                    stream_cls=_stream_class(),
                )
        try:
            async with aclosing(chunks_of(stream)) as chunks:
                while (chunk := await self._next(chunks, deadline, answer)) is not _END:
                    with _translated():
                        piece = answer.take(chunk)
                    if piece:
                        yield piece
                    if answer.full:
                        break
        finally:
            await stream.close()
        if answer.empty or answer.filtered:
            raise FaultError(Fault(Kind.FILTERED if answer.filtered else Kind.EMPTY))

    async def _next(self, chunks: AsyncIterator[object], deadline: float, answer: Answer) -> object:
        """The next chunk; a fault after the answer's end, where only usage follows, is no fault."""
        try:
            with _translated():
                async with asyncio.timeout_at(deadline):
                    return await anext(chunks, _END)
        except FaultError:
            if answer.finished:
                return _END
            raise

    async def _again(self, ask: Ask, fault: Fault, deadline: float) -> Ask:
        """The request to try next, after its wait; GatewayError where trying again can't help."""
        left = deadline - asyncio.get_running_loop().time()
        following = next_try(ask, fault, self._patience, left)
        if following is None:
            self._breaker.note(fault, self._clock())
            raise GatewayError(fault.sentence(self._where, ask.model))
        ask, wait = following
        await asyncio.sleep(wait)
        return ask

    def _succeeded(self, ask: Ask) -> None:
        self._breaker.note(None, self._clock())
        if ask.dropped:
            self._refused[ask.model] = ask.dropped

    def _body(self, ask: Ask) -> dict[str, Any]:
        return {**ask.body(), **self._privacy(ask.person)}

    def _privacy(self, person: str) -> dict[str, Any]:
        """What is on every request, whatever it asks for."""
        fields = self._policy.person_fields
        ids = {name: person_id(self._person_key, person, name) for name in fields}
        return {**ids, **self._extra}

    async def _ask(self, question: Question, seconds: float) -> object:
        url = self._origin + question.path
        with _translated():
            async with asyncio.timeout(seconds):
                if question.body is None:
                    return await self._client.get(url, cast_to=object)
                return await self._client.post(url, body=question.body, cast_to=object)

    async def _post_embeddings(self, body: dict[str, Any]) -> object:
        with _translated():
            return await self._client.post("/embeddings", body=body, cast_to=object)

    def _connect(self, base_url: str, api_key: str) -> "openai.AsyncOpenAI":
        import openai  # noqa: PLC0415  here, so that `--help` doesn't wait for it

        # They log what the server chose to say: reason phrases, headers, URLs.
        for name in ("openai", "httpx2", "httpcore2"):
            logging.getLogger(name).setLevel(logging.WARNING)
        patience = self._patience
        policy, watch = self._policy, self._watch
        rules = Rules(base_url, api_key, self._extra, policy.person_fields, watch.questions)
        http = openai.DefaultAsyncHttpxClient(
            trust_env=False,  # no proxies, not even for loopback, that nobody configured here
            follow_redirects=False,  # a 307 would carry the prompt to anywhere
            timeout=openai.Timeout(patience.silence, connect=patience.connect),
            event_hooks={
                "request": [departing(rules)],
                "response": [arriving(watch.connected)],
            },
        )
        return openai.AsyncOpenAI(
            base_url=base_url, api_key=api_key, max_retries=0, http_client=http
        )

    def _log(self, fault: Fault) -> None:
        log.warning("gateway %s: %s", self._where, fault.noted)


def _stream_class() -> "type[openai.AsyncStream[object]]":
    import openai  # noqa: PLC0415

    return openai.AsyncStream[object]


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what the SDK raises into a FaultError; the one table of its exceptions."""
    import openai  # noqa: PLC0415

    try:
        yield
    except openai.APIStatusError as error:
        fault = fault_of(error.status_code, error.response.headers, error.body)
    except openai.APIConnectionError as error:
        fault = Fault(connection_kind(error))
    except openai.APIError as error:  # an error event inside a stream
        fault = fault_of(status_in(error.body), {}, error.body)
    except TimeoutError:
        fault = Fault(Kind.SILENT)
    except (ValueError, RecursionError):  # not JSON, not UTF-8, or nested without end
        fault = Fault(Kind.GARBLED)
    else:
        return
    raise FaultError(fault)
