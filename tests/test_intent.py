"""Before an effect its entry: what can't be recorded isn't done, and what was done is recorded."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bot.audit_view import told
from bot.errors import (
    AuditUnavailableError,
    GatewayError,
    HomeserverError,
    HomeserverUnavailableError,
)
from bot.messages import Outgoing, Room, RoomMessage, Standing, Successor
from bot.replies import TOO_FAST
from bot.room_events import (
    Alone,
    Edit,
    Invite,
    Reaction,
    Redaction,
    RoomEvent,
    Undecryptable,
    Upgraded,
)
from storage import StorageFailure, audit_log
from storage.audit_entry import salted
from storage.database import Database, Transaction
from tests.spine import ANN, BOT, EVE, Spine, calls, configured, disclosed, remembers, spine

SAID = "I live in Rome"
COMMANDS = [
    "!memory add I like tea",
    "!memory edit 1 I live in Oslo",
    "!memory delete 1",
    "!memory pin 1",
    "!memory mode off",
    "!memory digest on",
    "!retention 7d",
    "!private on",
]


class CrashError(BaseException):
    """The process ends here: nothing of the bot's may catch it."""


@dataclass
class Trap:
    """Crashes once, before or after the step of this number; a step is a transaction or a send."""

    steps: int
    after: bool = False
    sprung: bool = False

    def is_sprung(self, *, after: bool) -> bool:
        """Whether the crash is now. Each step asks before and after it."""
        self.steps -= not after
        if self.steps == -1 and after is self.after and not self.sprung:
            self.sprung = True
            return True
        return False


@contextmanager
def armed(bot: Spine, trap: Trap) -> Iterator[None]:
    """Set the trap at every transaction of every database, and at every send."""
    transaction, send = Database.transaction, bot.homeserver.send

    @asynccontextmanager
    async def trapped(self: Database) -> AsyncIterator[Transaction]:
        if trap.is_sprung(after=False):
            raise CrashError
        async with transaction(self) as one:
            yield one
        if trap.is_sprung(after=True):
            raise CrashError

    async def trapped_send(outgoing: Outgoing) -> str:
        if trap.is_sprung(after=False):
            raise CrashError
        event_id = await send(outgoing)
        if trap.is_sprung(after=True):
            raise CrashError
        return event_id

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "transaction", trapped)
        patch.setattr(bot.homeserver, "send", trapped_send)
        yield


@dataclass(frozen=True)
class State:
    """What of a vault may be changed by an effect that has to be recorded."""

    memories: dict[int, tuple[Any, ...]]
    said: frozenset[str]
    settings: dict[str, str]

    @classmethod
    async def of(cls, bot: Spine) -> "State":
        async with bot.storage.vaults.open(ANN) as vault:
            tables = await vault.export()
        shares = Counter(row["memory_id"] for row in tables["memory_share"])
        chosen = ("memory.mode", "retention", "digest", "private !ann")
        return cls(
            {
                row["memory_id"]: (
                    (row["text"], row["pinned"], row["status"]),
                    shares[row["memory_id"]],
                )
                for row in tables["memory"]
            },
            frozenset(row["event_id"] for row in tables["turn"] if row["role"] == "user"),
            {row["name"]: row["value"] for row in tables["setting"] if row["name"] in chosen},
        )

    def until(self, later: "State") -> Counter[tuple[str, str]]:
        """The actions and targets that must be in the audit log once each."""
        done: Counter[tuple[str, str]] = Counter()
        for number in self.memories.keys() | later.memories.keys():
            target = f"memory {number}"
            before, now = self.memories.get(number), later.memories.get(number)
            if before is None or now is None:
                done["memory.created" if now else "memory.deleted", target] += 1
                continue
            if before[0] != now[0]:
                was_pending = before[0][2] == "pending"
                done["memory.created" if was_pending else "memory.updated", target] += 1
            if before[1] != now[1]:
                done["memory.shared", target] += 1
        done["settings.changed", ""] += self.settings != later.settings
        done["forget.done", ""] += not self.said <= later.said
        return +done


async def recorded(bot: Spine, *, since: int) -> Counter[tuple[str, str]]:
    """Actions and targets of what Ann's part of the audit log says was done."""
    async with bot.storage.vaults.open(ANN) as vault:
        entries = await disclosed(bot.storage.audit_log, vault)
    kinds = ("memory.created", "memory.updated", "memory.deleted", "memory.shared")
    return Counter(
        (one.action, one.target)
        for seq, one in entries
        if seq > since
        and one.outcome == "ok"
        and one.action in (*kinds, "settings.changed", "forget.done")
    )


Prepare = Callable[[Spine], Awaitable[RoomEvent]]


def message(bot: Spine, body: str) -> RoomMessage:
    return RoomMessage("$m", "!ann", ANN, body, bot.clock(), True)


def saying(body: str) -> Prepare:
    async def prepare(bot: Spine) -> RoomEvent:
        bot.model.answers = [remembers("Lives in Rome", SAID)]
        await bot.say(SAID, event_id="$rome")
        return message(bot, body)

    prepare.__name__ = body
    return prepare


async def learning(bot: Spine) -> RoomEvent:
    await bot.say("hello")
    bot.model.answers = [remembers("Lives in Rome", SAID), "Nice.", "Nice."]
    return message(bot, SAID)


async def learning_better(bot: Spine) -> RoomEvent:
    await saying("")(bot)
    once = remembers("Lives in Oslo", "I live in Oslo")
    bot.model.answers = [once, "Nice.", "Nice."]
    return message(bot, "Now I live in Oslo")


async def unlearning(bot: Spine) -> RoomEvent:
    await saying("")(bot)
    forget = ("forget_memory", {"number": 1, "quote": "Forget that I live in Rome"})
    bot.model.answers = [calls(forget, saying="Done."), "Done.", "Done."]
    return message(bot, "Forget that I live in Rome")


async def redacting(bot: Spine) -> RoomEvent:
    await saying("")(bot)
    return Redaction("$m", "!ann", ANN, "$rome")


async def editing(bot: Spine) -> RoomEvent:
    await saying("")(bot)
    return Edit(message(bot, "I live nowhere"), "$rome")


async def sharing(bot: Spine) -> RoomMessage:
    await saying("")(bot)
    return replace(message(bot, "!memory share 1"), room_id="!all", mentions_bot=True)


async def forgetting(bot: Spine) -> RoomEvent:
    await saying("")(bot)
    await bot.say("!forget room")
    return message(bot, "yes")


async def approving(bot: Spine) -> Reaction:
    await bot.say("!memory mode ask")
    bot.model.answers = [remembers("Lives in Rome", SAID)]
    await bot.say(SAID, event_id="$rome")
    asked = next(one for one, sent in bot.homeserver.ids().items() if "React" in sent.text)
    return Reaction("$m", "!ann", ANN, asked, True)


async def rejecting(bot: Spine) -> RoomEvent:
    return replace(await approving(bot), yes=False)


async def deleting_what_a_proposal_would_change(bot: Spine) -> RoomMessage:
    await saying("")(bot)
    await bot.say("!memory mode ask")
    bot.model.answers = [remembers("Lives in Oslo", "I live in Oslo")]
    await bot.say("Now I live in Oslo")
    return message(bot, "!memory delete 1")


async def approving_a_change(bot: Spine) -> RoomEvent:
    event = await deleting_what_a_proposal_would_change(bot)
    return replace(event, body="!memory approve 2")


async def editing_what_is_shared(bot: Spine) -> RoomEvent:
    event = await sharing(bot)
    await bot.give(replace(event, event_id="$share"))
    return message(bot, "!memory edit 1 I live in Oslo")


async def learning_better_than_what_is_shared(bot: Spine) -> RoomEvent:
    event = await sharing(bot)
    await bot.give(replace(event, event_id="$share"))
    once = remembers("Lives in Oslo", "I live in Oslo")
    bot.model.answers = [once, "Nice.", "Nice."]
    return message(bot, "Now I live in Oslo")


async def redacting_what_was_said_twice(bot: Spine) -> RoomEvent:
    event = await redacting(bot)
    bot.model.answers = [remembers("Lives in Rome", "I live in Rome")]
    await bot.say("As I told you, I live in Rome")
    return event


EVENTS = [
    learning,
    learning_better,
    unlearning,
    redacting,
    editing,
    sharing,
    forgetting,
    approving,
    rejecting,
    deleting_what_a_proposal_would_change,
    approving_a_change,
    editing_what_is_shared,
    learning_better_than_what_is_shared,
    redacting_what_was_said_twice,
    *(saying(body) for body in COMMANDS),
]


def name(event: Prepare) -> str:
    return event.__name__


async def handled(bot: Spine, event: RoomEvent) -> None:
    """Hand an event on; after a crash as the next start does."""
    try:
        await bot.handler.handle(event)
    except CrashError:
        if ("$m", "!ann") not in await bot.storage.inbox.unfinished():
            return
        if isinstance(event, RoomMessage):
            event = replace(event, recovered=True)
        if isinstance(event, Edit):
            event = replace(event, message=replace(event.message, recovered=True))
        await bot.handler.handle(event)


@pytest.mark.parametrize("prepare", EVENTS, ids=name)
async def test_wherever_it_crashes_what_was_done_is_recorded_once_and_nothing_else(
    tmp_path: Path, prepare: Prepare
) -> None:
    for step in range(60):
        before, after = [
            await crashed(tmp_path / f"{step} {after}", prepare, Trap(step, after=after))
            for after in (False, True)
        ]
        if not (before or after):
            assert step > 3
            return
    raise AssertionError("it never ends")


async def crashed(path: Path, prepare: Prepare, trap: Trap) -> bool:
    """Compare what was done with what is recorded; whether there was a crash."""
    async with spine(path, pool_size=0) as bot:
        event = await prepare(bot)
        await bot.storage.inbox.accept([("$m", "!ann")], "s1")
        before, since = await State.of(bot), await _last(bot)
        with armed(bot, trap):
            await handled(bot, event)
        done = before.until(await State.of(bot))
        assert await recorded(bot, since=since) == done, trap
    assert done or trap.sprung, "it does something, unless a crash kept it from that"
    return trap.sprung


async def editing_an_earlier_message(bot: Spine) -> RoomEvent:
    event = await editing(bot)
    await bot.say("And now?")
    return event


async def editing_into_a_command(bot: Spine) -> RoomEvent:
    await saying("")(bot)
    return Edit(message(bot, "!memory"), "$rome")


async def editing_into_a_private_question(bot: Spine) -> RoomEvent:
    await saying("")(bot)
    return Edit(message(bot, "!private where do I live?"), "$rome")


async def editing_while_paused(bot: Spine) -> RoomEvent:
    event = await editing(bot)
    await bot.storage.access.pause()
    return event


async def editing_too_fast(bot: Spine) -> RoomEvent:
    event = await editing(bot)
    while await bot.text("!help") != TOO_FAST:
        pass
    return event


async def redacting_what_is_not_kept_any_more(bot: Spine) -> RoomEvent:
    event = await redacting(bot)
    await bot.say("!retention 1d")
    bot.clock.forward(days=9)
    await bot.daily["retention"]()
    return event


async def commanding_with_another_identity(bot: Spine) -> RoomEvent:
    await bot.say("hello")
    return replace(message(bot, "!memory"), standing=Standing.CHANGED)


async def failing(bot: Spine) -> RoomEvent:
    await bot.say("hello")
    bot.model.answers = [GatewayError("gone")]
    return message(bot, "hello?")


async def inviting_to_nowhere(bot: Spine) -> RoomEvent:
    await bot.say("hello")
    return Invite("!nowhere", ANN)


async def sending_without_a_key(bot: Spine) -> RoomEvent:
    await bot.say("hello")
    return Undecryptable("$m", "!ann", ANN, "session")


ORDINARY = [
    *EVENTS,
    editing_an_earlier_message,
    editing_into_a_command,
    editing_into_a_private_question,
    editing_while_paused,
    editing_too_fast,
    redacting_what_is_not_kept_any_more,
    commanding_with_another_identity,
    failing,
    inviting_to_nowhere,
    sending_without_a_key,
]


@pytest.mark.parametrize("prepare", ORDINARY, ids=name)
async def test_where_nothing_crashes_nothing_is_told_as_cut_short(
    tmp_path: Path, prepare: Prepare
) -> None:
    async with spine(tmp_path) as bot:
        event = await prepare(bot)
        await bot.storage.inbox.accept([("$m", "!ann")], "s1")
        since = await _last(bot)

        await bot.handler.handle(event)

        assert await _last(bot) > since
        assert [one for one in await told_to_ann(bot) if one[1] == "begun"] == []


async def test_a_message_that_cannot_be_read_is_told_of_once(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        said = await bot.give(await sending_without_a_key(bot))

        assert len(said) == 1
        assert (await told_to_ann(bot))[-1] == ("message.undecryptable", "failed")
        assert (await bot.audited()).count(("message.undecryptable", "failed")) == 1


@pytest.mark.parametrize("error", [HomeserverError, HomeserverUnavailableError])
async def test_a_digest_that_is_not_taken_has_failed(
    tmp_path: Path, error: type[HomeserverError]
) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("!memory digest on")
        await bot.say("!memory add I like tea")
        bot.clock.forward(days=8)
        bot.homeserver.broken_rooms["!ann"] = error("refused")

        with suppress(HomeserverUnavailableError):
            await bot.daily["digest"]()

        assert (await told_to_ann(bot))[-1] == ("memory.used", "failed")
        assert [one for one in await told_to_ann(bot) if one[1] == "begun"] == []


async def told_to_ann(bot: Spine) -> list[tuple[str, str]]:
    """Actions and outcomes as `!audit` would tell them, oldest first."""
    async with bot.storage.vaults.open(ANN) as vault:
        disclosed = await bot.storage.audit_log.disclosed(vault)
    return [(one.action, one.outcome) for _, one in told(disclosed)]


async def _last(bot: Spine) -> int:
    async with bot.storage.vaults.open(ANN) as vault:
        [(seq, _)] = (await disclosed(bot.storage.audit_log, vault))[:1]
    return seq


async def test_what_a_failure_kept_out_of_the_log_is_recorded_before_the_vault_is_used_again(
    tmp_path: Path,
) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("hello")
        with pytest.raises(StorageFailure, match="broken"):
            async with bot.storage.vaults.open(ANN) as vault:
                await vault.memories.add(SAID, origin="person", quote="", room_kind="direct")
                raise StorageFailure("broken")

        async with bot.storage.vaults.open(ANN) as vault:
            [(_, entry), *_] = (await disclosed(bot.storage.audit_log, vault))[:9]

        assert (entry.actor, entry.action, entry.target) == (ANN, "memory.created", "memory 1")
        assert entry.facts == {"recovered": True}


@contextmanager
def full() -> Iterator[None]:
    """Nothing can be written into the audit log."""

    async def publish(*_: object) -> int:
        raise StorageFailure("shared.db: the disk is full")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit_log, "_publish", publish)
        yield


async def everything(bot: Spine) -> dict[str, list[dict[str, Any]]]:
    async with bot.storage.vaults.open(ANN) as vault:
        tables = await vault.export()
    return {table: rows for table, rows in tables.items() if table != "audit_detail"}


def outside(bot: Spine) -> tuple[object, ...]:
    """What others have seen of the bot."""
    home = bot.homeserver
    sent = (*home.sent, *home.greetings)
    return (sent, len(bot.model.requests), [*home.entered], [*home.left], [*home.redacted])


@pytest.mark.parametrize(
    "prepare",
    [*EVENTS, saying("hello"), saying("!help"), saying("!export"), saying("!unknown")],
    ids=name,
)
async def test_what_cannot_be_recorded_is_not_done(tmp_path: Path, prepare: Prepare) -> None:
    async with spine(tmp_path) as bot:
        event = await prepare(bot)
        await bot.storage.inbox.accept([("$m", "!ann")], "s1")
        kept, seen = await everything(bot), outside(bot)

        with full(), pytest.raises(AuditUnavailableError):
            await bot.handler.handle(event)

        assert await everything(bot) == kept
        assert outside(bot) == seen
        assert await bot.storage.inbox.unfinished() == [("$m", "!ann")]


@pytest.mark.parametrize("body", ["hello", "!help", "!memory add I like tea"])
async def test_nobody_gets_a_vault_that_cannot_be_recorded(tmp_path: Path, body: str) -> None:
    async with spine(tmp_path) as bot:
        with full(), pytest.raises(AuditUnavailableError):
            await bot.say(body)

        assert not await bot.storage.vaults.exists(ANN)
        assert outside(bot) == ((), 0, [], [], [])


async def test_nobody_is_told_that_they_are_refused_where_that_cannot_be_recorded(
    tmp_path: Path,
) -> None:
    async with spine(tmp_path) as bot:
        with full(), pytest.raises(AuditUnavailableError):
            await bot.say("hello", EVE, "!eve")

        assert bot.homeserver.sent == []


@pytest.mark.parametrize(
    "event", [Invite("!ann", ANN), Invite("!eve", EVE), Alone("!lone"), Upgraded("!old")], ids=str
)
async def test_no_room_is_entered_or_left_where_that_cannot_be_recorded(
    tmp_path: Path, event: RoomEvent
) -> None:
    async with spine(tmp_path) as bot:
        home = bot.homeserver
        home.rooms["!lone"] = Room("!lone", frozenset({BOT}), encrypted=True)
        home.rooms["!old"] = home.rooms["!new"] = Room("!old", frozenset({BOT, ANN}), True)
        home.inside = {"!lone", "!old"}
        home.successors["!old"] = Successor("!new", via="x.org")
        home.predecessors["!new"] = "!old"
        seen = outside(bot)

        with full(), pytest.raises(AuditUnavailableError):
            await bot.handler.handle(event)

        assert outside(bot) == seen


@pytest.mark.parametrize("job", ["retention", "unanswered proposals", "digest"])
async def test_no_job_does_what_cannot_be_recorded(tmp_path: Path, job: str) -> None:
    async with spine(tmp_path, configured(memory={"retention": "7d"})) as bot:
        await bot.say("!memory digest on")
        await approving(bot)
        await bot.say("!memory add I like tea")
        bot.clock.forward(days=30)
        kept, seen = await everything(bot), outside(bot)

        with full(), pytest.raises(AuditUnavailableError):
            await bot.daily[job]()

        assert await everything(bot) == kept
        assert outside(bot) == seen


@pytest.mark.parametrize("after", [False, True])
async def test_what_a_job_erased_before_a_crash_is_recorded(tmp_path: Path, after: bool) -> None:
    async with spine(tmp_path, configured(memory={"retention": "7d"}), pool_size=0) as bot:
        await bot.say("hello")
        bot.clock.forward(days=30)
        record = audit_log.AuditLog.record

        async def crash(self: Any, entries: Any, *more: Any, **further: Any) -> list[int]:
            if entries[0].outcome == "begun":
                return await record(self, entries, *more, **further)
            if after:
                await more[0].keep_audit_details([salted(one) for one in entries])
            raise CrashError

        with pytest.MonkeyPatch.context() as patch, pytest.raises(CrashError):
            patch.setattr(audit_log.AuditLog, "record", crash)
            await bot.daily["retention"]()

        done = [one for one in await bot.audited() if one[0] in ("retention.swept", "forget.done")]
        assert done == [("retention.swept" if after else "forget.done", "ok")]


async def test_intents_are_in_the_log_and_not_in_the_feed(tmp_path: Path) -> None:
    async with spine(tmp_path) as bot:
        await bot.say("hello", event_id="$m")
        async with bot.storage.vaults.open(ANN) as vault:
            entries = [one for _, one in (await disclosed(bot.storage.audit_log, vault))[:9]]
        feed = await bot.storage.audit_log.feed(limit=99)

        ended, begun, made = entries
        assert (made.action, made.outcome) == ("vault.created", "ok")
        assert (begun.action, begun.outcome, begun.target) == ("message.answered", "begun", "$m")
        assert begun.facts == {"room": "direct", "chat": True}
        assert (ended.action, ended.outcome, ended.target) == ("message.answered", "ok", "$m")
        assert [one.outcome for one in feed] == ["ok", "ok"]
        assert [one.seq for one in feed] == [2, 4], "the vault's and the message's intents are 1, 3"
