"""Private talk: answered without the vault; what was just said is in RAM for half an hour."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from bot.assistant import cost_and_names
from bot.chatting import Exchange, check_quota
from bot.config import Config
from bot.delivery import Address
from bot.messages import Fact, Room, RoomKind, RoomMessage
from bot.processing import Processing
from bot.unkept import PRIVATE, Unkept
from storage import Turn, Vault

EXCHANGES = 6  # of one person in one room: a question and its answer each
CHARACTERS = 2_000  # of each of the two
WINDOWS = 200
WITHIN = timedelta(minutes=30)


class PrivateWindows:
    """What each person said last in each room that is private to them; bounded, and in RAM only."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._windows: dict[tuple[str, str], deque[Turn]] = {}

    def of(self, user_id: str, room: Room) -> tuple[Turn, ...]:
        """What was said there within the last half hour, oldest first.

        A shared room may have been a direct chat: what was said then stays between two.
        """
        self._expire()
        said = self._windows.get((user_id, room.room_id), ())
        return tuple(one for one in said if one.room_kind in (room.kind, RoomKind.SHARED))

    def add(self, message: RoomMessage, room: Room, answer: str) -> None:
        """Note a question and its answer."""
        self._expire()
        key = (message.sender, room.room_id)
        window = self._windows.pop(key, deque[Turn](maxlen=2 * EXCHANGES))
        for role, text in (("user", message.body), ("assistant", answer)):
            window.append(self._turn(message, room, role, text[:CHARACTERS]))
        self._windows[key] = window
        if len(self._windows) > WINDOWS:
            del self._windows[next(iter(self._windows))]

    def drop(self, event_id: str) -> None:
        """Drop a question that was taken back or edited, and its answer."""
        for key, window in self._windows.items():
            kept = [one for one in window if one.event_id != event_id]
            self._windows[key] = deque(kept, maxlen=2 * EXCHANGES)

    def forget(self, user_id: str, room_id: str = "") -> None:
        """Drop what somebody said, in one room or everywhere."""
        gone = [key for key in self._windows if key[0] == user_id and room_id in ("", key[1])]
        for key in gone:
            del self._windows[key]

    def _turn(self, message: RoomMessage, room: Room, role: str, text: str) -> Turn:
        return Turn(
            turn_id=0,
            event_id=message.event_id,
            room_id=room.room_id,
            room_kind=room.kind,
            thread_id=message.thread_id,
            role=role,
            text=text,
            said_at=self._now(),
        )

    def _expire(self) -> None:
        oldest = self._now() - WITHIN
        for key, window in list(self._windows.items()):
            while window and window[0].said_at <= oldest:
                window.popleft()
            if not window:
                del self._windows[key]


class PrivateTalk:
    """Answers what is asked privately: nothing is kept of it but what it cost."""

    def __init__(
        self,
        *,
        config: Config,
        unkept: Unkept,
        processing: Processing,
        windows: PrivateWindows,
        now: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._unkept = unkept
        self._processing = processing
        self._windows = windows
        self._now = now

    async def answer(
        self, exchange: Exchange, vault: Vault, to: Address, *, question: str, goes_on: bool
    ) -> dict[str, Fact]:
        """Answer one message, the `question` in it if there is one; for the audit log.

        Where the talk `goes_on`, in a room that is private, it is known what was just said.
        """
        await check_quota(vault, self._config, self._now())
        message, room = exchange.message, exchange.room
        asked = replace(message, body=question) if question else message
        recent = self._windows.of(message.sender, room) if goes_on else ()
        person = vault.pseudonym
        answer = await self._unkept.answer(
            asked, room, to, called=PRIVATE, recent=recent, person=person, vault=vault
        )
        vault.ensure()  # else it would be known again what was just forgotten
        if goes_on:
            self._windows.add(asked, room, answer.text)
        spent = answer.completion
        await vault.answers.count(
            spent.model, spent.prompt_tokens or 0, spent.completion_tokens or 0, at=self._now()
        )
        return {"private": True, **cost_and_names(answer, self._processing)}

    def forget(self, user_id: str, room_id: str = "") -> None:
        """Drop what somebody said in private, in one room or everywhere."""
        self._windows.forget(user_id, room_id)
