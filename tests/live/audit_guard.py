"""The audit room of every live bot, held against all that the bot could read elsewhere.

Names of people, rooms and events have no place in the feed, and words that people, the model or
the bot's own notices said elsewhere have none in the whole room. Words that stand in the bot's own
source are its own; a sentence made of such words alone is looked for as a whole.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from bot.audit_feed import notice
from storage import FeedItem
from tests.live.bots import REPOSITORY, STARTED, Bot
from tests.live.overheard import Overheard, audit_room_of, overheard, rows

AUDIT = "org.confidant.audit"
FORMATTED = {"body", "formatted_body", "filename"}
TEXTS = FORMATTED | {"displayname", "key", "name", "reason", "topic"}  # what people may write in
RECKONED = re.compile(r"[A-Za-z0-9+/=]{40,}")  # the root and the signature of a head
USER_ID = re.compile(r"@[^\s:]+:[\w.*:-]+")
COMMAND = re.compile(r"!(memory (add|edit \d+|search)|\w+) ?")
WORD, LONG, SENTENCE = 3, 8, 10  # characters: of a word, of one that is found within others, of all
ENTRY = ("seq", "occurred_at", "pseudonym", "action", "outcome", "facts")
UNPOSTED = f"SELECT {', '.join(ENTRY)} FROM audit_feed"


@dataclass(frozen=True, slots=True)
class Post:
    """What is read at one place of an audit room: an entry or a head, or an operator's answer."""

    where: str
    text: str
    is_feed: bool

    def of(self, elsewhere: "Elsewhere") -> Iterator[str]:
        """What of elsewhere is read here."""
        ids = elsewhere.ids | elsewhere.people if self.is_feed else elsewhere.ids
        text = self.text if self.is_feed else USER_ID.sub(" ", self.text)
        folded = text.casefold()
        foreign = elsewhere.words if self.is_feed else elsewhere.words - elsewhere.by_operators
        yield from (one for one in ids | elsewhere.sentences if one in text)
        yield from foreign & words(RECKONED.sub(" ", text))
        yield from (one for one in foreign if len(one) >= LONG and one in folded)


@dataclass(slots=True)
class Elsewhere:
    """What was said and who was there in all other rooms, and what operators typed."""

    own: Set[str]  # the words that the bot has of its own
    words: set[str] = field(default_factory=set)
    sentences: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)  # of rooms and events
    people: set[str] = field(default_factory=set)  # ids, and the names in them
    by_operators: set[str] = field(default_factory=set)

    def take(self, event: Overheard, bot: Bot) -> None:
        """Add what is told by an event of another room than the audit room."""
        self.ids |= {event.event_id, event.room_id}
        if event.state_key == bot.user_id:
            return  # its own name
        about = {event.sender, event.state_key or ""} - {bot.user_id}
        ids = {one for one in about if one.startswith("@")}
        self.people |= ids | {one[1:].partition(":")[0] for one in ids if len(one) > LONG}
        content = event.content or {}
        for said in texts(content):
            self.words |= words(said) - self.own
            if event.sender != bot.user_id or content.get("msgtype") == "m.text":
                self.sentences |= set(sentences(said))


@dataclass(slots=True)
class Guard:
    """What was looked at so far, so that it shows if nothing was."""

    bots: int = 0
    posts: int = 0
    words: int = 0
    sentences: int = 0
    ids: int = 0
    unread: int = 0  # events elsewhere to which no key is there

    def look(self, bot: Bot) -> list[str]:
        """What of elsewhere stands in the audit room of this bot, or will: nothing, it is hoped."""
        room = audit_room_of(bot)
        events = overheard(bot)
        elsewhere, posts = divided(events, room, bot)
        self.bots += 1
        self.posts += len(posts)
        self.words += len(elsewhere.words)
        self.sentences += len(elsewhere.sentences)
        self.ids += len(elsewhere.ids | elsewhere.people)
        self.unread += sum(one.content is None for one in events)
        assert posts, f"nothing was read in the audit room of {bot.config}"
        return sorted({f"{one} in {post.where}" for post in posts for one in post.of(elsewhere)})

    def check(self, *, ended: bool) -> None:
        """Look once at each bot that was ready, after its end; `ended`: at all that are left."""
        for bot in [one for one in STARTED if ended or not one.runs]:
            STARTED.remove(bot)
            found = self.look(bot) if bot.device_id else []
            assert not found, f"content in the audit room of {bot.config}: {found}"


def divided(events: Sequence[Overheard], room: str, bot: Bot) -> tuple[Elsewhere, list[Post]]:
    """What was said elsewhere, and all that the bot said in the audit room or is about to say."""
    elsewhere, posts = Elsewhere(bots_own(bot)), unposted(bot, room)
    for one in events:
        if one.room_id != room:
            elsewhere.take(one, bot)
        elif one.sender != bot.user_id:
            elsewhere.by_operators |= words(" ".join(texts(one.content or {})))
        elif one.type not in {"m.room.member", "m.room.redaction"}:
            assert one.content is not None, f"{one.event_id} of the audit room can't be read"
            posts.append(posted(one, one.content))
    return elsewhere, posts


def posted(event: Overheard, content: Mapping[str, Any]) -> Post:
    """An event as a post; a message that holds no entry and no head answers an operator."""
    is_feed = AUDIT in content or event.state_key is not None
    return Post(event.event_id, "\n".join(strings(content)), is_feed)


def unposted(bot: Bot, room: str) -> list[Post]:
    """What waits to be posted, as it would be: a short test is over before its turn."""

    def post(row: tuple[Any, ...]) -> Post:
        entry = dict(zip(ENTRY, row, strict=True)) | {"facts": json.loads(row[-1])}
        one = notice([FeedItem(**entry)], room)
        return Post(f"entry {row[0]}", "\n".join([one.text, *strings(one.fields)]), is_feed=True)

    return [post(one) for one in rows(bot.data / "shared.db", UNPOSTED)]


def strings(value: object) -> Iterator[str]:
    """All strings in a JSON value, the names of its fields too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield name
            yield from strings(one)
    elif isinstance(value, Sequence):
        for one in value:
            yield from strings(one)


def texts(content: Mapping[str, Any]) -> Iterator[str]:
    """What people may have written in the content of an event."""
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from texts(value)
        elif isinstance(value, str) and name in TEXTS:
            yield value


def words(text: str) -> set[str]:
    """The words of a text, without numbers."""
    found = {one.casefold() for one in re.findall(r"[^\W_]+", text)}
    return {one for one in found if len(one) >= WORD and not one.isdigit()}


def sentences(text: str) -> Iterable[str]:
    """The lines of a text, without the commands at their beginning; no lone names as of formats."""
    lines = (COMMAND.sub("", line.strip(), count=1) for line in text.splitlines())
    return (one for one in lines if len(one) >= SENTENCE and (" " in one or not one.isascii()))


def bots_own(bot: Bot) -> frozenset[str]:
    """The words that the bot has of its own: those of its source, and its model's name."""
    gateway = tomllib.loads(bot.config.read_text())["gateway"]
    return _of_the_source() | words(" ".join(map(str, gateway.values())))


@cache
def _of_the_source() -> frozenset[str]:
    """Without the demo, which plays the model."""
    files = [*REPOSITORY.glob("bot/**/*.py"), *REPOSITORY.glob("storage/**/*.py")]
    own = (one.read_text() for one in files if "demo" not in one.parts)
    return frozenset(words("\n".join(own)))
