"""Many people who talk with the bot at once, and everything that could be mixed up between them.

Every text holds a canary, a random word that is known by who said it and where. People, rooms and
events have random names too, so that each of them is recognised wherever it turns up.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

from aiohttp import web

from bot.messages import Outgoing, Room, RoomMessage
from tests.responder import Captured, Exchange, answer, call, error
from tests.spine import BOT

CANARY = re.compile(r"canary[0-9a-f]{16}")
MARKER = re.compile(r"asked[0-9a-f]{16}")
NAMED = re.compile(r"(?:who|where|event|device)[0-9a-f]{16}")  # people, rooms, events, devices
_SAID = re.compile(r"[Mm]y \w+ is called canary\w+")
_SEEN = re.compile(r"^(?:member \d+|the person who asks|- [^:\]]*[:\]]):? (.*)$", re.MULTILINE)

THINGS = """
    cat dog boat bicycle guitar garden tractor canary tent kite piano horse lighthouse bakery choir
    telescope aquarium drone vineyard chessboard
""".split()  # noqa: SIM905  a list is harder to read


@dataclass(frozen=True, slots=True)
class Canary:
    """Who said it, in which room, and whether to the bot: what others overhear is not kept."""

    owner: str
    room: str
    to_the_bot: bool


@dataclass(slots=True)
class Crowd:
    """People with a direct chat each, and rooms that some of them share."""

    random: Random
    direct: dict[str, str] = field(default_factory=dict)  # person to room
    shared: dict[str, list[str]] = field(default_factory=dict)  # room to its people
    canaries: dict[str, Canary] = field(default_factory=dict)
    asked: dict[str, tuple[str, str]] = field(default_factory=dict)  # marker to person and room
    first: dict[str, str] = field(default_factory=dict)  # person to the canary of their memory 1
    lent: dict[str, set[str]] = field(default_factory=dict)  # room to what was shared there

    @property
    def rooms(self) -> dict[str, Room]:
        """What a homeserver says of the rooms."""
        members = {room: [person] for person, room in self.direct.items()} | self.shared
        return {
            room: Room(room, frozenset({BOT, *people}), encrypted=True)
            for room, people in members.items()
        }

    def word(self, kind: str) -> str:
        """A word that nobody has said before."""
        return f"{kind}{self.random.randbytes(8).hex()}"

    def says(self, person: str, room: str, words: str, *, to_the_bot: bool = True) -> RoomMessage:
        """A message of theirs, with a canary of its own and, for the bot, a question's marker."""
        self.canaries[canary := self.word("canary")] = Canary(person, room, to_the_bot)
        body = words.format(thing=self.random.choice(THINGS), canary=canary)
        if to_the_bot and not body.startswith("!"):
            self.asked[marker := self.word("asked")] = (person, room)
            body += f" {marker}?"
        return RoomMessage(
            f"${self.word('event')}",
            room,
            person,
            body,
            datetime(2026, 1, 1, 12, tzinfo=UTC),
            encrypted=True,
            mentions_bot=to_the_bot,
            device_id=self.word("device"),
        )


def crowd(people: int, rooms: int, *, members: int, seed: int = 4) -> Crowd:
    """So many people; each of the rooms is shared by some of them, most people are in several."""
    made = Crowd(Random(seed))
    for _ in range(people):
        made.direct[f"@{made.word('who')}:x.org"] = f"!{made.word('where')}:x.org"
    for _ in range(rooms):
        made.shared[f"!{made.word('where')}:x.org"] = made.random.sample([*made.direct], members)
    return made


def first_words(those: Crowd) -> Iterator[RoomMessage]:
    """Everybody has told the bot alone something to remember; some are asked from then on."""
    for number, (person, room) in enumerate(those.direct.items()):
        if number % 5 == 0:
            yield those.says(person, room, "!memory mode ask")
        for _ in range(2):
            said = those.says(person, room, "!memory add My {thing} is called {canary}")
            those.first.setdefault(person, CANARY.findall(said.body)[0])
            yield said


def words_for_rooms(those: Crowd) -> Iterator[RoomMessage]:
    """Something is remembered in the rooms with others, and two lend what they told the bot alone.

    That is the first thing that it remembers of them.
    """
    for room, people in those.shared.items():
        for person in people:
            yield those.says(person, room, "!memory add Here my {thing} is called {canary}")
        for person in people[:2]:
            those.lent.setdefault(room, set()).add(those.first[person])
            yield those.says(person, room, "!memory share 1")


def one_round(those: Crowd, *, in_shared: int) -> Iterator[RoomMessage]:
    """Everybody asks in their direct chat; in each shared room some ask, and some only talk."""
    for person, room in those.direct.items():
        yield those.says(person, room, "My {thing} is called {canary}. What are all their names,")
    for room, people in those.shared.items():
        for person in those.random.sample(people, in_shared):
            yield those.says(person, room, "By the way, my {thing} is {canary}", to_the_bot=False)
        for person in those.random.sample(people, in_shared):
            yield those.says(person, room, "In here my {thing} is called {canary}. And others,")


class Forgetful:
    """A model that takes turns at remembering, at searching, and at keeping what isn't theirs.

    At every other question its server is too busy first, and is asked again.
    """

    def __init__(self) -> None:
        self._turn = 0
        self._busy: set[str] = set()

    async def __call__(self, exchange: Exchange) -> web.StreamResponse:
        """Answer one request; where it called tools before, in words."""
        body = exchange.captured.body
        marker = MARKER.findall(question(body))[-1]
        if marker[-1] in "02468ace" and marker not in self._busy:
            self._busy.add(marker)
            return await error(503)(exchange)
        [own, *_] = [*_SAID.findall(question(body)), question(body)]
        calls: list[dict[str, Any]] = []
        if body["messages"][-1]["role"] == "user":
            self._turn += 1
            calls = list(self._calls(own, body))
        return await answer(*([] if calls else [f"I see, {own}"]), calls=calls)(exchange)

    def _calls(self, own: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        offered = {tool["function"]["name"] for tool in body.get("tools", ())}
        match self._turn % 4:
            case 0 if "remember" in offered:
                yield _calling("remember", 0, {"text": own, "quote": own})
            case 1 if "remember" in offered:
                seen = _SEEN.findall(body["messages"][0]["content"])
                for number, words in enumerate(seen[-3:]):
                    yield _calling("remember", number, {"text": words, "quote": words})
            case 2 if "search_history" in offered:
                yield _calling("search_history", 0, {"query": "what is called canary"})


def _calling(name: str, number: int, arguments: dict[str, Any]) -> dict[str, Any]:
    return {**call(name, arguments, call_id=f"call_{number}"), "index": number}


def question(body: dict[str, Any]) -> str:
    """What the person asks in a request, whatever tools were called since."""
    return str([one["content"] for one in body["messages"] if one["role"] == "user"][-1])


def breaches(those: Crowd, requests: Sequence[Captured]) -> list[str]:
    """A sentence for everything in these requests that should not be there."""
    return [breach for one in requests for breach in _breaches(those, one)]


def _breaches(those: Crowd, request: Captured) -> Iterator[str]:
    person, room = asker(those, request)
    for word in sorted(set(CANARY.findall(request.text))):
        if not _may_be_told(those, word, person, room):
            yield f"{word} is told to {person} in {room}"
    for name in sorted(set(NAMED.findall(request.text + json.dumps(request.headers)))):
        yield f"{name} is named to the gateway"


def _may_be_told(those: Crowd, word: str, person: str, room: str) -> bool:
    """In a direct chat what they told the bot anywhere; in a room with others what was said there.

    And what they lend there. Stricter than need be: our model repeats nobody but the one who asks.
    """
    canary = those.canaries[word]
    if those.direct[person] == room:
        return canary.owner == person and canary.to_the_bot
    lent = word in those.lent.get(room, ()) and canary.owner == person
    return canary.room == room or lent


def indiscretions(those: Crowd, sent: Sequence[Outgoing]) -> list[str]:
    """A sentence for everything that the bot says in a room and that belongs into another."""
    homes = {room: person for person, room in those.direct.items()}
    return [
        f"{word} is said in {one.room_id}"
        for one in sent
        for word in sorted(set(CANARY.findall(one.text)))
        if not (
            those.canaries[word].owner == homes[one.room_id]
            if one.room_id in homes
            else those.canaries[word].room == one.room_id
        )
    ]


def asker(those: Crowd, request: Captured) -> tuple[str, str]:
    """Who asked what this request answers, and where."""
    return those.asked[MARKER.findall(question(request.body))[-1]]
