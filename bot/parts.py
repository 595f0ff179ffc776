"""The events that hold a growing text: which part stands in which event, and how it reads."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from bot.growing import Growing
from bot.messages import Outgoing
from bot.splitting import split_text

LEFT_OVER = "*(part of an answer that changed)*"


class Parts:
    """A text in a room, part by part.

    `outgoing` makes an event of a text and the name of the part; `ensure` raises where nothing may
    be shown any more. `event_ids` are the events that hold a part, those of before among them;
    `said` is all that was sent here: edits first, for a homeserver need not list them once what
    they edit is redacted.
    """

    def __init__(
        self,
        send: Callable[[Outgoing], Awaitable[str]],
        outgoing: Callable[[str, str], Outgoing],
        event_ids: Sequence[str],
        *,
        ensure: Callable[[], None],
    ) -> None:
        self._send = send
        self._outgoing = outgoing
        self._ensure = ensure
        self._shown = ["" for _ in event_ids]
        self._edits = 0
        self.event_ids = list(event_ids)
        self.said: list[str] = []

    async def finish(self, growing: Growing, *, edit_anyway: bool) -> None:
        """Show the end; after a failure only what had begun to show is brought to an end."""
        text = growing.final_text()
        if text.strip():
            await self.show(text, final=True, edit_anyway=edit_anyway)

    async def show(self, text: str, *, final: bool, edit_anyway: bool = False) -> None:
        """Bring the room up to `text`; a part is finished once there is a part behind it."""
        parts = split_text(text)
        for number, part in enumerate(parts):
            finished = final or number < len(parts) - 1
            await self._show_part(number, part, finished=finished, edit_anyway=edit_anyway)

    async def leave_over(self, begin: int) -> None:
        """Say of the parts from this one on that nothing stands there any more."""
        for number in range(begin, len(self.event_ids)):
            await self._show_part(number, LEFT_OVER, finished=True, edit_anyway=False)

    async def _show_part(
        self, number: int, text: str, *, finished: bool, edit_anyway: bool
    ) -> None:
        state = text if finished else text + "\0live"
        if number < len(self._shown) and self._shown[number] == state:
            return
        if number == len(self.event_ids):
            event_id = await self._say(self._outgoing(text, f"part {number}"), finished=finished)
            self.event_ids.append(event_id)
            self.said.append(event_id)
            self._shown.append(state)
            if not edit_anyway:
                return
        self._edits += 1
        name = f"final {number}" if finished else f"edit {number}.{self._edits}"
        edit = replace(self._outgoing(text, name), replaces=self.event_ids[number])
        self.said.insert(0, await self._say(edit, finished=finished))
        self._shown[number] = state

    async def _say(self, event: Outgoing, *, finished: bool) -> str:
        self._ensure()
        return await self._send(replace(event, live=not finished))
