"""The bot's own embeddings path, over a socket to a small model beside it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks._minilm import MODEL, serving
from bot.config import load_config
from bot.embedding import Embedding
from bot.gateway import Gateway
from storage import Vault


@asynccontextmanager
async def embedding(*, wanted: bool) -> AsyncIterator[Embedding]:
    """The bot's embeddings path, through its gateway to a server of our own."""
    if not wanted:
        yield Embedding()
        return
    with serving() as address:
        config = load_config(
            None,
            {
                "CONFIDANT_HOMESERVER__URL": "https://bench.invalid",
                "CONFIDANT_HOMESERVER__USER_ID": "@confidant:bench.invalid",
                "CONFIDANT_GATEWAY__BASE_URL": address,
                "CONFIDANT_GATEWAY__MODEL": "none",
                "CONFIDANT_GATEWAY__EMBEDDING_MODEL": MODEL,
            },
        )
        async with Gateway(config.gateway, base_url=address) as gateway:
            # How good it is doesn't depend on how busy this machine is.
            yield Embedding(gateway, MODEL, question_seconds=60, batch_seconds=120)


async def caught_up(vault: Vault, embedding: Embedding) -> None:
    """Let every turn have its vector, which takes the bot several answers."""
    missing: int | None = None
    while (left := len(await vault.vectors.missing(limit=1_000_000))) != missing:
        missing = left
        await embedding.catch_up(vault)
