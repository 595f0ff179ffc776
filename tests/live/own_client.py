"""The account and the keys of a stopped bot, in the hands of a test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.config import load_config
from bot.matrix.client import MatrixClient, open_client
from storage import MasterKey, open_storage
from tests.live.bots import Bot


@asynccontextmanager
async def own_client(bot: Bot) -> AsyncIterator[MatrixClient]:
    """The bot's own device; it neither syncs nor answers."""
    config, key = load_config(bot.config, {}), MasterKey.load("", bot.data)
    async with (
        open_storage(bot.data, key) as storage,
        open_client(
            config.homeserver,
            data=bot.data,
            master_key=key,
            rooms=storage.rooms,
            readings=storage.readings,
            share_keys_with=config.privacy.share_keys_with,
            device_name="Confidant",
        ) as client,
    ):
        yield client
