"""The first contact: once, a person is told that this is a program, what it keeps and who sees it.

In a shared room that is one line: the others there did not ask, and a direct chat that nobody
opened would be one invitation more. The whole follows when the person writes in a direct chat.
"""

import logging
from dataclasses import replace

from bot import consent_words, preferences
from bot.config import Config
from bot.delivery import Delivery, address
from bot.durations import brief
from bot.errors import HomeserverError, HomeserverUnavailableError
from bot.messages import Reply, Room, RoomKind, RoomMessage
from bot.processing import Processing
from storage import Vault

log = logging.getLogger(__name__)

# The settings that say how much of it was said. Two, for what is said in a shared room must not
# undo that the whole was said meanwhile.
GREETED = {RoomKind.DIRECT: "greeted in direct", RoomKind.SHARED: "greeted in shared"}
HELLO = "I am Confidant: an AI, a program and not a person."
"""How each greeting begins."""


class Greeting:
    """Says it before the first answer; after a crash under the same transaction id."""

    def __init__(self, config: Config, processing: Processing, delivery: Delivery) -> None:
        self._config = config
        self._processing = processing
        self._delivery = delivery

    async def greet(self, message: RoomMessage, room: Room, vault: Vault) -> None:
        """Say what this person was not told yet, as far as it belongs in this room."""
        if await self._knows(vault, RoomKind.DIRECT) or await self._knows(vault, room.kind):
            return
        text = await (self._whole(vault) if room.kind is RoomKind.DIRECT else self._line(vault))
        to = replace(address(message, room).about("greeting"), mention=None)
        try:
            await self._delivery.send(Reply(text), to)
        except HomeserverUnavailableError:
            raise
        except HomeserverError:  # it must not be in the way of what the person wants
            log.warning("a greeting was refused; the next message tries again")
        else:
            await vault.set_setting(GREETED[room.kind], "yes")

    async def _knows(self, vault: Vault, kind: RoomKind) -> bool:
        return await vault.setting(GREETED[kind]) is not None

    async def _line(self, vault: Vault) -> str:
        prefix = self._prefix
        mode = await preferences.mode(vault, self._config)
        learned = f"your memory mode is **{mode}**"
        if not self._processing.memory_allowed:
            learned = "I learn nothing about you from it"
        return (
            f"{HELLO} What you say to me here, and what I answer, I keep in an encrypted vault of "
            f"your own; {learned}. `{prefix}memory mode` and `{prefix}privacy` tell you more, in "
            "a direct chat."
        )

    async def _whole(self, vault: Vault) -> str:
        prefix = self._prefix
        mode = await preferences.mode(vault, self._config)
        meaning = consent_words.meaning(mode, prefix)
        if not self._processing.memory_allowed:
            meaning = consent_words.UNTRUSTED_GATEWAY
        return (
            f"**{HELLO}** What you should know about talking with me:\n\n"
            f"- **What is kept:** what you write to me and what I answer, {await self._span(vault)}"
            f", in an encrypted vault of your own on {self._server()}. No other person's "
            "question can reach it.\n"
            f"- **What I remember:** your memory mode is **{mode}**. {meaning} "
            f"`{prefix}memory mode` changes that.\n"
            f"- **Who sees it:** that server, while I answer{self._gateway()}.\n"
            f"- **What you can do:** `{prefix}memory` shows what I remember, `{prefix}privacy` who "
            f"can read this, `{prefix}forget everything` erases all of it, and `{prefix}help` "
            "lists the rest."
        )

    async def _span(self, vault: Vault) -> str:
        kept = await preferences.retention(vault, self._config)
        return "until you delete it" if kept is None else f"for {brief(kept)}"

    def _server(self) -> str:
        named = self._processing.operator
        return f"the server of my operator ({named})" if named else "my operator's server"

    def _gateway(self) -> str:
        stated = self._processing
        if stated.builtin:
            return "; the model runs inside me, so the text goes nowhere else"
        return (
            f", and the model “{stated.model}” at {stated.gateway_host}, which gets each question "
            "with what I add from memory"
        )

    @property
    def _prefix(self) -> str:
        return self._config.service.command_prefix
