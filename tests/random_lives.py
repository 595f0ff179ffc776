"""Random lives with the bot: everything that leaves traces, in texts that are found again anywhere.

Each text of a person holds a word of theirs that no other text holds, and so does what the model
answers them. Their events have names that can be looked for, too.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

from bot.completions import Completion
from bot.errors import GatewayError
from bot.messages import Attachment, Outgoing
from bot.room_events import Reaction
from storage.clock import to_text
from tests.hostile_exports import MEMORY, TURN, document
from tests.spine import ANN, BOB, EVE, Spine, calls, remembers

PEOPLE = {ANN: "!ann", BOB: "!bob", EVE: "!eve"}
COMMANDS = """
    memory add {}|memory add {}|memory add {}|memory add {}|memory edit 1 {}|memory edit 2 {}|memory
    memory show 1|memory delete 1|memory pin 1|memory share 1|memory share 2|memory search {}
    memory approve 1|memory reject 2|memory mode ask|memory mode ask|memory mode auto
    memory mode off|memory digest on|why|export|export json|private {}|private on|private off
    retention 30d|audit|privacy|forget 1|forget last|forget 1h|forget room|help memory|{}
    memory nonsense {}|export --passphrase|import
"""
WISHES = "Remember that I like {}.|I like {}.|I like {}.|My doctor says I like {}.|> {}\n\nReally?"


@dataclass
class Life:
    """People who talk with the bot as a seed has it."""

    bot: Spine
    chance: Random
    told: dict[str, list[str]] = field(default_factory=dict)  # by person, all their words
    events: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # theirs, and the rooms
    done: Counter[str] = field(default_factory=Counter)  # what was seen to be done, and how often

    async def go(self, steps: int) -> None:
        """Let everybody do something at random; the first of them at least says something."""
        await self.talk(ANN)
        for _ in range(steps):
            person = self.chance.choices([*PEOPLE], weights=[10, 2, 1])[0]
            await self.chance.choice(self._doings())(person)
            self.bot.clock.forward(minutes=self.chance.randrange(1, 200))

    def _doings(self) -> list[Callable[[str], Awaitable[None]]]:
        often = [self.talk] * 6 + [self.command] * 5 + [self.edit, self.react] * 2
        seldom = [self.redact, self.fail, self.by_the_clock, self.bring, self.forget]
        return [*often, *seldom]

    async def talk(self, person: str) -> None:
        """Say something, in the direct chat or a shared room; the model may want to learn it."""
        word = self.word(person)
        text = self.chance.choice(WISHES.split("|")).format(word)
        answer = self.word(person)
        likes = remembers(f"Likes {word}", f"I like {word}", saying=f"So {answer} then.")
        looks = calls(("search_history", {"query": word}), saying=f"I look for {answer}.")
        saying: list[str | Completion] = [likes, likes, likes, looks, f"What I know of {answer}."]
        self.bot.model.answers = [self.chance.choice(saying), f"And {answer}."]
        await self.say(person, text)

    async def command(self, person: str) -> None:
        """Type a command, and sometimes answer what it asks."""
        lines = [one.strip() for line in COMMANDS.splitlines() for one in line.split("|") if one]
        line = self.chance.choice([one for one in lines if one])
        await self.say(person, "!" + line.format(self.word(person)))
        if line.startswith("forget") and self.chance.random() < 0.7:
            await self.say(person, "yes", room_id=PEOPLE[person])
        if line.endswith("--passphrase") and self.chance.random() < 0.7:
            told = await self.say(person, self.word(person), room_id=PEOPLE[person])
            self.done["export --passphrase"] += any(one.attachment for one in told)

    async def forget(self, person: str) -> None:
        """Have what was just said forgotten, and a little more."""
        await self.talk(person)
        line = self.chance.choice(["forget last", "forget 1h"])
        await self.say(person, f"!{line}", room_id=PEOPLE[person])
        told = await self.say(person, "yes", room_id=PEOPLE[person])
        self.done[line] += any(one.text.startswith("Forgotten") for one in told)

    async def bring(self, person: str) -> None:
        """Import a small export, as a reply to the file."""
        room_id = PEOPLE[person]
        sent = self.event(person, room_id)
        file = Attachment("export.json", "application/json", self._export(person, room_id))
        self.bot.homeserver.files[room_id, sent] = (person, file)
        told = await self.say(person, "!import", room_id=room_id, reply_to=sent)
        self.done["import"] += any("1 memory, 2 messages" in one.text for one in told)

    def _export(self, person: str, room_id: str) -> bytes:
        question, answer = (self.event(person, room_id) for _ in range(2))
        at = {"room_id": room_id, "said_at": to_text(self.bot.clock())}
        asked = {**TURN, **at, "event_id": question, "text": self.word(person)}
        said = {"role": "assistant", "note": self.word(person), "answers_event_id": question}
        told = {**asked, **said, "turn_id": 2, "event_id": answer, "text": self.word(person)}
        memory = {**MEMORY, "text": self.word(person), "quote": self.word(person)}
        return document(turn=[asked, told], memory=[{**memory, "source_event_id": question}])

    async def edit(self, person: str) -> None:
        """Change something that was said."""
        if self.events.get(person):
            event_id, room_id = self.chance.choice(self.events[person])
            self.bot.model.answers = [f"Now {self.word(person)}."]
            edit = self.event(person, room_id)
            await self.accept(edit, room_id)
            text = f"I like {self.word(person)} instead."
            await self.bot.edit(event_id, text, person, room_id, event_id=edit)

    async def redact(self, person: str) -> None:
        """Take something back."""
        if self.events.get(person):
            event_id, room_id = self.chance.choice(self.events[person])
            await self.bot.redact(event_id, person, room_id)

    async def react(self, person: str) -> None:
        """Answer a notice of the bot with a reaction."""
        notices = [
            event_id
            for event_id, one in self.bot.homeserver.ids().items()
            if one.room_id == PEOPLE[person]
        ]
        if notices:
            event_id, room_id = self.event(person, PEOPLE[person]), PEOPLE[person]
            await self.accept(event_id, room_id)
            chosen, yes = self.chance.choice(notices), self.chance.random() < 0.5
            await self.bot.give(Reaction(event_id, room_id, person, chosen, yes))

    async def fail(self, person: str) -> None:
        """Ask what the gateway can't answer, or what is a bug."""
        word = self.word(person)
        self.bot.model.answers = [self.chance.choice([GatewayError("away"), ValueError(word)])]
        await self.say(person, f"What of {word}?")

    async def by_the_clock(self, person: str) -> None:
        """A day goes by."""
        self.bot.clock.forward(days=1)
        for job in self.bot.daily.values():
            await job()

    async def say(
        self, person: str, text: str, *, room_id: str = "", reply_to: str | None = None
    ) -> list[Outgoing]:
        """Say it in a room, to the bot."""
        room_id = room_id or self.chance.choice([PEOPLE[person], PEOPLE[person], "!all"])
        event_id = self.event(person, room_id)
        await self.accept(event_id, room_id)
        shared = room_id == "!all"
        return await self.bot.say(
            text, person, room_id, mentions_bot=shared, reply_to=reply_to, event_id=event_id
        )

    async def accept(self, event_id: str, room_id: str) -> None:
        """As the dispatcher does before anything is done."""
        await self.bot.storage.inbox.accept([(event_id, room_id)], "t")

    def word(self, person: str) -> str:
        """A new word of this person."""
        words = self.told.setdefault(person, [])
        words.append(f"{mark(person)}{len(words)}end")
        return words[-1]

    def event(self, person: str, room_id: str) -> str:
        """The id of a new event of this person."""
        events = self.events.setdefault(person, [])
        events.append((f"${mark(person)}event{len(events)}", room_id))
        return events[-1][0]


def mark(person: str) -> str:
    """What all words of a person begin with, and nobody else's."""
    return f"zq{person[1:4]}canary"
