"""The hand-written cases of memory, each through the real command path on real storage."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.completions import ChatMessage, Completion, ToolCall
from bot.messages import Outgoing, Room, RoomMessage
from bot.prompt import MEMORIES
from bot.room_events import Edit, Reaction, Redaction
from tests import memory_steps as steps
from tests.memory_cases import CASES
from tests.memory_steps import Case, Step
from tests.spine import ANN, BOB, BOT, Spine, configured, spine

FILLER = (
    *("orchards", "lanterns", "harbours", "pebbles", "saddles"),
    *("kettles", "thimbles", "meadows", "anchors", "ribbons"),
)


@dataclass(slots=True)
class Story:
    """A case as it goes on: the bot, what was said under which name, what the last step led to."""

    bot: Spine
    said: dict[str, RoomMessage] = field(default_factory=dict)
    sent: list[Outgoing] = field(default_factory=list)
    asked: int = 0  # the number of the first request of the last question

    async def take(self, step: Step) -> None:
        """Let it happen, or see that it is so."""
        match step:
            case steps.Say():
                await self._say(step)
            case steps.Overhear(text, by, room):
                await self.bot.say(text, by, room)
            case steps.Type(line, by, room):
                self.sent = await self.bot.say(line, by, room)
            case steps.Add(count):
                for number in range(count):
                    await self.bot.say(f"!memory add My {_filler(number)} are in drawer {number}")
            case steps.Chat(count, room):
                for number in range(count):
                    await self.bot.say(f"Thinking of {_filler(number)} today", ANN, room)
            case steps.Edit(name, text, answer):
                await self._edit(name, text, answer)
            case steps.Redact(name):
                gone = self.said[name]
                event_id = f"$redaction-of-{self.said[name].event_id}"
                await self._happens(Redaction(event_id, gone.room_id, gone.sender, gone.event_id))
            case steps.React(yes, by):
                await self._react(by, yes=yes)
            case steps.Later(days):
                self.bot.clock.forward(days=days)
                for job in getattr(self.bot, "daily", {}).values():
                    await job()
            case steps.Joins(room, who):
                there = self.bot.homeserver.rooms[room]
                self.bot.homeserver.rooms[room] = Room(room, there.members | {who}, encrypted=True)
            case _:
                await self._see(step)

    async def _see(self, step: Step) -> None:
        match step:
            case steps.Remembered(has, lacks):
                _compare(_memories(self._requests()), has, lacks)
            case steps.Told(has, lacks):
                _compare(_told(self._requests()), has, lacks)
            case steps.Answered(has, lacks, room):
                said = [one.text for one in self.sent if room in ("", one.room_id)]
                assert said
                _compare("\n".join(said), has, lacks)
            case steps.Listed(has, lacks, by):
                home = steps.HOME if by == ANN else "!bob"
                _compare(await self.bot.text("!memory", by, home), has, lacks)
            case steps.Offered(has, lacks):
                _compare(" ".join(self.bot.model.tools[self.asked]), has, lacks)
            case steps.Nowhere(texts, by):
                async with self.bot.storage.vaults.open(by) as vault:
                    kept = json.dumps(await vault.export(), ensure_ascii=False)
                _compare(kept, (), texts)

    async def _say(self, step: steps.Say) -> None:
        self.asked = len(self.bot.model.requests)
        self.bot.model.answers = [*_answers(step.calls, step.answer)]
        event_id = f"$named-{len(self.said)}" if step.name else ""
        shared = len(self.bot.homeserver.rooms[step.room].members) > 2
        self.sent = await self.bot.say(
            step.text, step.by, step.room, mentions_bot=shared, event_id=event_id
        )
        if step.name:
            self.said[step.name] = RoomMessage(
                event_id, step.room, step.by, step.text, self.bot.clock(), encrypted=True
            )
        self.bot.model.answers = []

    async def _edit(self, name: str, text: str, answer: str) -> None:
        before = self.said[name]
        self.bot.model.answers = [answer]
        edited = RoomMessage(
            f"$edit-of-{before.event_id}",
            before.room_id,
            before.sender,
            text,
            self.bot.clock(),
            encrypted=True,
        )
        await self._happens(Edit(edited, before.event_id))
        self.bot.model.answers = []

    async def _react(self, by: str, *, yes: bool) -> None:
        notice = next(
            one for one in reversed(self.bot.homeserver.sent) if "May I remember" in one.text
        )
        event_id = self.bot.homeserver.events[notice.transaction_id]
        reaction = Reaction(f"$reaction-{by}", notice.room_id, by, event_id, yes)
        await self._happens(reaction)

    async def _happens(self, event: Edit | Redaction | Reaction) -> None:
        await self.bot.storage.inbox.accept([(event.event_id, event.room_id)], "s")
        self.sent = await self.bot.give(event)

    def _requests(self) -> list[Sequence[ChatMessage]]:
        """Those that the last question led to."""
        return self.bot.model.requests[self.asked :]


def _answers(calls: tuple[steps.Call, ...], answer: str) -> list[str | Completion | Exception]:
    """A model that calls tools says nothing yet where it searches, else it answers at once."""
    if not calls:
        return [answer]
    made = tuple(
        ToolCall(f"c{number}", one.name, json.dumps(one.arguments))
        for number, one in enumerate(calls)
    )
    if any(one.name == "search_history" for one in calls):
        return [Completion("", "scripted", tool_calls=made), answer]
    return [Completion(answer, "scripted", tool_calls=made)]


def _memories(requests: list[Sequence[ChatMessage]]) -> str:
    _, found, rest = requests[0][0].content.partition(MEMORIES)
    return rest.partition("\n\n")[0] if found else ""


def _told(requests: list[Sequence[ChatMessage]]) -> str:
    """Without the question: the last thing that the person said."""
    last = max(at for at, one in enumerate(requests[0]) if one.role == "user")
    told = [one for request in requests for at, one in enumerate(request) if at != last]
    return "\n".join(one.content for one in told)


def _filler(number: int) -> str:
    return f"{FILLER[number % 10]} and {FILLER[number // 10 % 10]}"


def _compare(text: str, has: tuple[str, ...], lacks: tuple[str, ...]) -> None:
    for one in has:
        assert one.casefold() in text.casefold()
    for one in lacks:
        assert one.casefold() not in text.casefold()


@pytest.mark.parametrize("case", CASES, ids=lambda one: f"{one.group}: {one.name}")
async def test_memory_does_what_its_owner_expects(tmp_path: Path, case: Case) -> None:
    config = configured(limits={"messages_per_minute": "1000"})
    async with spine(tmp_path, config) as bot:
        club = frozenset({BOT, ANN, BOB})
        bot.homeserver.rooms["!club"] = Room("!club", club, encrypted=True)
        story = Story(bot)

        for step in case.steps:
            await story.take(step)


def test_there_are_fifty_cases_at_least_and_no_two_of_a_name() -> None:
    assert len(CASES) >= 50
    assert len({(one.group, one.name) for one in CASES}) == len(CASES)
