"""When texts become vectors: a question before its answer, what was said after it."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from bot.errors import GatewayError
from storage import Asked, Vault

log = logging.getLogger(__name__)

CHARACTERS = 2_000  # of one text; models read some hundred words and leave out the rest
BATCH = 32
QUESTION_SECONDS = 2.0  # how long an answer waits for it; then words alone have to do
CATCH_UP_SECONDS = 3.0  # after so long no further batch is begun: the room waits for this
BATCH_SECONDS = 10.0


class Embedder(Protocol):
    """An embedding model behind a gateway."""

    async def embed(
        self, texts: Sequence[str], *, person: str = "", seconds: float = ...
    ) -> list[list[float]]:
        """One vector a text, all of the same length; raises GatewayError."""
        ...


class Embedding:
    """The vectors of a person's texts, where a model is configured that may see them."""

    def __init__(
        self,
        embedder: Embedder | None = None,
        model: str = "",
        *,
        question_seconds: float = QUESTION_SECONDS,
        batch_seconds: float = BATCH_SECONDS,
    ) -> None:
        self._embedder = embedder
        self._question_seconds = question_seconds
        self._batch_seconds = batch_seconds
        self._model = model if embedder else ""

    async def of_question(self, text: str, vault: Vault) -> Asked | None:
        """The question as a vector; None where there is no model, or it doesn't answer at once."""
        if self._embedder is None or not text.strip():
            return None
        try:
            [vector] = await self._embedder.embed(
                [text[:CHARACTERS]], person=vault.pseudonym, seconds=self._question_seconds
            )
        except GatewayError:
            log.warning("the question has no vector, so it is searched for by its words alone")
            return None
        return Asked(self._model, vector)

    async def catch_up(self, vault: Vault) -> None:
        """Give vectors to what has none, for a few seconds; the rest follows after later answers.

        Another model's vectors are deleted, and all of them once no model is configured.
        """
        await vault.vectors.only(self._model)
        if self._embedder is None:
            return
        clock = asyncio.get_running_loop().time
        until = clock() + CATCH_UP_SECONDS
        try:
            while await self._batch(self._embedder, vault) and clock() < until:
                pass
        except GatewayError:
            log.warning("what was said could not be given vectors; it is tried again later")

    async def _batch(self, embedder: Embedder, vault: Vault) -> bool:
        """Embed what lacks a vector, at most one request's worth; whether there may be more."""
        texts = await vault.vectors.missing(limit=BATCH)
        if not texts:
            return False
        vectors = await embedder.embed(
            [one.text[:CHARACTERS] for one in texts],
            person=vault.pseudonym,
            seconds=self._batch_seconds,
        )
        await vault.vectors.keep(self._model, texts, vectors)
        return len(texts) == BATCH
